"""What studies of this size show when the effects are there: the nine claims in thousands of sibling cohorts.

`make analyses`, or `python analyses/siblings.py`, writes siblings.csv and siblings.json into book/data/analyses. A
sibling is a cohort made by `cohort.simulate`, as the shipped one was, from another seed. Its people are summed into
`Waves`, so that the models of all the siblings of a block are fitted side by side, exactly as `models.fit` fits one.

Three things are asked of other siblings than those of the study as it is: what becomes of the claims if every effect
has another size ("nothing" is one of the sizes), if the interactions are larger, and if more people or fewer enter.
In each the published counts are met as in the study, or in proportion.

Recruiting chooses among some lives a person, 40 for the shipped cohort. Here it is 10, which takes a third of the
time, and 40 for the few siblings whose counts 10 cannot meet. Siblings of 40 throughout are made beside, to compare.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from committed import ROOT, main
from helpers import cohort, design, measures, records, study
from helpers.reml import Waves

SEED = 7_216  # siblings: child i of (SEED, whatever world), so that worlds are compared on the same luck
BLOCK = 250
CANDIDATES = 10
AVERAGE, CHANGE = cohort.Parameters().pda_alliance, cohort.Parameters().pda_alliance_change
EFFECTS = (0.0, 0.1, 0.2, 0.3, 0.4)  # SDs, of all nine claims alike
GROWTH = (0.65, 0.8)  # SDs over the follow-ups, of the interactions, the averages as they are
PERSONS = (151, 453, 604)
SIZES = {"study": 10_000, "candidates": 250, "effects": 250, "growth": 250, "persons": 250}
PLANNED = 302
DATA = [ROOT / "book" / "data" / f"{name}-SYNTHETIC.csv" for name in ("persons", "visits")]

BASELINE = (*(f"{outcome}_0" for outcome in study.OUTCOMES), "female", "age")
VARYING = ("contact", "alliance", *study.OUTCOMES)
CENTRE = np.array([0, 1, 1, 28, 0.26, 20.4, 3, 5.2, 3, 3, 70.0])  # near the means of BASELINE and VARYING, for accuracy
KINDS = np.arange(1, 1 << len(study.FOLLOW_UPS))  # sets of follow-ups with a complete visit, as bits
TIME = {wave: wave - study.MEAN_FOLLOW_UP for wave in study.FOLLOW_UPS}
COLUMNS = ["what", "world", "persons", "claim", "at", "value", "mcse", "n"]


# --- worlds ---


def world(name: str, persons: int = PLANNED, candidates: int = CANDIDATES) -> cohort.Parameters:
    """The parameters behind siblings: "study", "effects 0.2" (all nine), "growth 0.8" (the three interactions)."""
    kind, _, size = name.partition(" ")
    effects = {}
    for claim in study.CLAIMS if kind in ("effects", "growth") else ():
        if claim.kind == "interaction":
            effects[f"{claim.outcome}_{claim.predictor}_change"] = float(size)
        elif kind == "effects":
            effects[f"{claim.outcome}_{claim.predictor}"] = float(size)
    p = cohort.Parameters(**effects)
    counts = {
        count: round(getattr(p, count) * persons / p.persons) for count in ("sponsored", "complete", "inventoried")
    }
    return p.change(persons=persons, candidates=candidates, **counts)


def sibling(p: cohort.Parameters, seed: np.random.SeedSequence) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Persons and visits of one sibling; with as many candidates as the shipped cohort where fewer do not suffice."""
    for candidates in (p.candidates, cohort.Parameters().candidates):
        try:
            return cohort.simulate(p.change(candidates=candidates), np.random.default_rng(seed))[:2]
        except ValueError:
            continue
    raise ValueError(f"{p.persons} people: the quotas cannot be met")


# --- one cohort as sums ---


