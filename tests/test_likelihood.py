"""The criterion, its derivatives, the certificate and the df, against matrices written out (dense.py)."""

from dataclasses import fields

import dense
import mpmath
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.cases import CASES, made, split

from helpers import likelihood, reml
from helpers.moments import Moments

SIZES = (6, 5, 7, 6, 5, 6, 4, 6, 1, 5)  # ten people, enough rows for three random terms
BOTH = pytest.mark.parametrize("restricted", [True, False], ids=["reml", "ml"])


def sums(data, restricted=True):
    """The sums of one data set (or of y (n, B)), and Rz, from its units of Z to theirs."""
    y, X, Z, group = data
    parts, _, Rz = Moments.from_arrays(y.reshape(len(y), -1), X, Z, group)._standardised(restricted)
    return parts, Rz[0]


def at(parts, L):
    return likelihood.evaluate(parts, (L @ L.T)[None])


def factor(q, seed, size=1.0, rank=None):
    return size * np.random.default_rng(seed).normal(size=(q, rank or q))


def root(T):
    """L (q x r) of a T of rank r."""
    values, vectors = np.linalg.eigh(T)
    kept = values > 1e-9 * max(values.max(), 1e-300)
    return vectors[:, kept] * np.sqrt(values[kept])


def same(left, right):
    """Two dataclasses of arrays, bit for bit."""
    pairs = ((getattr(left, field.name), getattr(right, field.name)) for field in fields(left))
    return all(np.array_equal(a, b, equal_nan=np.asarray(a).dtype == float) for a, b in pairs)


# --- the criterion ---


@BOTH
@pytest.mark.parametrize("q", [1, 2, 3, 4])
def test_the_criterion_is_that_of_the_dense_likelihood(q, restricted):
    for seed in range(3):
        data = dense.draw(seed, SIZES, q, p=5)
        moments = Moments.from_arrays(*data)
        for size in (0.0, 0.1, 1.0, 30.0):
            for rank in range(1, q + 1):
                T = factor(q, seed, size, rank)
                expected = dense.criterion(T @ T.T, *data, restricted)
                assert moments.criterion(T @ T.T, restricted) == pytest.approx(expected, abs=1e-8)


@BOTH
def test_the_criterion_keeps_its_digits_where_one_direction_varies_a_million_times_as_much_as_the_residual(restricted):
    # T is of rank one, so that most directions of M = I + A T A' stay at one beside an eigenvalue of a million.
    y, X, Z, group = dense.draw(3, (4, 4, 4, 4, 4), q=3, p=2, sd=(0.0, 0.0, 0.0), noise=1e-3)
    way = np.array([0.3, -0.5, 0.8])
    y = y + (Z @ way) * np.array([1.0, -1.2, 0.4, 0.9, -0.7])[group]
    T = 1e6 * np.outer(way, way)
    assert Moments.from_arrays(y, X, Z, group).criterion(T, restricted) == pytest.approx(
        exactly(T, y, X, Z, group, restricted), abs=1e-6
    )


def exactly(T, y, X, Z, group, restricted):
    """The dense criterion in 50 digits."""
    with mpmath.workdps(50):
        T, X, Z, y = (mpmath.matrix(part.tolist()) for part in (T, X, Z, y))
        V, n = Z * T * Z.T, len(group)
        for i in range(n):
            for j in range(n):
                V[i, j] = (V[i, j] if group[i] == group[j] else 0) + (i == j)
        inverse = V**-1
        information = X.T * inverse * X
        left = y - X * (information**-1 * (X.T * inverse * y))
        d = n - X.cols if restricted else n
        value = mpmath.log(mpmath.det(V)) + d * (1 + mpmath.log(2 * mpmath.pi * (left.T * inverse * left)[0] / d))
        return float(value + (mpmath.log(mpmath.det(information)) if restricted else 0))


@BOTH
def test_zero_covariance_gives_the_criterion_of_a_regression(restricted):
    y, X, _Z, _group = data = dense.draw(0, SIZES, q=2, p=3)
    n, p = X.shape
    left = y - X @ np.linalg.lstsq(X, y)[0]
    d = n - p if restricted else n
    expected = d * (1 + np.log(2 * np.pi * (left @ left) / d))
    expected += np.linalg.slogdet(X.T @ X)[1] if restricted else 0
    assert Moments.from_arrays(*data).criterion(np.zeros((2, 2)), restricted) == pytest.approx(expected, abs=1e-9)


