"""Every reasonable analysis of a claim: the specifications, the columns of each, the fits of all, the person bootstrap.

A *specification* is one level of each choice in `CHOICES`; the same list, a full factorial, serves each of the nine
claims. Every estimate is on one scale: SDs of the outcome for one SD of the predictor; for an interaction, the change
of that from the first follow-up to the last, whatever the coding of time. Three estimands, by the predictor's form:

    overall   b of x_ti: people with more against people with less, and visits with more against visits with less, mixed
    between   b of the person's mean of x, beside their departures from it
    within    b of the departures x_ti - mean, beside the mean

A bounded scale of the outcome asks about the mean of another thing, so that there are six families: form by scale.

The bootstrap draws people with replacement, the same draw for every specification. In a draw with weights w

    C(w) = sum_i w_i W_i' V_i^-1 W_i,      W = [X | y],      V_i = I + Z_i T Z_i'                              (1)
    b(w) = Cxx^-1 Cxy,      s2(w) = (Cyy - Cyx b) / d,      se(w)^2 = s2(w) diag Cxx^-1                         (2)

with d = sum_i w_i n_i less p (REML) or whole (ML), and with T, the relative covariance of the random effects, at the
specification's own optimum: what a person adds to C is then one matrix, found once. (Refitting T in every draw takes
tens of times as long and gives nearly the same t; `refitted` does so, and the analysis says how near.)
The null of no effect needs no second fit: y less the specification's own effect, y - b x, has in every draw the
estimate b(w) - b and the same se(w), because x is a column of X. So t0(w) = (b(w) - b) / se(w) is studentised.

Source: Simonsohn, Simmons & Nelson 2020, doi 10.1038/s41562-020-0912-z, for the curve and its joint test; the
resampling of people, with each specification's own effect removed, is theirs for what is not randomised.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats

from helpers import measures, models, study
from helpers.moments import Moments, upright

FORMS = ("overall", "between", "within")
CHOICES: dict[str, tuple[str, ...]] = {
    "predictor": FORMS,
    "scale": ("raw", "bounded"),
    "visits": ("complete, both", "complete, alone", "repeated, both", "available, alone", "everyone, both"),
    "covariates": ("none", "entry", "entry, sex, age", "entry, sex, age, comorbidity, stay"),
    "time": ("months", "months, about wave means", "wave", "root", "categorical"),
    "random": ("intercept", "intercept and slope"),
    "estimator": ("REML", "ML"),
}
STUDY = {
    "predictor": "overall",
    "scale": "raw",
    "visits": "complete, both",
    "covariates": "entry, sex, age",
    "time": "months",
    "random": "intercept and slope",
    "estimator": "REML",
}  # what the models (b) and (c) of the book choose
STATISTICS = ("median", "share", "mean_t")

# Log months are no coding of their own: each follow-up comes at double the months of the last, as waves are counted.
_LINEAR = {
    "months": np.array(study.FOLLOW_UPS, float),
    "wave": np.arange(1.0, 4.0),
    "root": np.sqrt(study.FOLLOW_UPS),
}
# Zero on average over the follow-ups, and one from the first to the last, so that the coefficient of a predictor is its
# average over the follow-ups and that of its product with the first column the change from the first to the last.
_CODES = {name: ((t - t.mean()) / (t[-1] - t[0]))[None] for name, t in _LINEAR.items()}
_CODES["categorical"] = np.array([[-1 / 2, 0, 1 / 2], [-1 / 3, 2 / 3, -1 / 3]])
_CODES["months, about wave means"] = _CODES["months"]


def specifications() -> pd.DataFrame:
    """All specifications, one row each in a fixed order: a column for each of `CHOICES`."""
    return pd.DataFrame(list(product(*CHOICES.values())), columns=list(CHOICES)).rename_axis("specification")


def own(specs: pd.DataFrame) -> int:
    """Which row of `specs` is the study's own (b) or (c)."""
    return int(np.flatnonzero((specs[list(STUDY)] == pd.Series(STUDY)).all(axis=1))[0])


# --- the columns ---


