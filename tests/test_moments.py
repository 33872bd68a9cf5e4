"""Sums over people as a value: parts add and come off, columns are chosen and changed without the data."""

from dataclasses import fields

import dense
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.cases import CASES, split

from helpers import reml
from helpers.moments import Moments, Optimum, alike

SIZES = (3, 4, 2, 4, 1, 3, 4, 4, 5, 3)


def of(data, rows=slice(None)):
    """The moments of these rows."""
    y, X, Z, group = data
    return Moments.from_arrays(y[rows], X[rows], Z[rows], group[rows])


def covariances(data, seed=0):
    """Relative covariances T to compare at, in units of the random columns: small, middling, and of rank one."""
    rng, size = np.random.default_rng(seed), np.linalg.norm(data[2], axis=0) / np.sqrt(len(data[2]))
    q = len(size)
    for scale, rank in ((0.2, q), (1.0, q), (3.0, 1)):
        L = scale * rng.normal(size=(q, rank)) / size[:, None]
        yield L @ L.T


def agree(found, expected, data, tolerance=1e-7):
    """That two moments are those of the same people: counts, the criterion anywhere, the estimates."""
    assert (found.n_obs, found.n_groups) == pytest.approx((expected.n_obs, expected.n_groups))
    for restricted in (True, False):
        for T in covariances(data):
            assert found.criterion(T, restricted) == pytest.approx(expected.criterion(T, restricted), abs=tolerance)
    ours, theirs = found.optimum(), expected.optimum()
    errors = np.sqrt(np.diag(theirs.covariance))
    assert ours.criterion == pytest.approx(theirs.criterion, abs=tolerance)
    assert np.abs((ours.beta - theirs.beta) / errors).max() < 1e-5
    assert np.sqrt(np.diag(ours.covariance)) == pytest.approx(errors, rel=1e-5)
    assert ours.residual_var == pytest.approx(theirs.residual_var, rel=1e-5)
    assert ours.df == pytest.approx(theirs.df, rel=1e-3)


def fittable(moments):
    try:
        moments.optimum()
    except ValueError:
        return False
    return True


# --- what they hold ---


@pytest.mark.parametrize("q", [1, 2, 3])
def test_the_sums_put_together_are_the_cross_products_of_the_columns(q):
    y, X, Z, _group = data = dense.draw(1, SIZES, q, p=4)
    m, W = of(data), np.column_stack([X, y])
    together = m.R.T @ (m.E + np.einsum("pkkcd->cd", m.S)) @ m.R
    assert together == pytest.approx(W.T @ W, rel=1e-10, abs=1e-10)
    of_Z = np.einsum("p,pki,pkj->ij", m.m, m.A, m.A)
    assert of_Z == pytest.approx(Z.T @ Z, rel=1e-10, abs=1e-10)


def test_people_on_the_same_schedule_share_a_pattern():
    _, _, Z, group = data = split(CASES["singletons"]())
    schedules = {tuple(sorted(Z[group == g, 1])) for g in np.unique(group)}
    assert len(of(data).m) == len(schedules)
    assert of(data).n_groups == len(np.unique(group))
    assert of(data).n_obs == len(group)


def test_rows_out_of_order_share_the_patterns_of_rows_in_order():
    data = split(CASES["singletons"]())
    order = np.random.default_rng(0).permutation(len(data[0]))
    assert len(of(data, order).m) == len(of(data).m)


def test_alike_numbers_equal_rows_in_the_order_they_appear():
    assert alike(np.array([3.0, 1.0, 3.0, 1.0]), np.array(list("abaa"))).tolist() == [0, 1, 0, 2]


def test_moments_are_not_changed_by_what_is_made_of_them():
    data = dense.draw(1, SIZES)
    m, part = of(data), of(data, data[3] == 2)
    before = [np.copy(getattr(m, name)) for name in ("A", "m", "S", "E", "R")]
    m + part, m - part, m.transform(2 * np.eye(3), 2 * np.eye(2)), m.optimum(), m.fit(), m.select(["x1"])
    assert all(np.array_equal(a, getattr(m, name)) for a, name in zip(before, ("A", "m", "S", "E", "R"), strict=True))


# --- parts ---


@settings(**dense.profile(25))
@given(dense.designs(), st.integers(1, 5), st.integers(0, 1000))
def test_moments_of_parts_add_to_the_moments_of_the_whole(data, parts, seed):
    group = data[3]
    part = np.random.default_rng(seed).integers(parts, size=group.max() + 1)
    pieces = [of(data, part[group] == k) for k in np.unique(part)]
    agree(sum(pieces), of(data), data)