# --- its derivatives ---


@BOTH
@pytest.mark.parametrize("q", [1, 2, 3, 4])
def test_the_gradient_is_the_slope_of_the_dense_criterion(q, restricted):
    data = dense.draw(q, SIZES, q, p=4)
    parts, Rz = sums(data, restricted)
    T = factor(q, 5) @ factor(q, 5).T + 0.3 * np.eye(q)
    G = Rz.T @ at(parts, np.linalg.cholesky(Rz @ T @ Rz.T)).G[0] @ Rz
    for i in range(q):
        for j in range(i + 1):
            way = np.zeros((q, q))
            way[i, j] = way[j, i] = 1
            slope = dense.central(lambda T: dense.criterion(T, *data, restricted), T, way, 1e-3)
            assert np.vdot(G, way) == pytest.approx(slope, rel=1e-6, abs=1e-6)


@BOTH
@pytest.mark.parametrize(("q", "rank"), [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3), (4, 2)])
def test_the_second_derivatives_are_those_of_the_dense_criterion(q, rank, restricted):
    data = dense.draw(q, SIZES, q, p=4)
    parts, Rz = sums(data, restricted)
    L = factor(q, 7, 0.8, rank)
    D = likelihood.directions(L[None])
    H, _ = likelihood.hessian(parts, L[None], at(parts, L), D)
    to_units = np.linalg.inv(Rz)

    def along(v):
        F = to_units @ (L + np.tensordot(v, D[0], 1))
        return dense.criterion(F @ F.T, *data, restricted)

    expected = dense.second_derivatives(along, np.zeros(len(D[0])), 1e-3)
    assert H[0] == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_the_second_derivatives_are_the_slopes_of_the_gradient():
    parts, _ = sums(dense.draw(4, q=2, p=4))
    L = np.array([[0.9, 0.2], [-0.1, 0.5]])
    D = likelihood.directions(L[None])
    score = lambda L: 2 * at(parts, L).G[0] @ L
    expected = [[np.vdot(dense.central(score, L, a, 1e-4), b) for b in D[0]] for a in D[0]]
    assert likelihood.hessian(parts, L[None], at(parts, L), D)[0][0] == pytest.approx(np.array(expected), rel=1e-7)


@pytest.mark.parametrize(("q", "rank"), [(1, 1), (2, 1), (2, 2), (3, 2), (3, 3), (4, 3), (4, 4)])
def test_directions_are_orthonormal_and_leave_out_the_rotations_that_change_nothing(q, rank):
    L = factor(q, q + rank, rank=rank)
    D = likelihood.directions(L[None])[0].reshape(-1, q * rank)
    assert len(D) == q * rank - rank * (rank - 1) // 2
    assert pytest.approx(np.eye(len(D)), abs=1e-12) == D @ D.T
    for a in range(rank):
        for b in range(a):
            turn = np.zeros((rank, rank))
            turn[a, b], turn[b, a] = 1, -1
            assert D @ (L @ turn).ravel() == pytest.approx(np.zeros(len(D)), abs=1e-12)


def test_packing_keeps_a_symmetric_matrix_and_its_inner_products():
    rng = np.random.default_rng(0)
    A, B = (part + part.swapaxes(-1, -2) for part in rng.normal(size=(2, 5, 3, 3)))
    assert likelihood.unpack(likelihood.pack(A)) == pytest.approx(A)
    i, j = np.triu_indices(3)
    assert (likelihood.pack(A) * B[..., i, j]).sum(-1) == pytest.approx(np.vecdot(A.reshape(5, -1), B.reshape(5, -1)))


def test_weighing_sums_over_patterns_and_pairs_of_random_columns():
    rng = np.random.default_rng(1)
    U = rng.normal(size=(2, 5, 7, 3, 4))  # data sets, patterns, people, random columns, columns of W
    N = rng.normal(size=(2, 5, 3, 3))
    N = N + N.swapaxes(-1, -2)
    S = np.einsum("bpnic,bpnjd->bpijcd", U, U)
    i, j = np.triu_indices(3)
    pairs = S[:, :, i, j] + np.where((i == j)[:, None, None], 0, S[:, :, j, i])
    packed = likelihood.pack((pairs + pairs.swapaxes(-1, -2)) / 2).reshape(2, 30, 10)
    expected = np.einsum("bpij,bpijcd->bcd", N, S)
    assert likelihood.unpack(likelihood.weigh(packed, N)) == pytest.approx(expected)