@dataclass(frozen=True)
class Panel:
    """A cohort's follow-ups as arrays: n people, three waves; NaN where nothing was observed.

    visit : (n, 3) each: sponsor (0/1); contact, alliance (SDs, about their means over complete sponsored visits);
        complete (0/1); <outcome>_raw, <outcome>_bounded (SDs over complete sponsored visits, about the mean)
    entry : (n,) each: sex, age, comorbidity, stay (SDs, about the mean); <outcome>_raw, <outcome>_bounded at entry, in
        the units of the follow-ups
    """

    visit: dict[str, np.ndarray]
    entry: dict[str, np.ndarray]

    @property
    def people(self) -> int:
        return len(self.visit["sponsor"])


def bounded(outcome: str, values: np.ndarray, window: np.ndarray) -> np.ndarray:
    """An outcome on a scale without bounds: log((y + 1/2) / (N - y + 1/2)) for days abstinent out of N in the window
    and activities out of N = 6; log(1 + y) for meetings a week."""
    if outcome == "attendance":
        return np.log1p(values)
    n = window if outcome == "pda" else float(len(study.ACTIVITY_ITEMS))
    y = values * n / 100 if outcome == "pda" else values
    return np.log((y + 0.5) / (n - y + 0.5))


def panel(persons: pd.DataFrame, visits: pd.DataFrame) -> Panel:
    """The arrays of a cohort from the two frames of `records.read`."""
    scores = models.standardised(measures.score(persons, visits)).sort_values(["person", "wave"])
    visits, persons = visits.sort_values(["person", "wave"]), persons.sort_values("person")
    wide = lambda column: np.asarray(column, float).reshape(-1, len(study.WAVES))
    sponsor, complete = wide(scores["has_sponsor"])[:, 1:], wide(scores["complete"])[:, 1:]
    visit = {"sponsor": sponsor, "complete": complete}
    visit |= {x: wide(scores[f"{x}_z"])[:, 1:] for x in ("contact", "alliance")}
    entry = {
        name: _standard(np.asarray(column, float))
        for name, column in {
            "sex": persons["sex"] == "female",
            "age": persons["age"],
            "comorbidity": persons["comorbid"],
            "stay": persons["residential_days"],
        }.items()
    }
    for outcome in study.OUTCOMES:
        raw = np.asarray(scores[outcome], float)
        both = {"raw": raw, "bounded": bounded(outcome, raw, np.asarray(visits["window_days"], float))}
        for scale, values in both.items():
            values = wide(values)
            used = values[:, 1:][complete == 1]
            values = (values - used.mean()) / used.std(ddof=1)
            visit[f"{outcome}_{scale}"], entry[f"{outcome}_{scale}"] = values[:, 1:], values[:, 0]
    return Panel(visit, entry)


def _standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / max(values.std(), 1e-300)


def design(
    panel: Panel, claim: study.Claim, visits: str, covariates: str, time: str, scale: str, split: bool
) -> tuple[np.ndarray, np.ndarray]:
    """W (n, 3, c) = [X | y], zero at visits not used, and which visits are (n, 3).

    The first column is the claim's: the predictor, or its product with time. With `split` the first is that of the
    departures (within), the second that of the person's mean (between). An interaction model has the product with time
    of every predictor in it; among everyone, having a sponsor stands beside them, contact and alliance being zero
    without one.
    """
    who, what = visits.split(", ")
    names = [claim.predictor] + [x for x in ("contact", "alliance") if x != claim.predictor and what == "both"]
    y, sponsor = panel.visit[f"{claim.outcome}_{scale}"], panel.visit["sponsor"] == 1
    has = sponsor & np.isfinite([panel.visit[x] for x in names]).all(0)
    if who in ("complete", "repeated"):
        has = panel.visit["complete"] == 1
    has = has & np.isfinite(y)
    if who == "repeated":
        has = has & (has.sum(1, keepdims=True) > 1)
    used = has | ((panel.visit["sponsor"] == 0) & np.isfinite(y)) if who == "everyone" else has
    code = _CODES[time]
    parts = [part for x in names for part in _parts(np.where(has, panel.visit[x], 0), has, time, split)]
    products = [part * row for row in code for part in parts] if claim.kind == "interaction" else []
    columns = products + parts if products else parts
    columns += [np.ones_like(y)] + [np.broadcast_to(row, y.shape) for row in code]
    if who == "everyone":
        columns += [has * 1.0] + ([has * row for row in code] if products else [])
    for name in covariates.split(", "):
        if name != "none":
            value = panel.entry[f"{claim.outcome}_{scale}" if name == "entry" else name]
            columns.append(np.broadcast_to(value[:, None], y.shape))
    W = np.stack([*columns, y], 2)
    return np.where(used[..., None], W, 0), used


