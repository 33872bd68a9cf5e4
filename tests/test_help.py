"""The HELP chapter: its recoding by hand, its estimates against lme4's from a recoding written separately."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ran import names_of
from scipy import stats

ROOT = Path(__file__).parents[1]
REFERENCE = json.loads((ROOT / "tests/reference/help.json").read_text(encoding="utf-8"))["fits"]


@pytest.fixture(scope="module")
def chapter():
    """The chapter's names after all its cells, in order, and its ledger entries by key (`_recorded`)."""
    return names_of("results/help")


@pytest.fixture(scope="module")
def recorded(chapter):
    return chapter["_recorded"]


@pytest.mark.parametrize("key", REFERENCE)
def test_each_estimate_and_its_standard_error_agree_with_lme4(recorded, key):
    reference = REFERENCE[key]
    assert recorded[f"help.{key}.estimate"] == pytest.approx(reference["estimate"], abs=1e-5 * reference["std_error"])
    assert recorded[f"help.{key}.std_error"] == pytest.approx(reference["std_error"], rel=1e-6)


@pytest.mark.parametrize("key", REFERENCE)
def test_each_fit_rests_on_the_interviews_and_people_that_lme4_saw(recorded, key):
    assert recorded[f"help.{key}.n_visits"] == REFERENCE[key]["n_visits"]
    assert recorded[f"help.{key}.n_persons"] == REFERENCE[key]["n_persons"]


def test_every_estimate_of_the_chapter_has_an_lme4_reference(recorded):
    assert {key.split(".")[1] for key in recorded if key.endswith(".estimate")} == set(REFERENCE)


@pytest.mark.parametrize("key", REFERENCE)
def test_degrees_of_freedom_and_p_are_those_of_lmertest(recorded, key):
    reference = REFERENCE[key]
    assert recorded[f"help.{key}.df"] == pytest.approx(reference["df"], rel=1e-3)
    assert recorded[f"help.{key}.p"] == pytest.approx(reference["p_satterthwaite"], abs=1e-6)


@pytest.mark.parametrize("key", REFERENCE)
def test_intervals_are_those_of_student_s_t(recorded, key):
    reference = REFERENCE[key]
    half = stats.t.ppf(0.975, reference["df"]) * reference["std_error"]
    assert recorded[f"help.{key}.conf_low"] == pytest.approx(reference["estimate"] - half, abs=1e-4)
    assert recorded[f"help.{key}.conf_high"] == pytest.approx(reference["estimate"] + half, abs=1e-4)


def test_attendance_alone_gives_the_published_coding_check(recorded):
    assert (recorded["help.average.n_visits"], recorded["help.average.n_persons"]) == (996, 398)
    assert round(recorded["help.average.estimate"], 1) == 13.5
    assert round(recorded["help.average.std_error"], 1) == 2.3
    assert (round(recorded["help.at_mean.estimate"], 1), round(recorded["help.at_mean.t"], 1)) == (13.2, 5.7)
    assert (round(recorded["help.per_step.estimate"], 1), round(recorded["help.per_step.t"], 1)) == (1.2, 0.7)
    assert recorded["help.n_without_frequency"] == 9
    assert recorded["help.neither.n_visits"] == 450


def test_every_fit_carries_the_engine_s_certificate(recorded):
    assert recorded["help.n_certified"] == recorded["help.n_rows_fitted"]


def test_the_table_to_read_has_one_row_an_analysis(chapter):
    assert (
        len(chapter["printed"](chapter["sensitivity"]))
        == len(chapter["kept"])
        == chapter["sensitivity"].index.nunique()
    )


def test_three_days_of_use_in_thirty_are_ninety_percent_abstinent(chapter):
    scored = chapter["percent_abstinent"](pd.Series([0.0, 3.0, 30.0, np.nan]))
    np.testing.assert_allclose(scored, [100, 90, 0, np.nan])


def test_meetings_a_week_are_none_without_attendance_and_missing_without_a_frequency(chapter):
    attends = pd.Series([0, 1, 1, 1, 1, 1, 1])
    frequency = pd.Series([np.nan, 1, 2, 3, 4, 5, np.nan])
    scored = chapter["meetings_a_week"](attends, frequency)
    np.testing.assert_allclose(scored, [0, 7, 2.5, 1, 0.5, 12 / 52, np.nan])


def test_a_stay_is_controlled_if_either_answer_says_so_and_unknown_if_one_is_missing(chapter):
    later, visits = chapter["later"], chapter["visits"]
    for house, days, controlled in zip(later["E4A"], later["A15C"], visits["controlled"], strict=True):
        if pd.isna(house) or pd.isna(days):
            assert pd.isna(controlled)
        else:
            assert controlled == (1 if house == 1 or days > 0 else 0)


def test_entry_values_are_those_of_the_same_person_at_entry(chapter):
    raw = chapter["helpfull"]
    entry = {row.ID: row for row in raw[raw["TIME"] == 0].itertuples()}
    for row in chapter["analysed"].itertuples():
        assert row.pda_0 == pytest.approx((30 - entry[row.person].H1_30) / 0.3)
        assert row.female == (entry[row.person].A1 == 2)
        assert row.age == entry[row.person].AGE


def test_abstinence_from_any_substance_lies_between_its_bounds_and_below_that_from_alcohol(chapter):
    analysed = chapter["analysed"]
    assert (analysed["capped_sum"] <= analysed["maximum"]).all()
    assert (analysed["maximum"] <= analysed["pda"] + 1e-9).all()
    assert (analysed["maximum"] <= analysed["maximum_less"]).all()


def test_the_capped_sum_counts_intoxication_once_and_never_more_than_the_window(chapter):
    row = pd.DataFrame([{column: 0.0 for column in chapter["later"] if str(column).endswith("_30")}])
    row[["H1_30", "H2_30", "H3_30", "H13_30"]] = [10.0, 10.0, 5.0, 5.0]
    assert chapter["OUTCOMES"]["capped_sum"](row).item() == pytest.approx(50)
    assert chapter["OUTCOMES"]["maximum"](row).item() == pytest.approx(100 * 20 / 30)
    row["H8_30"] = 30.0
    assert chapter["OUTCOMES"]["capped_sum"](row).item() == 0


def test_deviations_within_a_person_sum_to_zero(chapter):
    parts = chapter["split"](chapter["analysed"])
    np.testing.assert_allclose(parts.groupby("person")["within"].sum(), 0, atol=1e-12)
    np.testing.assert_allclose(parts["within"] + parts["between"], parts["attends"])


def test_attendance_before_is_that_of_the_interview_planned_six_months_earlier(chapter):
    earlier = {(row.person, row.wave): row for row in chapter["analysed"].itertuples()}
    for row in chapter["lagged"].itertuples():
        assert row.attends_before == earlier[row.person, row.wave - 6].attends
        assert row.pda_before == earlier[row.person, row.wave - 6].pda
