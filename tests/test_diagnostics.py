"""Residuals, fits without a person, CR2 errors: against clubSandwich, lme4, refits, and matrices written out."""

import json
from dataclasses import replace
from pathlib import Path

import dense
import numpy as np
import pandas as pd
import pytest
from reference.cases import claims
from scipy.linalg import sqrtm

from helpers import diagnostics, formulas, reml

REFERENCE = json.loads((Path(__file__).parent / "reference" / "clubsandwich.json").read_text())
CASES = claims()


def read(frame):
    fixed, random = (list(frame.filter(regex=pattern)) for pattern in (r"^x\d", r"^z\d"))
    return formulas.Design.of(f"y ~ 0 + {' + '.join(fixed)}", "group", f"0 + {' + '.join(random)}").read(frame)


@pytest.fixture(scope="module", params=list(CASES))
def case(request):
    arrays = read(CASES[request.param])
    return REFERENCE[request.param], arrays, reml.Moments.from_arrays(**arrays).fit()


@pytest.fixture(scope="module")
def made():
    """Thirty people with one to four visits, and errors that grow with time, of which the model knows nothing."""
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(30), rng.integers(1, 5, 30))
    n = len(group)
    z = np.column_stack([np.ones(n), rng.integers(0, 4, n)])
    X = np.column_stack([z, rng.normal(size=n), rng.normal(size=30)[group]])
    own = rng.normal(size=(30, 2)) * [4, 2]
    y = X @ [1.0, 0.5, 0.3, 0.0] + (z * own[group]).sum(1) + rng.normal(size=n) * (0.5 + z[:, 1])
    arrays = {"y": y, "X": X, "Z": z, "group": group, "fixed": list("abcd"), "random": ["1", "t"]}
    return arrays, reml.Moments.from_arrays(**arrays).fit()


def test_cr2_errors_are_those_of_clubsandwich(case):
    reference, arrays, fit = case
    found = diagnostics.cr2(fit, **arrays)
    assert found["estimate"].to_numpy() == pytest.approx(np.array(reference["estimate"]), abs=1e-5)
    assert found["std_error"].to_numpy() == pytest.approx(np.array(reference["std_error"]), rel=1e-5)


def test_their_degrees_of_freedom_are_those_of_clubsandwich(case):
    reference, arrays, fit = case
    assert diagnostics.cr2(fit, **arrays)["df"].to_numpy() == pytest.approx(np.array(reference["df"]), rel=1e-4)


def test_random_effects_and_residuals_are_those_of_lme4(case):
    reference, arrays, fit = case
    visits, people = diagnostics.residuals(fit, **arrays)
    size = np.sqrt(fit.residual_var)
    assert visits["conditional"].to_numpy() == pytest.approx(np.array(reference["conditional"]), abs=1e-3 * size)
    theirs = np.column_stack(list(reference["random"].values()))
    assert people.sort_index().to_numpy(float) == pytest.approx(theirs, abs=1e-3 * size)


def test_cr2_is_the_formula_with_every_matrix_written_out(made):
    arrays, fit = made
    y, X, group = arrays["y"], arrays["X"], arrays["group"]
    T = fit.random_cov.to_numpy() / fit.residual_var
    V = fit.residual_var * dense.covariance(T, arrays["Z"], group)
    W = np.linalg.inv(V)
    M = np.linalg.inv(X.T @ W @ X)
    left = y - X @ M @ X.T @ W @ y
    hat = np.eye(len(y)) - X @ M @ X.T @ W
    A = np.zeros_like(V)
    for person in np.unique(group):
        at = np.ix_(group == person, group == person)
        root = sqrtm(V[at])
        A[at] = root @ np.linalg.inv(sqrtm(root @ (hat @ V @ hat.T)[at] @ root)) @ root
    same = group[:, None] == group[None, :]
    covariance = M @ X.T @ W @ A @ (same * np.outer(left, left)) @ A.T @ W @ X @ M
    found = diagnostics.cr2(fit, **arrays)
    assert found["std_error"].to_numpy() == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-8)
    for term, c in zip(fit.fixed.index, np.eye(4), strict=True):
        P = np.array([hat.T @ ((group == i) * (A.T @ W @ X @ M @ c)) for i in np.unique(group)])
        theta = P @ V @ P.T
        assert found.loc[term, "df"] == pytest.approx(np.trace(theta) ** 2 / (theta**2).sum(), rel=1e-8)


def test_cr2_is_unbiased_where_the_model_is_right(made):
    arrays, fit = made
    V = fit.residual_var * dense.covariance(fit.random_cov.to_numpy() / fit.residual_var, arrays["Z"], arrays["group"])
    X, W = arrays["X"], np.linalg.inv(V)
    M = np.linalg.inv(X.T @ W @ X)
    values, vectors = np.linalg.eigh(V)
    expected = 0.0  # E of a quadratic form in y - Xb: sum over the directions of its covariance
    for value, vector in zip(values, vectors.T, strict=True):
        y = np.sqrt(value) * vector
        one = replace(fit, fixed=fit.fixed.assign(estimate=M @ X.T @ W @ y))
        expected = expected + diagnostics.cr2(one, **arrays | {"y": y})["std_error"].to_numpy() ** 2
    assert expected == pytest.approx(np.diag(M), rel=1e-8)


