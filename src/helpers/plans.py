"""A study to be, as one value: people, visits, predictors, effects and analysis; and what the analysis converges to.

Person i is seen at wave w (t months from the mean of the waves) and has, for each predictor k,

    x_kiw = mean_k + between_k b_ki + within_k e_kiw      (binary: one where that, on a normal scale, is above a cut)
    y_iw  = sum_k (average_k + by_time_k t) (x_kiw - mean_k) + course t + u0_i + u1_i t + e_iw

with normal b, e, u; b_k correlates with u0 by `confounding_k`. The analysis is the linear mixed model of the same
terms, by `helpers.reml`. Two truths go with an estimate: the *causal effect* (average_k, by_time_k), and the *limit*,
what the model converges to with people without number; they differ where there is confounding. The limit is exact:
the model is fitted to expected moments.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from keyword import iskeyword
from numbers import Real

import numpy as np
import pandas as pd
from scipy import stats

from helpers import cohort, study
from helpers.reml import Moments, Waves

PEOPLE = 1e9  # of the population whose moments give the limit
_SDS = ("intercept_sd", "slope_sd", "residual_sd")


@dataclass(frozen=True)
class Predictor:
    """A predictor that changes from visit to visit (or, with `within` 0, does not).

    `average` is its effect at the mean of the waves, `by_time` what the effect gains a month, both in outcome units
    for one unit of the predictor. With `tested` False (or `by_time` None, which stands for 0) the analysis leaves the
    product with time out. `between` and `within` are SDs of people's levels and of visits about them; of a binary
    predictor they count on the normal scale behind it, where only their ratio matters, and `mean` is its share.
    `confounding` is the correlation of people's levels with their random intercept.
    """

    name: str
    mean: float = 0.0
    between: float = 1.0
    within: float = 1.0
    average: float = 0.0
    by_time: float | None = 0.0
    binary: bool = False
    confounding: float = 0.0
    tested: bool = True


def _study(outcome: str = "pda") -> dict:
    """What the study's cohort assumes for an outcome, as the fields of a plan; see `cohort.Parameters`."""
    p = cohort.Parameters()
    of = lambda name: getattr(p, f"{outcome}_{name}")
    months = study.FOLLOW_UPS[-1] - study.FOLLOW_UPS[0]
    unit = {"contact": p.contact_scale, "alliance": p.alliance_scale}
    spread = {
        "contact": np.array([np.hypot(p.contact_between, p.contact_propensity), p.contact_within]),
        "alliance": np.array([p.alliance_between, p.alliance_within]),
    }
    spread["contact"] *= p.contact_scale / np.hypot(*spread["contact"])  # from log odds to days a week
    confounded = of("propensity") / np.hypot(of("propensity"), of("intercept"))
    shared = {"contact": p.contact_propensity / np.hypot(p.contact_between, p.contact_propensity)}
    shared["alliance"] = p.alliance_propensity
    tested = tuple(
        Predictor(
            name,
            {"contact": p.contact_centre, "alliance": p.alliance_level}[name],
            *(float(value) for value in spread[name]),
            of("sd") / unit[name] * of(name),
            of("sd") / unit[name] * of(f"{name}_change") / months,
            confounding=float(shared[name] * confounded),
        )
        for name in ("contact", "alliance")
    )
    covariates = (
        Predictor("entry", 0.0, of("sd"), 0.0, 0.0, None),
        Predictor("female", p.female, 1.0, 0.0, 0.0, None, binary=True),
    )
    level = np.mean(of("level")[1:]) + of("sponsor")
    window = p.window[-1]
    if outcome == "attendance":  # negative binomial counts in a window, as meetings a week
        residual = np.sqrt(7 / window * level + level**2 / p.attendance_precision)
    else:  # beta-binomial: days of the window, as PDA; activities of six
        top, trials = {"pda": (100, window), "involvement": (6, 6)}[outcome]
        share, excess = level / top, 1 / (of("precision") + 1)
        residual = top * np.sqrt(share * (1 - share) * (1 + (trials - 1) * excess) / trials)
    return {
        "outcome": outcome,
        "predictors": tested + covariates,
        "course": float((of("level")[-1] - of("level")[1]) / months),
        "intercept_sd": float(np.hypot(of("propensity"), of("intercept"))),
        "slope_sd": of("slope"),
        "residual_sd": float(residual),
    }


_PDA = _study()