def _parts(x: np.ndarray, has: np.ndarray, time: str, split: bool) -> list[np.ndarray]:
    """The predictor about its mean over the visits that have it (or the wave's), zero elsewhere; or within, between."""
    axis = 0 if "wave means" in time else None
    x = np.where(has, x - x.sum(axis) / has.sum(axis), 0)
    if not split:
        return [x]
    mean = x.sum(1, keepdims=True) / np.maximum(has.sum(1, keepdims=True), 1) * has
    return [x - mean, mean]


# --- the fits ---


@dataclass(frozen=True)
class Batch:
    """Designs that share visits, random columns and the number of fixed columns, and what they are fitted to."""

    key: pd.DataFrame  # a row a design: covariates, time, scale, split
    W: np.ndarray  # (designs, n, 3, c)
    used: np.ndarray  # (n, 3)
    Z: np.ndarray  # (3, q)


def batches(panel: Panel, claim: study.Claim, specs: pd.DataFrame) -> Iterator[tuple[tuple[str, str], Batch]]:
    """The designs of all `specs`, each once, as (visits, random) and a batch."""
    split = specs["predictor"] != "overall"
    wanted = specs.assign(split=split)[["visits", "random", "covariates", "time", "scale", "split"]].drop_duplicates()
    for (visits, random), rows in wanted.groupby(["visits", "random"], sort=False):
        held = {}
        for row in rows.itertuples(index=False):
            W, used = design(panel, claim, visits, row.covariates, row.time, row.scale, row.split)
            slope = _CODES["months" if row.time == "categorical" else row.time][0]
            Z = np.column_stack([np.ones(3), slope])[:, : 1 if random == "intercept" else 2]
            held.setdefault((Z.tobytes(), W.shape[2], used.tobytes()), []).append((row, W, used, Z))
        for group in held.values():
            key = pd.DataFrame([row for row, *_ in group])[["covariates", "time", "scale", "split"]]
            yield (visits, random), Batch(key, np.stack([W for _, W, _, _ in group]), group[0][2], group[0][3])


def moments(batch: Batch, weights: np.ndarray | None = None) -> Moments:
    """The moments of a batch's designs side by side or, with `weights` (B, n) of people, of its one design's draws."""
    used, Z, W = batch.used, batch.Z, batch.W
    q, number = Z.shape[1], used @ (1 << np.arange(used.shape[1]))
    kinds, E, S, A, m = np.unique(number[number > 0]), 0.0, [], [], []
    for kind in kinds:
        at, here = np.flatnonzero(used[number == kind][0]), number == kind
        U, R = upright(*np.linalg.qr(Z[at]))
        inside = np.einsum("vk,dnvc->dnkc", U, W[:, here][:, :, at])
        left = W[:, here][:, :, at] - np.einsum("vk,dnkc->dnvc", U, inside)
        pad = (0, q - U.shape[1])
        inside = np.pad(inside, [(0, 0), (0, 0), pad, (0, 0)])
        if weights is None:
            E = E + np.einsum("dnvc,dnve->dce", left, left, optimize=True)
            S.append(np.einsum("dnkc,dnle->dklce", inside, inside, optimize=True))
            m.append(np.full(len(W), float(here.sum())))
        else:
            w = weights[:, here].astype(float)
            E = E + np.tensordot(w, np.einsum("nvc,nve->nce", left[0], left[0]), 1)
            S.append(np.tensordot(w, np.einsum("nkc,nle->nklce", inside[0], inside[0]), 1))
            m.append(w.sum(1))
        A.append(np.pad(R, [pad, (0, 0)]))
    p = W.shape[3] - 1
    fixed, random = (tuple(f"{letter}{j}" for j in range(k)) for letter, k in (("x", p), ("z", q)))
    rows = np.array([bin(kind).count("1") for kind in kinds])
    return Moments("y", fixed, random, rows, np.stack(A), np.stack(m, 1), np.stack(S, 1), E, np.eye(p + 1))


