"""The chapter on the model's picture: what it computes beside `helpers.diagnostics`, worked out another way."""

import json
from pathlib import Path

import dense
import numpy as np
import pytest
from ran import names_of

from helpers import models, reml, study

ROOT = Path(__file__).parents[1]
HELP = json.loads((ROOT / "tests/reference/help.json").read_text(encoding="utf-8"))["fits"]


@pytest.fixture(scope="module")
def chapter():
    """The chapter's names after all its cells, and its ledger entries by key (`_recorded`)."""
    return names_of("robustness/picture")


@pytest.mark.parametrize("check", ["influence", "robust_errors", "time_coding"])
def test_every_claim_has_its_verdict(chapter, check):
    found = {key.split(".")[2] for key in chapter["_recorded"] if key.startswith(f"verdict.{check}.")}
    assert found == {claim.key for claim in study.CLAIMS}


def test_the_fewest_who_must_leave_are_found_by_refits_to_those_who_stay(chapter):
    claim = next(c for c in study.CLAIMS if c.key == "contact_involvement_interaction")
    order = list(chapter["without"][claim.key]["estimate"].sort_values().index)
    rows, model = chapter["frames"][claim.model], models.SPECIFICATIONS[claim.model]

    def low(k):
        kept = rows[~rows["person"].isin(order[:k])]
        return reml.fit(model.formula, kept, "person", "1 + time").fixed.loc[claim.term, "conf_low"]

    k = chapter["_recorded"][f"picture.leave.{claim.key}.n"]
    assert low(k) <= 0
    assert low(k - 1) > 0


def test_an_sd_for_each_wave_has_the_criterion_of_its_covariance_written_out(chapter):
    log_sd, columns = np.array([0.2, -0.5]), chapter["arrays"]["pda_c"]
    moments, added = chapter["divided"](columns, chapter["frames"]["pda_c"]["wave"], log_sd)
    fit = moments.fit()
    sd = np.exp(np.append(0, log_sd))[np.searchsorted(study.FOLLOW_UPS, chapter["frames"]["pda_c"]["wave"])]
    same = columns["group"][:, None] == columns["group"][None, :]
    V = same * (columns["Z"] @ fit.random_cov.to_numpy() @ columns["Z"].T) + fit.residual_var * np.diag(sd**2)
    X, y, W = columns["X"], columns["y"], np.linalg.inv(V)
    left = y - X @ np.linalg.solve(X.T @ W @ X, X.T @ W @ y)
    value = np.linalg.slogdet(V)[1] + left @ W @ left + np.linalg.slogdet(X.T @ W @ X)[1]
    assert fit.criterion + added == pytest.approx(value + (len(y) - X.shape[1]) * np.log(2 * np.pi), abs=1e-6)


def test_one_sd_for_all_waves_is_the_model_itself(chapter):
    wave = chapter["frames"]["attendance_c"]["wave"]
    moments, added = chapter["divided"](chapter["arrays"]["attendance_c"], wave, np.zeros(2))
    assert added == 0
    assert moments.fit().criterion == pytest.approx(chapter["fits"]["attendance_c"].criterion, abs=1e-8)


def test_an_sd_for_each_wave_of_attendance_is_nlme_s(chapter):
    # lme(attendance ~ ..., random = ~ 1 | person, weights = varIdent(form = ~ 1 | wave)) of nlme in R
    found = chapter["_recorded"]
    assert found["picture.waves.intercept.sd_12"] == pytest.approx(0.6748614, abs=1e-3)
    assert found["picture.waves.intercept.estimate"] == pytest.approx(0.06103063, abs=1e-5)
    assert found["picture.waves.intercept.p_one_sd"] == pytest.approx(np.exp(-10.00104 / 2), rel=1e-4)


def test_months_as_time_give_the_claims_themselves_and_levels_give_dummies(chapter):
    for claim in study.CLAIMS:
        months = 9 if claim.kind == "interaction" else 1
        expected = months * chapter["claims"].loc[claim.key, "estimate"]
        assert chapter["coded"].loc[(claim.key, "months"), "estimate"] == pytest.approx(expected, rel=1e-6)
    rows = chapter["frames"]["pda_c"].assign(w=lambda d: "m" + d["wave"].astype(str).str.zfill(2))
    rest = "entry + female + age + w + contact + contact:w + alliance + alliance:w"
    found = reml.fit(f"pda ~ {rest}", rows, "person", "1 + time").fixed
    term = next(name for name in found.index if "alliance" in name and "12" in name)
    own = chapter["coded"].loc[("alliance_pda_interaction", "levels")]
    assert own["estimate"] == pytest.approx(found.loc[term, "estimate"], rel=1e-5)
    assert own["std_error"] == pytest.approx(found.loc[term, "std_error"], rel=1e-5)


def test_visits_and_the_logarithm_of_months_are_one_coding():
    steps = np.diff(np.log(study.FOLLOW_UPS))
    assert steps == pytest.approx(steps[0])


@pytest.mark.parametrize(("key", "reference"), {"all": "average", "time": "per_step", "neither": "neither"}.items())
def test_the_model_s_errors_on_help_are_lme4_s(chapter, key, reference):
    assert chapter["_recorded"][f"picture.help.model.{key}.estimate"] == pytest.approx(
        HELP[reference]["estimate"], abs=1e-4
    )
    assert chapter["_recorded"][f"picture.help.model.{key}.std_error"] == pytest.approx(
        HELP[reference]["std_error"], rel=1e-5
    )


def test_the_residuals_of_the_chapter_are_those_of_the_model_written_out(chapter):
    columns, fit = chapter["arrays"]["pda_c"], chapter["fits"]["pda_c"]
    T = fit.random_cov.to_numpy() / fit.residual_var
    V = dense.covariance(T, columns["Z"], columns["group"])
    marginal = columns["y"] - columns["X"] @ fit.fixed["estimate"].to_numpy()
    expected = np.linalg.solve(V, marginal)  # s2 I (s2 V)^-1 (y - Xb)
    assert chapter["left"]["pda"]["conditional"].to_numpy() == pytest.approx(expected, abs=1e-6)