@settings(**dense.profile(15))
@given(dense.designs())
def test_parts_of_a_single_person_add_to_the_whole(data):
    # In such a part most columns are constant or zero, and there are fewer rows than columns.
    agree(sum(of(data, data[3] == g) for g in np.unique(data[3])), of(data), data)


@settings(**dense.profile(25))
@given(dense.designs(), st.integers(0, 1000))
def test_taking_one_person_out_leaves_exactly_the_rest(data, seed):
    one = np.random.default_rng(seed).integers(data[3].max() + 1)
    rest = of(data, data[3] != one)
    left = of(data) - of(data, data[3] == one)
    if fittable(rest):
        agree(left, rest, data)
    else:
        assert not fittable(left)


@settings(**dense.profile(15))
@given(dense.designs(), st.integers(0, 1000))
def test_taking_a_part_out_and_putting_it_back_changes_nothing(data, seed):
    part = np.random.default_rng(seed).integers(2, size=data[3].max() + 1)[data[3]] == 1
    if part.any() and not part.all():
        agree(of(data) - of(data, part) + of(data, part), of(data), data)


def test_parts_add_in_any_order():
    data = dense.draw(2, SIZES)
    a, b, c = (of(data, data[3] % 3 == k) for k in range(3))
    agree(a + b + c, of(data), data)
    agree(c + (a + b), of(data), data)
    agree(b + (c + a), of(data), data)


def test_parts_with_a_column_that_is_constant_in_each_add():
    y, X, Z, group = dense.draw(3, SIZES)
    arm = (group % 2).astype(float)
    data = y, np.column_stack([X, arm]), Z, group
    agree(of(data, arm == 0) + of(data, arm == 1), of(data), data)


def test_parts_with_means_a_million_apart_add():
    y, X, Z, group = dense.draw(4, SIZES)
    late = group > 4
    X = np.column_stack([X, np.where(late, 1e6, 0.0) + np.random.default_rng(0).normal(size=len(y))])
    data = y + 1e6 * late, X, Z, group
    agree(of(data, late) + of(data, ~late), of(data), data, tolerance=1e-6)


def test_people_whose_visits_are_at_one_time_come_off_without_a_trace():
    # Their Z is short of its rank, and what lies beside its span is kept as the rows came: in another order, elsewhere.
    y, X, _, group = dense.draw(7, (4,) * 8, p=3)
    rng = np.random.default_rng(7)
    time, flag = rng.choice([-4.0, -1.0, 5.0], len(y)), rng.choice([0.0, 1.0], len(y))
    time[group == 7] = [5.0, 5.0, -1.0, -1.0]
    flag[group == 7] = [0.0, 0.0, 1.0, 1.0]
    data = y, X, np.column_stack([np.ones(len(y)), time, flag]), group
    for person in range(8):
        agree(of(data) - of(data, group == person), of(data, group != person), data)


def test_the_patterns_of_the_parts_are_those_of_the_whole():
    data = split(CASES["singletons"]())
    whole, odd = of(data), data[3] % 2 == 1
    assert len((of(data, odd) + of(data, ~odd)).m) == len(whole.m)
    assert len((whole - of(data, odd)).m) == len(of(data, ~odd).m)
    assert (whole - of(data, odd)).m.min() > 0.5


def test_a_pattern_goes_with_its_only_person():
    data = dense.draw(1, SIZES, q=2)
    for person in (0, 4):
        assert len((of(data) - of(data, data[3] == person)).m) == len(of(data, data[3] != person).m) == len(SIZES) - 1


def test_columns_that_only_the_people_taken_out_told_apart_are_named():
    y, X, Z, group = dense.draw(5, SIZES)
    data = y, np.column_stack([X, (group == 3).astype(float)]), Z, group
    left = of(data) - of(data, group == 3)
    with pytest.raises(ValueError, match="fixed columns: 'x3' is zero or a combination"):
        left.fit()


def test_moments_without_people_are_refused():
    data = dense.draw(5, SIZES)
    with pytest.raises(ValueError, match="0 rows cannot carry 3 fixed effects"):
        (of(data) - of(data)).fit()


def test_moments_of_different_columns_do_not_add():
    data = dense.draw(5, SIZES)
    for other in (of(data).select(["x0", "x1"]), of(data).transform(None, np.eye(2)[:, :1])):
        with pytest.raises(ValueError, match="moments of different columns"):
            of(data) + other
        with pytest.raises(ValueError, match="moments of different columns"):
            of(data) - other


def test_moments_and_other_things_do_not_add():
    with pytest.raises(TypeError):
        3 + of(dense.draw(5, SIZES))


