"""Raw answers to scores, and how far the scores can be trusted.

Scores: sponsor contact, alliance (the Sponsor Alliance Inventory, SAI), 12-step attendance and involvement, PDA.
Trust: coefficients alpha and omega with intervals, item-rest correlations, a one-factor model, stability over waves
and groups. `items` always has one row a person and one column an item, and rows with a missing item are left out.
A person visits several times and visits of one person are not independent, so pass items of one wave wherever an
interval or a fit is read.
"""

import re
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import optimize, stats

from helpers import study

SAI = list(study.SAI_ITEMS)
SAI_ANSWERED = 8  # of ten: below this many answers the alliance is blank
SAI_SHARE = SAI_ANSWERED / len(SAI)  # the same rule for an inventory of another length
WEEK = 7  # days
STEPS = 200  # of Fisher scoring, far more than the ten or so it takes
SETTLED = 1e-10  # last step of Fisher scoring, in standardised loadings
RELIABILITY = ["alpha", "alpha_low", "alpha_high", "omega", "omega_low", "omega_high"]
STABILITY = ["n", *RELIABILITY, "eigen_ratio", "rmsea", "srmr", "congruence", "largest_difference"]


def score(persons: pd.DataFrame, visits: pd.DataFrame) -> pd.DataFrame:
    """Scores of every person at every wave, one row each (missed visits too), sorted by person and wave.

    `persons` and `visits` are the two frames as `records.read` returns them.

    Returns
    -------
    person, wave : key; months (since discharge, = wave); observed (0/1)
    time : months less the mean of the study's follow-ups, so that zero is the middle of the follow-up
    sex, female (0/1), age (years at entry)
    has_sponsor : 0/1, NaN where not asked or missed
    contact : days a week with contact, 7 contact_days / window_days
    alliance : mean of the SAI items answered (1 to 7) if at least 8 of the ten are, else NaN. The mean stands in for
        at most two missing items (person-mean substitution), so it stays on the items' scale.
    attendance : meetings a week, 7 meetings / window_days
    involvement : how many of the six activities other than having and calling a sponsor; NaN if any is missing
    involvement_full : how many of all eight; NaN if any is missing
    pda : percent days abstinent, 100 abstinent_days / window_days
    attendance_0, involvement_0, pda_0 : the person's value at wave 0, on each of their rows
    complete : whether the visit has a sponsor, a contact and an alliance

    A score of which `visits` holds no raw answers is taken from the column of its own name (contact, alliance,
    attendance, involvement, pda), and is blank if there is none. The waves and the items are those of `visits`.

    Raises
    ------
    ValueError
        A window of no days, a person of `visits` who is not in `persons` or stands there twice, a repeated visit.
    """
    visits = visits.sort_values(["person", "wave"], kind="stable", ignore_index=True)
    _scorable(persons, visits)
    who = persons.set_index("person").loc[visits["person"]].reset_index(drop=True)
    given = lambda column: visits[column] if column in visits else pd.Series(np.nan, visits.index)
    window = given("window_days")
    items, activities, every = visits[sai(visits)], visits[activity_items(visits)], visits[involvement_items(visits)]

    scores = visits[["person", "wave"]].copy()
    scores["months"] = visits["wave"]
    scores["time"] = scores["months"] - mean_follow_up(visits)
    scores["observed"] = visits["observed"]
    scores["sex"] = who["sex"]
    scores["female"] = who["sex"].map({"female": 1, "male": 0})
    scores["age"] = who["age"]
    scores["has_sponsor"] = given("has_sponsor")
    enough = np.ceil(SAI_SHARE * items.shape[1])
    taken = lambda name, raw, score: score() if raw else given(name)
    scores["contact"] = taken("contact", "contact_days" in visits, lambda: WEEK * visits["contact_days"] / window)
    mean = lambda: items.mean(axis=1).where(items.notna().sum(axis=1) >= enough)
    scores["alliance"] = taken("alliance", items.columns.size, mean)
    scores["attendance"] = taken("attendance", "meetings" in visits, lambda: WEEK * visits["meetings"] / window)
    scores["involvement"] = taken("involvement", activities.columns.size, lambda: activities.sum(axis=1, skipna=False))
    scores["involvement_full"] = taken("involvement_full", every.columns.size, lambda: every.sum(axis=1, skipna=False))
    scores["pda"] = taken("pda", "abstinent_days" in visits, lambda: pda(visits["abstinent_days"], window))
    entry = scores[scores["wave"] == 0].set_index("person")
    for outcome in study.OUTCOMES:
        scores[f"{outcome}_0"] = entry[outcome].reindex(scores["person"]).to_numpy()
    scores["complete"] = (scores["has_sponsor"] == 1) & scores["contact"].notna() & scores["alliance"].notna()
    return scores


