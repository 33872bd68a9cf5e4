"""Design analysis: plan a follow-up study, replicate it, summarise what its analysis would find.

A plan is the model, the inquiry and the analysis in one value. Person i is seen at wave w (t months from the mean of the
waves) and has, for each predictor k,

    x_kiw = mean_k + between_k b_ki + within_k e_kiw          (binary: one where that, on a normal scale, is above a cut)
    y_iw  = sum_k (average_k + by_time_k t) (x_kiw - mean_k) + course t + u0_i + u1_i t + e_iw

with normal b, e, u; b_k correlates with u0 by `confounding_k`. The analysis is the linear mixed model of the same terms,
by `helpers.reml`. Two truths go with an estimate: the *causal effect* (average_k, by_time_k), and the *limit*, what the
model converges to with people without number; they differ where there is confounding. The limit is exact: the model is
fitted to expected moments.

Replicates are made in blocks of `BLOCK`, replicate i from child i of one `SeedSequence`, people in rows, so that the result
depends on the seed alone, and a larger study holds the smaller one's people.

Sources: Gelman & Carlin 2014, doi 10.1177/1745691614551642 (type S and type M error); Morris, White & Crowther 2019,
doi 10.1002/sim.8086 (Monte Carlo standard errors).
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import stats
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from helpers import __version__, cohort, study
from helpers.reml import Moments, Waves

BLOCK = 250  # replicates solved side by side; fixed, because the last digits could depend on it
PEOPLE = 1e9  # of the population whose moments give the limit
EFFECT, CAUSAL, LIMIT = "effect", "causal effect", "limit"


@dataclass(frozen=True)
class Predictor:
    """A predictor that changes from visit to visit (or, with `within` 0, does not).

    `average` is its effect at the mean of the waves, `by_time` what the effect gains a month, both in outcome units for one
    unit of the predictor; `by_time` None leaves the product with time out of the model. `between` and `within` are SDs of
    people's levels and of visits about them; of a binary predictor they count on the normal scale behind it, where only their
    ratio matters, and `mean` is its share. `confounding` is the correlation of people's levels with their random intercept.
    """

    name: str
    mean: float = 0.0
    between: float = 1.0
    within: float = 1.0
    average: float = 0.0
    by_time: float | None = 0.0
    binary: bool = False
    confounding: float = 0.0


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

    def _wrong(self) -> str | None:
        waves, names = self.waves, [p.name for p in self.predictors]
        numbers = [self.persons, *waves, *self.retention, *(v for v in asdict(self).values() if isinstance(v, float))]
        numbers += [v for p in self.predictors for v in asdict(p).values() if isinstance(v, float)]
        if not np.isfinite(numbers).all():
            return "a number is not finite"
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
            return "SDs must not be negative, residual_sd must be above 0, correlation within -1 and 1"
        if self.random not in ("1", "1 + time"):
            return f"random is {self.random!r}; it must be '1' or '1 + time'"
        if len(waves) <= 2 and self.random != "1":
            return "2 waves cannot carry a random intercept and slope beside a residual; say random='1'"
        if not 0 < self.alpha < 1:
            return f"alpha is {self.alpha}; it must be between 0 and 1"
        if len(set(names)) < len(names) or {"time", "Intercept"} & set(names) or any(":" in name for name in names):
            return f"predictors are named {names}; names must differ, without ':', 'time' or 'Intercept'"
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
        return ("Intercept", *names, "time", *(f"{p.name}:time" for p in self.predictors if p.by_time is not None))

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


def replicate(
    plan: Plan,
    replicates: int,
    seed: int,
    scheduler: object = None,
    folder: str | Path | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Simulate the plan and fit its model, `replicates` times.

    `scheduler` is the address of a `dask.distributed` scheduler, or its client; by default the blocks run here, in threads.
    With a `folder`, blocks are kept there as Parquet as they end, and `results.parquet` when all have; a run that was stopped
    goes on where it was, with the same final bytes. `progress` shows a bar (default: on a terminal).

    Returns
    -------
    One row a replicate and term: replicate, term, estimate, std_error, df (Satterthwaite), p, conf_low, conf_high, significant
    (p < alpha), truth (of predictors the causal effect, of Intercept and time the limit), truth_kind (which of them), limit,
    converged (certified), singular (on the boundary), failed (not fitted, or not certified; then NaN where not fitted).

    Raises
    ------
    ValueError
        Fewer than 1 replicate; a folder that holds another plan, seed or version.
    """
    if replicates < 1:
        raise ValueError(f"replicates is {replicates}; it must be 1 or more")
    blocks = range(-(-replicates // BLOCK))
    store = _Store(Path(folder), plan, seed) if folder is not None else None
    held = {} if store is None else store.held(blocks)
    bar = tqdm(
        total=len(blocks) * BLOCK, unit="fit", disable=not (sys.stderr.isatty() if progress is None else progress)
    )
    bar.update(len(held) * BLOCK)
    with bar:
        for block, arrays in _run(plan, seed, [b for b in blocks if b not in held], scheduler):
            held[block] = arrays if store is None else store.keep(block, arrays)
            bar.update(BLOCK)
    if store is not None:
        store.finish(replicates)
        held = {block: store.load(block) for block in blocks}
    columns = {name: np.concatenate([held[b][name] for b in blocks])[:replicates] for name in held[0]}
    return _long(plan, columns)


def _run(plan: Plan, seed: int, blocks: Sequence[int], scheduler: object) -> Iterator[tuple[int, dict]]:
    """The blocks, as they end, in any order."""
    if scheduler is None:
        with ThreadPoolExecutor(os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count()) as pool:
            futures = {pool.submit(simulate, plan, block, seed): block for block in blocks}
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        return
    from dask import distributed

    own = isinstance(scheduler, str)
    with distributed.Client(scheduler) if own else contextlib.nullcontext(scheduler) as client:
        futures = {client.submit(simulate, plan, block, seed, pure=False): block for block in blocks}
        try:
            for future in distributed.as_completed(futures):
                yield futures[future], future.result()
        finally:
            client.cancel(list(futures))


def simulate(plan: Plan, block: int, seed: int) -> dict[str, np.ndarray]:
    """One block of replicates: arrays (BLOCK, terms) of estimates, std_error, df; (BLOCK,) of converged, singular.

    One BLAS thread: the last digits of a product may depend on how it was shared out.
    """
    with threadpool_limits(1):
        first = block * BLOCK
        draws = np.stack([_draws(plan, seed, i) for i in range(first, first + BLOCK)])
        best = _moments(plan, draws).optimum(starts=(), start=_relative(plan))
    fitted = np.isfinite(best.criterion)
    return {
        "estimate": best.beta,
        "std_error": np.sqrt(np.diagonal(best.covariance, axis1=1, axis2=2)),
        "df": best.df,
        "converged": best.certified & fitted,
        "singular": best.singular & fitted,
    }


def _draws(plan: Plan, seed: int, i: int) -> np.ndarray:
    """Standard normal draws of replicate i: (persons, columns), a person's in one row."""
    K = len(plan.waves)
    columns = 1 + K + 2 + K + sum(1 + K * (p.within > 0) for p in plan.predictors)
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(i,))))
    return rng.standard_normal((plan.persons, columns))