# --- other columns ---


@settings(**dense.profile(25))
@given(dense.designs(), st.integers(0, 1000))
def test_a_linear_change_of_the_columns_gives_the_moments_of_the_changed_data(data, seed):
    y, X, Z, group = data
    rng = np.random.default_rng(seed)
    to_x, to_z = (np.eye(k) * 2 + 0.4 * rng.normal(size=(k, k)) for k in (X.shape[1], Z.shape[1]))
    changed = y, X @ to_x, Z @ to_z, group
    agree(of(data).transform(to_x, to_z), of(changed), changed)


@settings(**dense.profile(25))
@given(dense.designs(), st.integers(0, 1000))
def test_chosen_columns_give_the_moments_of_the_data_with_those_columns(data, seed):
    y, X, Z, group = data
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(X.shape[1])[: rng.integers(1, X.shape[1] + 1)]
    fewer = y, X[:, chosen], Z, group
    found = of(data).select([f"x{j}" for j in chosen])
    assert found.fixed == tuple(f"x{j}" for j in chosen)
    agree(found, of(fewer), fewer)


@pytest.mark.parametrize("kept", [[0], [1], [0, 1], [2, 0]])
def test_fewer_random_columns_give_the_moments_of_the_data_with_those_columns(kept):
    y, X, Z, group = data = dense.draw(6, (6, 5, 4, 6, 3, 5, 6), q=3)
    fewer = y, X, Z[:, kept], group
    found = of(data).transform(T_random=np.eye(3)[:, kept])
    agree(found, of(fewer), fewer)


def test_more_random_columns_than_there_were_are_named_and_refused_when_fitted():
    data = dense.draw(6, SIZES, q=1)
    found = of(data).transform(T_random=np.array([[1.0, 2.0]]))
    with pytest.raises(ValueError, match="random columns: 'z1' is zero or a combination"):
        found.fit()


def test_the_outcome_can_be_changed_too():
    y, X, Z, group = data = dense.draw(6, SIZES)
    T = np.eye(4)
    T[:3, 3], T[3, 3] = [5.0, -1.0, 2.0], 3.0
    changed = X @ T[:3, 3] + 3 * y, X, Z, group
    agree(of(data).transform(T), of(changed), changed)


def test_a_frame_of_coefficients_is_matched_by_name_and_names_the_new_columns():
    y, X, Z, group = data = dense.draw(6, SIZES)
    T = pd.DataFrame({"level": [0.0, 1.0, 0.0], "both": [2.0, 0.0, 1.0]}, ["x2", "x0", "x1"])
    U = pd.DataFrame({"start": [1.0, 0.0], "later": [3.0, 1.0]}, ["z0", "z1"])
    found = of(data).transform(T, U)
    assert (found.fixed, found.random, found.outcome) == (("level", "both"), ("start", "later"), "y")
    changed = y, np.column_stack([X[:, 0], 2 * X[:, 2] + X[:, 1]]), Z @ U.to_numpy(), group
    agree(found, of(changed), changed)
    assert list(found.fit().fixed.index) == ["level", "both"]


def test_a_new_outcome_in_a_frame_is_named_by_it():
    y, X, Z, group = data = dense.draw(6, SIZES)
    T = pd.DataFrame(np.eye(4), ["x0", "x1", "x2", "y"], ["x0", "x1", "x2", "gain"])
    T.loc["x1", "gain"] = -2.0
    found = of(data).transform(T)
    assert found.outcome == found.fit().outcome == "gain"
    changed = y - 2 * X[:, 1], X, Z, group
    agree(found, of(changed), changed)


def test_maps_that_do_not_fit_are_refused():
    m = of(dense.draw(6, SIZES))
    with pytest.raises(ValueError, match=r"T_fixed has shape \(2, 2\); it needs 3 rows, one a column \(x0, x1, x2\)"):
        m.transform(np.eye(2))
    with pytest.raises(ValueError, match=r"T_random has shape \(3, 3\); it needs 2 rows"):
        m.transform(None, np.eye(3))
    with pytest.raises(ValueError, match="T_fixed has rows x0, x1, z; the columns are x0, x1, x2"):
        m.transform(pd.DataFrame(np.eye(3), ["x0", "x1", "z"]))


def test_an_unknown_column_cannot_be_chosen():
    with pytest.raises(ValueError, match="no fixed column 'x9'; there are x0, x1, x2"):
        of(dense.draw(6, SIZES)).select(["x0", "x9"])


# --- weights ---