def sai(visits: pd.DataFrame) -> list[str]:
    """The columns of `visits` that are items of the Sponsor Alliance Inventory: sai_1, sai_2, ..."""
    return [column for column in visits if re.fullmatch(r"sai_\d+", str(column))]


def involvement_items(visits: pd.DataFrame) -> list[str]:
    """The columns of `visits` that are activities of the involvement index: inv_1, inv_2, ..."""
    return [column for column in visits if re.fullmatch(r"inv_\d+", str(column))]


def activity_items(visits: pd.DataFrame) -> list[str]:
    """The involvement items that are counted: all but having and calling a sponsor."""
    return [item for item in involvement_items(visits) if item not in study.SPONSOR_ITEMS]


def follow_ups(visits: pd.DataFrame) -> tuple[int, ...]:
    """The waves of `visits` (or of scores) after entry, in months, in order."""
    return tuple(sorted({int(wave) for wave in visits["wave"].unique()} - {0}))


def mean_follow_up(visits: pd.DataFrame) -> float:
    """The mean of the follow-ups' months, at which time is centred: 7 for waves at 3, 6 and 12 months."""
    return float(np.mean(follow_ups(visits))) if follow_ups(visits) else np.nan


def outcomes(scores: pd.DataFrame, visits: pd.DataFrame | None = None) -> dict[str, study.Outcome]:
    """Those of the study's outcomes that were measured: any value at a follow-up.

    Involvement is in activities of as many as `visits` holds; of a score without items the greatest value is its limit.
    """
    later = scores[scores["wave"] > 0]
    found = {name: outcome for name, outcome in study.OUTCOMES.items() if later[name].notna().any()}
    if visits is not None and "involvement" in found:
        n = len(activity_items(visits))
        unit = f"activities of {study.in_words(n)}" if n else "points of involvement"
        high = float(n or scores["involvement"].max())
        found["involvement"] = replace(found["involvement"], unit=unit, high=high)
    return found


def pda(abstinent_days: pd.Series, window_days: pd.Series | int) -> pd.Series:
    """Percent days abstinent, 100 abstinent_days / window_days, one a visit; blank where either is."""
    return 100 * abstinent_days / window_days


def sai_items(visits: pd.DataFrame, wave: int) -> pd.DataFrame:
    """The SAI answers of those who gave any at `wave`: one row a person (the index), columns sai_1, sai_2, ..."""
    return visits[visits["wave"] == wave].set_index("person")[sai(visits)].dropna(how="all")


@dataclass(frozen=True)
class Reliability:
    """A reliability coefficient: estimate, interval at study.CONFIDENCE, n people who answered all k items."""

    estimate: float
    conf_low: float
    conf_high: float
    n: int
    k: int


def alpha(items: pd.DataFrame, confidence: float = study.CONFIDENCE) -> Reliability:
    """Cronbach's alpha, k / (k - 1) (1 - sum of item variances / variance of the sum), with Feldt's interval.

    Interval: (1 - alpha) / (1 - estimate) follows F with n - 1 and (n - 1)(k - 1) degrees of freedom, so the limits are
    1 - (1 - estimate) F quantile. Exact for normal items with equal variances and equal covariances, an approximation
    otherwise. Raises ValueError for fewer than 2 items or 3 complete rows, a constant item or values not finite.

    Source: Feldt 1965, Psychometrika 30:357-370; Feldt, Woodruff & Salih 1987, Applied Psychological Measurement
    11:93-103, formulas 6 and 7.
    """
    X = _complete(items, least_items=2)
    n, k = X.shape
    estimate = alpha_of(np.cov(X.T))
    return Reliability(estimate, *feldt(estimate, n, k, confidence), n, k)


def feldt(estimate: float, n: int, k: int, confidence: float = study.CONFIDENCE) -> tuple[float, float]:
    """Feldt's limits for alpha of k items in n people: 1 - (1 - estimate) F, F's quantiles at n - 1, (n - 1)(k - 1)."""
    tail = (1 - confidence) / 2
    F_low, F_high = stats.f.ppf([tail, 1 - tail], n - 1, (n - 1) * (k - 1))
    return float(1 - (1 - estimate) * F_high), float(1 - (1 - estimate) * F_low)


def alpha_of(S: np.ndarray) -> float:
    """Alpha of a covariance matrix S, shape (k, k): k / (k - 1) (1 - trace(S) / sum(S))."""
    k = len(S)
    return float(k / (k - 1) * (1 - np.trace(S) / np.sum(S)))


