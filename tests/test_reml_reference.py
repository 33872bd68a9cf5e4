"""`reml.fit` against the truth in 80-digit numbers (reference/exact.py), and that truth against lme4's fits."""

import ast
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from reference.cases import CASES, split, study

from helpers import reml

REFERENCE = Path(__file__).parent / "reference"
EXACT, LME4, STUDY = (json.loads((REFERENCE / f"{name}.json").read_text()) for name in ("exact", "lme4", "lme4_study"))
MODELS = study()

# Where lmerTest's and pbkrtest's own arithmetic gives out (a variance 1e8 times the residual's, time far from zero).
# `years_from_zero` and `calendar_year` are one data set, so the first vouches for the second.
ARITHMETIC = ("tiny_noise", "calendar_year", "days_since_1970")
# Where lme4 does not arrive with any optimiser from any start.
SHORT = [("days_since_1970", "ml")]


@pytest.fixture(scope="module", params=[*CASES, *MODELS])
def case(request):
    """One data set: its frame, and its fits by REML (Satterthwaite, Kenward-Roger) and by ML."""
    frame = CASES[request.param]() if request.param in CASES else MODELS[request.param]
    fixed, random = (list(frame.filter(regex=pattern)) for pattern in (r"^x\d", r"^z\d"))
    formula, random = f"y ~ 0 + {' + '.join(fixed)}", f"0 + {' + '.join(random)}"
    fit = lambda **options: reml.fit(formula, frame, group="group", random=random, **options)
    return SimpleNamespace(
        name=request.param,
        frame=frame,
        truth=EXACT[request.param],
        reml=fit(),
        ml=fit(reml=False),
        kenward_roger=fit(ddf="kenward-roger"),
    )


@pytest.fixture(params=["reml", "ml"])
def pair(request, case):
    """A fit and its truth, by REML and by ML."""
    return getattr(case, request.param), case.truth if request.param == "reml" else case.truth["ml"], case.frame


def test_the_criterion_is_the_lowest_there_is(pair):
    fit, truth, _ = pair
    assert fit.criterion == pytest.approx(truth["criterion"], abs=1e-6)


def test_estimates_are_right_to_a_hundred_thousandth_of_their_standard_error(pair):
    fit, truth, _ = pair
    errors = np.array(truth["std_error"])
    assert np.abs((fit.fixed["estimate"] - truth["beta"]) / errors).max() < 1e-5
    assert fit.fixed["std_error"].to_numpy() == pytest.approx(errors, rel=1e-5)
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(errors, rel=1e-5)


def test_variances_are_right_to_a_hundred_thousandth_of_the_residual_variance(pair):
    # Each random term in units of its root mean square, so that a slope on days is held to what one on years is.
    # Beside a variance 1e8 times the residual one (tiny_noise), 1e-5 of the latter is the 13th digit of the former.
    # What is worked with is their ratio, of which doubles leave eleven digits; there the tenth digit is asked for.
    fit, truth, frame = pair
    size = np.sqrt((split(frame)[2] ** 2).mean(0))
    cov, residual = np.array(truth["random_cov"]), truth["residual_var"]
    sd = np.sqrt(np.diag(cov))
    assert fit.residual_var == pytest.approx(residual, rel=1e-5)
    allowed = 1e-5 * residual / np.outer(size, size) + 1e-10 * np.outer(sd, sd)
    assert (np.abs(fit.random_cov.to_numpy() - cov) <= allowed).all()


def test_the_rank_is_right_and_the_optimum_certified(pair):
    fit, truth, _ = pair
    assert fit.rank == truth["rank"]
    assert fit.singular == (truth["rank"] < len(truth["random_cov"]))
    assert fit.converged


def test_satterthwaites_df_are_right_where_the_optimum_is_inside(pair):
    fit, truth, _ = pair
    if truth["satterthwaite"] is None:
        assert fit.singular
        assert np.isfinite(fit.fixed["df"]).all()
    else:
        assert fit.fixed["df"].to_numpy() == pytest.approx(np.array(truth["satterthwaite"]), abs=1e-3)


def test_kenward_and_rogers_df_and_standard_errors_are_right_where_the_optimum_is_inside(case):
    fit, truth = case.kenward_roger, case.truth["kenward_roger"]
    if truth is None:
        assert fit.singular
    else:
        assert fit.fixed["df"].to_numpy() == pytest.approx(np.array(truth["df"]), abs=1e-3)
        assert fit.fixed["std_error"].to_numpy() == pytest.approx(np.array(truth["std_error"]), rel=1e-5)


# --- the truth itself ---