# --- the certificate ---


@settings(**dense.profile(25))
@given(dense.designs(), st.booleans(), st.integers(0, 1000))
def test_no_covariance_nearby_or_far_has_a_lower_criterion(data, restricted, seed):
    moments, rng = Moments.from_arrays(*data), np.random.default_rng(seed)
    fit, q = moments.optimum(restricted), data[2].shape[1]
    size = np.linalg.norm(data[2], axis=0) / np.sqrt(len(data[2]))
    L = np.zeros((q, q))
    found = root(fit.random_cov / fit.residual_var)
    L[:, : found.shape[1]] = found
    if fit.certified:
        for step in (1e-4, 1e-2, 0.1, 1, 10):
            for _ in range(6):
                T = L + step * rng.normal(size=(q, q)) / size[:, None]
                assert moments.criterion(T @ T.T, restricted) > fit.criterion - 1e-8


@settings(**dense.profile(30))
@given(dense.designs(), st.booleans())
def test_the_optimum_is_certified_and_meets_the_conditions_of_an_optimum_in_the_dense_criterion(data, restricted):
    fit = Moments.from_arrays(*data).optimum(restricted)
    T, q = fit.random_cov / fit.residual_var, data[2].shape[1]
    assert fit.certified
    assert fit.rank == np.linalg.matrix_rank(T, tol=1e-9, hermitian=True)
    f = lambda T: dense.criterion(T, *data, restricted)
    step = 1e-5 / np.mean(data[2] ** 2)
    if fit.rank == q and np.linalg.eigvalsh(T)[0] > 10 * step:
        values, vectors = np.linalg.eigh(T)
        for value, way in zip(values, vectors.T, strict=True):
            assert dense.central(f, T, value * np.outer(way, way), 1e-3) == pytest.approx(0, abs=1e-4)
    else:
        way = np.linalg.eigh(T)[1][:, 0]  # into the null space f does not fall
        assert f(T + step * np.outer(way, way)) > f(T) - 1e-8


def test_a_start_at_a_zero_intercept_variance_is_left():
    data, edge = split(CASES["sleepstudy"]()), np.array([[0.0], [0.3]])
    fit = Moments.from_arrays(*data).optimum(starts=(), start=edge @ edge.T)
    assert fit.certified
    assert fit.rank == 2
    assert fit.criterion == pytest.approx(1743.6282720, abs=1e-6)


def test_the_zero_covariance_is_stationary_but_not_certified_where_variances_are_positive():
    parts, _ = sums(split(CASES["sleepstudy"]()))
    zero = np.zeros((1, 2, 0))
    here = likelihood.evaluate(parts, np.zeros((1, 2, 2)))
    assert likelihood.stationary(zero, here).all()
    assert likelihood.off_face(zero, here)[0].all()


def test_an_intercept_variance_of_zero_is_stationary_along_itself_but_f_falls_off_it():
    # theta11 = 0, where optimisers of lme4's parameters stop: the best slope variance, and no intercept variance.
    y, X, Z, group = data = split(CASES["sleepstudy"]())
    parts, Rz = sums(data)
    slope = reml.solve(y, X, Z[:, 1:], group)
    L = Rz @ np.array([[0.0], [np.sqrt(slope.random_cov[0, 0] / slope.residual_var)]])
    here = at(parts, L)
    assert (Rz.T @ here.G[0] @ Rz)[1, 1] == pytest.approx(0, abs=1e-6)
    falls, way = likelihood.off_face(L[None], here)
    assert falls[0]
    assert at(parts, np.column_stack([L, 0.2 * way[0]])).f[0] < here.f[0] - 0.5


