"""The chapter on a bounded outcome: its errors, effects and likelihood, each worked out another way."""

from pathlib import Path

import numpy as np
import pytest
from ran import names_of
from scipy import optimize, stats
from scipy.special import expit, gammaln

from helpers import models, study

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def chapter():
    """The chapter's names after its cells up to the redrawn cohorts, and its ledger entries by key (`_recorded`)."""
    return names_of("robustness/bounded")


@pytest.fixture(scope="module")
def logit(chapter):
    """Model (c) of PDA by GEE, with its rows and design."""
    rows = chapter["frames"]["pda_c"]
    model = chapter["fitted"]["pda_c", "fractional logit"]
    return model, rows, chapter["design"](rows, model.terms)


def test_the_errors_of_gee_are_those_of_mancl_and_derouen_written_out(logit):
    model, rows, X = logit
    mean, person = expit(X @ model.params), rows["person"].to_numpy()
    share = rows["pda"].to_numpy() / 100
    half, pearson = np.sqrt(mean * (1 - mean)), (share - mean) / np.sqrt(mean * (1 - mean))
    pairs = [(a, b) for a in range(len(rows)) for b in range(a) if person[a] == person[b]]
    scale = pearson @ pearson / (len(rows) - X.shape[1])
    alpha = sum(pearson[a] * pearson[b] for a, b in pairs) / scale / (len(pairs) - X.shape[1])
    bread, parts = 0.0, []
    for who in np.unique(person):
        at = person == who
        D = (half[at] ** 2)[:, None] * X[at]
        R = np.where(np.eye(at.sum()), 1.0, alpha)
        parts.append((D, np.outer(half[at], half[at]) * R, share[at] - mean[at]))
        bread = bread + D.T @ np.linalg.solve(parts[-1][1], D)
    bread, meat = np.linalg.inv(bread), 0.0
    for D, V, left in parts:
        H = D @ bread @ D.T @ np.linalg.inv(V)
        score = D.T @ np.linalg.solve(V, np.linalg.solve(np.eye(len(H)) - H, left))
        meat = meat + np.outer(score, score)
    assert np.sqrt(np.diag(model.covariance)) == pytest.approx(np.sqrt(np.diag(bread @ meat @ bread)), rel=0.01)


def test_the_beta_binomial_is_at_the_optimum_of_its_likelihood_written_out(chapter):
    rows = chapter["frames"]["pda_b"]
    model = chapter["fitted"]["pda_b", "beta-binomial"]
    X, k, n = chapter["design"](rows, model.terms), (rows["pda"] * 0.9).round().to_numpy(), 90

    def minus(params):
        a, b = (expit(sign * (X @ params[:-1])) * np.exp(params[-1]) for sign in (1, -1))
        beta = lambda x, y: gammaln(x) + gammaln(y) - gammaln(x + y)
        return -(beta(k + a, n - k + b) - beta(a, b)).sum()

    found = optimize.minimize(minus, np.zeros(X.shape[1] + 1), method="BFGS", options={"maxiter": 2000})
    error = np.sqrt(np.diag(model.covariance))
    assert (model.params - found.x) / error == pytest.approx(np.zeros(len(error)), abs=2e-3)


def test_the_probabilities_of_the_ordinal_model_give_the_mean_of_what_was_seen(chapter):
    rows, model = chapter["frames"]["pda_b"], chapter["fitted"]["pda_b", "ordinal"]
    mean = model.mean(model.params, chapter["design"](rows, model.terms))
    assert mean.mean() == pytest.approx(rows["pda"].mean(), abs=1.5)
    assert rows["pda"].min() <= mean.min()
    assert mean.max() <= 100


def test_an_average_effect_is_the_derivative_of_the_mean_and_its_error_the_delta_method_s(chapter, logit):
    model, rows, X = logit
    at = [1 + model.terms.index("contact"), 1 + model.terms.index("contact:time")]
    found = chapter["judged"](model, chapter["effect"](model, rows, "contact"))
    steps = np.linspace(-0.5, 0.5, 2001)  # a step of one is the mean of the derivative along it
    slope = model.params[at[0]] + model.params[at[1]] * rows["time"].to_numpy()
    mean = [expit(X @ model.params + step * slope) for step in steps]
    expected = 100 * np.trapezoid([(m * (1 - m) * slope).mean() for m in mean], steps)
    assert found["estimate"] == pytest.approx(expected, rel=1e-5)
    rng = np.random.default_rng(1)
    quantity = chapter["effect"](model, rows, "contact")
    drawn = [quantity(b) for b in rng.multivariate_normal(model.params, model.covariance, 2000)]
    assert found["std_error"] == pytest.approx(np.std(drawn), rel=0.08)


def test_of_a_straight_line_the_change_is_the_product_times_the_months(chapter):
    rows, fit = chapter["frames"]["pda_c"], chapter["straight"]["pda_c"]
    terms = models.SPECIFICATIONS["pda_c"].terms
    line = chapter["Fitted"](
        terms, fit.table["estimate"].to_numpy(), fit.covariance.to_numpy(), 144, lambda b, X: X @ b
    )
    found = chapter["judged"](line, chapter["change"](line, rows, "alliance"))
    assert found["estimate"] == pytest.approx(9 * fit.table.loc["alliance:time", "estimate"], rel=1e-6)
    assert found["std_error"] == pytest.approx(9 * fit.table.loc["alliance:time", "std_error"], rel=1e-6)


def test_intervals_are_student_s(chapter):
    row = chapter["answers"]["alliance_pda_interaction"].loc["fractional logit"]
    half = stats.t.ppf(0.975, row["df"]) * row["std_error"]
    assert (row["conf_low"], row["conf_high"]) == pytest.approx((row["estimate"] - half, row["estimate"] + half))


def test_every_claim_on_a_bounded_outcome_has_its_verdict(chapter):
    bounded = {claim.key for claim in study.CLAIMS if claim.outcome != "attendance"}
    found = {key.removeprefix("verdict.bounded.") for key in chapter["_recorded"] if key.startswith("verdict.")}
    assert found == bounded


def test_what_the_models_draw_has_the_mean_of_what_was_seen(chapter):
    seen = chapter["rows"]["pda"].mean()
    for values in chapter["drawn"].values():
        assert values.mean() == pytest.approx(seen, abs=2)
    assert set(np.unique(chapter["drawn"]["beta-binomial"] * 0.9 % 1).round(6)) <= {0.0, 1.0}


def test_the_tall_bars_count_every_visit(chapter):
    assert chapter["bars"].sum() == pytest.approx(100)