def _moments(plan: Plan, z: np.ndarray) -> Moments:
    """The moments of many replicates from their draws (B, n, columns), side by side."""
    (B, n, _), K, t = z.shape, len(plan.waves), plan.time
    sizes = [1, K, 2, K] + [size for p in plan.predictors for size in (1, K * (p.within > 0))]
    tendency, luck, u, e, *rest = np.split(z, np.cumsum(sizes)[:-1], axis=2)
    rho = plan.persistence
    seen = np.sqrt(rho) * tendency + np.sqrt(1 - rho) * luck < stats.norm.ppf(plan.retention)
    slope = plan.correlation * u[..., :1] + np.sqrt(1 - plan.correlation**2) * u[..., 1:]
    y = plan.course * t + plan.intercept_sd * u[..., :1] + plan.slope_sd * slope * t + plan.residual_sd * e
    stay, vary = [np.ones((B, n, 1))], []
    for p, level, visit in zip(plan.predictors, rest[::2], rest[1::2], strict=True):
        x = p.between * (p.confounding * u[..., :1] + np.sqrt(1 - p.confounding**2) * level)
        if p.within:
            x = x + p.within * visit
        if p.binary:
            x = (x > stats.norm.isf(p.mean) * np.hypot(p.between, p.within)) - p.mean
        y = y + (p.average + (p.by_time or 0) * t) * x
        (vary if p.within else stay).append(x)
    v = np.concatenate([*stay, np.stack([*vary, y], 3).reshape(B, n, -1)], 2)
    # People of one pattern one after another; the second moments of each run.
    pattern = seen @ (1 << np.arange(K))
    order = np.argsort(pattern, axis=1, kind="stable")
    v = np.take_along_axis(v, order[..., None], 1)
    m = np.stack([np.bincount(row, minlength=1 << K) for row in pattern])
    there = np.flatnonzero(m[:, 1:].any(0)) + 1
    ends = np.cumsum(m, 1)
    V = np.empty((len(there), B, v.shape[2], v.shape[2]))
    for j, kind in enumerate(there):
        for b in range(B):
            rows = v[b, ends[b, kind - 1] : ends[b, kind]]
            V[j, b] = rows.T @ rows
    fixed, width = len(stay), len(vary) + 1
    keep = [np.r_[:fixed, fixed + np.flatnonzero(np.repeat(_waves_of(kind, K), width))] for kind in there]
    return _model(plan, there, m[:, there].astype(float), [V[j][:, k[:, None], k] for j, k in enumerate(keep)])