# y, X, Z, group of samples so small that random effects nearly fit them. One optimum stands at ordinary variances, on
# the boundary, another, lower, at variances thousands and millions of times the residual's.
TWO_OPTIMA = {
    "six people": """-8 1 1.36 -1.25 0; -3 1 0.42 -0.73 0; -2 1 0.22 -0.54 0; -1 1 0.06 -0.32 1; 2 1 0.24 0.41 2;
        20 1 1.26 1.04 2; 0 1 0 -0.13 2; -38 1 2.09 1.37 3; -6 1 0.34 -0.67 3; -3 1 0.19 0.35 4; -17 1 0.97 0.9 4;
        -1 1 0.03 0.09 4; 4 1 0.44 -0.74 5; 10 1 0.71 -0.92 5""",
    "three people": """14.45 1 0 -0.67 1 1 0; 13.77 1 0 -0.35 1 0 0; 14.6 1 0 -1.14 1 1 0; 2.52 1 0 0.37 1 1 1;
        2.58 1 1 -0.07 1 1 1; 2.58 1 0 -2.39 1 0 1; -0.83 1 0 0.76 1 1 2; -0.27 1 0 -1.75 1 0 2;
        -0.46 1 1 -1.39 1 0 2""",
}


@pytest.mark.parametrize(("name", "restricted"), [("six people", True), ("three people", False)])
def test_the_lower_of_two_optima_is_found(name, restricted):
    rows = np.array([row.split() for row in TWO_OPTIMA[name].split(";")], float)
    data = rows[:, 0], rows[:, 1:-3], rows[:, -3:-1], rows[:, -1]
    ordinary = Moments.from_arrays(*data).optimum(restricted, starts=(1.0,))
    fit = Moments.from_arrays(*data).optimum(restricted)
    assert (ordinary.rank, fit.rank) == (1, 2)
    assert ordinary.certified  # of its own surroundings, which is all that a certificate can say
    assert fit.certified
    assert fit.criterion < ordinary.criterion - 0.4
    assert fit.criterion == pytest.approx(
        dense.criterion(fit.random_cov / fit.residual_var, *data, restricted), abs=1e-6
    )


def test_variances_that_the_data_do_not_tell_apart_are_not_certified():
    # A person-level column and an intercept use up both groups: the intercept's variance leaves no trace.
    fit = reml.solve(*split(made(5, people=2, visits=(12, 12), times=tuple(range(12)))))
    assert not fit.certified


def test_one_group_does_not_tell_its_intercept_from_the_fixed_one():
    y, X, Z, group = dense.draw(1, (9,), q=1, p=2)
    assert not reml.solve(y, X, Z, group).certified


@pytest.mark.parametrize("sd", [(1.0, 0.5), (30.0, 0.5), (3e3, 0.5), (3e3, 0.05)])
def test_a_search_that_was_stopped_is_certified_only_where_it_had_arrived(sd, monkeypatch):
    # Beside a variance of ten million, f can still fall along a small one while the gradient looks like zero.
    for seed in range(3):
        moments = Moments.from_arrays(*dense.draw(seed, SIZES, 2, p=3, sd=sd))
        best, seen = moments.optimum(), set()
        assert best.certified
        for steps in (1, 2, 3, 4, 6, 8):
            monkeypatch.setattr(likelihood, "ITERATIONS", steps)
            stopped = moments.optimum(starts=())
            seen.add(bool(stopped.certified))
            assert stopped.criterion < best.criterion + 1e-6 or not stopped.certified
        monkeypatch.undo()
        assert False in seen


def test_at_a_variance_of_zero_the_reported_gradient_is_the_slope_in_the_units_of_the_data():
    data = split(CASES["variance_zero"]())
    fit, step = reml.solve(*data), 1e-7
    assert fit.rank == 0
    for way in (np.diag([1.0, 0.0]), np.diag([0.0, 1.0])):
        slope = (dense.criterion(step * way, *data) - fit.criterion) / step
        assert slope > 0
        assert np.vdot(fit.gradient, way) == pytest.approx(slope, rel=1e-4)


# --- many data sets ---


@pytest.mark.parametrize(("q", "shared"), [(1, True), (1, False), (2, True), (2, False), (3, False)])
def test_what_a_data_set_gives_does_not_depend_to_the_last_bit_on_those_beside_it(q, shared):
    # `shared` with one size of group is one pattern; with q = 1 too, axes of length one once changed the order of sums.
    rng = np.random.default_rng(q)
    y, X, Z, group = dense.draw(2, (q + 3,) * 8, q, p=4, shared=shared)
    Y = y[:, None] + rng.normal(size=(len(y), 12)) * 10 ** rng.uniform(-1, 1, 12)
    many, _ = sums((Y, X, Z, group))
    L = rng.normal(size=(12, q, q))
    T = L @ L.swapaxes(-1, -2)
    here, start = likelihood.evaluate(many, T), likelihood.by_moments(many)
    H, _ = likelihood.hessian(many, L, here, likelihood.directions(L))
    for b in range(12):
        one, which = many.take(np.array([b])), np.array([b])
        alone = likelihood.evaluate(one, T[which])
        assert same(alone, here.take(which))
        assert np.array_equal(likelihood.by_moments(one), start[which])
        assert np.array_equal(likelihood.hessian(one, L[which], alone, likelihood.directions(L[which]))[0], H[which])