def fits(panel: Panel, claim: study.Claim, specs: pd.DataFrame, weights: np.ndarray | None = None) -> tuple:
    """Every specification's fit, and its estimate and standard error in every draw.

    `weights` (B, n) says how often each person is drawn. Returns a frame in the order of `specs` with estimate,
    std_error, df (Satterthwaite's), p (two-sided), certified, n_visits, n_people; and, with `weights`, estimate and
    std_error of the draws (specs, B) each, by (2) of the module.
    """
    columns = ["estimate", "std_error", "df", "certified", "n_visits", "n_people"]
    found = np.full((len(specs), len(columns)), np.nan)
    draws = np.empty((2, len(specs), len(weights)), np.float32) if weights is not None else None
    place = {tuple(row): i for i, row in enumerate(specs[list(CHOICES)].itertuples(index=False))}
    estimators = specs["estimator"].unique()
    for (visits, random), batch in batches(panel, claim, specs):
        sums = moments(batch)
        for estimator in estimators:
            best = sums.optimum(estimator == "REML")
            error = np.sqrt(np.diagonal(best.covariance, axis1=1, axis2=2))
            for d, row in enumerate(batch.key.itertuples(index=False)):
                forms = ("within", "between") if row.split else ("overall",)
                here = {
                    j: place.get((form, row.scale, visits, row.covariates, row.time, random, estimator))
                    for j, form in enumerate(forms)
                }
                here = {j: i for j, i in here.items() if i is not None}
                for j, i in here.items():
                    found[i] = best.beta[d, j], error[d, j], best.df[d, j], best.certified[d], *_size(batch.used)
                if weights is not None and here:
                    T = best.random_cov[d] / best.residual_var[d]
                    drawn = resampled(batch.W[d], batch.used, batch.Z, T, weights, list(here), estimator == "REML")
                    draws[:, list(here.values())] = drawn
    frame = pd.DataFrame(found, specs.index, columns)
    frame.insert(3, "p", 2 * stats.t.sf(np.abs(frame["estimate"] / frame["std_error"]), frame["df"]))
    return (frame, *draws) if weights is not None else (frame,)


def _size(used: np.ndarray) -> tuple[int, int]:
    return int(used.sum()), int(used.any(1).sum())


