"""Scores recomputed plainly; reliability against R, against published examples and against what must hold."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers import measures, records, study

REFERENCE = json.loads((Path(__file__).parent / "reference" / "reliability.json").read_text())
DATA = Path(__file__).parents[1] / "book" / "data"


def one_visit(**answers) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A woman of 20 with an entry visit and a sponsored visit at 3 months; `answers` change the latter."""
    persons = pd.DataFrame({"person": [1], "sex": ["female"], "age": [20]})
    entry = {"person": 1, "wave": 0, "observed": 1, "has_sponsor": np.nan, "contact_days": np.nan}
    entry |= dict.fromkeys(study.SAI_ITEMS, np.nan) | dict.fromkeys(study.INVOLVEMENT_ITEMS, 0)
    entry |= {"meetings": 0, "window_days": 90, "abstinent_days": 9}
    later = entry | {"wave": 3, "has_sponsor": 1, "contact_days": 45, "meetings": 60, "abstinent_days": 72}
    later |= dict.fromkeys(study.SAI_ITEMS, 5) | dict.fromkeys(study.INVOLVEMENT_ITEMS, 1)
    return persons, pd.DataFrame([entry, later | answers])


def score_of(**answers) -> pd.Series:
    return measures.score(*one_visit(**answers)).iloc[1]


def items_of(loading, unique, n, rng) -> pd.DataFrame:
    """n people's answers to items that one normal factor with these loadings and unique variances makes."""
    loading, unique = np.asarray(loading), np.asarray(unique)
    return pd.DataFrame(
        rng.standard_normal((n, 1)) * loading + rng.standard_normal((n, len(loading))) * np.sqrt(unique)
    )


@pytest.fixture(params=sorted(REFERENCE))
def reference(request) -> tuple[pd.DataFrame, dict]:
    values = REFERENCE[request.param]
    return pd.DataFrame(np.array(values["items"], dtype=float).T), values


# --- scores ---


def test_scores_are_days_and_meetings_a_week_and_percent_of_the_window():
    scored = score_of()
    assert scored["contact"] == 3.5  # 45 of 90 days
    assert scored["attendance"] == pytest.approx(60 / (90 / 7))
    assert scored["pda"] == 80
    assert scored["female"] == 1
    assert scored["months"] == 3


def test_columns_are_those_the_models_expect():
    columns = "person wave months time observed sex female age has_sponsor contact alliance attendance involvement"
    columns += " involvement_full pda attendance_0 involvement_0 pda_0 complete"
    assert list(measures.score(*one_visit()).columns) == columns.split()


def test_involvement_leaves_out_having_and_calling_a_sponsor():
    scored = score_of(inv_1=0)
    assert (scored["involvement"], scored["involvement_full"]) == (5, 7)
    scored = score_of(inv_2=0, inv_3=0)
    assert (scored["involvement"], scored["involvement_full"]) == (6, 6)


def test_involvement_is_blank_if_an_activity_is_missing():
    scored = score_of(inv_2=np.nan)
    assert scored["involvement"] == 6
    assert np.isnan(scored["involvement_full"])
    assert np.isnan(score_of(inv_8=np.nan)["involvement"])


def test_alliance_is_the_mean_of_what_was_answered_if_eight_items_were():
    assert score_of(sai_1=1)["alliance"] == 4.6
    assert score_of(sai_1=np.nan, sai_2=np.nan, sai_3=7)["alliance"] == pytest.approx((7 * 5 + 7) / 8)
    assert np.isnan(score_of(sai_1=np.nan, sai_2=np.nan, sai_3=np.nan)["alliance"])


@pytest.mark.parametrize("answers", [{"has_sponsor": 0}, {"contact_days": np.nan}, dict.fromkeys(study.SAI_ITEMS)])
def test_a_visit_is_complete_only_with_sponsor_contact_and_alliance(answers):
    assert score_of()["complete"]
    assert not score_of(**answers)["complete"]


def test_entry_values_stand_on_every_row_of_the_person():
    scores = measures.score(*one_visit())
    assert scores["pda_0"].tolist() == [10, 10]
    assert scores["attendance_0"].tolist() == [0, 0]


