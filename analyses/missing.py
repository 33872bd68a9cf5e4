"""Missed visits: the shipped cohort imputed, what would tip each claim, and each method against the truth.

Three kinds of rows, told apart by `kind`:

delta    the claims after multiple imputation, the missed visits shifted: `way` level (every missed outcome worse by
         `delta`, in the outcome's units) or slope (worse by `delta` for each SD of the claim's predictor above its
         mean, better below it), at the follow-up `at` (0: at all of them)
cohorts  over simulated cohorts without quotas: bias, its difference from the same cohorts with nobody missed, and
         coverage, of each `method`, missingness `strength` (log odds a step of the last PDA seen)
limit    what the models converge to with nobody missed and no page skipped, and the causal truth
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit

from committed import ROOT, main
from helpers import cohort, imputation, measures, models, records, study
from helpers.reml import Moments, Optimum

SEED = 20_161
IMPUTATIONS, CHAINS = 50, 5  # of the shipped cohort: each chain gives its share
COHORTS, EACH = 200, 8  # simulated, and how many make a task
FEW, BURN, THIN = 4, 4, 2  # imputations of a simulated cohort, and the cycles of its chain
PEOPLE = 100_000  # behind a limit
STRENGTHS = (0.3, 0.9)  # of missingness: as built in, and three times that
STEPS = np.arange(1, 9) / 8
REACH = {
    "level": {"attendance": 4.0, "involvement": 4.0, "pda": 60.0},
    "slope": {"attendance": 3.0, "involvement": 3.0, "pda": 60.0},
}  # the greatest delta
AVERAGE = imputation.TERMS[:7]  # model (b)
DATA = [ROOT / "book" / "data" / f"{name}-SYNTHETIC.csv" for name in ("persons", "visits")]


def tasks(quick: bool) -> list[tuple]:
    share, cohorts = (2, 2 * EACH) if quick else (IMPUTATIONS // CHAINS, COHORTS)
    starts = range(0, cohorts, 2 if quick else EACH)
    return [
        ("limit", 0, 5_000 if quick else PEOPLE),
        *(("shipped", k, share) for k in range(CHAINS)),
        *(("cohorts", first, 2 if quick else EACH) for first in starts if not quick or first < 4),
    ]


def rows_of(kind: str, first: int, count: int) -> list[dict]:
    return {"limit": limits, "shipped": shipped, "cohorts": cohorts}[kind](first, count)


# --- the shipped cohort ---


def grid(outcome: str) -> pd.DataFrame:
    """Every shift of an outcome, a row each: way, of (the predictor of a slope), at, delta; the first is none."""
    rows = [("level", "", 0, 0.0)]
    for way, of in (("level", ""), ("slope", "contact"), ("slope", "alliance")):
        rows += [(way, of, at, step * REACH[way][outcome]) for at in (0, *study.FOLLOW_UPS) for step in STEPS]
    return pd.DataFrame(rows, columns=["way", "of", "at", "delta"])


def shifts(rows: pd.DataFrame, plan: pd.DataFrame, centres: pd.DataFrame) -> np.ndarray:
    """What is added to the outcome of each of `rows`, (visits, shifts): nothing where somebody came."""
    one = np.ones(len(rows))
    score = {x: ((rows[x] - centres.loc[x, "mean"]) / centres.loc[x, "sd"]).fillna(0) for x in imputation.PAIR}
    columns = []
    for way, of, at, delta in plan.itertuples(index=False):
        where = rows["missed"] & ((rows["wave"] == at) | (at == 0))
        columns.append(-delta * where * (one if way == "level" else score[of]))
    return np.column_stack(columns)


def shipped(chain: int, m: int) -> list[dict]:
    """Each claim in each completed data set and under each shift that concerns it."""
    scores = measures.score(*records.read(ROOT / "book" / "data"))
    centres, found = models.centres(scores), []
    completed = imputation.impute(scores, m, np.random.default_rng([SEED, 1, chain]))
    for outcome in study.OUTCOMES:
        plan = grid(outcome)
        parts = [imputation.moments(rows, outcome, shifts(rows, plan, centres)) for rows in completed]
        fits = optima(imputation.together(parts))
        for claim in (claim for claim in study.CLAIMS if claim.outcome == outcome):
            best, at = fits[claim.kind], imputation.TERMS.index(claim.term)
            for k in range(len(best.beta)):
                shift = plan.iloc[k % len(plan)]
                if shift["of"] in ("", claim.predictor):
                    found.append(
                        {"kind": "delta", "claim": claim.key, "way": shift["way"], "at": int(shift["at"])}
                        | {"delta": float(shift["delta"]), "estimate": float(best.beta[k, at])}
                        | {"variance": float(best.covariance[k, at, at]), "df": float(best.df[k, at])}
                    )
    return found


# --- simulated cohorts ---


def whole(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """The scores of `n` people of whom nobody is missed and who skip nothing, without quotas."""
    kept = {"seen_level": (40.0,) * 3, "seen_outcome": 0.0, "skip_inventory": 0.0, "skip_contact": 0.0}
    people, answers, _ = cohort.population(cohort.Parameters().change(**kept, skip_item=0.0), n, rng)
    return measures.score(people, answers.astype("float64"))


def thinned(full: pd.DataFrame, strength: float, draws: np.ndarray) -> pd.DataFrame:
    """`full` with visits missed, by the last PDA seen, and pages skipped by habit; `draws` (people, 4) are uniform."""
    p, n = cohort.Parameters(), len(draws)
    pda = full["pda"].to_numpy().reshape(n, -1)
    seen, known = np.ones(pda.shape, bool), pda[:, 0]
    for w, level in enumerate(p.seen_level, start=1):
        chance = expit(level + strength * (known - cohort.PDA_CENTRE) / cohort.PDA_STEP)
        seen[:, w] = draws[:, w - 1] < chance
        known = np.where(seen[:, w], pda[:, w], known)
    page = np.repeat(draws[:, 3], pda.shape[1])
    data, missed = full.copy(), ~seen.ravel()
    data.loc[missed, list(imputation.COLUMNS)] = np.nan
    data.loc[page < p.skip_inventory, "alliance"] = np.nan
    data.loc[(page >= p.skip_inventory) & (page < p.skip_inventory + p.skip_contact), "contact"] = np.nan
    return data.assign(observed=seen.ravel().astype(int))


def cohorts(first: int, count: int) -> list[dict]:
    """Each claim in simulated cohorts `first`, ...: by each method, with its interval."""
    sets = []
    for i in range(first, first + count):
        rng = np.random.default_rng([SEED, 2, i])
        full = whole(cohort.Parameters().persons, rng)
        draws = rng.random((len(full) // 4, 4))
        follow = full[full["wave"] > 0]
        sets.append((i, 0.0, "nobody missed", [follow]))
        for strength in STRENGTHS:
            data = thinned(full, strength, draws)
            always = data.groupby("person")["observed"].transform("min") == 1
            after = data["wave"] > 0
            sets.append((i, strength, "reml", [data[after]]))
            sets.append((i, strength, "complete people", [data[after & always]]))
            sets.append((i, strength, "imputation", imputation.impute(data, FEW, rng, BURN, THIN)))
    found = []
    for outcome in study.OUTCOMES:
        fits = optima(imputation.together([imputation.moments(d, outcome) for *_, frames in sets for d in frames]))
        for claim in (claim for claim in study.CLAIMS if claim.outcome == outcome):
            found += _claim(claim, sets, fits[claim.kind])
    return found


def optima(every: Moments) -> dict[str, Optimum]:
    """Models (b) and (c) of many data sets side by side, by the kind of claim that is read from them."""
    return {"average": every.select(AVERAGE).optimum(), "interaction": every.optimum()}


def _claim(claim: study.Claim, sets: list, best: Optimum) -> list[dict]:
    at, begin, found = imputation.TERMS.index(claim.term), 0, []
    for i, strength, method, frames in sets:
        part = slice(begin, begin := begin + len(frames))
        estimate, variance, df = best.beta[part, [at]], best.covariance[part, at, [at]], best.df[part, [at]]
        row = {"kind": "cohorts", "cohort": i, "claim": claim.key, "strength": strength, "method": method}
        if len(frames) > 1:
            told = imputation.pool(estimate, variance, df).iloc[0]
            row |= {name: float(told[name]) for name in ("estimate", "std_error", "conf_low", "conf_high", "fmi")}
        else:
            se = float(np.sqrt(variance[0, 0]))
            half = float(stats.t.ppf((1 + study.CONFIDENCE) / 2, df[0, 0])) * se
            row |= {"estimate": float(estimate[0, 0]), "std_error": se}
            row |= {"conf_low": row["estimate"] - half, "conf_high": row["estimate"] + half}
        found.append(row | {"certified": bool(best.certified[part].all())})
    return found


def limits(_: int, n: int) -> list[dict]:
    """The claims in a population of which nobody is missed, and their causal truth."""
    full = whole(n, np.random.default_rng([SEED, 3]))
    truth = cohort.truth(cohort.Parameters(), np.random.default_rng([SEED, 4]), n=2 * n)
    found = []
    for outcome in study.OUTCOMES:
        c = imputation.moments(full[full["wave"] > 0], outcome)
        fits = {"average": c.select(AVERAGE).fit(ddf="none").fixed, "interaction": c.fit(ddf="none").fixed}
        for claim in (claim for claim in study.CLAIMS if claim.outcome == outcome):
            row = fits[claim.kind].loc[claim.term]
            found.append(
                {"kind": "limit", "claim": claim.key, "estimate": row["estimate"], "std_error": row["std_error"]}
                | {"causal": truth.loc[claim.key, "causal"], "causal_mcse": truth.loc[claim.key, "mcse"]}
            )
    return found


# --- what is committed ---


def finish(table: pd.DataFrame) -> pd.DataFrame:
    limit = table[table["kind"] == "limit"].set_index("claim")
    delta = table[table["kind"] == "delta"]
    rows = []
    for (claim, way, at, size), part in delta.groupby(["claim", "way", "at", "delta"], sort=False):
        pooled = imputation.pool(*(part[[x]].to_numpy() for x in ("estimate", "variance", "df"))).iloc[0]
        rows.append(
            {"kind": "delta", "claim": claim, "way": way, "at": int(at), "delta": size, **pooled, "n": len(part)}
        )
    simulated = table[(table["kind"] == "cohorts") & table["certified"].eq(True)]
    alone = simulated[simulated["method"] == "nobody missed"].set_index(["claim", "cohort"])["estimate"]
    for (claim, strength, method), part in simulated.groupby(["claim", "strength", "method"], sort=False):
        rows.append({"kind": "cohorts", "claim": claim, "strength": strength, "method": method})
        rows[-1] |= _figures(part.set_index("cohort"), alone[claim], limit.loc[claim])
    keep = ["kind", "claim", "estimate", "std_error", "causal", "causal_mcse"]
    return pd.concat([pd.DataFrame(rows), limit.reset_index()[keep]], ignore_index=True)


def _figures(part: pd.DataFrame, alone: pd.Series, limit: pd.Series) -> dict:
    """Over the cohorts: mean estimate, bias, its difference from nobody missed, coverage; `_mcse` beside each."""
    n, moved = len(part), (part["estimate"] - alone).dropna()
    figures = {
        "bias": part["estimate"] - limit["causal"],
        "moved": moved,
        "width": part["conf_high"] - part["conf_low"],
    }
    for name, target in (("coverage_causal", limit["causal"]), ("coverage_limit", limit["estimate"])):
        figures[name] = ((part["conf_low"] <= target) & (target <= part["conf_high"])).astype(float)
    found = {"n": n, "estimate": part["estimate"].mean(), "spread": part["estimate"].std(), "fmi": part["fmi"].mean()}
    for name, values in figures.items():
        found |= {name: values.mean(), f"{name}_mcse": values.std() / np.sqrt(len(values))}
    return found


def about() -> dict:
    return {
        "about": "Missed visits: claims after multiple imputation with shifts, and methods against the truth",
        "seed": SEED,
        "imputations": IMPUTATIONS,
        "cohorts": COHORTS,
        "cohort_imputations": FEW,
        "people_behind_a_limit": PEOPLE,
        "strengths": list(STRENGTHS),
        "reach": REACH,
    }


if __name__ == "__main__":
    packages = ("numpy", "scipy", "pandas", "statsmodels")
    sys.exit(main(Path(__file__), tasks, rows_of, about(), finish, DATA, packages))
