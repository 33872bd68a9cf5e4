"""Within and between people: what each estimator converges to, with and without confounding, and with feedback.

Populations are drawn from the generating model (without quotas, visits missed and pages skipped as built in) under
several `scenario`s: as built (feedback 0); contact fed by the PDA of the wave before (feedback 0.25 to 1, log odds for
25 PDA points); no confounding (the propensity acts on outcomes alone). A row is one `term` of one `estimator` of one
`outcome`, over all batches:

plain, hybrid, fixed      the study's model (c); its predictors split into mean and departures; persons as fixed effects
level, mean               the person's true level, or the mean of the complete visits, beside the visit's own value
lag, lag_adjusted         this visit's contact and alliance, and the next visit's PDA (given this visit's PDA)
reverse, reverse_adjusted this visit's PDA and the next sponsored visit's contact (given this visit's contact)
reliability               slope of the true level on the mean of 1, 2, 3 visits
sponsor_*                 having a sponsor: model (a), split, fixed, weighted, weighted with the propensity known
causal                    the causal truth of that scenario
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy.special import expit

from committed import main
from helpers import cohort, measures, models, reml, study, weights

SEED = 20_162
BATCHES, PEOPLE = 4, 25_000
SCENARIOS = {name: {"contact_feedback": float(name)} for name in ("0", "0.25", "0.5", "1")} | {
    "unconfounded": {"sponsor_propensity": 0.0, "contact_propensity": 0.0, "alliance_propensity": 0.0}
}
PAIR = ("contact", "alliance")
ADJUSTED = list(models.ADJUSTED)


def tasks(quick: bool) -> list[tuple]:
    names = ["0", "1"] if quick else list(SCENARIOS)
    return [(name, batch, 2_000 if quick else PEOPLE) for name in names for batch in range(2 if quick else BATCHES)]


def rows_of(scenario: str, batch: int, n: int) -> list[dict]:
    rng = np.random.default_rng([SEED, list(SCENARIOS).index(scenario), batch])
    p = cohort.Parameters().change(**SCENARIOS[scenario])
    people, answers, latent = cohort.population(p, n, rng)
    scores = measures.score(people, answers.astype("float64"))
    found = []
    for outcome in study.OUTCOMES:
        found += estimators(outcome, scores)
    found += levels(p, scores, latent) + lagged(scores) + sponsor(scores, latent)
    truth = cohort.truth(p, rng, n=n, batches=5)
    for effect, row in truth.iterrows():
        predictor, outcome, kind = effect.rsplit("_", 2)
        term = predictor if kind == "average" else f"{predictor}:time"
        found.append(_row("causal", outcome, term, row["causal"], row["mcse"]))
    return [{"scenario": scenario, "batch": batch} | row for row in found]


def _row(estimator: str, outcome: str, term: str, estimate: float, std_error: float, n: int = 0) -> dict:
    values = {"estimate": float(estimate), "std_error": float(std_error), "n": int(n)}
    return {"estimator": estimator, "outcome": outcome, "term": term} | values


# --- contact and alliance ---


def split(rows: pd.DataFrame, *names: str) -> pd.DataFrame:
    """`rows` with x_between (the person's mean over these rows) and x_within (the row less that mean) of each name."""
    means = rows.groupby("person")[list(names)].transform("mean")
    return rows.assign(
        **{f"{x}_between": means[x] for x in names}, **{f"{x}_within": rows[x] - means[x] for x in names}
    )


def mixed(rows: pd.DataFrame, outcome: str, terms: list[str]) -> pd.DataFrame:
    """The table of a REML fit with a random intercept and slope."""
    return reml.fit(f"{outcome} ~ {' + '.join(terms)}", rows, "person", "1 + time", ddf="none").fixed


def robust(y: pd.Series, X: pd.DataFrame, person: pd.Series, w: pd.Series | None = None) -> pd.DataFrame:
    """Least squares with errors clustered by person: estimate and std_error by term."""
    fit = sm.WLS(y, X, 1.0 if w is None else w).fit(cov_type="cluster", cov_kwds={"groups": person.to_numpy()})
    return pd.DataFrame({"estimate": fit.params, "std_error": fit.bse})


def fixed_effects(rows: pd.DataFrame, outcome: str, terms: list[str]) -> pd.DataFrame:
    """Outcome and terms less the person's means, products formed before: everything stable about a person is gone."""
    data = rows.assign(**{f"{a}:time": rows[a] * rows["time"] for a in rows if f"{a}:time" in terms})
    data = data[data.groupby("person")["person"].transform("size") > 1]
    data = data[[outcome, *terms]] - data.groupby("person")[[outcome, *terms]].transform("mean")
    return robust(data[outcome], data[terms], rows.loc[data.index, "person"])


def estimators(outcome: str, scores: pd.DataFrame) -> list[dict]:
    rows = split(models.frame(f"{outcome}_c", scores), *PAIR)
    parts = [f"{x}_{part}" for x in PAIR for part in ("within", "between")]
    tables = {
        "plain": mixed(rows, outcome, [*PAIR, "time", *ADJUSTED, *(f"{x}:time" for x in PAIR)]),
        "hybrid": mixed(rows, outcome, [*parts, "time", *ADJUSTED, *(f"{x}:time" for x in parts)]),
        "fixed": fixed_effects(rows, outcome, [*PAIR, "time", *(f"{x}:time" for x in PAIR)]),
    }
    return [
        _row(name, outcome, term, row["estimate"], row["std_error"], len(rows))
        for name, table in tables.items()
        for term, row in table.iterrows()
        if term.split("_")[0].split(":")[0] in PAIR
    ]


def levels(p: cohort.Parameters, scores: pd.DataFrame, latent: pd.DataFrame) -> list[dict]:
    """The mean of one to three visits as a measure of the person's level: its reliability, and what it does to b."""
    rows = models.frame("pda_b", scores)
    rows = split(rows, *PAIR).merge(latent, on="person", suffixes=("", "_true"))
    # A person's usual contact: the mean over the visits' own luck, by Gauss and Hermite's rule.
    nodes, w = np.polynomial.hermite_e.hermegauss(15)
    logit = p.contact_level + p.contact_propensity * rows["propensity"] + p.contact_between * rows["contact_tendency"]
    usual = 7 * (expit(logit.to_numpy()[:, None] + p.contact_within * nodes) * w).sum(1) / w.sum()
    true = {"contact": usual, "alliance": rows["alliance_true"].to_numpy()}
    found = []
    for x in PAIR:
        rows[f"{x}_level"] = true[x] - true[x].mean()
    people = rows.assign(size=rows.groupby("person")["person"].transform("size")).drop_duplicates("person")
    for x in PAIR:
        for k, part in people.groupby("size"):
            table = robust(part[f"{x}_level"], sm.add_constant(part[[f"{x}_between"]]), part["person"])
            found.append(_row("reliability", f"{int(k)}", x, *table.loc[f"{x}_between"], len(part)))
    for name, end in (("level", "level"), ("mean", "between")):
        table = mixed(rows, "pda", [*PAIR, *(f"{x}_{end}" for x in PAIR), "time", *ADJUSTED])
        found += [_row(name, "pda", x, *table.loc[f"{x}_{end}", ["estimate", "std_error"]]) for x in PAIR]
    return found


def lagged(scores: pd.DataFrame) -> list[dict]:
    """Least squares, clustered by person, of what comes at the next follow-up on what is there at this one."""
    rows = models.frame("pda_b", scores)
    every = scores[["person", "wave", "pda", "contact"]].assign(wave=scores["wave"].map({6: 3, 12: 6}))
    rows = rows.merge(every.dropna(subset=["wave"]), on=["person", "wave"], suffixes=("", "_next"))
    found = []
    for name, outcome, terms, read in (
        ("lag", "pda_next", [], PAIR),
        ("lag_adjusted", "pda_next", ["pda"], PAIR),
        ("reverse", "contact_next", ["pda"], ["pda"]),
        ("reverse_adjusted", "contact_next", ["pda"], ["pda"]),
    ):
        x = [] if name == "reverse" else list(PAIR)
        data = rows.dropna(subset=[outcome])
        table = robust(data[outcome], sm.add_constant(data[[*x, *terms, "time", *ADJUSTED]]), data["person"])
        found += [_row(name, outcome, term, *table.loc[term], len(data)) for term in read]
    return found


# --- having a sponsor ---


def sponsor(scores: pd.DataFrame, latent: pd.DataFrame) -> list[dict]:
    rows = split(models.frame("pda_a", scores), "has_sponsor")
    a = mixed(rows, "pda", ["has_sponsor", "time", *ADJUSTED])
    parts = mixed(rows, "pda", ["has_sponsor_within", "has_sponsor_between", "time", *ADJUSTED])
    tables = {
        "sponsor_plain": a.loc["has_sponsor"],
        "sponsor_within": parts.loc["has_sponsor_within"],
        "sponsor_between": parts.loc["has_sponsor_between"],
        "sponsor_fixed": fixed_effects(rows, "pda", ["has_sponsor", "time"]).loc["has_sponsor"],
    }
    history = weights.history(scores).merge(latent[["person", "propensity", "sponsor_tendency"]], on="person")
    for name, more in (("sponsor_weighted", []), ("sponsor_known", ["propensity", "sponsor_tendency"])):
        tables[name] = weights.effect(weights.stabilised(history, more)).loc["has_sponsor"]
    return [_row(name, "pda", "has_sponsor", row["estimate"], row["std_error"]) for name, row in tables.items()]


def finish(table: pd.DataFrame) -> pd.DataFrame:
    keys = ["scenario", "estimator", "outcome", "term"]
    return (
        table.groupby(keys, sort=False)
        .agg(
            estimate=("estimate", "mean"),
            std_error=("std_error", lambda se: np.sqrt((se**2).sum()) / len(se)),
            spread=("estimate", lambda e: e.std() / np.sqrt(len(e))),
            n=("n", "sum"),
        )
        .reset_index()
    )


def about() -> dict:
    return {
        "about": "Within and between people: the limits of estimators under scenarios",
        "seed": SEED,
        "people": BATCHES * PEOPLE,
        "scenarios": SCENARIOS,
    }


if __name__ == "__main__":
    packages = ("numpy", "scipy", "pandas", "statsmodels")
    sys.exit(main(Path(__file__), tasks, rows_of, about(), finish, packages=packages))