def test_entry_values_are_blank_for_a_person_without_an_entry_visit():
    persons, visits = one_visit()
    assert measures.score(persons, visits[visits["wave"] == 3])["pda_0"].isna().all()


def test_a_missed_visit_keeps_its_row_without_scores():
    blank = dict.fromkeys([*study.SAI_ITEMS, *study.INVOLVEMENT_ITEMS], np.nan)
    blank |= dict.fromkeys(["has_sponsor", "contact_days", "meetings", "window_days", "abstinent_days"], np.nan)
    scored = score_of(observed=0, **blank)
    outcomes = ["contact", "alliance", "attendance", "involvement", "involvement_full", "pda", "has_sponsor"]
    assert scored[outcomes].isna().all()
    assert scored["pda_0"] == 10


@pytest.mark.parametrize(("abstinent", "pda"), [(0, 0), (90, 100)])
def test_pda_reaches_both_ends(abstinent, pda):
    assert score_of(abstinent_days=abstinent)["pda"] == pda


def test_a_window_of_no_days_is_an_error_that_names_the_visit():
    with pytest.raises(ValueError, match=r"window_days.*\[1, 3\]"):
        score_of(window_days=0, abstinent_days=0, meetings=0, contact_days=0)


def test_an_unknown_or_repeated_person_and_a_repeated_visit_are_errors():
    persons, visits = one_visit()
    with pytest.raises(ValueError, match="not in persons"):
        measures.score(persons, visits.assign(person=2))
    with pytest.raises(ValueError, match="repeated"):
        measures.score(pd.concat([persons, persons], ignore_index=True), visits)
    with pytest.raises(ValueError, match="repeated"):
        measures.score(persons, pd.concat([visits, visits], ignore_index=True))


def test_the_order_of_the_rows_does_not_matter():
    persons, visits = records.read(DATA)
    scores = measures.score(persons, visits)
    shuffled = measures.score(persons.sample(frac=1, random_state=1), visits.sample(frac=1, random_state=2))
    pd.testing.assert_frame_equal(scores, shuffled)
    assert scores[["person", "wave"]].equals(visits[["person", "wave"]])


def test_the_cohort_scores_as_plain_arithmetic_does():
    persons, visits = records.read(DATA)
    scores = measures.score(persons, visits)
    for i in range(0, len(visits), 37):
        visit, scored = visits.iloc[i], scores.iloc[i]
        answers = [visit[item] for item in study.SAI_ITEMS if not np.isnan(visit[item])]
        expected = {
            "contact": visit["contact_days"] / visit["window_days"] * 7,
            "alliance": sum(answers) / len(answers) if len(answers) >= 8 else np.nan,
            "attendance": visit["meetings"] / visit["window_days"] * 7,
            "involvement": sum(visit[item] for item in ("inv_1", "inv_4", "inv_5", "inv_6", "inv_7", "inv_8")),
            "pda": visit["abstinent_days"] / visit["window_days"] * 100,
        }
        assert scored[list(expected)].to_dict() == pytest.approx(expected, nan_ok=True)


# --- reliability against other sources ---


def test_alpha_and_its_interval_agree_with_r(reference):
    items, expected = reference
    found = measures.alpha(items)
    assert [found.estimate, found.conf_low, found.conf_high] == pytest.approx(expected["alpha"], abs=1e-12)
    assert (found.n, found.k) == items.shape


def test_omega_and_its_interval_agree_with_r(reference):
    items, expected = reference
    found = measures.omega(items)
    assert [found.estimate, found.conf_low, found.conf_high] == pytest.approx(expected["omega"], abs=1e-7)


def test_the_one_factor_fit_agrees_with_r(reference):
    items, expected = reference
    found = measures.one_factor(items)
    assert found.items["loading"].to_list() == pytest.approx(expected["loading"], abs=1e-7)
    assert found.chi2 == pytest.approx(expected["chi2"], abs=1e-7)
    assert [found.rmsea, found.rmsea_low, found.rmsea_high] == pytest.approx(expected["rmsea"], abs=1e-6)
    for name in ("srmr", "share", "eigen_ratio"):
        assert getattr(found, name) == pytest.approx(expected[name], abs=1e-7)