def test_a_contrast_of_one_term_is_that_term(made):
    arrays, fit = made
    whole = diagnostics.cr2(fit, **arrays)
    twice = diagnostics.cr2(fit, **arrays, contrasts=pd.DataFrame({"c": [2.0]}, index=["twice"]))
    assert twice.loc["twice", "std_error"] == pytest.approx(2 * whole.loc["c", "std_error"])
    assert twice.loc["twice", "df"] == pytest.approx(whole.loc["c", "df"])


def test_the_random_effects_solve_the_mixed_model_equations(made):
    arrays, fit = made
    group, people = arrays["group"], np.unique(arrays["group"])
    Z = np.hstack([arrays["Z"] * (group == person)[:, None] for person in people])
    G = np.kron(np.eye(len(people)), np.linalg.inv(fit.random_cov.to_numpy()) * fit.residual_var)
    W = np.hstack([arrays["X"], Z])
    left = W.T @ W
    left[4:, 4:] += G
    solution = np.linalg.solve(left, W.T @ arrays["y"])
    visits, effects = diagnostics.residuals(fit, **arrays)
    assert not fit.singular
    assert effects.to_numpy(float).ravel() == pytest.approx(solution[4:], rel=1e-5, abs=1e-6)
    assert visits["conditional"].to_numpy() == pytest.approx(arrays["y"] - W @ solution, abs=1e-6)


def test_fits_without_a_person_are_fits_to_the_others(made):
    arrays, _ = made
    labels, others = diagnostics.without_each(**arrays)
    found = others.optimum()
    for i, label in enumerate(labels):
        rest = {name: arrays[name][arrays["group"] != label] for name in ("y", "X", "Z", "group")}
        refit = reml.Moments.from_arrays(**rest).fit()
        assert found.beta[i] == pytest.approx(refit.fixed["estimate"].to_numpy(), abs=1e-6)
        assert found.criterion[i] == pytest.approx(refit.criterion, abs=1e-7)
        assert found.df[i] == pytest.approx(refit.fixed["df"].to_numpy(), rel=1e-4)


def test_people_without_each_do_not_depend_on_the_order_of_rows(made):
    arrays, _ = made
    order = np.random.default_rng(1).permutation(len(arrays["y"]))
    mixed = arrays | {name: arrays[name][order] for name in ("y", "X", "Z", "group")}
    (labels, one), (same, other) = diagnostics.without_each(**arrays), diagnostics.without_each(**mixed)
    assert labels.equals(same)
    assert other.optimum().beta == pytest.approx(one.optimum().beta, abs=1e-7)


def test_a_person_alone_in_their_visit_pattern_can_be_taken_out(made):
    arrays, _ = made
    arrays = arrays | {"Z": arrays["Z"].copy()}
    arrays["Z"][arrays["group"] == 7, 1] += 11
    labels, others = diagnostics.without_each(**arrays)
    rest = {name: arrays[name][arrays["group"] != 7] for name in ("y", "X", "Z", "group")}
    refit = reml.Moments.from_arrays(**rest).fit()
    assert others.optimum().beta[labels.get_loc(7)] == pytest.approx(refit.fixed["estimate"].to_numpy(), abs=1e-6)


def test_people_taken_out_in_turn_stay_away(made):
    arrays, _ = made
    order = [4, 20, 11]
    labels, others = diagnostics.without_each(**arrays, in_turn=order)
    assert list(labels) == order
    for k in range(3):
        kept = ~np.isin(arrays["group"], order[: k + 1])
        refit = reml.Moments.from_arrays(*(arrays[name][kept] for name in ("y", "X", "Z", "group"))).fit()
        assert others.optimum().beta[k] == pytest.approx(refit.fixed["estimate"].to_numpy(), abs=1e-6)


@pytest.mark.parametrize("order", [[99], [4, 4]])
def test_people_who_are_not_there_or_twice_cannot_be_taken_out_in_turn(made, order):
    with pytest.raises(ValueError, match="in_turn"):
        diagnostics.without_each(**made[0], in_turn=order)


def row(estimate, low, high):
    return {"estimate": estimate, "conf_low": low, "conf_high": high}


@pytest.mark.parametrize(
    ("word", "check"),
    {
        "holds": row(2.1, 0.1, 4.1),
        "weakens": row(2.9, -0.1, 5.9),  # the interval includes zero
        " weakens": row(1.9, 0.1, 3.7),  # more than a third is lost
        "falls": row(0.9, 0.1, 1.7),  # more than two thirds are lost
        " falls": row(-3.0, -5.0, -1.0),  # the sign turns
    }.items(),
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_verdict_follows_its_rule_and_the_worst_check_decides(word, check, sign):
    turned = check if sign > 0 else row(-check["estimate"], -check["conf_high"], -check["conf_low"])
    fine = row(3.0 * sign, *sorted([1.0 * sign, 5.0 * sign]))
    assert diagnostics.verdict(3.0 * sign, pd.DataFrame([turned])) == word.strip()
    assert diagnostics.verdict(3.0 * sign, pd.DataFrame([fine, turned, fine])) == word.strip()


def test_a_check_without_an_estimate_is_no_verdict():
    with pytest.raises(ValueError, match="checks"):
        diagnostics.verdict(1.0, pd.DataFrame([row(np.nan, 0.0, 1.0)]))
