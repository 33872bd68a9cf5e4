"""Sensitivity: the whitened algebra is plain least squares of whitened rows, and the numbers are the papers' own."""

import numpy as np
import pandas as pd
import pytest

from helpers import measures, models, records, reml, sensitivity

FORMULA = models.SPECIFICATIONS["pda_b"].formula


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    hidden = pd.read_csv(records.folder() / "truth-SYNTHETIC.csv")[["person", "propensity"]]
    rows = models.frame("involvement_b", measures.score(*records.read())).merge(hidden, on="person")
    return rows.rename(columns={"involvement": "pda"}).sample(frac=1, random_state=1).reset_index(drop=True)


@pytest.fixture(scope="module")
def fit(rows) -> reml.Fit:
    return reml.fit(FORMULA, rows, "person", "1 + time")


@pytest.fixture(scope="module")
def white(rows, fit) -> sensitivity.Whitened:
    return sensitivity.Whitened.of(fit, FORMULA, rows, "person", "1 + time")


def dense(rows: pd.DataFrame, fit: reml.Fit) -> np.ndarray:
    """V of all visits at once, as a matrix."""
    Z, T = np.column_stack([np.ones(len(rows)), rows["time"]]), fit.random_cov.to_numpy() / fit.residual_var
    same = rows["person"].to_numpy()[:, None] == rows["person"].to_numpy()
    return np.eye(len(rows)) + same * (Z @ T @ Z.T)


def test_least_squares_of_whitened_rows_is_the_mixed_model(white, fit):
    found = white.table()
    np.testing.assert_allclose(found["estimate"], fit.fixed["estimate"], rtol=1e-9)
    np.testing.assert_allclose(found["std_error"], fit.fixed["std_error"], rtol=1e-9)


def test_it_is_generalised_least_squares_with_the_whole_covariance_matrix(white, rows, fit):
    inverse = np.linalg.inv(dense(rows, fit))
    X = np.column_stack([np.ones(len(rows)), rows[["contact", "alliance", "time", "entry", "female", "age"]]]).astype(
        float
    )
    b = np.linalg.solve(X.T @ inverse @ X, X.T @ inverse @ rows["pda"].to_numpy())
    left = rows["pda"].to_numpy() - X @ b
    s2 = left @ inverse @ left / (len(rows) - X.shape[1])
    np.testing.assert_allclose(white.table()["estimate"], b, rtol=1e-8)
    errors = np.sqrt(np.diag(s2 * np.linalg.inv(X.T @ inverse @ X)))
    np.testing.assert_allclose(white.table()["std_error"], errors, rtol=1e-8)


@pytest.mark.parametrize("term", ["contact", "alliance"])
def test_what_is_foretold_of_a_confounder_is_what_least_squares_with_it_gives(white, rows, fit, term):
    with_it = sensitivity.Whitened.of(fit, f"{FORMULA} + propensity", rows, "person", "1 + time").table().loc[term]
    found = white.adjusted(term, *white.strength(term, rows["propensity"]))
    assert found["estimate"] == pytest.approx(with_it["estimate"], rel=1e-10)
    assert found["std_error"] == pytest.approx(with_it["std_error"], rel=1e-10)
    assert found["estimate"] < white.table().loc[term, "estimate"], "this confounder had raised it"


def test_a_confounder_that_lowers_an_estimate_gives_it_back(white, rows, fit):
    turned = rows.assign(propensity=rows["propensity"] - 0.2 * rows["pda"] + 2 * rows["contact"])  # opposite signs
    strength = white.strength("contact", turned["propensity"])
    with_it = sensitivity.Whitened.of(fit, f"{FORMULA} + propensity", turned, "person", "1 + time").table()
    assert strength["sign"] == -1
    assert white.adjusted("contact", *strength)["estimate"] == pytest.approx(
        with_it.loc["contact", "estimate"], rel=1e-9
    )