def _waves_of(kind: int, K: int) -> np.ndarray:
    """Which of K waves the bits of `kind` name."""
    return (kind >> np.arange(K)) & 1 == 1


def _model(plan: Plan, kinds: Sequence[int], m: np.ndarray, V: Sequence[np.ndarray]) -> Moments:
    """The plan's model on second moments V of [1, what stays, what varies at each wave], by pattern."""
    K, waves = len(plan.waves), np.array(plan.waves, float)
    stay, vary = ([p.name for p in plan.predictors if bool(p.within) == varies] for varies in (False, True))
    vary.append(plan.outcome)
    people = Waves(
        tuple(stay),
        tuple(vary),
        tuple(tuple(waves[_waves_of(kind, K)].tolist()) for kind in kinds),
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


def _relative(plan: Plan) -> np.ndarray:
    """The plan's own T, at the scale of the residual: a start."""
    a, b = plan.intercept_sd, plan.slope_sd
    T = np.array([[a * a, plan.correlation * a * b], [plan.correlation * a * b, b * b]]) / plan.residual_sd**2
    return T if plan.random != "1" else T[:1, :1]


def limit(plan: Plan) -> pd.Series:
    """What the plan's model converges to, by term: its fit to the expected moments of people without number.

    Exact but for the integrals: each pair's second moments are known (of binary predictors from the bivariate normal
    distribution), and sets of waves have their probabilities from the one tendency to be seen.
    """
    K = len(plan.waves)
    V = _expected(plan)
    nodes, weight = np.polynomial.hermite_e.hermegauss(64)
    cut = stats.norm.ppf(plan.retention) - np.sqrt(plan.persistence) * nodes[:, None]
    seen = stats.norm.cdf(cut / np.sqrt(1 - plan.persistence))
    stay = sum(not p.within for p in plan.predictors)
    kinds, m, parts = np.arange(1, 1 << K), [], []
    for kind in kinds:
        here = _waves_of(kind, K)
        m.append(PEOPLE * (weight @ np.where(here, seen, 1 - seen).prod(1)) / weight.sum())
        keep = np.r_[: 1 + stay, 1 + stay + np.flatnonzero(np.repeat(here, len(plan.predictors) - stay + 1))]
        parts.append(m[-1] * V[np.ix_(keep, keep)])
    found = _model(plan, kinds, np.array(m), parts).fit(ddf="none").fixed["estimate"][list(plan.terms)]
    return found.where(found.abs() > 1e-9 * plan.residual_sd, 0.0)  # what rounding leaves of a zero


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
        both = min(a.mean, b.mean) if r > 1 - 1e-12 else stats.multivariate_normal.cdf(h, cov=[[1, r], [r, 1]])
        return float(both) - a.mean * b.mean
    return r * stats.norm.pdf(h[0] if a.binary else h[1]) * (sd[1] if a.binary else sd[0])


def _long(plan: Plan, found: dict[str, np.ndarray]) -> pd.DataFrame:
    n, k = found["estimate"].shape
    ends, effects = limit(plan), plan.effects
    truth = np.array([effects.get(term, ends[term]) for term in plan.terms])
    kind = [CAUSAL if term in effects else LIMIT for term in plan.terms]
    flat = {name: found[name].ravel() for name in ("estimate", "std_error", "df")}
    half = stats.t.ppf(1 - plan.alpha / 2, flat["df"]) * flat["std_error"]
    p = 2 * stats.t.sf(np.abs(flat["estimate"] / flat["std_error"]), flat["df"])
    converged = np.repeat(found["converged"], k)
    return pd.DataFrame(
        {
            "replicate": np.repeat(np.arange(n), k),
            "term": pd.Categorical.from_codes(np.tile(np.arange(k), n), list(plan.terms)),
            **flat,
            "p": p,
            "conf_low": flat["estimate"] - half,
            "conf_high": flat["estimate"] + half,
            "significant": p < plan.alpha,
            "truth": np.tile(truth, n),
            "truth_kind": pd.Categorical(np.tile(kind, n), [CAUSAL, LIMIT]),
            "limit": np.tile(ends.to_numpy(), n),
            "converged": converged,
            "singular": np.repeat(found["singular"], k),
            "failed": ~converged,
        }
    )


def summarise(frame: pd.DataFrame, against: str = "truth") -> pd.DataFrame:
    """How the analysis does, one row a term, each figure with its Monte Carlo standard error beside it (`..._mcse`).

    Over the replicates that did not fail: power (share significant), bias (mean estimate less truth), coverage (share of
    intervals that hold the truth), rmse; over the significant ones: type_s (share with the wrong sign) and type_m (mean of
    |estimate| / |truth|), blank where the truth is 0; over all: failed and singular (shares), replicates, and truth. `against`
    is "truth" or "limit". With theta estimates, e = theta - truth, n replicates:

        mcse(share) = sqrt(share (1 - share) / n)      mcse(bias) = SD(theta) / sqrt(n)
        mcse(rmse) = SD(e^2) / (2 rmse sqrt(n))        mcse(type_m) = SD(|theta| / |truth|) / sqrt(n significant)

    Raises ValueError for another `against`, or a frame without the columns of `replicate`.
    """
    if against not in ("truth", LIMIT):
        raise ValueError(f"against: {against!r} is neither 'truth' nor 'limit'")
    needed = {"term", "estimate", "conf_low", "conf_high", "significant", "failed", "singular", against}
    if missing := needed - set(frame.columns):
        raise ValueError(f"no column {sorted(missing)[0]!r}: `summarise` takes what `replicate` returns")
    return pd.DataFrame(
        {term: _figures(rows, against) for term, rows in frame.groupby("term", sort=False, observed=True)}
    ).T


def _figures(rows: pd.DataFrame, against: str) -> pd.Series:
    truth, fitted = float(rows[against].iloc[0]), rows[~rows["failed"]]
    error = fitted["estimate"] - truth
    holds = (fitted["conf_low"] <= truth) & (truth <= fitted["conf_high"])
    found = fitted.loc[fitted["significant"], "estimate"]
    n, rmse = len(fitted), np.sqrt((error**2).mean())
    exaggeration = found.abs() / abs(truth) if truth else pd.Series(dtype=float)
    root = lambda size: np.sqrt(size) if size else np.nan
    figures = {
        "power": _share(fitted["significant"]),
        "bias": (error.mean(), error.std() / root(n)),
        "coverage": _share(holds),
        "rmse": (rmse, (error**2).std() / (2 * rmse * root(n))),
        "type_s": _share(np.sign(found) != np.sign(truth)) if truth else (np.nan, np.nan),
        "type_m": (exaggeration.mean(), exaggeration.std() / root(len(exaggeration))),
        "failed": _share(rows["failed"]),
        "singular": _share(rows["singular"]),
    }
    flat = {
        f"{name}{end}": value for name, pair in figures.items() for end, value in zip(("", "_mcse"), pair, strict=True)
    }
    return pd.Series({"truth": truth} | flat | {"replicates": len(rows)})


def _share(happened: pd.Series) -> tuple[float, float]:
    n = len(happened)
    share = happened.mean() if n else np.nan
    return share, np.sqrt(share * (1 - share) / n) if n else np.nan


def power_curve(
    plan: Plan, vary: str, values: Sequence, replicates: int = 1000, seed: int = 0, scheduler: object = None
) -> pd.DataFrame:
    """`summarise` along a line of plans, one row a value and term (columns value, term first), on one seed.

    `vary` is "persons"; "retention" (a value is the share at every wave, or a tuple with one a wave); or a term, whose effect
    is set to each value. Raises ValueError as `Plan`, `Plan.set` and `replicate`.
    """
    rows = []
    for value in values:
        frame = replicate(_varied(plan, vary, value), replicates, seed, scheduler)
        rows.append(summarise(frame).rename_axis("term").reset_index().assign(value=[value] * len(plan.terms)))
    table = pd.concat(rows, ignore_index=True)
    return table[["value", *table.columns.drop("value")]]


def _varied(plan: Plan, vary: str, value: object) -> Plan:
    if vary == "persons":
        return replace(plan, persons=int(value))
    if vary == "retention":
        shares = tuple(value) if isinstance(value, Sequence) else (float(value),) * len(plan.waves)
        return replace(plan, retention=shares)
    return plan.set(vary, float(value))


def smallest_n(
    plan: Plan,
    term: str,
    target: float = 0.8,
    replicates: int = 1000,
    seed: int = 0,
    most: int = 20_000,
    scheduler: object = None,
) -> pd.DataFrame:
    """The fewest persons with which `term` has at least the target power, by bisection on a common seed.

    A larger plan holds the smaller one's people, so that its power is compared on the same draws; what is found is still known
    to within the Monte Carlo error of the power beside it.

    Returns
    -------
    The sizes tried, ascending: persons, power, power_mcse, failed, enough (power >= target). The first `enough` is the
    answer: `frame.loc[frame["enough"], "persons"].iloc[0]`.

    Raises
    ------
    ValueError
        An unknown term; a target outside 0 and 1; a target not reached with `most` persons (the power there is named).
    """
    if term not in plan.terms:
        raise ValueError(f"no term {term!r}; there are {', '.join(plan.terms)}")
    if not 0 < target < 1:
        raise ValueError(f"target is {target}; it must be between 0 and 1")
    tried = {}

    def enough(persons: int) -> bool:
        found = summarise(replicate(replace(plan, persons=persons), replicates, seed, scheduler)).loc[term]
        tried[persons] = {name: found[name] for name in ("power", "power_mcse", "failed")}
        return found["power"] >= target  # NaN, where every fit failed, is not enough

    low, high = 0, min(plan.persons, most)
    while not enough(high):
        if high == most:
            raise ValueError(f"{term}: power {tried[high]['power']:.2f} with {most} persons, below the target {target}")
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    table = pd.DataFrame.from_dict(tried, orient="index").rename_axis("persons").sort_index().reset_index()
    return table.assign(enough=table["power"] >= target)


class _Store:
    """Blocks of one plan and seed in a folder: each file appears whole or not at all."""

    def __init__(self, folder: Path, plan: Plan, seed: int) -> None:
        self.folder, self.plan = folder, plan
        text = json.dumps({"plan": asdict(plan), "seed": seed, "block": BLOCK, "helpers": __version__}, indent=1)
        folder.mkdir(parents=True, exist_ok=True)
        described = folder / "plan.json"
        if described.exists() and described.read_text(encoding="utf-8") != text:
            raise ValueError(
                f"{described} is of another plan, seed or version: name another folder, or delete this one"
            )
        if not described.exists():
            self._write(described, lambda path: path.write_text(text, encoding="utf-8"))

    def path(self, block: int) -> Path:
        return self.folder / f"block-{block:06d}.parquet"

    def held(self, blocks: Sequence[int]) -> dict[int, None]:
        """Which blocks are there and whole."""
        return {block: None for block in blocks if self.path(block).exists() and self._whole(self.path(block))}

    def _whole(self, path: Path) -> bool:
        try:
            return pq.read_metadata(path).num_rows == BLOCK * len(self.plan.terms)
        except (pa.ArrowInvalid, OSError):
            return False

    def keep(self, block: int, arrays: dict[str, np.ndarray]) -> None:
        k = arrays["estimate"].shape[1]
        table = pa.table({name: np.repeat(v, k) if v.ndim == 1 else v.ravel() for name, v in arrays.items()})
        self._write(self.path(block), lambda path: pq.write_table(table, path))

    def load(self, block: int) -> dict[str, np.ndarray]:
        table, k = pq.read_table(self.path(block)), len(self.plan.terms)
        arrays = {name: table[name].to_numpy().reshape(-1, k) for name in table.column_names}
        return {name: v[:, 0] if name in ("converged", "singular") else v for name, v in arrays.items()}

    def finish(self, replicates: int) -> None:
        """All blocks as one file, in order, a block at a time; only as many replicates as were asked for."""

        def write(path: Path) -> None:
            writer = None
            for block in range(-(-replicates // BLOCK)):
                rows = min(BLOCK, replicates - block * BLOCK)
                frame = _long(self.plan, {name: v[:rows] for name, v in self.load(block).items()})
                table = pa.Table.from_pandas(
                    frame.assign(replicate=frame["replicate"] + block * BLOCK), preserve_index=False
                )
                writer = writer or pq.ParquetWriter(path, table.schema)
                writer.write_table(table)
            writer.close()

        self._write(self.folder / "results.parquet", write)

    def _write(self, path: Path, write: object) -> None:
        """Through a file beside it, renamed when it is on the disk."""
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            write(part)
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