def omega(items: pd.DataFrame, confidence: float = study.CONFIDENCE) -> Reliability:
    """McDonald's omega of one factor, (sum of loadings)^2 / ((sum of loadings)^2 + sum of unique variances).

    Loadings and unique variances are maximum likelihood's for normal items with one common factor. Standard error by
    the delta method from the expected information; the interval is made for ln(1 - omega), with Bonett's correction,
    and so stays below 1:  1 - exp(ln(1 - omega) - ln(n / (n - 1)) +- z SE / (1 - omega)). Raises as `one_factor`.

    Source: McDonald 1999, Test Theory; Raykov 2002, Multivariate Behavioral Research 37:89-103 (delta method);
    Bonett & Wright 2015, Journal of Organizational Behavior 36:3-15 (transformation).
    """
    X = _complete(items, least_items=3)
    n, k = X.shape
    loading, unique, covariance = maximum_likelihood(np.cov(X.T), n)
    estimate = omega_of(loading, unique)
    common, total = np.sum(loading), np.sum(loading) ** 2 + np.sum(unique)
    slope = np.r_[np.full(k, 2 * common * (1 - estimate) / total), np.full(k, -estimate / total)]
    error = np.sqrt(slope @ covariance @ slope)
    return Reliability(estimate, *bonett(estimate, error, n, confidence), n, k)


def omega_of(loading: np.ndarray, unique: np.ndarray) -> float:
    """Omega of one factor's loadings and unique variances, each shape (k,), in the items' own units."""
    return float(np.sum(loading) ** 2 / (np.sum(loading) ** 2 + np.sum(unique)))


def bonett(estimate: float, error: float, n: int, confidence: float = study.CONFIDENCE) -> tuple[float, float]:
    """Limits for a reliability with a standard error: 1 - exp(ln(1 - estimate) - ln(n / (n - 1)) +- z error')."""
    z = stats.norm.ppf((1 + confidence) / 2)
    centre = np.log(1 - estimate) - np.log(n / (n - 1))
    half = z * error / (1 - estimate)  # error' of ln(1 - estimate), by the delta method
    return float(1 - np.exp(centre + half)), float(1 - np.exp(centre - half))


def item_rest(items: pd.DataFrame) -> pd.Series:
    """Correlation of each item with the sum of the others (corrected item-total), by item; raises as `alpha`."""
    X = _complete(items, least_items=2)
    total = X.sum(axis=1)
    r = [np.corrcoef(X[:, j], total - X[:, j])[0, 1] for j in range(X.shape[1])]
    return pd.Series(r, index=list(items.columns), name="item_rest")


@dataclass(frozen=True)
class OneFactor:
    """The one-factor model of k items in n people, by maximum likelihood for normal items.

    items : one row an item: loading (standardised) and unique (standardised unique variance, 1 - loading^2)
    share : of the items' standardised variance that the factor carries, mean(loading^2)
    eigen_ratio : first over second eigenvalue of the correlation matrix
    chi2, df, p : likelihood-ratio test of the model, (n - 1) times the discrepancy
    rmsea : sqrt(max(chi2 - df, 0) / (df (n - 1))); with rmsea_low and rmsea_high, its 90 % interval
    srmr : root mean square of the residual correlations, diagonal included
    proper : whether every unique variance is above zero (False: a Heywood case)
    """

    items: pd.DataFrame
    n: int
    k: int
    share: float
    eigen_ratio: float
    chi2: float
    df: int
    p: float
    rmsea: float
    rmsea_low: float
    rmsea_high: float
    srmr: float
    proper: bool


def one_factor(items: pd.DataFrame) -> OneFactor:
    """How well one factor accounts for the items; see `OneFactor` for what is reported.

    The fit indices suppose normal items; seven-point answers with a ceiling are not, so they are descriptive here.
    With 3 items df is 0 and p and rmsea are NaN. Raises ValueError as `alpha`, and for fewer than 3 items, no more
    complete rows than items, items that determine each other, or a fit that does not settle.

    Source: Joereskog 1967, Psychometrika 32:443-482; Browne & Cudeck 1992, Sociological Methods & Research 21:230-258
    (RMSEA); Hu & Bentler 1999, Structural Equation Modeling 6:1-55 (SRMR).
    """
    X = _complete(items, least_items=3)
    n, k = X.shape
    R = np.corrcoef(X.T)
    loading, unique, _ = maximum_likelihood(R, n)
    Sigma = np.outer(loading, loading) + np.diag(unique)
    df = k * (k - 3) // 2
    chi2 = (n - 1) * discrepancy(R, Sigma)
    eigenvalues = np.linalg.eigvalsh(R)
    residual = (R - Sigma)[np.tril_indices(k)]
    rmsea, low, high = np.sqrt(_excess(chi2, df) / (df * (n - 1))).tolist() if df else [np.nan] * 3
    return OneFactor(
        items=pd.DataFrame({"loading": loading, "unique": unique}, index=pd.Index(items.columns, name="item")),
        n=n,
        k=k,
        share=float(np.mean(loading**2)),
        eigen_ratio=float(eigenvalues[-1] / eigenvalues[-2]),
        chi2=float(chi2),
        df=df,
        p=float(stats.chi2.sf(chi2, df)) if df else np.nan,
        rmsea=rmsea,
        rmsea_low=low,
        rmsea_high=high,
        srmr=float(np.sqrt(np.mean(residual**2))),
        proper=bool(np.all(unique > 0)),
    )