def test_item_rest_correlations_agree_with_r(reference):
    items, expected = reference
    assert measures.item_rest(items).to_list() == pytest.approx(expected["item_rest"], abs=1e-12)


def test_feldts_interval_gives_the_published_example():
    # Evans's feldt1.return(0.913, 873, 20) as printed at imaging.mrc-cbu.cam.ac.uk/statswiki/FAQ/cafun
    assert measures.feldt(0.913, n=873, k=20) == pytest.approx((0.9044024, 0.9211588), abs=5e-8)


def test_feldts_interval_has_n_less_one_in_both_degrees_of_freedom():
    # statpsych's ci.cronbach takes n (k - 1) for the second and prints (0.7971254, 0.8931436) for this example;
    # Feldt, Woodruff & Salih have (n - 1)(k - 1), for which R's qf gives:
    assert measures.feldt(0.85, n=89, k=7) == pytest.approx((0.797064879, 0.893166594), abs=5e-9)


def test_bonetts_interval_gives_the_published_example():
    # statpsych's ci.reliability(.05, .88, .0147, 100)
    assert measures.bonett(0.88, 0.0147, n=100) == pytest.approx((0.8489612, 0.9065575), abs=5e-8)


# --- what must hold ---


def test_alpha_of_identical_items_is_one():
    item = np.array([1.0, 4, 2, 7, 5])
    found = measures.alpha(pd.DataFrame({"a": item, "b": item, "c": item}))
    assert [found.estimate, found.conf_low, found.conf_high] == pytest.approx([1, 1, 1])


def test_alpha_of_independent_items_is_near_zero():
    items = pd.DataFrame(np.random.default_rng(1).standard_normal((20_000, 6)))
    assert measures.alpha(items).estimate == pytest.approx(0, abs=0.03)


def test_alpha_of_two_halves_is_the_spearman_brown_formula():
    r = 0.6
    assert measures.alpha_of(np.array([[1, r], [r, 1]])) == pytest.approx(2 * r / (1 + r))


def test_omega_equals_alpha_for_tau_equivalent_items():
    loading, unique = np.full(5, 0.8), np.array([0.2, 0.4, 0.6, 0.8, 1.0])
    S = np.outer(loading, loading) + np.diag(unique)
    fitted, rest, _ = measures.maximum_likelihood(S, n=100)
    assert measures.omega_of(fitted, rest) == pytest.approx(measures.alpha_of(S))
    assert measures.alpha_of(S) == pytest.approx(16 / 19)  # (5 x .8)^2 over itself plus 3


def test_omega_is_above_alpha_where_loadings_differ():
    loading, unique = np.array([0.3, 0.6, 0.9, 1.2]), np.full(4, 0.5)
    S = np.outer(loading, loading) + np.diag(unique)
    assert measures.omega_of(loading, unique) == pytest.approx(9 / 11)
    assert measures.alpha_of(S) < 9 / 11


def test_a_covariance_matrix_that_one_factor_makes_is_recovered():
    loading, unique = np.array([0.3, 0.6, 0.9, 1.2]), np.array([0.5, 0.1, 0.7, 2.0])
    fitted, rest, _ = measures.maximum_likelihood(np.outer(loading, loading) + np.diag(unique), n=50)
    assert fitted == pytest.approx(loading, abs=1e-9)
    assert rest == pytest.approx(unique, abs=1e-9)


def test_three_items_are_fitted_exactly():
    R = np.array([[1, 0.5, 0.4], [0.5, 1, 0.3], [0.4, 0.3, 1]])
    loading, _, _ = measures.maximum_likelihood(R, n=50)
    assert loading[0] ** 2 == pytest.approx(0.5 * 0.4 / 0.3)


def test_units_of_the_items_change_no_standardised_figure(reference):
    items, _ = reference
    units = np.linspace(0.1, 10, items.shape[1])
    here, there = measures.one_factor(items), measures.one_factor(items * units)
    assert there.items["loading"].to_list() == pytest.approx(here.items["loading"].to_list(), abs=1e-9)
    assert there.chi2 == pytest.approx(here.chi2)
    assert here.proper


