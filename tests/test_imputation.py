"""Imputation: what was seen stays, what is filled in was given by somebody, and the pooled answer is Rubin's."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers import cohort, imputation, measures, models, records, study


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    return measures.score(*records.read())


@pytest.fixture(scope="module")
def completed(scores) -> list[pd.DataFrame]:
    return imputation.impute(scores, 2, np.random.default_rng(5), burn=2, thin=1)


def test_the_wide_table_has_a_row_a_person_and_every_answer_in_its_place(scores):
    table = imputation.wide(scores)
    assert len(table) == scores["person"].nunique()
    for row in scores[scores["wave"] > 0].sample(40, random_state=1).itertuples():
        for name in imputation.COLUMNS:
            found, given = table.loc[row.person, f"{name}_{row.wave}"], getattr(row, name)
            assert found == given or (np.isnan(found) and np.isnan(given))


def test_what_was_seen_stays_and_nothing_else_is_left_blank(scores, completed):
    seen = scores[scores["wave"] > 0].set_index(["person", "wave"])
    for rows in completed:
        rows = rows.set_index(["person", "wave"])
        for name in imputation.COLUMNS:
            given = seen[name].dropna()
            pd.testing.assert_series_equal(rows.loc[given.index, name], given, check_dtype=False)
        sponsored = rows["has_sponsor"] == 1
        assert rows[["has_sponsor", *study.OUTCOMES]].notna().all(axis=None)
        assert rows.loc[sponsored, list(imputation.PAIR)].notna().all(axis=None)
        assert (rows["missed"] == (seen.loc[rows.index, "observed"] == 0)).all()


def test_contact_and_alliance_are_blank_again_without_a_sponsor(completed):
    for rows in completed:
        assert rows.loc[rows["has_sponsor"] == 0, list(imputation.PAIR)].isna().all(axis=None)


def test_every_value_filled_in_was_given_by_somebody_at_that_wave(scores, completed):
    for rows in completed:
        for name in imputation.COLUMNS:
            for wave in study.FOLLOW_UPS:
                given = set(scores.loc[scores["wave"] == wave, name].dropna())
                assert set(rows.loc[rows["wave"] == wave, name].dropna()) <= given


def test_the_same_generator_gives_the_same_data_sets_and_another_does_not(scores, completed):
    again = imputation.impute(scores, 2, np.random.default_rng(5), burn=2, thin=1)
    other = imputation.impute(scores, 1, np.random.default_rng(6), burn=2)
    pd.testing.assert_frame_equal(again[1], completed[1])
    assert (other[0]["pda"] != completed[0]["pda"]).any()


def test_no_regression_reads_the_contact_or_alliance_of_a_visit_without_a_sponsor(scores):
    chain = imputation.Chain(imputation.wide(scores), np.random.default_rng(1))
    names = [f"{name}_{wave}" for name in imputation.COLUMNS for wave in study.FOLLOW_UPS]
    for wave in study.FOLLOW_UPS:
        without = chain.now[f"has_sponsor_{wave}"] == 0
        before = {name: chain.exog(name) for name in names}
        for x in imputation.PAIR:
            chain.now[f"{x}_{wave}"] = np.where(without, 1e6, chain.now[f"{x}_{wave}"])
        for name in names:
            moved = (chain.exog(name) != before[name]).any(axis=1)
            own = name in (f"contact_{wave}", f"alliance_{wave}")  # there, at such a visit, the answer is thrown away
            assert not (moved & ~without).any()
            assert own or not moved.any(), name


@pytest.mark.parametrize("outcome", study.OUTCOMES)
def test_its_moments_are_those_of_the_study_s_models(scores, outcome):
    c = imputation.moments(scores[scores["wave"] > 0], outcome)
    for kind, found in (("b", c.select(imputation.TERMS[:7])), ("c", c)):
        wanted = models.fit(f"{outcome}_{kind}", scores, optimisers=()).table
        found = found.fit().fixed.drop(index="Intercept")  # entry and age stand about other means
        for column in ("estimate", "std_error", "df"):
            np.testing.assert_allclose(found[column], wanted.loc[found.index, column], rtol=1e-6)


def test_data_sets_solved_side_by_side_come_to_what_each_comes_to_alone(completed):
    rows = completed[1]
    without = rows[rows.groupby("person")["has_sponsor"].transform("sum") > 1]  # lacks the patterns of one visit
    parts = [imputation.moments(rows, "pda") for rows in (completed[0], without)]
    best = imputation.together(parts).optimum()
    for k, part in enumerate(parts):
        alone = part.fit()
        np.testing.assert_allclose(best.beta[k], alone.fixed["estimate"], rtol=1e-6)
        np.testing.assert_allclose(best.df[k], alone.fixed["df"], rtol=1e-4)


def test_a_shift_moves_the_outcome_and_holds_it_in_its_range(completed):
    rows = completed[0]
    shift = np.column_stack([np.zeros(len(rows)), -20.0 * rows["missed"], np.full(len(rows), -1000.0)])
    many = imputation.moments(rows, "pda", shift[:, :2])
    moved = rows.assign(pda=(rows["pda"] - 20 * rows["missed"]).clip(0, 100))
    np.testing.assert_allclose(
        many.optimum().beta[1], imputation.moments(moved, "pda").fit().fixed["estimate"], rtol=1e-6
    )
    assert imputation.moments(rows, "pda", shift[:, 2:]).R[0, -1, -1] == pytest.approx(0, abs=1e-9)  # all at zero


def test_pooling_follows_rubin_and_barnard_step_by_step():
    estimate, variance, df = np.array([1.0, 2.0, 4.0]), np.array([0.5, 0.7, 0.6]), np.array([50.0, 60.0, 70.0])
    row = imputation.pool(estimate[:, None], variance[:, None], df[:, None]).iloc[0]
    within, between = 1.8 / 3, ((1 - 7 / 3) ** 2 + (2 - 7 / 3) ** 2 + (4 - 7 / 3) ** 2) / 2
    total = within + between + between / 3
    lam = (between + between / 3) / total
    old, observed = 2 / lam**2, (60 + 1) / (60 + 3) * 60 * (1 - lam)
    nu = old * observed / (old + observed)
    r = (between + between / 3) / within
    assert row["estimate"] == pytest.approx(7 / 3)
    assert row["std_error"] == pytest.approx(np.sqrt(total))
    assert row["df"] == pytest.approx(nu)
    assert row["fmi"] == pytest.approx((r + 2 / (nu + 3)) / (r + 1))
    assert row["conf_high"] == pytest.approx(7 / 3 + stats.t.ppf(0.975, nu) * np.sqrt(total))
    assert row["mc_error"] == pytest.approx(np.sqrt(between / 3))


def test_imputations_that_agree_leave_the_interval_of_one_data_set_but_for_the_df():
    row = imputation.pool(np.ones((5, 1)), np.full((5, 1), 0.25), np.full((5, 1), 40.0)).iloc[0]
    assert row["std_error"] == pytest.approx(0.5)
    assert row["df"] == pytest.approx(41 / 43 * 40)


def test_a_single_imputation_is_refused():
    with pytest.raises(ValueError, match="2 or more"):
        imputation.pool(np.ones((1, 1)), np.ones((1, 1)), np.ones((1, 1)))


def test_filling_in_mends_most_of_what_missingness_at_random_does_to_a_mean():
    """Generated people; the last visit is missed the more often the worse the one before was."""
    rng, p = np.random.default_rng(11), cohort.Parameters()
    people, answers, _ = cohort.population(p.change(seen_level=(40.0,) * 3, seen_outcome=0.0), 4000, rng)
    whole = measures.score(people, answers.astype("float64"))
    before = whole["person"].map(whole[whole["wave"] == 6].set_index("person")["pda"])
    gone = (whole["wave"] == 12) & (rng.random(len(whole)) < np.where(before < 60, 0.95, 0.05))
    lost = whole.copy()
    lost.loc[gone, list(imputation.COLUMNS)] = np.nan
    mean = lambda rows: rows.loc[rows["wave"] == 12, "pda"].mean()
    filled = np.mean([mean(rows) for rows in imputation.impute(lost, 4, rng, burn=4, thin=2)])
    assert mean(lost) - mean(whole) > 2
    assert abs(filled - mean(whole)) < (mean(lost) - mean(whole)) / 2