@settings(**dense.profile(20))
@given(dense.designs(), st.integers(0, 1000))
def test_a_person_of_weight_two_is_two_such_people(data, seed):
    y, X, Z, group = data
    weight = np.random.default_rng(seed).integers(0, 4, size=group.max() + 1)
    rows = np.concatenate([np.flatnonzero(group == g) for g, w in enumerate(weight) for _ in range(w)])
    copies = np.repeat(np.arange(weight.sum()), np.repeat(np.bincount(group), weight))
    expected = Moments.from_arrays(y[rows], X[rows], Z[rows], copies) if len(rows) else None
    found = Moments.from_arrays(y, X, Z, group, weight[group])
    if expected is not None and fittable(expected):
        agree(found, expected, data)
    else:
        assert not fittable(found)


def test_weights_that_are_not_whole_weigh_each_persons_share_of_the_likelihood():
    y, X, Z, group = data = dense.draw(8, SIZES)
    weight = np.random.default_rng(8).uniform(0.2, 3, len(SIZES))
    found = Moments.from_arrays(*data, weight[group])
    T = np.array([[0.8, 0.1], [0.1, 0.4]])
    V, C, logdet = dense.covariance(T, Z, group), np.zeros((4, 4)), 0.0
    W = np.column_stack([X, y])
    for g, w in enumerate(weight):
        i = group == g
        C += w * W[i].T @ np.linalg.solve(V[np.ix_(i, i)], W[i])
        logdet += w * np.linalg.slogdet(V[np.ix_(i, i)])[1]
    d = weight @ np.bincount(group)
    r2 = C[3, 3] - C[3, :3] @ np.linalg.solve(C[:3, :3], C[:3, 3])
    assert found.criterion(T, reml=False) == pytest.approx(logdet + d * (1 + np.log(2 * np.pi * r2 / d)), abs=1e-9)
    assert found.n_groups == pytest.approx(weight.sum())
    assert found.fit(reml=False).n_obs == pytest.approx(d)


def test_weights_that_differ_within_a_person_are_refused():
    data = dense.draw(8, SIZES)
    with pytest.raises(ValueError, match="weights: they differ between the rows of one person"):
        Moments.from_arrays(*data, np.arange(len(data[0])))


def test_weights_that_are_negative_or_not_finite_are_refused():
    data = dense.draw(8, SIZES)
    for wrong in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="weights: some are negative or not finite"):
            Moments.from_arrays(*data, np.full(len(data[0]), wrong))


def test_people_of_weight_zero_do_not_make_a_model_identified():
    _y, _X, _Z, group = data = dense.draw(8, (2, 2, 2, 2, 2, 5))
    weight = (group < 5).astype(float)
    with pytest.raises(ValueError, match="every group has at most 2 rows"):
        Moments.from_arrays(*data, weight).fit()


# --- many data sets ---


@pytest.fixture(scope="module", params=[(1, True), (1, False), (2, True), (3, False)], ids=str)
def many(request):
    """Outcomes of one design side by side, of very different variances, and the design."""
    q, shared = request.param
    rng = np.random.default_rng(q)
    y, X, Z, group = dense.draw(9, (q + 3,) * 9, q, p=3, shared=shared)
    u = rng.normal(size=(9, 12)) * rng.choice([0.0, 1.0, 30.0], 12)
    return y[:, None] * 0.1 + u[group] + rng.normal(size=(len(y), 12)), X, Z, group


@pytest.mark.parametrize("restricted", [True, False], ids=["reml", "ml"])
def test_data_sets_side_by_side_give_bit_for_bit_what_each_gives_alone(many, restricted):
    m = Moments.from_arrays(*many)
    together = m.optimum(restricted)
    for b in range(12):
        alone = m._take(np.array([b])).optimum(restricted)
        for field in fields(Optimum):
            assert np.array_equal(getattr(alone, field.name)[0], getattr(together, field.name)[b]), field.name


def test_data_sets_in_another_order_or_number_give_the_same_bits(many):
    m = Moments.from_arrays(*many)
    together, order = m.optimum(), np.random.default_rng(0).permutation(12)[:7]
    some = m._take(order).optimum()
    for field in fields(Optimum):
        assert np.array_equal(getattr(some, field.name), getattr(together, field.name)[order]), field.name


