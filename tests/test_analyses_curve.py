"""The analyses of the specification curve: their tables are those of today's code, agree with each other, and can be
found again."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers import curve, study

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "analyses"))

import committed  # noqa: E402

NAMES = ("curve", "curve_joint")
SCRIPTS = {name: importlib.import_module(name) for name in NAMES}
TABLES = {name: pd.read_csv(committed.RESULTS / f"{name}.csv") for name in NAMES}
KEYS = [claim.key for claim in study.CLAIMS]


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_table_was_computed_by_the_code_that_is_here(name):
    record = json.loads((committed.RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    script = ROOT / "analyses" / f"{name}.py"
    assert record["inputs"] == committed.inputs(script, SCRIPTS[name].DATA), "make analyses"
    assert record["result"] == committed.digest(committed.RESULTS / f"{name}.csv"), "the table was edited"
    assert "src/helpers/curve.py" in record["inputs"]
    assert (committed.RESULTS / f"{name}.csv").stat().st_size < 200_000


def test_every_specification_has_its_estimate_for_every_claim():
    mixed = TABLES["curve"][TABLES["curve"]["gee"] == 0]
    assert mixed["specification"].tolist() == list(range(len(curve.specifications())))
    assert mixed[KEYS].notna().all(axis=None)


@pytest.mark.parametrize("key", ["contact_involvement_average", "alliance_pda_interaction"])
def test_a_fortieth_of_a_claim_is_found_again(key):
    again = SCRIPTS["curve"].finish(pd.DataFrame(SCRIPTS["curve"].rows_of(key, 40)).assign(claim=key).pipe(for_all))
    both = again.merge(TABLES["curve"], on=["gee", "specification"], suffixes=("", "_held"))
    assert len(both) == len(again) > 60
    assert (both[key] - both[f"{key}_held"]).abs().max() <= 1  # thousandths: one on the other side of a half
    assert (both[f"sig_{key}"] == both[f"sig_{key}_held"]).mean() > 0.98


def for_all(rows: pd.DataFrame) -> pd.DataFrame:
    """One claim's rows under every claim's key, so that the table has all its columns."""
    return pd.concat([rows.assign(claim=key) for key in KEYS])


@pytest.mark.parametrize("key", KEYS)
def test_the_joint_test_is_of_the_curve_that_is_shown(key):
    mixed = TABLES["curve"][TABLES["curve"]["gee"] == 0]
    joint = TABLES["curve_joint"]
    for form in ("all", *curve.FORMS):
        here = mixed[(curve.specifications()["predictor"].isin(curve.FORMS if form == "all" else [form])).to_numpy()]
        rows = joint[(joint["part"] == "joint") & (joint["claim"] == key) & (joint["form"] == form)]
        value = rows[rows["scale"] == "all"].set_index("statistic")["value"]
        assert value["median"] == pytest.approx(here[key].median() / 1000, abs=1e-3)
        told = (here[f"sig_{key}"] == 1) & (here[key] > 0)
        assert value["share"] == pytest.approx(told.mean(), abs=1e-5)


def test_the_check_of_a_claim_is_found_again():
    script, key = SCRIPTS["curve_joint"], "contact_pda_average"
    panel = curve.panel(*script.records.read(script.DATA[0].parent))
    again = {row["statistic"]: row["value"] for row in script.check(panel, script.CLAIMS[key])}
    held = TABLES["curve_joint"]
    held = held[(held["part"] == "check") & (held["claim"] == key)].set_index("statistic")["value"]
    assert held.to_dict() == pytest.approx(again, rel=1e-4)


def test_the_cohorts_without_effects_have_none():
    p = SCRIPTS["curve_joint"].without_effects()
    persons, visits, _ = SCRIPTS["curve_joint"].cohort.population(p, 4000, np.random.default_rng(1))
    panel, specs = curve.panel(persons, visits.astype(float)), curve.specifications()
    at = specs.iloc[[curve.own(specs)]]
    for claim in study.CLAIMS:
        [found] = curve.fits(panel, claim, at)
        assert abs(found["estimate"].iloc[0] / found["std_error"].iloc[0]) < 3.5
