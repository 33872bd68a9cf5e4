"""The power surface: what studies of many sizes, waves and retentions would find, for the coefficient of each claim.

Each plan is replicated once, with no effect in it, by `helpers.design`. That serves every effect size, exactly: the
model holds the terms that made the outcome, so another effect moves each estimate by as much and leaves the variance
components, standard errors and df where they were.

Effects are in SDs: of the outcome, for one SD of the predictor; of an interaction, the change in that over the study's
follow-ups.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

import committed
from helpers import cohort, design, study

SEED = 2604
REPLICATES = 500  # a power has a Monte Carlo error of .022 at the very most
PERSONS = (50, 75, 115, 180, 302, 450, 670, 1000)  # the study's among them
WAVES = {"3 6 12": (3, 6, 12), "3 6 9 12": (3, 6, 9, 12), "6 12": (6, 12)}  # months
KEPT = (0.0, 0.5, 1.0)  # share of the visits missed in the study's plan that are made good
EFFECTS = tuple(step / 20 for step in range(11))
TARGET = 0.8

STUDY = design.Plan()
USABLE = dict(zip(STUDY.waves, STUDY.retention, strict=True))
USABLE[9] = (USABLE[6] + USABLE[12]) / 2  # the study had no such wave


def plan_of(outcome: str, waves: str, kept: float, persons: int) -> design.Plan:
    """The study's plan for an outcome with other people, waves and retention, and without any effect."""
    months = WAVES[waves]
    plan = replace(
        design.Plan.study(outcome),
        persons=persons,
        waves=months,
        retention=tuple(1 - (1 - kept) * (1 - USABLE[month]) for month in months),
        random="1" if len(months) == 2 else "1 + time",  # two waves carry no slope beside a residual
    )
    for term in plan.effects:
        plan = plan.set(term, 0.0)
    return plan


def unit(outcome: str, term: str) -> float:
    """One SD of effect in the outcome's units for one unit of the predictor (of an interaction: a month)."""
    p, (predictor, *product) = cohort.Parameters(), term.split(":")
    months = study.FOLLOW_UPS[-1] - study.FOLLOW_UPS[0]
    return getattr(p, f"{outcome}_sd") / getattr(p, f"{predictor}_scale") / (months if product else 1)


def moved(rows: pd.DataFrame, effect: float) -> pd.DataFrame:
    """Replicates of one term as they would be with another effect in the plan (in the outcome's units)."""
    by = effect - rows["truth"].iloc[0]
    shifted = {name: rows[name] + by for name in ("estimate", "conf_low", "conf_high")}
    found = (shifted["conf_low"] > 0) | (shifted["conf_high"] < 0)  # as p < alpha: the interval is at 1 - alpha
    return rows.assign(**shifted, truth=effect, significant=found)


def figures(rows: pd.DataFrame, outcome: str, term: str) -> dict[str, str]:
    """One row of the surface as text, from a plan's replicates of one term."""
    one, plan = unit(outcome, term), design.summarise(rows).loc[term]
    fitted = rows[~rows["failed"]]
    width = (fitted["conf_high"] - fitted["conf_low"]).mean()
    row = {"failed": text(plan["failed"], ".4f"), "coverage": text(plan["coverage"], ".3f")}
    row |= {"width": text(width / one, ".4f")}
    for name in ("std_error", "bias"):  # the same for every effect
        row |= {name: text(plan[name] / one, ".4f"), f"{name}_mcse": text(plan[f"{name}_mcse"] / one, ".1g")}
    at = {effect: found(moved(fitted, effect * one)) for effect in EFFECTS}
    row |= {f"power_{effect:g}": text(at[effect]["power"], ".3f") for effect in EFFECTS}
    for name, form in (("type_s", ".2g"), ("type_m", ".2f"), ("type_m_mcse", ".1g")):
        row |= {f"{name}_{effect:g}": text(at[effect][name], form) for effect in EFFECTS[1:]}
    return row


def found(fitted: pd.DataFrame) -> dict[str, float]:
    """Power, type S and type M of replicates that did not fail, as `design.summarise` has them."""
    told, truth = fitted.loc[fitted["significant"], "estimate"].to_numpy(), fitted["truth"].iloc[0]
    figures = {"power": len(told) / len(fitted), "type_s": np.nan, "type_m": np.nan, "type_m_mcse": np.nan}
    if truth and len(told):
        factor = told / truth
        figures |= {"type_s": (factor < 0).mean(), "type_m": np.abs(factor).mean()}
        figures["type_m_mcse"] = np.abs(factor).std(ddof=1) / len(told) ** 0.5 if len(told) > 1 else np.nan
    return figures


def text(value: float, form: str) -> str:
    """A figure without the nought before its point, blank where there is none."""
    return "" if pd.isna(value) else re.sub(r"^(-?)0\.", r"\1.", f"{value:{form}}") if value else "0"


def plans() -> Iterator[tuple[str, str, float, int]]:
    return product(study.OUTCOMES, WAVES, KEPT, PERSONS)


def rows_of(outcome: str, waves: str, kept: float, persons: int, replicates: int) -> list[dict]:
    """The rows of one plan: one for each claim about its outcome."""
    frame = design.replicate(plan_of(outcome, waves, kept, persons), replicates, SEED, progress=False)
    names = {"outcome": outcome, "waves": waves, "kept": kept, "persons": persons}
    terms = [claim.term for claim in study.CLAIMS if claim.outcome == outcome]
    return [names | {"term": term} | figures(frame[frame["term"] == term], outcome, term) for term in terms]


def tasks(quick: bool) -> list[tuple]:
    """Each plan with its number of replicates."""
    return [(*plan, 50 if quick else REPLICATES) for plan in plans()]


def about() -> dict:
    """What goes beside the table: how it was made, and what its columns mean to who draws it."""
    claims = [(claim.outcome, claim.term) for claim in study.CLAIMS]
    return {
        "seed": SEED,
        "replicates": REPLICATES,
        "alpha": STUDY.alpha,
        "target": TARGET,
        "study": {"persons": STUDY.persons, "waves": "3 6 12", "kept": 0.0},
        "usable": {waves: {f"{k:g}": plan_of("pda", waves, k, 1).retention for k in KEPT} for waves in WAVES},
        "units": {f"{outcome} {term}": unit(outcome, term) for outcome, term in claims},
        "effects": {f"{o} {term}": design.Plan.study(o).effects[term] / unit(o, term) for o, term in claims},
    }


if __name__ == "__main__":
    sys.exit(committed.main(Path(__file__), tasks, rows_of, about()))