def test_many_outcomes_give_what_each_gives_from_its_own_data(many):
    Y, X, Z, group = many
    together = Moments.from_arrays(*many).optimum()
    assert together.certified.all()
    assert together.beta.shape == (12, 3)
    assert together.singular.tolist() == (together.rank < Z.shape[1]).tolist()
    for b in range(12):
        alone = reml.solve(Y[:, b], X, Z, group)
        assert alone.criterion == pytest.approx(together.criterion[b], abs=1e-9)
        assert alone.beta == pytest.approx(together.beta[b], rel=1e-6, abs=1e-8)
        assert alone.covariance == pytest.approx(together.covariance[b], rel=1e-6, abs=1e-9)
        assert alone.random_cov == pytest.approx(together.random_cov[b], rel=1e-5, abs=1e-6)
        assert alone.df == pytest.approx(together.df[b], rel=1e-4)
        assert alone.rank == together.rank[b]


def test_a_data_set_that_cannot_be_fitted_is_blank_and_leaves_the_others_alone(many):
    Y, X, Z, group = many
    Y = Y.copy()
    good = Moments.from_arrays(Y[:, [0, 2, 4, 5]], X, Z, group).optimum()
    Y[:, 1] = 3.0  # no variance
    Y[:, 3] = X @ [1.0, 2.0, 3.0]  # no residual variance
    Y[:, 6] = group + (Z[:, -1] * group if Z.shape[1] > 1 else 0)  # fitted by the random effects
    fit = Moments.from_arrays(Y[:, :7], X, Z, group).optimum()
    bad = [1, 3, 6]
    assert not fit.certified[bad].any()
    for name in ("beta", "covariance", "df", "random_cov", "residual_var", "criterion"):
        assert np.isnan(getattr(fit, name)[bad]).all(), name
        assert getattr(fit, name)[[0, 2, 4, 5]] == pytest.approx(getattr(good, name), rel=1e-6, abs=1e-9), name
    assert fit.certified[[0, 2, 4, 5]].all()
    assert (fit.n_obs == len(group)).all()


def test_data_sets_none_of_which_can_be_fitted_are_all_blank(many):
    Y, X, Z, group = many
    for parts in ((0 * Y + 1, X, Z), (Y, X[:, [0, 1, 1]], Z), (Y, X, Z[:, [0, 0]])):
        fit = Moments.from_arrays(*parts, group).optimum()
        assert np.isnan(fit.beta).all()
        assert np.isnan(fit.criterion).all()
        assert not fit.certified.any()
        assert fit.beta.shape == (12, 3)


def test_many_data_sets_add_select_and_transform_as_one_does():
    rng = np.random.default_rng(3)
    y, X, Z, group = dense.draw(9, SIZES, 2, p=3)
    Y = y[:, None] + rng.normal(size=(len(y), 4))
    half = group % 2 == 0
    whole = Moments.from_arrays(Y, X, Z, group)
    parts = [Moments.from_arrays(Y[i], X[i], Z[i], group[i]) for i in (half, ~half)]
    to_x = np.array([[1.0, 0.5], [0.0, 1.0], [0.0, 2.0]])
    for found, columns in (
        (sum(parts), X),
        (whole.select(["x2", "x0"]), X[:, [2, 0]]),
        (whole.transform(to_x), X @ to_x),
    ):
        fit = found.optimum()
        for b in range(4):
            assert fit.criterion[b] == pytest.approx(reml.solve(Y[:, b], columns, Z, group).criterion, abs=1e-8)


def test_one_fit_of_many_data_sets_is_refused():
    y, X, Z, group = dense.draw(9, SIZES)
    with pytest.raises(ValueError, match="3 data sets: `optimum` solves them side by side, `fit` takes one"):
        Moments.from_arrays(np.column_stack([y, y, y]), X, Z, group).fit()


# --- errors of arrays ---


def test_columns_of_different_length_are_refused():
    y, X, Z, group = dense.draw(0, SIZES)
    n = len(y)
    with pytest.raises(ValueError, match=f"y, X, Z and group have {n - 1}, {n}, {n} and {n} rows"):
        Moments.from_arrays(y[1:], X, Z, group)


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="no rows"):
        Moments.from_arrays(np.zeros(0), np.zeros((0, 2)), np.zeros((0, 1)), np.zeros(0))


@pytest.mark.parametrize("which", ["y", "X", "Z"])
def test_values_that_are_not_finite_are_refused(which):
    parts = dict(zip(("y", "X", "Z", "group"), dense.draw(0, SIZES), strict=True))
    parts[which] = parts[which].copy()
    parts[which].flat[2] = np.nan
    with pytest.raises(ValueError, match=f"{which} has 1 values that are not finite"):
        Moments.from_arrays(**parts)


def test_a_group_that_is_blank_is_refused():
    y, X, Z, group = dense.draw(0, SIZES)
    with pytest.raises(ValueError, match="group has 1 blanks"):
        Moments.from_arrays(y, X, Z, np.where(np.arange(len(y)) == 4, np.nan, group))