def test_loadings_keep_their_signs_when_an_item_is_reversed():
    items = items_of([0.9, 0.8, 0.7, 0.8], [0.3, 0.3, 0.4, 0.4], 300, np.random.default_rng(2))
    items[3] *= -1
    assert list(np.sign(measures.one_factor(items).items["loading"])) == [1, 1, 1, -1]


def test_two_factors_are_told_from_one():
    rng = np.random.default_rng(3)
    two = pd.concat([items_of([0.8] * 4, [0.36] * 4, 400, rng), items_of([0.8] * 4, [0.36] * 4, 400, rng)], axis=1)
    two.columns = range(8)
    one = items_of([0.8] * 8, [0.36] * 8, 400, rng)
    assert measures.one_factor(two).rmsea_low > 0.1
    assert measures.one_factor(two).eigen_ratio < 1.5
    assert measures.one_factor(one).rmsea < 0.05
    assert measures.one_factor(one).eigen_ratio > 5


def test_the_intervals_of_alpha_and_omega_cover_as_often_as_they_say():
    loading, unique, n = np.full(6, 0.8), np.full(6, 0.36), 60
    truth = measures.omega_of(loading, unique)  # tau-equivalent: also alpha
    rng = np.random.default_rng(4)
    samples = [items_of(loading, unique, n, rng) for _ in range(600)]
    margin = 3.5 * np.sqrt(0.05 * 0.95 / len(samples))
    for coefficient in (measures.alpha, measures.omega):
        intervals = [coefficient(items) for items in samples]
        covered = np.mean([interval.conf_low <= truth <= interval.conf_high for interval in intervals])
        assert abs(covered - 0.95) < margin, coefficient.__name__


def test_rows_with_a_missing_item_are_left_out():
    items = items_of([0.8] * 4, [0.4] * 4, 30, np.random.default_rng(5))
    holed = pd.concat([items, items.head(5).assign(**{"1": np.nan}).rename(columns=int)[[0, 2, 3]]], ignore_index=True)
    for coefficient in (measures.alpha, measures.omega):
        assert coefficient(holed) == coefficient(items)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ({"a": [1, 2, 3]}, "at least"),
        ({"a": [1, 2], "b": [2, 1]}, "3 rows"),
        ({"a": [1, 2, 3], "b": [4, 4, 4]}, r"\['b'\] hold one value"),
        ({"a": [1, 2, np.inf], "b": [1, 2, 3]}, r"not finite in \['a'\]"),
    ],
)
def test_items_that_carry_no_coefficient_are_an_error(items, message):
    with pytest.raises(ValueError, match=message):
        measures.alpha(pd.DataFrame(items))


def test_items_that_determine_each_other_have_no_omega():
    items = items_of([0.8] * 4, [0.4] * 4, 30, np.random.default_rng(6))
    with pytest.raises(ValueError, match="determine each other"):
        measures.omega(items.assign(total=items.sum(axis=1)))


def test_no_more_people_than_items_have_no_omega():
    with pytest.raises(ValueError, match="too few people"):
        measures.omega(items_of([0.8] * 6, [0.4] * 6, 6, np.random.default_rng(9)))


def test_a_unique_variance_below_zero_is_reported_as_improper():
    # r12 r13 / r23 = .81 x .8 / .6 = 1.08, so the first item's loading is above one
    R = np.array([[1, 0.81, 0.8], [0.81, 1, 0.6], [0.8, 0.6, 1]])
    answers = np.random.default_rng(10).standard_normal((50, 3))
    answers = np.linalg.solve(np.linalg.cholesky(np.cov(answers.T)), (answers - answers.mean(axis=0)).T)
    found = measures.one_factor(pd.DataFrame((np.linalg.cholesky(R) @ answers).T))
    assert found.items.loc[0, "loading"] ** 2 == pytest.approx(1.08)
    assert not found.proper
    assert np.isnan(found.rmsea)  # no degree of freedom is left


# --- stability ---


def test_congruence_of_proportional_loadings_is_one_and_of_orthogonal_ones_zero():
    assert measures.congruence(np.array([1.0, 2, 3]), np.array([2.0, 4, 6])) == pytest.approx(1)
    assert measures.congruence(np.array([1.0, 1]), np.array([1.0, -1])) == pytest.approx(0)