def maximum_likelihood(S: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One factor fitted to a covariance matrix S, shape (k, k), of n people: S ~ Sigma = l l' + diag(u).

    Returns loadings l (k,) with a sum above zero, unique variances u (k,), and the covariance matrix (2k, 2k) of both:
    the inverse of the expected information. Minimises `discrepancy` by Fisher scoring with halved steps, in the metric
    of correlations, to which the model is indifferent. Unique variances may end below zero (a Heywood case). Raises
    ValueError if S is singular (items that determine each other, as with n <= k) or the steps do not settle.

    Source: Joereskog 1967, Psychometrika 32:443-482; Wishart likelihood, hence n - 1.
    """
    k, sd = len(S), np.sqrt(np.diag(S))
    R = S / np.outer(sd, sd)
    size, direction = np.linalg.eigh(R)
    if size[0] < 1e-10:
        raise ValueError(f"one factor of {k} items in {n} people: items determine each other, or too few people")
    start = direction[:, -1] * np.sqrt(size[-1] - 1)  # the first component, less what chance alone gives it
    theta = np.r_[start * np.copysign(1, start.sum()), np.maximum(1 - start**2, 0.05)]
    for _ in range(STEPS):
        gradient, information = _score(theta, R, n)
        step = np.linalg.solve(information, gradient)
        fraction = 1.0
        while fraction > 1e-10 and not _fit(theta + fraction * step, R) <= _fit(theta, R) + 1e-14:
            fraction /= 2
        theta = theta + fraction * step
        if np.max(np.abs(step)) < SETTLED:
            break
    else:
        raise ValueError(f"one factor of {k} items in {n} people: the fit did not settle in {STEPS} steps")
    scale = np.r_[sd, sd**2]
    covariance = np.linalg.inv(_score(theta, R, n)[1]) * np.outer(scale, scale)
    loading, unique = np.split(theta * scale, 2)
    return loading, unique, covariance


def _score(theta: np.ndarray, S: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (2k,) and expected information (2k, 2k) of the Wishart log-likelihood at theta = (l, u)."""
    loading, unique = np.split(theta, 2)
    P = np.linalg.inv(np.outer(loading, loading) + np.diag(unique))
    G = P @ S @ P - P
    v = P @ loading
    gradient = (n - 1) * np.r_[G @ loading, np.diag(G) / 2]
    information = (n - 1) * np.block([[np.outer(v, v) + (loading @ v) * P, P * v], [(P * v).T, P**2 / 2]])
    return gradient, information


def _fit(theta: np.ndarray, S: np.ndarray) -> float:
    loading, unique = np.split(theta, 2)
    return discrepancy(S, np.outer(loading, loading) + np.diag(unique))


def discrepancy(S: np.ndarray, Sigma: np.ndarray) -> float:
    """ln|Sigma| - ln|S| + trace(S Sigma^-1) - k; infinite where Sigma is no covariance matrix."""
    if np.linalg.eigvalsh(Sigma)[0] <= 0:
        return np.inf
    return float(np.linalg.slogdet(Sigma)[1] - np.linalg.slogdet(S)[1] + np.trace(S @ np.linalg.inv(Sigma)) - len(S))


def _excess(chi2: float, df: int, confidence: float = 0.90) -> np.ndarray:
    """Estimate and interval limits of the non-centrality behind a chi-square, none below zero."""

    def limit(probability: float) -> float:
        if stats.chi2.cdf(chi2, df) <= probability:
            return 0.0
        return optimize.brentq(lambda excess: stats.ncx2.cdf(chi2, df, excess) - probability, 0, 10 * chi2 + 100)

    return np.array([max(chi2 - df, 0), limit((1 + confidence) / 2), limit((1 - confidence) / 2)])


def congruence(a: np.ndarray, b: np.ndarray) -> float:
    """Tucker's coefficient of congruence of two loading vectors: a'b / sqrt(a'a b'b); from .95 read as equal.

    Source: Lorenzo-Seva & ten Berge 2006, Methodology 2:57-64.
    """
    return float(a @ b / np.sqrt(a @ a * (b @ b)))


def stability(items: pd.DataFrame, groups: pd.Series) -> pd.DataFrame:
    """Reliability and the one factor in each group beside all rows together, one row a group.

    `groups` holds the group of each row of `items` (a wave, a sex), aligned by position. Within a group one row a
    person. If groups are waves, a person stands in several: the rows together give the pooled loadings only, no
    interval.

    Returns
    -------
    n, alpha, alpha_low, alpha_high, omega, omega_low, omega_high, eigen_ratio, rmsea, srmr, and against the pooled
    standardised loadings: congruence (Tucker's) and largest_difference of a loading. Sorted by group. A group with no
    more complete rows than items has its n alone, the rest NaN: its factor cannot be fitted.
    """
    pooled = one_factor(items).items["loading"]
    rows = {}
    for group, part in items.groupby(groups.to_numpy()):
        complete = len(part.dropna())
        rows[group] = [complete, *[np.nan] * (len(STABILITY) - 1)]
        if complete > items.shape[1]:
            a, o, f = alpha(part), omega(part), one_factor(part)
            rows[group] = [complete, a.estimate, a.conf_low, a.conf_high, o.estimate, o.conf_low, o.conf_high]
            rows[group] += [f.eigen_ratio, f.rmsea, f.srmr, congruence(f.items["loading"], pooled)]
            rows[group] += [np.max(np.abs(f.items["loading"] - pooled))]
    return pd.DataFrame.from_dict(rows, orient="index", columns=STABILITY).rename_axis(groups.name)


def retest(scores: pd.DataFrame, column: str = "alliance", confidence: float = study.CONFIDENCE) -> pd.DataFrame:
    """Correlation of people's scores between follow-ups: one row a pair of waves, index "3-6"; `scores` as `score`'s.

    Returns
    -------
    earlier, later (months), n (people with both), r (Pearson), conf_low, conf_high (Fisher's z; NaN if n < 4)
    """
    wide = scores.pivot(index="person", columns="wave", values=column)
    z = stats.norm.ppf((1 + confidence) / 2)
    rows = {}
    for earlier, later in combinations(follow_ups(scores), 2):
        both = wide[[earlier, later]].dropna()
        n, r = len(both), both[earlier].corr(both[later])
        half = z / np.sqrt(n - 3) if n > 3 else np.nan
        low, high = np.tanh(np.arctanh(r) - half), np.tanh(np.arctanh(r) + half)
        rows[f"{earlier}-{later}"] = [earlier, later, n, r, low, high]
    columns = ["earlier", "later", "n", "r", "conf_low", "conf_high"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def _complete(items: pd.DataFrame, least_items: int) -> np.ndarray:
    """The complete rows as an array (n, k); ValueError if they cannot carry a coefficient."""
    items = pd.DataFrame(items)
    X = items.dropna().to_numpy(dtype=float)
    if items.shape[1] < least_items or len(X) < 3:
        raise ValueError(
            f"items: {items.shape[1]} columns, {len(X)} complete rows; at least {least_items} columns and 3 rows needed"
        )
    if not np.isfinite(X).all():
        raise ValueError(f"items: values that are not finite in {list(items.columns[~np.isfinite(X).all(axis=0)])}")
    if len(constant := items.columns[np.ptp(X, axis=0) == 0]):
        raise ValueError(f"items: {list(constant)} hold one value only, so nothing varies together with them")
    return X


def _scorable(persons: pd.DataFrame, visits: pd.DataFrame) -> None:
    """What would turn into inf or into wrong rows without a word; `records.check` says everything else."""
    for table, key in ((persons, ["person"]), (visits, ["person", "wave"])):
        if (twice := table.duplicated(key)).any():
            raise ValueError(f"columns {key}: repeated in rows {table.index[twice].tolist()[:20]}")
    if len(strangers := visits.loc[~visits["person"].isin(persons["person"]), "person"].unique()):
        raise ValueError(f"column person: {strangers[:20].tolist()} of visits are not in persons")
    if "window_days" in visits and (empty := visits["window_days"] <= 0).any():
        where = visits.loc[empty, ["person", "wave"]].head(20).to_numpy().tolist()
        raise ValueError(f"column window_days: no days at [person, wave] {where}")
