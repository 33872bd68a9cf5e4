"""The power surface: what studies of many sizes, waves and retentions would find, for the coefficient of each claim.

`make analyses`, or `python analyses/power_surface.py`, writes power_surface.csv and power_surface.json beside this
file (--quick: few replicates, under _build/analyses). Each plan is replicated once, with no effect in it, by
`helpers.design`. That serves every effect size, exactly: the model holds the terms that made the outcome, so another
effect moves each estimate by as much and leaves the variance components, standard errors and df where they were.

Effects are in SDs: of the outcome, for one SD of the predictor; of an interaction, the change in that over the study's
follow-ups. A run that was stopped goes on where it was; the committed files change when all is done.
"""

import argparse
import ast
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from itertools import product
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from helpers import cohort, design, study

ROOT = Path(__file__).resolve().parents[1]
CSV, RECORD = (ROOT / "analyses" / f"power_surface.{ending}" for ending in ("csv", "json"))
BUILD = ROOT / "_build" / "analyses"

SEED = 2604
REPLICATES = 2500  # a power has a Monte Carlo error of .01 at the very most
PERSONS = (50, 70, 100, 145, 210, 302, 430, 580, 770, 1000)  # the study's among them
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
    by = effect - rows["truth"]
    shifted = rows[["estimate", "conf_low", "conf_high", "truth"]].add(by, axis=0)
    found = (shifted["conf_low"] > 0) | (shifted["conf_high"] < 0)  # as p < alpha: the interval is at 1 - alpha
    return rows.assign(**shifted, significant=found)


def figures(rows: pd.DataFrame, outcome: str, term: str) -> dict[str, str]:
    """One row of the surface as text, from a plan's replicates of one term."""
    one = unit(outcome, term)
    at = {effect: design.summarise(moved(rows, effect * one)).loc[term] for effect in EFFECTS}
    width = (rows["conf_high"] - rows["conf_low"])[~rows["failed"]]
    plan = at[0.0]  # the same for every effect: failed to bias
    row = {"failed": text(plan["failed"], ".4f"), "coverage": text(plan["coverage"], ".3f")}
    row |= {"width": text(width.mean() / one, ".4f")}
    for name in ("std_error", "bias"):
        row |= {name: text(plan[name] / one, ".4f"), f"{name}_mcse": text(plan[f"{name}_mcse"] / one, ".1g")}
    row |= {f"power_{effect:g}": text(at[effect]["power"], ".3f") for effect in EFFECTS}
    for name, form in (("type_s", ".2g"), ("type_m", ".2f"), ("type_m_mcse", ".1g")):
        row |= {f"{name}_{effect:g}": text(at[effect][name], form) for effect in EFFECTS[1:]}
    return row


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


def surface(replicates: int = REPLICATES) -> pd.DataFrame:
    """All plans, each kept under `_build` as it ends, by a name that says from which inputs it came."""
    done = BUILD / hashlib.sha256(json.dumps([inputs(), replicates]).encode()).hexdigest()[:16]
    done.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, plan in enumerate(tqdm(list(plans()), unit="plan")):
        held = done / f"{number:03d}.json"
        if not held.exists():
            write(held, json.dumps(rows_of(*plan, replicates)))
        rows += json.loads(held.read_text(encoding="utf-8"))
    return pd.DataFrame(rows)


# --- what the result came from ---


def sources() -> list[Path]:
    """This script and every module of `helpers` that it imports, directly or through another."""
    found, waiting = [], [Path(__file__).resolve()]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.append(path)
            waiting += [ROOT / "src" / "helpers" / f"{name}.py" for name in _imported(path)]
    return sorted(found)


def _imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "helpers":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("helpers."):
            names.add(node.module.removeprefix("helpers."))
    return names


def inputs() -> dict[str, str]:
    """The hash of each source, by its path in the repository."""
    return {path.relative_to(ROOT).as_posix(): digest(path) for path in sources()}


def digest(path: Path) -> str:
    """SHA-256 of a text file, whatever its line ends."""
    return hashlib.sha256(path.read_text(encoding="utf-8").encode()).hexdigest()


def record(csv: Path, replicates: int) -> dict:
    """What goes beside the table: how it was made, and what its columns mean to who draws it."""
    claims = [(claim.outcome, claim.term) for claim in study.CLAIMS]
    return {
        "result": digest(csv),
        "inputs": inputs(),
        "seed": SEED,
        "replicates": replicates,
        "alpha": STUDY.alpha,
        "target": TARGET,
        "study": {"persons": STUDY.persons, "waves": "3 6 12", "kept": 0.0},
        "usable": {waves: {f"{k:g}": plan_of("pda", waves, k, 1).retention for k in KEPT} for waves in WAVES},
        "units": {f"{outcome} {term}": unit(outcome, term) for outcome, term in claims},
        "effects": {f"{o} {term}": design.Plan.study(o).effects[term] / unit(o, term) for o, term in claims},
        "versions": {name: version(name) for name in ("helpers", "numpy", "scipy", "pandas")}
        | {"python": ".".join(map(str, sys.version_info[:3]))},
    }


def write(path: Path, text: str) -> None:
    """Whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few replicates, into _build/analyses")
    replicates = 50 if parser.parse_args().quick else REPLICATES
    csv, about = (CSV, RECORD) if replicates == REPLICATES else (BUILD / CSV.name, BUILD / RECORD.name)
    try:
        table = surface(replicates)
    except KeyboardInterrupt:
        print("\nStopped. The committed files are as they were; the same command goes on.", file=sys.stderr)
        return 130
    write(csv, table.to_csv(index=False, lineterminator="\n"))
    write(about, json.dumps(record(csv, replicates), indent=1, ensure_ascii=False) + "\n")
    print(f"{csv}: {len(table)} rows, {csv.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
