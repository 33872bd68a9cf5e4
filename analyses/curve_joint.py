"""The joint test of each claim's specification curve, a check of its shortcut, and its size.

Rows of the table, by `part`:

joint   for each claim, family and statistic: value, null_low, null_high, p, mcse (see `curve.joint`). A family is
        "all", one form of the predictor, or a form and a scale
fits    for each claim: the share of fits whose optimum is certified
check   for each claim, over `CHECKED` designs drawn at random: the t of the draws with variances held, against those
        with variances fitted anew: their correlation (the least of all designs), the ratio of their SDs (held over
        anew, the mean), and the 97.5 % point of the null of mean_t over these designs by either way
size    for an average and an interaction: how often the joint test of a smaller curve has p < .05 in cohorts made
        without effects, with its Monte Carlo error
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from committed import ROOT, Rows, main
from helpers import cohort, curve, records, study

SEED = 416_020
DRAWS = 299
CHECKED, CHECK_DRAWS = 8, 199
COHORTS, BLOCK, SIZE_DRAWS = 100, 5, 199
SIZE_CLAIMS = ("contact_attendance_average", "alliance_pda_interaction")
DATA = [ROOT / "book" / "data" / name for name in ("persons-SYNTHETIC.csv", "visits-SYNTHETIC.csv")]
CLAIMS = {claim.key: claim for claim in study.CLAIMS}
FAMILIES = [("all", "all"), *((form, "all") for form in curve.FORMS)]
FAMILIES += [(form, scale) for form in curve.FORMS for scale in curve.CHOICES["scale"]]


def tasks(quick: bool) -> list[tuple]:
    draws, cohorts, every = (39, 20, 20) if quick else (DRAWS, COHORTS, 1)
    return [("claim", key, draws, every) for key in CLAIMS] + [("size", i, 0, 0) for i in range(0, cohorts, BLOCK)]


def rows_of(part: str, what: str | int, draws: int, every: int) -> Rows:
    return of_claim(what, draws, every) if part == "claim" else of_cohorts(what)


def of_claim(key: str, draws: int, every: int) -> Rows:
    """The joint tests of one claim, and the check."""
    claim, panel = CLAIMS[key], curve.panel(*records.read(DATA[0].parent))
    specs, weights = curve.specifications().iloc[::every], curve.draw(panel.people, draws, np.random.default_rng(SEED))
    found, estimate, error = curve.fits(panel, claim, specs, weights)
    rows = [{"part": "fits", "claim": key, "statistic": "certified", "value": float(found["certified"].mean())}]
    for form, scale in FAMILIES:
        here = specs["predictor"].isin(curve.FORMS if form == "all" else [form]).to_numpy()
        here = here & specs["scale"].isin(curve.CHOICES["scale"] if scale == "all" else [scale]).to_numpy()
        if here.any():
            test = curve.joint(found[here], estimate[here], error[here]).reset_index().to_dict("records")
            rows += [{"part": "joint", "claim": key, "form": form, "scale": scale} | row for row in test]
    return rows + check(panel, claim)


def check(panel: curve.Panel, claim: study.Claim) -> Rows:
    """t of the draws with variances held at the optimum, against t with variances fitted anew in each."""
    rng, specs = np.random.default_rng(SEED + 1), curve.specifications()
    weights = curve.draw(panel.people, CHECK_DRAWS, rng)
    chosen = specs.iloc[rng.choice(len(specs), CHECKED, replace=False)]
    held, anew = [], []
    for i in range(CHECKED):
        one = chosen.iloc[[i]]
        found, estimate, error = curve.fits(panel, claim, one, weights)
        b = found["estimate"].iloc[0]
        held.append((estimate[0] - b) / error[0])
        [(_, batch)] = curve.batches(panel, claim, one)
        target, reml = int(one["predictor"].iloc[0] == "between"), one["estimator"].iloc[0] == "REML"
        estimate, error = curve.refitted(batch, 0, weights, target, reml)
        anew.append((estimate - b) / error)
    held, anew = np.array(held), np.array(anew)
    values = {
        "correlation": min(np.corrcoef(a, b)[0, 1] for a, b in zip(held, anew, strict=True)),
        "sd_ratio": float(np.mean(held.std(1) / anew.std(1))),
        "limit_held": np.quantile(held.mean(0), 0.975),
        "limit_anew": np.quantile(anew.mean(0), 0.975),
    }
    return [{"part": "check", "claim": claim.key, "statistic": name, "value": float(v)} for name, v in values.items()]


def without_effects() -> cohort.Parameters:
    """The cohort's parameters with every effect of contact and alliance at zero, and neither tied to the propensity."""
    effects = [f"{o}_{x}{end}" for o in study.OUTCOMES for x in ("contact", "alliance") for end in ("", "_change")]
    return cohort.Parameters().change(**dict.fromkeys([*effects, "contact_propensity", "alliance_propensity"], 0.0))


def small() -> pd.DataFrame:
    """The smaller curve: the choices that might matter most crossed, the others as the study made them."""
    specs = curve.specifications()
    fixed = {name: curve.STUDY[name] for name in ("covariates", "time", "estimator")}
    return specs[(specs[list(fixed)] == pd.Series(fixed)).all(axis=1)]


def of_cohorts(first: int) -> Rows:
    """p of the joint tests in a block of cohorts made without effects."""
    rows, specs, p = [], small(), without_effects()
    for i in range(first, first + BLOCK):
        rng = np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=(i,)))
        persons, visits, _ = cohort.population(p, p.persons, rng)
        panel = curve.panel(persons, visits.astype(float))
        weights = curve.draw(panel.people, SIZE_DRAWS, rng)
        for key in SIZE_CLAIMS:
            test = curve.joint(*curve.fits(panel, CLAIMS[key], specs, weights))
            rows += [
                {"part": "size", "claim": key, "statistic": name, "p": float(value)}
                for name, value in test["p"].items()
            ]
    return rows


def finish(table: pd.DataFrame) -> pd.DataFrame:
    """Of the cohorts without effects the share of p < .05, with its Monte Carlo error."""
    size = table[table["part"] == "size"]
    share = (size["p"] < study.ALPHA).groupby([size["claim"], size["statistic"]]).agg(["mean", "size"])
    share = share.reset_index().rename(columns={"mean": "value", "size": "cohorts"}).assign(part="size")
    share["mcse"] = np.sqrt(share["value"] * (1 - share["value"]) / share["cohorts"])
    return pd.concat([table[table["part"] != "size"], share.drop(columns="cohorts")], ignore_index=True)


if __name__ == "__main__":
    about = {"seed": SEED, "draws": DRAWS, "checked": CHECKED, "check_draws": CHECK_DRAWS, "cohorts": COHORTS}
    about |= {"size_draws": SIZE_DRAWS, "size_specifications": len(small()), "size_claims": SIZE_CLAIMS}
    sys.exit(main(Path(__file__), tasks, rows_of, about, finish, DATA))