def vectors(persons: pd.DataFrame, visits: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Of each person [1, BASELINE, VARYING at each follow-up] less CENTRE, and at which follow-ups it is complete.

    Shapes (n, 6 + 15) and (n, 3). The scores are those of `measures.score`; rows in order of person and wave.
    """
    n, waves = len(persons), len(study.WAVES)
    cells = visits.to_numpy(float, na_value=np.nan).reshape(n, waves, -1)
    column = lambda name: cells[..., visits.columns.get_loc(name)]
    window = column("window_days")
    items = np.stack([column(item) for item in study.SAI_ITEMS], -1)
    answered = np.isfinite(items)
    enough = answered.sum(-1) >= measures.SAI_ANSWERED
    alliance = np.where(answered, items, 0).sum(-1) / np.where(enough, answered.sum(-1), np.nan)
    contact = measures.WEEK * column("contact_days") / window
    outcomes = {
        "attendance": measures.WEEK * column("meetings") / window,
        "involvement": sum(column(item) for item in study.ACTIVITY_ITEMS),
        "pda": 100 * column("abstinent_days") / window,
    }
    base = [outcomes[outcome][:, 0] for outcome in study.OUTCOMES]
    base += [(persons["sex"] == "female").to_numpy(float), persons["age"].to_numpy(float)]
    varying = np.stack([contact, alliance, *(outcomes[outcome] for outcome in study.OUTCOMES)], -1)[:, 1:]
    complete = (column("has_sponsor") == 1)[:, 1:] & np.isfinite(varying[..., :2]).all(-1)
    base, varying = np.stack(base, -1) - CENTRE[1 : 1 + len(BASELINE)], varying - CENTRE[1 + len(BASELINE) :]
    return np.column_stack([np.ones(n), base, varying.reshape(n, -1)]), complete


def sums(cohorts: list[tuple[np.ndarray, np.ndarray]]) -> Waves:
    """The second moments of many cohorts (what `vectors` gives of each), side by side, by pattern of follow-ups."""
    first, width, K = 1 + len(BASELINE), len(VARYING), len(study.FOLLOW_UPS)
    m, V, waves = [], [], []
    for kind in KINDS:
        here = design.waves_of(kind, K)
        keep = np.r_[:first, first + np.flatnonzero(np.repeat(here, width))]
        rows = [v[(complete == here).all(1)][:, keep] for v, complete in cohorts]
        m.append([float(len(v)) for v in rows])
        V.append(np.stack([v.T @ v for v in rows]))
        waves.append(tuple(float(wave) for wave in np.array(study.FOLLOW_UPS)[here]))
    return Waves(BASELINE, VARYING, tuple(waves), CENTRE, np.array(m).T, tuple(V))


def claims(cohorts: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, np.ndarray]:
    """Of each cohort and claim (B, 9): estimate, std_error, df, and whether the fit is certified."""
    people, found = sums(cohorts), {}
    for outcome in study.OUTCOMES:
        base = f"{outcome} ~ contact + alliance + time + {outcome}_0 + female + age"
        for kind, formula in {"b": base, "c": f"{base} + contact:time + alliance:time"}.items():
            moments = people.model(formula, "1 + time", {"time": TIME})
            found[f"{outcome}_{kind}"] = moments.fixed, moments.optimum()
    picked = {"estimate": [], "std_error": [], "df": [], "certified": []}
    for claim in study.CLAIMS:
        terms, best = found[claim.model]
        k = terms.index(claim.term)
        picked["estimate"].append(best.beta[:, k])
        picked["std_error"].append(np.sqrt(best.covariance[:, k, k]))
        picked["df"].append(best.df[:, k])
        picked["certified"].append(best.certified)
    return {name: np.stack(columns, -1) for name, columns in picked.items()}


# --- tasks ---


def tasks(quick: bool) -> list[tuple]:
    share = 50 if quick else 1
    blocks = lambda kind: range(0, -(-SIZES[kind] // share), BLOCK)
    size = lambda kind: min(BLOCK, SIZES[kind] // share)
    jobs = [("siblings", "study", PLANNED, CANDIDATES, first, size("study")) for first in blocks("study")]
    full = cohort.Parameters().candidates
    jobs += [("siblings", "study", PLANNED, full, first, size("candidates")) for first in blocks("candidates")]
    worlds = [("effects", f"effects {effect:g}") for effect in EFFECTS]
    worlds += [("growth", f"growth {effect:g}") for effect in GROWTH]
    for kind, name in worlds:
        jobs += [("siblings", name, PLANNED, CANDIDATES, first, size(kind)) for first in blocks(kind)]
    for persons in PERSONS:
        jobs += [("siblings", "study", persons, CANDIDATES, first, size("persons")) for first in blocks("persons")]
    jobs += [("truth", name) for name in ("study", *(name for _, name in worlds))]
    return jobs


def rows_of(kind: str, *task: object) -> list[dict]:
    return {"siblings": siblings, "truth": truth}[kind](*task)


def siblings(name: str, persons: int, candidates: int, first: int, count: int) -> list[dict]:
    """A row a sibling: of the claims in order, e0 to e8 (estimate), s0 to s8 (standard error), d0 to d8 (df)."""
    p = world(name, persons, candidates)
    seeds = (np.random.SeedSequence(SEED, spawn_key=(i,)) for i in range(first, first + count))
    found = claims([vectors(*sibling(p, seed)) for seed in seeds])
    rows = []
    for b in range(count):
        row = {"kind": "sibling", "world": name, "persons": persons, "candidates": candidates, "sibling": first + b}
        for letter, values in zip("esd", (found["estimate"], found["std_error"], found["df"]), strict=True):
            good = np.where(found["certified"][b], values[b], np.nan)
            row |= {f"{letter}{k}": float(f"{value:.7g}") for k, value in enumerate(good) if np.isfinite(value)}
        rows.append(row)
    return rows


def truth(name: str) -> list[dict]:
    """The causal effect behind each claim in a world, with its Monte Carlo error; in a row each."""
    table = cohort.truth(world(name), np.random.default_rng(SEED), n=100_000)
    keep = table.loc[[claim.key for claim in study.CLAIMS]]
    return [{"kind": "truth", "world": name, "claim": key, **row} for key, row in keep[["causal", "mcse"]].iterrows()]


# --- the table that is committed ---


def finish(table: pd.DataFrame) -> pd.DataFrame:
    """Of each group of siblings what `group_rows` gives; how the claims go together; the shipped cohort's place."""
    truths = table[table["kind"] == "truth"].set_index(["world", "claim"])["causal"]
    rows = []
    for (name, persons, candidates), group in table[table["kind"] == "sibling"].groupby(
        ["world", "persons", "candidates"], sort=False
    ):
        whole = group[[f"{letter}{k}" for letter in "esd" for k in range(len(study.CLAIMS))]].dropna().to_numpy(float)
        estimate, std_error, df = np.split(whole, 3, axis=1)
        label = name if candidates == CANDIDATES else f"{name}, {candidates:.0f} candidates"
        causal = truths.loc[[(name, claim.key) for claim in study.CLAIMS]].to_numpy()
        common = {"world": label, "persons": int(persons)}
        rows += [common | row for row in group_rows(estimate, std_error, df, causal, len(group))]
        if label == "study" and persons == PLANNED:
            rows += [common | row for row in dependence(estimate, std_error, df)]
            rows += [common | row for row in place(estimate, std_error, df)]
    return pd.DataFrame(rows)[COLUMNS]


def group_rows(
    estimate: np.ndarray, std_error: np.ndarray, df: np.ndarray, causal: np.ndarray, made: int
) -> list[dict]:
    """What n siblings show, arrays (n, 9) and the causal effects (9,); `made` counts those not fitted too.

    By claim: found (share with the interval above zero, the claims' rule), found by Holm (and with p adjusted for the
    nine), power (share with an interval that excludes zero), type_s, type_m and coverage (against the causal effect),
    mean, sd and std_error (their mean) of the estimates, and truth. Of all nine: joint and joint by Holm (share that
    shows all), product (of the nine shares found), count (at k: share that shows k). Each with its Monte Carlo
    standard error, see `design.summarise`; that of the product is by the delta method, from the SD over siblings of
    sum_k found_k / share_k.
    """
    n, half = len(estimate), stats.t.ppf((1 + study.CONFIDENCE) / 2, df) * std_error
    found, out = estimate - half > 0, (estimate - half > 0) | (estimate + half < 0)
    strict = (estimate > 0) & (holm(2 * stats.t.sf(np.abs(estimate / std_error), df)) < study.ALPHA)
    rows = [{"what": "failed", "value": 1 - n / made, "n": made}]
    for k, claim in enumerate(study.CLAIMS):
        e, passed = estimate[:, k], estimate[out[:, k], k]
        covered = np.abs(e - causal[k]) <= half[:, k]
        spread = e.std(ddof=1)
        named = {
            "found": share(found[:, k]),
            "found by Holm": share(strict[:, k]),
            "power": share(out[:, k]),
            "coverage": share(covered),
            "mean": (e.mean(), spread / np.sqrt(n), n),
            "sd": (spread, spread / np.sqrt(2 * (n - 1)), n),
            "std_error": (std_error[:, k].mean(), std_error[:, k].std(ddof=1) / np.sqrt(n), n),
            "truth": (causal[k], 0.0, 0),
        }
        if causal[k] > 0.01 * std_error[:, k].mean() and len(passed) > 1:  # else there is no sign to get wrong
            factor = passed / causal[k]
            named["type_s"] = share(factor < 0)
            named["type_m"] = (np.abs(factor).mean(), np.abs(factor).std(ddof=1) / np.sqrt(len(passed)), len(passed))
        names = ("value", "mcse", "n")
        rows += [{"what": what, "claim": claim.key} | dict(zip(names, row, strict=True)) for what, row in named.items()]
    value, mcse, _ = share(found.all(1))
    rows.append({"what": "joint", "value": value, "mcse": mcse, "n": n})
    value, mcse, _ = share(strict.all(1))
    rows.append({"what": "joint by Holm", "value": value, "mcse": mcse, "n": n})
    shares = found.mean(0)
    product = shares.prod()
    error = product * (found / np.maximum(shares, 1e-300)).sum(1).std(ddof=1) / np.sqrt(n)
    rows.append({"what": "product", "value": product, "mcse": error, "n": n})
    for k in range(len(study.CLAIMS) + 1):
        value, mcse, _ = share(found.sum(1) == k)
        rows.append({"what": "count", "at": k, "value": value, "mcse": mcse, "n": n})
    return rows


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values within each row of p (n, k)."""
    order = np.argsort(p, axis=1)
    factors = np.arange(p.shape[1], 0, -1)
    adjusted = np.maximum.accumulate(np.take_along_axis(p, order, 1) * factors, axis=1)
    put = np.empty_like(p)
    np.put_along_axis(put, order, np.minimum(adjusted, 1), 1)
    return put


def share(happened: np.ndarray) -> tuple[float, float, int]:
    p, n = happened.mean(), len(happened)
    return p, np.sqrt(p * (1 - p) / n), n


def dependence(estimate: np.ndarray, std_error: np.ndarray, df: np.ndarray) -> list[dict]:
    """Of r = estimate / half its interval (a claim is found where r > 1): mean and sd by claim, correlation by pair.

    `at` of a correlation is the other claim's place among the nine.
    """
    r = estimate / (stats.t.ppf((1 + study.CONFIDENCE) / 2, df) * std_error)
    n, rho, rows = len(r), np.corrcoef(r.T), []
    for k, claim in enumerate(study.CLAIMS):
        rows.append({"what": "r mean", "claim": claim.key, "value": r[:, k].mean(), "n": n})
        rows.append({"what": "r sd", "claim": claim.key, "value": r[:, k].std(ddof=1), "n": n})
        for j in range(k):
            value = {"value": rho[k, j], "mcse": (1 - rho[k, j] ** 2) / np.sqrt(n - 1), "n": n}
            rows.append({"what": "r correlation", "claim": claim.key, "at": j} | value)
    return rows


def place(estimate: np.ndarray, std_error: np.ndarray, df: np.ndarray) -> list[dict]:
    """Where the shipped cohort stands among its siblings.

    By claim: shipped (its estimate), below (share of siblings with a smaller one), quantile (of siblings, at). Of all
    nine: distance (Mahalanobis, of the nine estimates from their means), farther (share of siblings as far or farther).
    """
    persons, visits = records.read()
    shipped = claims([vectors(persons, visits)])["estimate"][0]
    n, rows = len(estimate), []
    for k, claim in enumerate(study.CLAIMS):
        rows.append({"what": "shipped", "claim": claim.key, "value": shipped[k]})
        value, mcse, _ = share(estimate[:, k] < shipped[k])
        rows.append({"what": "below", "claim": claim.key, "value": value, "mcse": mcse, "n": n})
        for at in (0.025, 0.25, 0.5, 0.75, 0.975):
            rows.append(
                {"what": "quantile", "claim": claim.key, "at": at, "value": np.quantile(estimate[:, k], at), "n": n}
            )
    root = np.linalg.cholesky(np.cov(estimate.T))
    distance = lambda e: np.sqrt((np.linalg.solve(root, (e - estimate.mean(0)).T) ** 2).sum(0))
    ours, theirs = distance(shipped[None])[0], distance(estimate)
    value, mcse, _ = share(theirs >= ours)
    rows.append({"what": "distance", "value": ours})
    return [*rows, {"what": "farther", "value": value, "mcse": mcse, "n": n}]


ABOUT = {
    "seed": SEED,
    "siblings": SIZES,
    "candidates": [CANDIDATES, cohort.Parameters().candidates],
    "effects": EFFECTS,
    "growth": GROWTH,
    "persons": PERSONS,
}

if __name__ == "__main__":
    sys.exit(main(Path(__file__), tasks, rows_of, ABOUT, finish, DATA))