def lme4_of(name):
    """lme4's best fit of a case, or of a model of the study in the same shape."""
    if name in LME4:
        return LME4[name]
    found = STUDY[name]
    columns = {key: [term[key] for term in found["fixed"].values()] for key in next(iter(found["fixed"].values()))}
    roger = {"df": columns.pop("kenward_roger"), "std_error": columns.pop("kenward_roger_std_error")}
    inside = columns["satterthwaite"][0] is not None
    columns["satterthwaite"] = columns["satterthwaite"] if inside else None
    return found | columns | {"beta": columns["estimate"], "kenward_roger": roger if inside else None}


def test_every_case_and_every_model_of_the_study_has_its_truth():
    assert set(EXACT) == {*CASES, *MODELS}
    assert set(LME4) - {"about"} == set(CASES)


@pytest.mark.parametrize("name", EXACT)
def test_nothing_that_lme4_found_is_lower_than_the_truth(name):
    # 1e-6: lme4's own rounding where one variance is 1e8 times another.
    assert EXACT[name]["lme4_short"] > -1.1e-6
    assert EXACT[name]["ml"]["lme4_short"] > -1.1e-6
    assert (EXACT[name]["lme4_default_short"] or 0) > -1.1e-6


@pytest.mark.parametrize("kind", ["reml", "ml"])
@pytest.mark.parametrize("name", EXACT)
def test_two_independent_programs_agree_where_lme4_arrives(name, kind):
    found, truth = (fit if kind == "reml" else fit["ml"] for fit in (lme4_of(name), EXACT[name]))
    if (name, kind) in SHORT:
        assert found["criterion"] > truth["criterion"] + 1
        return
    errors, cov = np.array(truth["std_error"]), np.array(truth["random_cov"])
    sd = np.sqrt(np.diag(cov))
    assert found["criterion"] == pytest.approx(truth["criterion"], abs=2e-6)
    assert np.abs((np.atleast_1d(found["beta"]) - truth["beta"]) / errors).max() < 1e-4
    assert np.atleast_1d(found["std_error"]) == pytest.approx(errors, rel=1e-4)
    assert found["residual_var"] == pytest.approx(truth["residual_var"], rel=1e-4)
    off = np.abs(np.reshape(found["random_cov"], cov.shape) - cov)
    assert (off <= 1e-4 * np.outer(sd, sd) + 1e-9 * truth["residual_var"]).all()


@pytest.mark.parametrize("name", sorted(set(EXACT) - set(ARITHMETIC)))
def test_lmertest_and_pbkrtest_have_the_same_df(name):
    found, truth = lme4_of(name), EXACT[name]
    for ours, theirs in ((truth, found), (truth["ml"], found["ml"])):
        assert (ours["satterthwaite"] is None) == (theirs["satterthwaite"] is None)
        if ours["satterthwaite"]:
            assert np.atleast_1d(theirs["satterthwaite"]) == pytest.approx(np.array(ours["satterthwaite"]), rel=1e-3)
    if found["kenward_roger"]:  # none above 2,000 rows
        for key in ("df", "std_error"):
            theirs, ours = found["kenward_roger"][key], truth["kenward_roger"][key]
            assert np.atleast_1d(theirs) == pytest.approx(np.array(ours), rel=1e-4)


def test_moving_the_origin_of_time_changes_the_truth_for_the_intercept_alone():
    here, there = EXACT["years_from_zero"], EXACT["calendar_year"]
    assert there["criterion"] == pytest.approx(here["criterion"], abs=1e-9)
    for key in ("beta", "std_error", "satterthwaite"):
        assert there[key][1:] == pytest.approx(here[key][1:], rel=1e-12)
    for key in ("df", "std_error"):
        assert there["kenward_roger"][key][1:] == pytest.approx(here["kenward_roger"][key][1:], rel=1e-12)
    assert there["random_cov"][1][1] == pytest.approx(here["random_cov"][1][1], rel=1e-12)


def test_lme4_as_it_comes_stops_short_in_some_cases():
    short = {name for name, truth in EXACT.items() if (truth["lme4_default_short"] or 0) > 1e-4}
    assert short >= {"calendar_year", "days_since_1970"}


def test_the_chapter_counts_where_lme4_stops_short_as_the_reference_has_it():
    text = (Path(__file__).parents[1] / "book" / "models" / "reml.md").read_text()
    line = next(line for line in text.splitlines() if line.startswith("reference = {"))
    typed = ast.literal_eval(line.partition("= ")[2])
    short = [[truth["lme4_default_short"], truth["lme4_short"], truth["ml"]["lme4_short"]] for truth in EXACT.values()]
    columns = list(zip(*short, strict=True))
    assert typed["fits"] == [len(EXACT)] * 3
    assert typed["short"] == [sum(value > 1e-4 for value in column) for column in columns]
    assert typed["worst"] == [round(max(0.0, *column), 2) for column in columns]
