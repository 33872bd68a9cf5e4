"""REML against a dense likelihood, published anchors and lme4 (tests/reference/lme4.R)."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest
from reference.cases import CASES, made, split

from helpers import reml

REFERENCE = json.loads((Path(__file__).parent / "reference" / "lme4.json").read_text())
RANK = {
    "variance_zero": 0,
    "slope_variance_zero": 1,
    "correlation_minus_one": 1,
    "correlation_one": 1,
    "three_terms": 2,
    "two_groups": 1,
}  # the other cases have their full rank


@pytest.fixture(scope="module", params=list(CASES))
def case(request):
    data = split(CASES[request.param]())
    return request.param, data, reml.solve(*data)


def dense(T, y, X, Z, group):
    """Equation (6) with V written out, row by row of the data."""
    V = np.eye(len(y)) + (Z @ T @ Z.T) * (group[:, None] == group[None, :])
    inverse = np.linalg.inv(V)
    information = X.T @ inverse @ X
    beta = np.linalg.solve(information, X.T @ inverse @ y)
    v = len(y) - X.shape[1]
    r2 = (y - X @ beta) @ inverse @ (y - X @ beta)
    logdet = np.linalg.slogdet(V)[1] + np.linalg.slogdet(information)[1]
    return logdet + v * (1 + np.log(2 * np.pi * r2 / v)), beta, r2 / v * np.linalg.inv(information)


def small(seed):
    return split(made(seed, people=9, visits=(1, 4), times=(-1.0, 0.5, 2.0, 3.5), random=((1.0, 0.0), (0.3, 0.5))))


def test_sleepstudy_gives_the_published_figures():
    fit = reml.solve(*split(CASES["sleepstudy"]()))
    sd = np.sqrt(np.diag(fit.random_cov))
    assert fit.beta == pytest.approx([251.405, 10.467], abs=5e-4)
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx([6.825, 1.546], abs=5e-4)
    assert sd == pytest.approx([24.741, 5.922], abs=1e-3)
    assert fit.random_cov[0, 1] / sd.prod() == pytest.approx(0.07, abs=5e-3)
    assert np.sqrt(fit.residual_var) == pytest.approx(25.592, abs=5e-4)
    assert fit.criterion == pytest.approx(1743.63, abs=5e-3)


def test_sleepstudy_with_a_random_intercept_gives_the_published_figures():
    fit = reml.solve(*split(CASES["sleepstudy_intercept"]()))
    assert fit.beta == pytest.approx([251.4051, 10.4673], abs=5e-5)
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx([9.7467, 0.8042], abs=5e-5)
    assert fit.random_cov[0, 0] == pytest.approx(1378.179, abs=5e-4)
    assert fit.residual_var == pytest.approx(960.457, abs=5e-4)
    assert fit.criterion == pytest.approx(1786.465, abs=5e-4)


def test_every_case_agrees_with_lme4(case):
    name, _, fit = case
    expected = REFERENCE[name]
    beta, errors = np.atleast_1d(expected["beta"]), np.atleast_1d(expected["std_error"])
    cov = np.reshape(expected["random_cov"], fit.random_cov.shape)
    sd = np.sqrt(np.diag(cov))
    assert fit.criterion == pytest.approx(expected["criterion"], abs=1e-6)
    assert np.abs((fit.beta - beta) / errors).max() < 1e-5
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(errors, rel=1e-5)
    assert (np.abs(fit.random_cov - cov) < 1e-4 * (np.outer(sd, sd) + expected["residual_var"])).all()
    assert fit.residual_var == pytest.approx(expected["residual_var"], rel=1e-5)
    assert (fit.n_obs, fit.n_groups) == (expected["n_obs"], expected["n_groups"])


def test_every_optimum_is_certified_and_its_rank_is_reported(case):
    name, data, fit = case
    q, to_unit = data[2].shape[1], reml.sums(*data).Rz
    assert fit.certified
    assert fit.rank == RANK.get(name, q)
    assert fit.singular == (name in RANK)
    assert np.linalg.matrix_rank(to_unit @ fit.random_cov @ to_unit.T / fit.residual_var, tol=1e-7) == fit.rank


def test_no_case_is_worse_than_lme4_as_it_comes(case):
    name, _, fit = case
    assert fit.criterion <= REFERENCE[name]["default_criterion"] + 1e-6


def test_a_slope_on_a_calendar_year_is_fitted_where_lme4_as_it_comes_stops_short():
    # Uncentred years: lme4's default optimiser ends above the optimum that its own tight settings find.
    fit = reml.solve(*split(CASES["calendar_year"]()))
    assert fit.criterion < REFERENCE["calendar_year"]["default_criterion"] - 1
    assert fit.criterion == pytest.approx(REFERENCE["calendar_year"]["criterion"], abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_criterion_is_that_of_the_dense_likelihood(seed):
    data = small(seed)
    sums = reml.sums(*data)
    rng = np.random.default_rng(seed)
    for _ in range(4):
        L = rng.normal(size=(2, 2)) * 10 ** rng.uniform(-1, 1)
        assert sums.criterion(L @ L.T) == pytest.approx(dense(L @ L.T, *data)[0], abs=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_estimates_and_errors_are_those_of_the_dense_likelihood(seed):
    data = small(seed)
    fit = reml.solve(*data)
    criterion, beta, covariance = dense(fit.random_cov / fit.residual_var, *data)
    assert fit.criterion == pytest.approx(criterion, abs=1e-8)
    assert fit.beta == pytest.approx(beta, rel=1e-8, abs=1e-10)
    assert fit.covariance == pytest.approx(covariance, rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_no_covariance_nearby_or_far_has_a_lower_criterion(seed):
    data = small(seed)
    fit, sums = reml.solve(*data), reml.sums(*data)
    best = fit.random_cov / fit.residual_var
    values, vectors = np.linalg.eigh(best)
    root, rng = vectors * np.sqrt(np.maximum(values, 0)), np.random.default_rng(seed)
    for size in (1e-4, 1e-2, 0.1, 1, 10):
        for _ in range(20):
            L = root + size * rng.normal(size=(2, 2))
            assert sums.criterion(L @ L.T) > fit.criterion - 1e-9


def test_the_gradient_is_the_slope_of_the_dense_criterion():
    data = small(3)
    sums, T, step = reml.sums(*data), np.array([[0.8, 0.1], [0.1, 0.4]]), 1e-5
    G = sums.Rz.T @ reml._evaluate(sums, sums.Rz @ T @ sums.Rz.T).G @ sums.Rz
    for change in (np.diag([1.0, 0.0]), np.diag([0.0, 1.0]), np.array([[0.0, 1.0], [1.0, 0.0]])):
        slope = (dense(T + step * change, *data)[0] - dense(T - step * change, *data)[0]) / (2 * step)
        assert np.vdot(G, change) == pytest.approx(slope, rel=1e-6)


def test_at_a_variance_of_zero_the_reported_gradient_is_the_slope_in_the_units_of_the_data():
    data = split(CASES["variance_zero"]())
    fit, step = reml.solve(*data), 1e-7
    for way in (np.diag([1.0, 0.0]), np.diag([0.0, 1.0])):
        slope = (dense(step * way, *data)[0] - fit.criterion) / step
        assert slope > 0
        assert np.vdot(fit.gradient, way) == pytest.approx(slope, rel=1e-4)


def test_the_second_derivatives_are_the_slopes_of_the_gradient():
    sums, L, step = reml.sums(*small(4)), np.array([[0.9, 0.2], [-0.1, 0.5]]), 1e-6
    D = reml._directions(L)
    score = lambda L: 2 * reml._evaluate(sums, L @ L.T).G @ L
    expected = [[np.vdot(score(L + step * a) - score(L - step * a), b) / (2 * step) for b in D] for a in D]
    assert reml._hessian(sums, L, reml._evaluate(sums, L @ L.T), D) == pytest.approx(np.array(expected), rel=1e-6)


def test_directions_leave_out_the_rotations_that_change_nothing():
    L = np.array([[0.9, 0.2], [-0.1, 0.5]])
    turn = L @ np.array([[0.0, 1.0], [-1.0, 0.0]])
    assert np.tensordot(reml._directions(L), turn, 2) == pytest.approx(np.zeros(3), abs=1e-15)


def test_a_start_at_a_zero_intercept_variance_is_left():
    data = split(CASES["sleepstudy"]())
    sums, edge = reml.sums(*data), np.array([[0.0], [0.3]])
    L, _, certified, _ = reml._descend(sums, sums.Rz @ edge)
    assert certified
    assert L.shape == (2, 2)
    assert reml.solve(*data, start=edge @ edge.T).criterion == pytest.approx(1743.6282720, abs=1e-6)


def test_the_zero_covariance_is_stationary_but_not_certified_where_variances_are_positive():
    sums = reml.sums(*split(CASES["sleepstudy"]()))
    zero = np.zeros((2, 0))
    at = reml._evaluate(sums, np.zeros((2, 2)))
    assert reml._stationary(zero, at)
    assert reml._descent_off_face(zero, at) is not None


def test_variances_that_the_data_do_not_tell_apart_are_not_certified():
    # A person-level column and an intercept use up both groups: the intercept's variance leaves no trace.
    fit = reml.solve(*split(made(5, people=2, visits=(12, 12), times=tuple(range(12)))))
    assert not fit.certified


def test_shift_and_scale_of_the_outcome_change_only_the_units():
    y, X, Z, group = split(CASES["singletons"]())
    plain, moved = reml.solve(y, X, Z, group), reml.solve(100 + 8 * y, X, Z, group)
    v = len(y) - X.shape[1]
    assert moved.beta == pytest.approx(8 * plain.beta + np.array([100, 0, 0, 0]), rel=1e-9)
    assert moved.random_cov == pytest.approx(64 * plain.random_cov, rel=1e-7)
    assert moved.residual_var == pytest.approx(64 * plain.residual_var, rel=1e-8)
    assert moved.criterion == pytest.approx(plain.criterion + 2 * v * np.log(8), abs=1e-8)


def test_a_linear_change_of_the_columns_changes_only_their_coefficients():
    y, X, Z, group = split(CASES["singletons"]())
    to_x = np.array([[1, 5, 0, -7], [0, 0.01, 0, 0], [0, 0, 30, 0], [0, 0, 0, 1]])
    to_z = np.array([[1.0, -7.0], [0.0, 12.0]])
    plain, moved = reml.solve(y, X, Z, group), reml.solve(y, X @ to_x, Z @ to_z, group)
    assert to_x @ moved.beta == pytest.approx(plain.beta, rel=1e-8)
    assert to_z @ moved.random_cov @ to_z.T == pytest.approx(plain.random_cov, rel=1e-6, abs=1e-9)
    known = 2 * np.linalg.slogdet(to_x)[1]
    assert moved.criterion == pytest.approx(plain.criterion + known, abs=1e-8)


def test_row_order_and_group_labels_do_not_matter():
    y, X, Z, group = split(CASES["singletons"]())
    order = np.random.default_rng(0).permutation(len(y))
    labels = np.array([f"person {(7 * g) % 1000:03d}" for g in group])
    plain, moved = reml.solve(y, X, Z, group), reml.solve(y[order], X[order], Z[order], labels[order])
    assert moved.beta == pytest.approx(plain.beta, rel=1e-9)
    assert moved.criterion == pytest.approx(plain.criterion, abs=1e-9)
    shuffled = reml.sums(y[order], X[order], Z[order], labels[order])
    assert len(shuffled.m) == len(reml.sums(y, X, Z, group).m)


def test_people_on_the_same_schedule_share_a_pattern():
    y, X, Z, group = split(CASES["singletons"]())
    schedules = {tuple(Z[group == g, 1]) for g in np.unique(group)}
    sums = reml.sums(y, X, Z, group)
    assert len(sums.m) == len(schedules)
    assert sums.n_groups == len(np.unique(group))


def test_a_column_given_by_others_is_named():
    y, X, Z, group = small(0)
    with pytest.raises(ValueError, match="X: column 4 is zero or a combination"):
        reml.solve(y, np.column_stack([X, X[:, 1] - 2 * X[:, 2]]), Z, group)
    with pytest.raises(ValueError, match="Z: column 2 is zero or a combination"):
        reml.solve(y, X, np.column_stack([Z, 0 * y]), group)


def test_as_many_random_effects_as_visits_are_not_identified():
    y, X, Z, group = split(made(0, visits=(1, 2)))
    with pytest.raises(ValueError, match="every group has at most 2 rows"):
        reml.solve(y, X, Z, group)


def test_values_that_are_not_finite_are_refused():
    y, X, Z, group = small(0)
    with pytest.raises(ValueError, match="y has 1 values that are not finite"):
        reml.solve(np.where(np.arange(len(y)) == 2, np.nan, y), X, Z, group)


def test_columns_of_different_length_are_refused():
    y, X, Z, group = small(0)
    with pytest.raises(ValueError, match="rows"):
        reml.solve(y[1:], X, Z, group)


def test_an_outcome_without_residual_variance_is_refused():
    _, X, Z, group = small(0)
    with pytest.raises(ValueError, match="fit the outcome exactly"):
        reml.solve(X @ [1, 2, 3, 4], X, Z, group)
    with pytest.raises(ValueError, match="no residual variance"):
        reml.solve(X[:, 0] + group + 0.5 * group * Z[:, 1], X, Z, group)


def test_more_fixed_effects_than_rows_are_refused():
    y, X, Z, group = small(0)
    with pytest.raises(ValueError, match="cannot carry"):
        reml.solve(y[:4], X[:4], Z[:4], group[:4])


def test_the_chapter_sets_lme4s_figures_beside_ours_as_the_reference_has_them():
    text = (Path(__file__).parents[1] / "book" / "models" / "reml.md").read_text()
    for kind, name in (("slope", "orthodont"), ("intercept", "orthodont_intercept")):
        typed = next(line for line in text.splitlines() if line.strip().startswith(f'"{kind}": ['))
        expected = [*REFERENCE[name]["beta"], REFERENCE[name]["criterion"]]
        assert ast.literal_eval(f"{{{typed.strip()}}}")[kind] == pytest.approx(expected, abs=6e-8)
