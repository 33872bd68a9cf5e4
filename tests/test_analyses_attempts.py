"""statsmodels' attempts: all are there, and one is found again."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from helpers import models

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "analyses"))

import attempts  # noqa: E402
import committed  # noqa: E402

TABLE = pd.read_csv(committed.RESULTS / "attempts.csv").set_index(["model", "optimiser"])


def test_every_model_was_tried_and_reached_by_some_optimiser():
    assert TABLE.index.to_list() == attempts.tasks(quick=False)
    assert set(TABLE[TABLE["reached"]].index.get_level_values("model")) == set(models.SPECIFICATIONS)


def test_an_attempt_is_found_again():
    [row] = attempts.rows_of("attendance_b", "cg")
    held = TABLE.loc["attendance_b", "cg"]
    assert (row["reached"], row["says"]) == (held["reached"], held["says"])
    assert row["difference"] == pytest.approx(held["difference"], abs=0.01)
    assert row["error"] == pytest.approx(held["error"], abs=0.01)
