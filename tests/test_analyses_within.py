"""The analysis within and between people: its result is that of today's code, and a batch of it is found again."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf

from helpers import models, study

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "analyses"))

import committed  # noqa: E402
import within  # noqa: E402

RECORD = json.loads((committed.RESULTS / "within.json").read_text(encoding="utf-8"))
KEYS = ["scenario", "estimator", "outcome", "term"]
TABLE = pd.read_csv(committed.RESULTS / "within.csv").astype({"scenario": str}).set_index(KEYS)


def test_the_committed_result_was_computed_by_the_code_that_is_here():
    now = committed.inputs(ROOT / "analyses" / "within.py")
    changed = sorted(name for name in now | RECORD["inputs"] if now.get(name) != RECORD["inputs"].get(name))
    assert not changed, f"out of date, for these changed: {', '.join(changed)}. Run: make analyses"
    assert RECORD["result"] == committed.digest(committed.RESULTS / "within.csv"), "the table was edited"


def test_every_scenario_has_every_estimate():
    counts = TABLE.groupby("scenario").size()
    assert set(counts.index) == set(within.SCENARIOS) and counts.nunique() == 1


def test_a_small_batch_of_the_scenario_with_most_feedback_agrees_with_the_whole():
    batch = pd.DataFrame(within.rows_of("1", 7, 4_000)).set_index(KEYS)
    held = TABLE.loc[batch.index]
    z = (batch["estimate"] - held["estimate"]) / np.hypot(batch["std_error"], held["std_error"])
    assert (z.abs() < 4.5).all(), z[z.abs() >= 4.5]


def people(n: int, visits: int, rng: np.random.Generator) -> pd.DataFrame:
    """Rows with a predictor that people's levels confound: y = 1 x + 3 level + noise."""
    level = np.repeat(rng.standard_normal(n), visits)
    x = level + rng.standard_normal(n * visits)
    rows = pd.DataFrame({"person": np.repeat(np.arange(n), visits), "time": np.tile(np.arange(visits), n), "x": x})
    return rows.assign(y=x + 3 * level + rng.standard_normal(n * visits))


def test_fixed_effects_are_those_of_a_regression_with_a_dummy_for_everyone():
    rows = people(40, 3, np.random.default_rng(1))
    found = within.fixed_effects(rows, "y", ["x", "time"])
    dummies = smf.ols("y ~ x + time + C(person)", rows).fit()
    np.testing.assert_allclose(found["estimate"], dummies.params[["x", "time"]], rtol=1e-8)


def test_a_split_has_the_effect_within_and_the_confounding_between():
    rows = within.split(people(4000, 3, np.random.default_rng(2)), "x")
    table = within.mixed(rows, "y", ["x_within", "x_between", "time"])
    assert abs(table.loc["x_within", "estimate"] - 1) < 4 * table.loc["x_within", "std_error"]
    # The mean of three visits has a reliability of 1 / (1 + 1/3), so that 3/4 of the level's 3 shows between people.
    assert abs(table.loc["x_between", "estimate"] - (1 + 3 * 0.75)) < 4 * table.loc["x_between", "std_error"]


def test_people_seen_once_say_nothing_within():
    rows = people(50, 3, np.random.default_rng(3))
    alone = rows.groupby("person").head(1).assign(person=lambda d: d["person"] + 1000, x=99.0)
    both = within.fixed_effects(pd.concat([rows, alone], ignore_index=True), "y", ["x", "time"])
    pd.testing.assert_frame_equal(both, within.fixed_effects(rows, "y", ["x", "time"]))


def test_the_claims_outcomes_and_terms_are_all_there():
    for claim in study.CLAIMS:
        assert ("0", "causal", claim.outcome, claim.term) in TABLE.index
        assert ("0", "plain", claim.outcome, claim.term) in TABLE.index
    assert set(models.ADJUSTED) == set(within.ADJUSTED)