def test_a_column_of_the_model_has_its_strength_beyond_the_others(white, rows):
    found = white.strength("contact", rows["alliance"])
    t = white.table().loc["alliance", "t"]
    assert found["outcome"] == pytest.approx(t**2 / (t**2 + white.df))
    others = white.X.drop(columns=["contact", "alliance"]).to_numpy()
    left = [v - others @ np.linalg.lstsq(others, v, rcond=None)[0] for v in (white.X["contact"], white.X["alliance"])]
    assert found["predictor"] == pytest.approx(
        np.dot(*left) ** 2 / (np.dot(left[0], left[0]) * np.dot(left[1], left[1]))
    )


def test_two_people_alike_are_whitened_alike_in_any_order_of_rows(rows, fit, white):
    again = rows.sort_values(["person", "time"])
    other = sensitivity.Whitened.of(fit, FORMULA, again, "person", "1 + time")
    pd.testing.assert_frame_equal(other.X.sort_index(), white.X.sort_index())
    root = white.whiten(np.eye(len(rows)))
    np.testing.assert_allclose(root @ root.T, np.linalg.inv(dense(rows, fit)), atol=1e-10)


# --- published figures ---


def test_robustness_values_and_bounds_are_those_of_the_paper_s_example():
    # Cinelli & Hazlett's Darfur example as sensemakr prints it: t 4.18445 on 783 df, benchmark female.
    t, df = 4.184449984808398, 783
    assert sensitivity.robustness(t, df) == pytest.approx(0.139, abs=5e-4)
    assert sensitivity.robustness(t, df, alpha=0.05) == pytest.approx(0.076, abs=5e-4)
    bound = sensitivity.bound(0.0090810651903, 0.1090339158)
    assert bound == pytest.approx((0.009164, 0.124641), abs=5e-7)
    error = 0.0232565378
    assert 0.0973158193 - error * np.sqrt(df * bound[1] * bound[0] / (1 - bound[0])) == pytest.approx(
        0.075220, abs=5e-7
    )


@pytest.mark.parametrize(("share", "alpha"), [(1.0, None), (0.5, None), (1.0, 0.05)])
def test_a_confounder_of_the_robustness_value_takes_just_that_away(white, share, alpha):
    row = white.table().loc["contact"]
    value = sensitivity.robustness(row["t"], white.df, share, alpha)
    left = white.adjusted("contact", value, value)
    if alpha is None:
        assert left["estimate"] == pytest.approx((1 - share) * row["estimate"], abs=1e-12)
    else:
        assert left["conf_low"] == pytest.approx(0, abs=1e-12)


def test_nothing_significant_has_a_robustness_value_of_zero():
    assert sensitivity.robustness(1.5, 200, alpha=0.05) == 0


@pytest.mark.parametrize(("ratio", "expected"), [(3.9, 7.26), (1.8, 3.0), (1 / 3.9, 7.26), (1.0, 1.0)])
def test_e_values_are_those_of_the_paper(ratio, expected):
    # VanderWeele & Ding 2017: risk ratio 3.9 (interval from 1.8) has the E-values 7.26 and 3.0.
    assert sensitivity.e_value(ratio) == pytest.approx(expected, abs=5e-3)


def test_a_ratio_below_zero_and_a_benchmark_beyond_the_whole_are_refused():
    with pytest.raises(ValueError, match="above zero"):
        sensitivity.e_value(-1.0)
    with pytest.raises(ValueError, match="wholly"):
        sensitivity.bound(0.4, 0.1, times=3)
    with pytest.raises(ValueError, match="own strength"):
        sensitivity.bound(0.4, 0.1, times=2)


def test_one_sd_of_a_continuous_outcome_is_a_risk_ratio_of_about_two_and_a_half():
    assert sensitivity.risk_ratio(1.0) == pytest.approx(2.484, abs=1e-3)
    assert sensitivity.risk_ratio(0.0) == 1