@dataclass(frozen=True)
class Plan:
    """A study to be: whom, when, what, and how it is analysed. The defaults are the study's, for PDA (`Plan.study`).

    persons : how many enter
    waves : months of the follow-ups, in any spacing
    retention : share of them with a usable visit at each wave (here: seen, with a sponsor, both measures answered)
    persistence : correlation of the tendencies to be seen at two waves; at 0 waves are missed independently
    predictors : see `Predictor`
    course : change of the outcome's mean a month
    intercept_sd, slope_sd (a month), correlation : of people's own lines; residual_sd : of visits about them
    random : random terms of the analysis, "1 + time" or "1"
    alpha : of the two-sided tests; intervals are at 1 - alpha

    Raises ValueError, naming the field, for what cannot be.
    """

    persons: int = 302
    waves: tuple[float, ...] = study.FOLLOW_UPS
    retention: tuple[float, ...] = (0.38, 0.28, 0.24)
    persistence: float = 0.62
    outcome: str = _PDA["outcome"]
    predictors: tuple[Predictor, ...] = _PDA["predictors"]
    course: float = _PDA["course"]
    intercept_sd: float = _PDA["intercept_sd"]
    slope_sd: float = _PDA["slope_sd"]
    correlation: float = 0.0
    residual_sd: float = _PDA["residual_sd"]
    random: str = "1 + time"
    alpha: float = study.ALPHA

    @classmethod
    def study(cls, outcome: str = "pda") -> "Plan":
        """The study's own plan for one of its outcomes: attendance, involvement or pda."""
        if outcome not in study.OUTCOMES:
            raise ValueError(f"outcome: {outcome!r} is not one of {', '.join(study.OUTCOMES)}")
        return cls(**_study(outcome))

    def __post_init__(self) -> None:
        for name in ("waves", "retention", "predictors"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        wrong = self._wrong()
        if wrong:
            raise ValueError(f"plan: {wrong}")
        object.__setattr__(self, "persons", int(self.persons))

    def _wrong(self) -> str | None:
        waves, names = self.waves, [p.name for p in self.predictors]
        said = [(key, value) for key, value in asdict(self).items() if key not in ("predictors", "outcome", "random")]
        said += [(f"{p.name}: {key}", v) for p in self.predictors for key, v in asdict(p).items() if key != "name"]
        for key, value in said:
            numbers = value if isinstance(value, tuple) else [0 if value is None and key.endswith("by_time") else value]
            if not all(isinstance(number, Real) and np.isfinite(number) for number in numbers):
                return f"{key} is {value!r}; it must be finite numbers"
        if self.persons < 1 or self.persons != int(self.persons):
            return f"persons is {self.persons}; it must be a whole number of 1 or more"
        if len(set(waves)) < len(waves) or len(waves) < 2 or len(waves) > 12:
            return f"waves are {waves}; give 2 to 12 different months"
        if len(self.retention) != len(waves):
            return f"retention has {len(self.retention)} values for {len(waves)} waves"
        if not all(0 < share <= 1 for share in self.retention):
            return f"retention is {self.retention}; every share must be above 0 and at most 1"
        if not 0 <= self.persistence < 1:
            return f"persistence is {self.persistence}; it must be at least 0 and below 1"
        if min(self.intercept_sd, self.slope_sd) < 0 or self.residual_sd <= 0 or abs(self.correlation) > 1:
            held = ", ".join(f"{key} is {getattr(self, key)}" for key in (*_SDS, "correlation"))
            return f"{held}; SDs must not be negative, residual_sd must be above 0, correlation within -1 and 1"
        if self.random not in ("1", "1 + time"):
            return f"random is {self.random!r}; it must be '1' or '1 + time'"
        if len(waves) <= 2 and self.random != "1":
            return "2 waves cannot carry a random intercept and slope beside a residual; say random='1'"
        if not 0 < self.alpha < 1:
            return f"alpha is {self.alpha}; it must be between 0 and 1"
        words = [*names, self.outcome]
        taken = [*words, *(f"{word}_mean" for word in words), "time", "wave", "Intercept"]
        if len(set(taken)) < len(taken) or not all(word.isidentifier() and not iskeyword(word) for word in words):
            return (
                f"predictors are named {names}, the outcome {self.outcome!r}; names must differ (also from time, wave, "
                "Intercept, and another's with _mean) and be of letters, digits and _"
            )
        for p in self.predictors:
            if min(p.between, p.within) < 0 or p.between + p.within == 0:
                return f"{p.name}: between and within must not be negative, nor both 0"
            if p.binary and not 0 < p.mean < 1:
                return f"{p.name}: mean is {p.mean}; a binary predictor's is its share, between 0 and 1"
            if abs(p.confounding) > 1:
                return f"{p.name}: confounding is {p.confounding}; a correlation lies within -1 and 1"
        if sum(p.confounding**2 for p in self.predictors) > 1:
            return "the predictors' confounding squared add up to more than 1"
        return None

    @property
    def terms(self) -> tuple[str, ...]:
        """The coefficients of the analysis, in order."""
        names = [p.name for p in self.predictors]
        products = (f"{p.name}:time" for p in self.predictors if p.tested and p.by_time is not None)
        return ("Intercept", *names, "time", *products)

    @property
    def effects(self) -> dict[str, float]:
        """The causal effects by term: of predictors, and of products with time."""
        average = {p.name: p.average for p in self.predictors}
        return average | {f"{p.name}:time": p.by_time for p in self.predictors if p.by_time is not None}

    def set(self, term: str, value: float) -> "Plan":
        """The same plan with the effect of `term` (`contact`, `contact:time`) at another value."""
        if term not in self.effects:
            raise ValueError(f"no effect {term!r}; there are {', '.join(self.effects)}")
        name, product = term.removesuffix(":time"), term.endswith(":time")
        change = {"by_time" if product else "average": value}
        return replace(self, predictors=tuple(replace(p, **change) if p.name == name else p for p in self.predictors))

    @property
    def time(self) -> np.ndarray:
        """Months from the mean of the waves."""
        return np.array(self.waves, float) - np.mean(self.waves)


def limit(plan: Plan) -> pd.Series:
    """What the plan's model converges to, by term: its fit to the expected moments of people without number.

    Exact but for the integrals: each pair's second moments are known (of binary predictors from the bivariate normal
    distribution), and sets of waves have their probabilities from the one tendency to be seen.
    """
    return _limit(plan).copy()


@cache
def _limit(plan: Plan) -> pd.Series:
    K = len(plan.waves)
    V = _expected(plan)
    nodes, weight = np.polynomial.hermite_e.hermegauss(64)
    cut = stats.norm.ppf(plan.retention) - np.sqrt(plan.persistence) * nodes[:, None]
    seen = stats.norm.cdf(cut / np.sqrt(1 - plan.persistence))
    stay = sum(not p.within for p in plan.predictors)
    kinds, m, parts = np.arange(1, 1 << K), [], []
    for kind in kinds:
        here = waves_of(kind, K)
        m.append(PEOPLE * (weight @ np.where(here, seen, 1 - seen).prod(1)) / weight.sum())
        keep = np.r_[: 1 + stay, 1 + stay + np.flatnonzero(np.repeat(here, len(plan.predictors) - stay + 1))]
        parts.append(m[-1] * V[np.ix_(keep, keep)])
    found = model_of(plan, kinds, np.array(m), parts).fit(ddf="none").fixed["estimate"][list(plan.terms)]
    size = np.diag(_basis(plan))[:-1]
    return found.where(found.abs() * size > 1e-9 * plan.residual_sd, 0.0)  # what rounding leaves of a zero


def _expected(plan: Plan) -> np.ndarray:
    """Second moments of [1, what stays, what varies and the outcome at each wave] of someone seen at every wave."""
    K, t, k = len(plan.waves), plan.time, len(plan.predictors)
    # Correlations of the standard normal z behind each predictor at each wave, and of z with u0.
    total = np.array([np.hypot(p.between, p.within) for p in plan.predictors])
    level = np.array([p.between * p.confounding for p in plan.predictors]) / total
    zz = np.outer(level, level)[:, None, :, None] * np.ones((1, K, 1, K))
    for j, p in enumerate(plan.predictors):
        zz[j, :, j] = (p.between / total[j]) ** 2 + (p.within / total[j]) ** 2 * np.eye(K)
    xx, xu = np.empty_like(zz), np.empty(k)  # second moments of x about its mean, and of x with u0 / SD
    for i, p in enumerate(plan.predictors):
        # Of a binary x, one where z is above a cut h: E[x u0] = cov(z, u0) phi(h).
        xu[i] = level[i] * stats.norm.pdf(stats.norm.isf(p.mean)) if p.binary else level[i] * total[i]
        for j, other in enumerate(plan.predictors):
            xx[i, :, j] = np.vectorize(lambda r, a=p, b=other: _product(a, b, r))(zz[i, :, j])
    b = np.array([p.average + (p.by_time or 0) * t for p in plan.predictors]).reshape(k, K)
    shared = plan.correlation * plan.intercept_sd * plan.slope_sd
    Z, u = np.stack([np.ones(K), t], 1), np.array([[plan.intercept_sd**2, shared], [shared, plan.slope_sd**2]])
    own = plan.intercept_sd + plan.correlation * plan.slope_sd * t  # covariance of u0 / SD with u0 + u1 t
    xy = np.einsum("iwjv,jv->iwv", xx, b) + xu[:, None, None] * own
    cross = np.einsum("iw,i,v->wv", b, xu, own)
    yy = np.einsum("iw,iwjv,jv->wv", b, xx, b) + cross + cross.T
    yy += Z @ u @ Z.T + plan.residual_sd**2 * np.eye(K) + plan.course**2 * np.outer(t, t)
    # In the order of people's vectors: 1, what stays, then wave by wave what varies and the outcome.
    second = np.zeros((1 + (k + 1) * K,) * 2)
    second[0, 0] = 1
    second[1 : 1 + k * K, 1 : 1 + k * K] = xx.reshape(k * K, k * K)
    second[1 : 1 + k * K, 1 + k * K :] = xy.reshape(k * K, K)
    second[1 + k * K :, 1 : 1 + k * K] = xy.reshape(k * K, K).T
    second[1 + k * K :, 1 + k * K :] = yy
    second[0, 1 + k * K :] = second[1 + k * K :, 0] = plan.course * t
    stay = [1 + j * K for j, p in enumerate(plan.predictors) if not p.within]
    vary = [j for j, p in enumerate(plan.predictors) if p.within] + [k]
    place = [0, *stay, *(1 + j * K + w for w in range(K) for j in vary)]
    return second[np.ix_(place, place)]


def _product(a: Predictor, b: Predictor, r: float) -> float:
    """E[x_a x_b] of two centred predictors whose standard normals correlate by r."""
    sd = [np.hypot(p.between, p.within) for p in (a, b)]
    if not a.binary and not b.binary:
        return r * sd[0] * sd[1]
    h = [stats.norm.ppf(p.mean) if p.binary else 0.0 for p in (a, b)]
    if a.binary and b.binary:
        whole = r > 1 - 1e-12
        both = min(a.mean, b.mean) if whole else stats.multivariate_normal.cdf(h, None, [[1, r], [r, 1]], True)
        return float(both) - a.mean * b.mean
    return r * stats.norm.pdf(h[0] if a.binary else h[1]) * (sd[1] if a.binary else sd[0])


def waves_of(kind: int, K: int) -> np.ndarray:
    """Which of K waves the bits of `kind` name."""
    return (kind >> np.arange(K)) & 1 == 1


def model_of(plan: Plan, kinds: Sequence[int], m: np.ndarray, V: Sequence[np.ndarray]) -> Moments:
    """The plan's model on second moments V of [1, what stays, what varies at each wave], by pattern."""
    K, waves = len(plan.waves), np.array(plan.waves, float)
    stay, vary = ([p.name for p in plan.predictors if bool(p.within) == varies] for varies in (False, True))
    vary.append(plan.outcome)
    people = Waves(
        tuple(stay),
        tuple(vary),
        tuple(tuple(waves[waves_of(kind, K)].tolist()) for kind in kinds),
        np.zeros(1 + len(stay) + len(vary)),
        m,
        tuple(V),
    )
    coding = {"time": dict(zip(waves.tolist(), plan.time.tolist(), strict=True))}
    return people.model(f"{plan.outcome} ~ {' + '.join(plan.terms[1:])}", plan.random, coding, _basis(plan))


def _basis(plan: Plan) -> np.ndarray:
    """A diagonal R that brings each column of W to about unit size."""
    spread = np.sqrt(np.mean(plan.time**2))
    sd = {
        p.name: np.sqrt(p.mean * (1 - p.mean)) if p.binary else np.hypot(p.between, p.within) for p in plan.predictors
    }
    size = {"Intercept": 1.0, "time": spread} | sd | {f"{name}:time": value * spread for name, value in sd.items()}
    return np.diag([*(size[term] for term in plan.terms), plan.residual_sd])