# --- degrees of freedom ---


@BOTH
@pytest.mark.parametrize("q", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_satterthwaites_df_are_those_of_finite_differences_on_the_face_the_optimum_stands_on(q, seed, restricted):
    _y, _X, _Z, _group = data = dense.draw(seed, SIZES, q, p=4)
    fit = Moments.from_arrays(*data).optimum(restricted)
    assert fit.rank > 0
    L = root(fit.random_cov / fit.residual_var)
    expected = dense.satterthwaite(L, float(fit.residual_var), *data, np.eye(4), restricted)
    assert fit.df == pytest.approx(expected, rel=1e-6)


@BOTH
def test_contrasts_have_the_df_of_finite_differences(restricted):
    data = dense.draw(1, SIZES, 2, p=4)
    formula, frame, group, random = dense.frame(*data)
    fit = reml.fit(formula, frame, group, random, reml=restricted)
    rows = np.array([[1.0, 2.0, 0.0, -1.0], [0.0, 1.0, 1.0, 0.0], [0.5, 0.0, 0.0, 0.5]])
    L = root(fit.random_cov.to_numpy() / fit.residual_var)
    expected = dense.satterthwaite(L, fit.residual_var, *data, rows, restricted)
    table = fit.contrast(named(rows, fit))
    assert table["df"].to_numpy() == pytest.approx(expected, rel=1e-6)
    _, beta, _, covariance = dense.estimates(fit.random_cov.to_numpy() / fit.residual_var, *data, restricted)
    assert table["estimate"].to_numpy() == pytest.approx(rows @ beta)
    assert table["std_error"].to_numpy() == pytest.approx(np.sqrt(np.diag(rows @ covariance @ rows.T)))


def named(rows, fit):
    return pd.DataFrame(rows, columns=fit.fixed.index)


@BOTH
def test_with_all_variances_at_zero_satterthwaites_df_are_those_of_a_regression(restricted):
    y, X, Z, group = split(CASES["variance_zero"]())
    fit = Moments.from_arrays(y, X, Z, group).optimum(restricted)
    assert fit.rank == 0
    assert fit.df == pytest.approx(np.full(X.shape[1], len(y) - (X.shape[1] if restricted else 0)))


@pytest.mark.parametrize("q", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_kenward_and_rogers_covariance_and_df_are_those_of_their_formulas_written_out(q, seed):
    y, X, Z, group = dense.draw(seed, SIZES, q, p=4)
    formula, frame, name, random = dense.frame(y, X, Z, group)
    fit = reml.fit(formula, frame, name, random, ddf="kenward-roger")
    rows = np.array([[1.0, 2.0, 0.0, -1.0], [0.0, 1.0, 1.0, 0.0]])
    covariance, df, scale = dense.kenward_roger(
        fit.random_cov.to_numpy(), fit.residual_var, X, Z, group, np.concatenate([np.eye(4), rows])
    )
    assert fit.covariance.to_numpy() == pytest.approx(covariance, rel=1e-8, abs=1e-12)
    assert fit.fixed["std_error"].to_numpy() == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-9)
    assert np.append(fit.fixed["df"], fit.contrast(named(rows, fit))["df"]) == pytest.approx(df, rel=1e-8)
    assert scale == pytest.approx(np.ones(6), rel=1e-9)  # one contrast needs no further scale, so t it is


def test_kenward_and_rogers_df_of_a_boundary_optimum_use_all_variances():
    y, X, Z, group = split(CASES["slope_variance_zero"]())
    formula, frame, name, random = dense.frame(y, X, Z, group)
    fit = reml.fit(formula, frame, name, random, ddf="kenward-roger")
    assert fit.singular
    _, df, _ = dense.kenward_roger(fit.random_cov.to_numpy(), fit.residual_var, X, Z, group, np.eye(X.shape[1]))
    assert fit.fixed["df"].to_numpy() == pytest.approx(df, rel=1e-6)
