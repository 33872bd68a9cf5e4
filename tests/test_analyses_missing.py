"""The analysis of missed visits: its result is that of today's code, and parts of it can be found again."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from helpers import imputation, measures, models, records, study

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "analyses"))

import committed  # noqa: E402
import missing  # noqa: E402
import missing_help  # noqa: E402

RECORD = json.loads((committed.RESULTS / "missing.json").read_text(encoding="utf-8"))
TABLE = pd.read_csv(committed.RESULTS / "missing.csv")


def test_the_committed_result_was_computed_by_the_code_that_is_here():
    now = committed.inputs(ROOT / "analyses" / "missing.py", missing.DATA)
    changed = sorted(name for name in now | RECORD["inputs"] if now.get(name) != RECORD["inputs"].get(name))
    assert not changed, f"out of date, for these changed: {', '.join(changed)}. Run: make analyses"
    assert RECORD["result"] == committed.digest(committed.RESULTS / "missing.csv"), "the table was edited"


def test_every_claim_has_its_shifts_its_cohorts_and_its_limit():
    kinds = TABLE.groupby("kind")["claim"].value_counts().unstack("kind")
    assert set(kinds.index) == {claim.key for claim in study.CLAIMS}
    assert (kinds["delta"] == 1 + 2 * 4 * len(missing.STEPS)).all()
    assert (kinds["cohorts"] == 1 + 3 * len(missing.STRENGTHS)).all() and (kinds["limit"] == 1).all()
    assert (TABLE.loc[TABLE["kind"] == "delta", "n"] == RECORD["imputations"]).all()
    simulated = TABLE[TABLE["kind"] == "cohorts"]
    assert RECORD["cohorts"] >= 200 and (simulated["n"] > 0.95 * RECORD["cohorts"]).all()


def test_the_limits_are_found_again():
    again = pd.DataFrame(missing.rows_of("limit", 0, missing.PEOPLE)).set_index("claim")
    held = TABLE[TABLE["kind"] == "limit"].set_index("claim")
    for column in ("estimate", "std_error", "causal", "causal_mcse"):
        np.testing.assert_allclose(again.loc[held.index, column], held[column], rtol=1e-4, err_msg=column)


def test_other_imputations_of_the_shipped_cohort_agree_with_those_committed():
    scores = measures.score(*records.read(ROOT / "book" / "data"))
    filled = imputation.impute(scores, 8, np.random.default_rng(77), burn=5, thin=3)
    best = imputation.together([imputation.moments(rows, "pda") for rows in filled]).optimum()
    pooled = imputation.pool(best.beta, np.diagonal(best.covariance, axis1=1, axis2=2), best.df)
    row = pooled.set_axis(imputation.TERMS).loc["alliance:time"]
    held = TABLE[(TABLE["claim"] == "alliance_pda_interaction") & (TABLE["delta"] == 0)].iloc[0]
    error = np.hypot(row["mc_error"], held["mc_error"])
    assert row["estimate"] == pytest.approx(held["estimate"], abs=4 * error)


def test_a_shift_touches_missed_visits_of_its_follow_up_alone():
    scores = measures.score(*records.read(ROOT / "book" / "data"))
    rows = imputation.impute(scores, 1, np.random.default_rng(1), burn=1)[0]
    plan, centres = missing.grid("pda"), models.centres(scores)
    moved = missing.shifts(rows, plan, centres)
    assert (moved[:, 0] == 0).all() and (moved[~rows["missed"]] == 0).all()
    late = plan.index[(plan["way"] == "level") & (plan["at"] == 12)][-1]
    expected = np.where(rows["missed"] & (rows["wave"] == 12), -plan.loc[late, "delta"], 0)
    np.testing.assert_allclose(moved[:, late], expected)
    steep = plan.index[(plan["way"] == "slope") & (plan["of"] == "alliance") & (plan["at"] == 0)][-1]
    sd = (rows["alliance"] - centres.loc["alliance", "mean"]) / centres.loc["alliance", "sd"]
    np.testing.assert_allclose(moved[:, steep], -plan.loc[steep, "delta"] * (rows["missed"] * sd.fillna(0)))


def test_a_simulated_cohort_has_all_methods_and_nobody_missed_is_the_same_for_both_strengths():
    found = pd.DataFrame(missing.rows_of("cohorts", 0, 1))
    assert set(found["method"]) == {"nobody missed", "reml", "complete people", "imputation"}
    assert len(found) == len(study.CLAIMS) * (1 + 3 * len(missing.STRENGTHS))
    assert (found["conf_low"] < found["estimate"]).all() and (found["estimate"] < found["conf_high"]).all()


# --- HELP ---

HELP = pd.read_csv(committed.RESULTS / "missing_help.csv")


def test_the_association_among_the_interviews_seen_is_that_of_statsmodels():
    rows = missing_help.table().drop(columns=["pda_0", "age", "female"]).stack().rename("value").reset_index()
    rows[["name", "month"]] = rows["level_1"].str.split("_", expand=True)
    rows = rows.pivot(index=["ID", "month"], columns="name", values="value").dropna().reset_index()
    rows = rows.merge(missing_help.table()[["pda_0", "age", "female"]], on="ID")
    rows["time"] = (rows["month"].astype(float) - 15) / 6
    fit = smf.mixedlm("pda ~ attends + time + pda_0 + female + age", rows, groups="ID").fit(reml=True)
    held = HELP[HELP["way"] == "seen"].iloc[0]
    assert held["estimate"] == pytest.approx(fit.params["attends"], abs=1e-3 * fit.bse["attends"])
    assert held["std_error"] == pytest.approx(fit.bse["attends"], rel=1e-3)


def test_a_shift_of_missed_interviews_moves_nothing_where_none_was_missed():
    wide = missing_help.table()
    wide = wide.fillna(wide.mean())
    none = np.zeros(4 * len(wide), bool)
    best = missing_help.moments(wide, none, missing_help.SHIFTS).optimum()
    np.testing.assert_allclose(best.beta, best.beta[[0]].repeat(len(best.beta), 0), rtol=1e-9)


def test_a_worse_slope_lowers_the_association_and_each_step_lowers_it_further():
    slope = HELP[HELP["way"] == "slope"].sort_values("delta")["estimate"]
    start = HELP[(HELP["way"] == "level") & (HELP["delta"] == 0)]["estimate"].iloc[0]
    assert (np.diff([start, *slope]) < 0).all()