def resampled(
    W: np.ndarray, used: np.ndarray, Z: np.ndarray, T: np.ndarray, weights: np.ndarray, targets: list[int], reml: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Estimates and standard errors (targets, B) of one design W (n, 3, c) in draws of people: (1) and (2)."""
    there = used.any(1)
    W, used, w = W[there], used[there], weights[:, there].astype(float)
    Zi = Z * used[..., None]
    inverse = np.linalg.inv(np.eye(Z.shape[0]) + Zi @ T @ Zi.swapaxes(1, 2))
    C = W.swapaxes(1, 2) @ (inverse @ W)  # what each person adds
    c = C.shape[1]
    i, j = np.triu_indices(c)
    packed = w @ C[:, i, j]
    whole = np.empty((len(w), c, c))
    whole[:, i, j] = whole[:, j, i] = packed
    p, n = c - 1, w @ used.sum(1)
    right = np.concatenate([whole[:, :p, p:], np.broadcast_to(np.eye(p)[:, targets], (len(w), p, len(targets)))], 2)
    solved = np.linalg.solve(whole[:, :p, :p], right)
    b = solved[..., 0]
    s2 = (whole[:, p, p] - (whole[:, p, :p] * b).sum(1)) / (n - p * reml)
    variance = solved[:, targets, 1 + np.arange(len(targets))]
    return b[:, targets].T, np.sqrt(s2[:, None] * variance).T


def refitted(batch: Batch, d: int, weights: np.ndarray, target: int, reml: bool) -> tuple[np.ndarray, np.ndarray]:
    """Estimates and standard errors (B,) of design `d` of a batch with its variances fitted anew in every draw."""
    best = moments(replace(batch, W=batch.W[d : d + 1]), weights).optimum(reml)
    return best.beta[:, target], np.sqrt(best.covariance[:, target, target])


def gee(panel: Panel, claim: study.Claim, visits: str, covariates: str, time: str, scale: str, split: bool) -> tuple:
    """Estimates and robust standard errors (targets,) of the same columns by statsmodels' GEE: identity link, one
    exchangeable correlation within a person."""
    W, used = design(panel, claim, visits, covariates, time, scale, split)
    person = np.broadcast_to(np.arange(len(used))[:, None], used.shape)[used]
    rows, exchangeable = W[used], sm.cov_struct.Exchangeable()
    found = sm.GEE(rows[:, -1], rows[:, :-1], person, cov_struct=exchangeable).fit()
    k = 2 if split else 1
    return np.asarray(found.params)[:k], np.asarray(found.bse)[:k]


# --- the joint test ---


def draw(people: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """How often each person is drawn, (draws, people): as many people as there are, with replacement."""
    return rng.multinomial(people, np.full(people, 1 / people), size=draws)


def statistics(estimate: np.ndarray, t: np.ndarray, critical: np.ndarray) -> np.ndarray:
    """Of a curve (specs, ...): its median estimate, the share of specifications significant in the claimed direction
    (t above its critical value; all nine claims are of a positive effect), and its mean t: (3, ...)."""
    return np.stack([np.median(estimate, 0), (t > critical).mean(0), t.mean(0)])


def joint(frame: pd.DataFrame, estimate: np.ndarray, std_error: np.ndarray) -> pd.DataFrame:
    """The joint test of a curve against draws under the null: a row for each of `STATISTICS`.

    From `fits`. Columns: value; null_low, null_high (2.5 and 97.5 % of the draws); mcse; and p = (1 + draws at least as
    extreme) / (1 + draws), by size for median and mean_t, in the claimed direction for share.
    """
    here, critical = frame["estimate"].to_numpy()[:, None], _critical(frame)
    t = here / frame["std_error"].to_numpy()[:, None]
    value = statistics(here, t, critical)[:, 0]
    moved = estimate - here
    null = statistics(moved, moved / std_error, critical)
    extreme = np.abs(null) >= np.abs(value)[:, None]
    p = (1 + extreme.sum(1)) / (1 + null.shape[1])
    low, high = np.quantile(null, [0.025, 0.975], axis=1)
    mcse = np.sqrt(p * (1 - p) / null.shape[1])
    columns = {"value": value, "null_low": low, "null_high": high, "p": p, "mcse": mcse}
    return pd.DataFrame(columns, pd.Index(STATISTICS, name="statistic"))


def _critical(frame: pd.DataFrame) -> np.ndarray:
    return stats.t.ppf(1 - study.ALPHA / 2, frame["df"].to_numpy())[:, None]


# --- which choices move the answer ---


def movers(estimates: pd.Series, specs: pd.DataFrame) -> pd.DataFrame:
    """How much of the variance of the estimates each choice explains by itself, a row a choice, largest first.

    In a full factorial the shares of the choices' main effects add up: share = variance of the level means / variance
    of all. `low` and `high` name the levels with the lowest and the highest mean, `range` is between those means. A
    last row, "together only", is what depends on two choices or more at once.
    """
    total, rows = estimates.var(ddof=0), {}
    for choice in CHOICES:
        means = estimates.groupby(specs[choice], sort=False).mean()
        spread = means.var(ddof=0) / total
        rows[choice] = {"share": spread, "range": np.ptp(means), "low": means.idxmin(), "high": means.idxmax()}
    table = pd.DataFrame.from_dict(rows, orient="index").sort_values("share", ascending=False, kind="stable")
    table.loc["together only"] = [1 - table["share"].sum(), np.nan, "", ""]
    return table.rename_axis("choice")