def test_stability_sets_each_group_beside_the_pooled_loadings():
    rng = np.random.default_rng(7)
    same, other = items_of([0.8] * 5, [0.4] * 5, 300, rng), items_of([0.9, 0.9, 0.9, 0.9, 0.1], [0.3] * 5, 100, rng)
    items = pd.concat([same, other], ignore_index=True)
    groups = pd.Series(["same"] * 300 + ["other"] * 100, name="kind")
    table = measures.stability(items, groups)
    assert table.index.to_list() == ["other", "same"]
    assert table["n"].to_list() == [100, 300]
    assert table.loc["same", "alpha"] == measures.alpha(same).estimate
    assert table.loc["other", "omega_low"] == measures.omega(other).conf_low
    assert table.loc["other", "congruence"] < 0.98 < table.loc["same", "congruence"]
    assert table.loc["other", "largest_difference"] > 0.3


def test_a_group_too_small_for_a_factor_shows_its_n_alone():
    items = items_of([0.8] * 5, [0.4] * 5, 60, np.random.default_rng(8))
    table = measures.stability(items, pd.Series(["big"] * 55 + ["small"] * 5, name="kind"))
    assert table.loc["small", "n"] == 5
    assert table.loc["small"].drop("n").isna().all()


def test_retest_correlates_the_people_seen_at_both_waves():
    persons = [1, 2, 3, 4, 5, 6]
    first, second = [1.0, 2, 3, 4, 5, np.nan], [2.0, 1, 4, 3, 6, 9]
    scores = pd.concat(
        pd.DataFrame({"person": persons, "wave": wave, "alliance": values})
        for wave, values in ((3, first), (6, second), (12, [np.nan] * 3 + [1, 2, 4]))
    )
    table = measures.retest(scores)
    assert table.index.to_list() == ["3-6", "3-12", "6-12"]
    row = table.loc["3-6"]
    r = np.corrcoef(first[:5], second[:5])[0, 1]
    half = 1.959964 / np.sqrt(2)
    assert row["n"] == 5
    assert [row["r"], row["conf_low"], row["conf_high"]] == pytest.approx(
        [r, np.tanh(np.arctanh(r) - half), np.tanh(np.arctanh(r) + half)], abs=1e-6
    )
    assert table.loc["6-12", ["conf_low", "conf_high"]].isna().all()  # three people carry no interval


def test_the_items_of_a_wave_are_those_of_people_who_answered_any():
    _, visits = one_visit(sai_1=np.nan)
    assert measures.sai_items(visits, 3)["sai_2"].to_dict() == {1: 5}
    assert measures.sai_items(visits, 0).empty


# --- the cohort ---


def test_the_inventory_of_the_cohort_reaches_its_target_at_every_follow_up():
    _, visits = records.read(DATA)
    for wave in study.FOLLOW_UPS:
        items = measures.sai_items(visits, wave)
        assert items.index.is_unique
        assert measures.alpha(items).estimate >= study.FACTS["sai_alpha"].value
        assert measures.one_factor(items).eigen_ratio > 5


def test_the_cohort_has_the_published_number_of_complete_people():
    scores = measures.score(*records.read(DATA))
    assert scores.loc[scores["complete"], "person"].nunique() == study.FACTS["n_complete"].value
    assert scores.loc[scores["has_sponsor"] == 1, "person"].nunique() == study.FACTS["n_sponsor"].value


def test_involvement_is_in_as_many_activities_as_the_visits_hold():
    persons, visits = records.read(DATA)
    scores = measures.score(persons, visits)
    assert measures.outcomes(scores, visits) == study.OUTCOMES
    fewer = visits.drop(columns=["inv_7", "inv_8"])
    assert measures.outcomes(scores, fewer)["involvement"].unit == "activities of four"
    none = measures.outcomes(scores.assign(pda=np.nan), visits.drop(columns=measures.involvement_items(visits)))
    assert (list(none), none["involvement"].high) == (["attendance", "involvement"], scores["involvement"].max())
