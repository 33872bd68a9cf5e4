"""The planner against plain loops, closed forms and one large sample; and the promise that the seed alone decides."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats
from threadpoolctl import threadpool_info, threadpool_limits

from helpers import cohort, design, measures, models, records, reml, study
from helpers.design import BLOCK, Plan, Predictor, limit, power_curve, replicate, smallest_n, summarise

QUICK = Plan(
    persons=60,
    waves=(1.0, 4.0, 6.0),
    retention=(0.9, 0.8, 0.7),
    predictors=(Predictor("dose", average=8.0, by_time=None, confounding=0.3),),
    random="1",
)
STEADY = Plan(  # everyone at every wave and one predictor that stays: textbook t tests
    persons=40,
    waves=(0.0, 2.0, 3.0, 7.0),
    retention=(1.0,) * 4,
    predictors=(Predictor("dose", between=2.0, within=0.0, average=1.2, by_time=None),),
    course=0.25,
    intercept_sd=4.0,
    slope_sd=0.0,
    residual_sd=3.0,
    random="1",
)
UNEVEN = {
    "products and a slope": Plan(
        persons=250,
        waves=(1.0, 2.0, 9.0),
        retention=(0.6, 0.5, 0.5),
        persistence=0.95,
        predictors=(
            Predictor("dose", 2.0, 1.0, 0.5, 3.0, 0.4, confounding=0.4),
            Predictor("any", 0.3, 1.0, 2.0, -4.0, None, binary=True, confounding=-0.3),
            Predictor("age", 20.0, 1.6, 0.0, 1.0, None),
        ),
        correlation=-0.4,
    ),
    "twelve months and a product of a binary predictor that stays": Plan(
        persons=90,
        waves=(0.0, 0.5, 3.0, 12.0),
        retention=(1.0, 0.6, 0.9, 0.5),
        persistence=0.0,
        predictors=(Predictor("arm", 0.5, 1.0, 0.0, 5.0, 1.0, binary=True), Predictor("dose", within=0.3, by_time=0.0)),
        course=2.0,
        intercept_sd=20.0,
        slope_sd=2.0,
    ),
    "two waves and an intercept": Plan(
        persons=60,
        waves=(6.0, 3.0),
        retention=(0.9, 0.8),
        predictors=(Predictor("dose", average=2.0, by_time=1.0), Predictor("any", 0.6, 0.0, 1.0, binary=True)),
        random="1",
    ),
    "no predictor": Plan(persons=80, retention=(0.8, 0.7, 0.6), predictors=()),
}


def formula(plan):
    return f"{plan.outcome} ~ {' + '.join(plan.terms[1:])}"


def visits(plan, seed, i):
    """Replicate i by the printed equations, person after person: one row a visit."""
    K, months = len(plan.waves), [w - np.mean(plan.waves) for w in plan.waves]
    numbers = 1 + K + 2 + K + sum(1 + (K if p.within else 0) for p in plan.predictors)
    rng, rows = np.random.default_rng(np.random.SeedSequence(seed).spawn(i + 1)[i]), []
    for person in range(plan.persons):
        draw = iter(rng.standard_normal(numbers))
        take = lambda n, draw=draw: list(itertools.islice(draw, n))
        tendency, luck, (u0, own), e = next(draw), take(K), take(2), take(K)
        u1 = plan.correlation * u0 + (1 - plan.correlation**2) ** 0.5 * own
        x = {}
        for p in plan.predictors:
            level = p.confounding * u0 + (1 - p.confounding**2) ** 0.5 * next(draw)
            x[p.name] = [p.between * level + p.within * shift for shift in (take(K) if p.within else [0] * K)]
            if p.binary:
                total = (p.between**2 + p.within**2) ** 0.5
                x[p.name] = [float(stats.norm.sf(z / total) < p.mean) - p.mean for z in x[p.name]]
        for w, t in enumerate(months):
            shown = plan.persistence**0.5 * tendency + (1 - plan.persistence) ** 0.5 * luck[w]
            if stats.norm.cdf(shown) < plan.retention[w]:
                y = plan.course * t + plan.intercept_sd * u0 + plan.slope_sd * u1 * t + plan.residual_sd * e[w]
                y += sum((p.average + (p.by_time or 0) * t) * x[p.name][w] for p in plan.predictors)
                rows.append({"person": person, "time": t, plan.outcome: y} | {name: at[w] for name, at in x.items()})
    return pd.DataFrame(rows)


def population(plan, people, seed):
    """The same equations for very many people at once, drawn in another order."""
    rng, K, t = np.random.default_rng(seed), len(plan.waves), np.array(plan.waves) - np.mean(plan.waves)
    z = lambda *shape: rng.standard_normal((people, *shape))
    share = np.array(plan.retention)
    r = plan.persistence
    seen = stats.norm.cdf(r**0.5 * z(1) + (1 - r) ** 0.5 * z(K)) < share
    u0 = z(1)
    u1 = plan.correlation * u0 + (1 - plan.correlation**2) ** 0.5 * z(1)
    y = plan.course * t + plan.intercept_sd * u0 + plan.slope_sd * u1 * t + plan.residual_sd * z(K)
    columns = {"person": np.repeat(np.arange(people), K), "time": np.tile(t, people)}
    for p in plan.predictors:
        x = p.between * (p.confounding * u0 + (1 - p.confounding**2) ** 0.5 * z(1)) + p.within * z(K)
        if p.binary:
            x = (x > stats.norm.isf(p.mean) * np.hypot(p.between, p.within)) - p.mean
        y = y + (p.average + (p.by_time or 0) * t) * x
        columns[p.name] = x.ravel()
    return pd.DataFrame(columns | {plan.outcome: y.ravel()})[seen.ravel()]


def within_error(share, expected, n, errors=4.0):
    return abs(share - expected) < errors * np.sqrt(expected * (1 - expected) / n)


# Plans


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"persons": 0}, r"persons is 0; it must be a whole number of 1 or more"),
        ({"persons": 30.5}, r"persons is 30\.5; it must be a whole number"),
        ({"persons": "30"}, r"persons is '30'; it must be finite numbers"),
        ({"persons": float("inf")}, r"persons is inf; it must be finite"),
        ({"waves": (3, 3, 6)}, r"waves are \(3, 3, 6\); give 2 to 12 different months"),
        ({"waves": (3,), "retention": (1.0,)}, r"waves are \(3,\); give 2 to 12"),
        ({"waves": tuple(range(13)), "retention": (1.0,) * 13}, r"waves are .*; give 2 to 12"),
        ({"waves": (3, float("nan"), 6)}, r"waves is \(3, nan, 6\); it must be finite"),
        ({"waves": (3, 6), "random": "1"}, r"retention has 3 values for 2 waves"),
        ({"retention": (0.5, 0.0, 0.5)}, r"retention is .*; every share must be above 0 and at most 1"),
        ({"retention": (0.5, 1.1, 0.5)}, r"retention is .*; every share must be above 0 and at most 1"),
        ({"retention": (0.5, None, 0.5)}, r"retention is .*; it must be finite"),
        ({"persistence": 1.0}, r"persistence is 1\.0; it must be at least 0 and below 1"),
        ({"persistence": -0.1}, r"persistence is -0\.1"),
        ({"intercept_sd": -1.0}, r"intercept_sd is -1\.0.*SDs must not be negative"),
        ({"slope_sd": -1.0}, r"slope_sd is -1\.0.*SDs must not be negative"),
        ({"residual_sd": 0.0}, r"residual_sd is 0\.0.*residual_sd must be above 0"),
        ({"correlation": 1.01}, r"correlation is 1\.01.*correlation within -1 and 1"),
        ({"course": float("nan")}, r"course is nan; it must be finite"),
        ({"random": "1 + wave"}, r"random is '1 \+ wave'; it must be '1' or '1 \+ time'"),
        ({"waves": (3, 6), "retention": (0.5, 0.5)}, r"2 waves cannot carry .*; say random='1'"),
        ({"alpha": 0.0}, r"alpha is 0\.0; it must be between 0 and 1"),
        ({"alpha": 1.0}, r"alpha is 1\.0; it must be between 0 and 1"),
        ({"outcome": "contact"}, r"the outcome 'contact'; names must differ"),
        ({"outcome": "days abstinent"}, r"the outcome 'days abstinent'; names must .* of letters, digits and _"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_with_its_field_and_the_mend(change, said):
    with pytest.raises(ValueError, match=said):
        replace(Plan(), **change)


@pytest.mark.parametrize(
    ("predictor", "said"),
    [
        (Predictor("dose", between=-1.0), r"dose: between and within must not be negative, nor both 0"),
        (Predictor("dose", between=0.0, within=0.0), r"dose: between and within must not be negative, nor both 0"),
        (Predictor("arm", mean=0.0, binary=True), r"arm: mean is 0\.0; a binary predictor's is its share"),
        (Predictor("arm", mean=1.0, binary=True), r"arm: mean is 1\.0; a binary predictor's is its share"),
        (Predictor("dose", confounding=-1.2), r"dose: confounding is -1\.2; a correlation lies within -1 and 1"),
        (Predictor("dose", average=float("inf")), r"dose: average is inf; it must be finite"),
        (Predictor("dose", by_time=float("nan")), r"dose: by_time is nan; it must be finite"),
        (Predictor("dose", mean=None), r"dose: mean is None; it must be finite"),
        (Predictor("other"), r"named \['other', 'other'\].*names must differ"),
        (Predictor("other_mean"), r"names must differ .*another's with _mean"),
        *((Predictor(name), r"names must differ \(also from time, wave") for name in ("time", "wave", "Intercept")),
        *((Predictor(name), r"of letters, digits and _") for name in ("", "1", "days a week", "a:b", "in", "x-1")),
    ],
)
def test_a_predictor_that_cannot_be_is_refused_with_its_name_and_the_mend(predictor, said):
    with pytest.raises(ValueError, match=said):
        replace(Plan(), predictors=(Predictor("other"), predictor))


def test_predictors_cannot_share_more_with_the_intercept_than_there_is_of_it():
    with pytest.raises(ValueError, match="confounding squared add up to more than 1"):
        replace(Plan(), predictors=(Predictor("a", confounding=0.8), Predictor("b", confounding=-0.7)))


def test_an_effect_is_set_by_its_term_and_an_unknown_one_is_refused():
    plan = Plan().set("contact", 2.5).set("alliance:time", -0.5)
    assert plan.effects == Plan().effects | {"contact": 2.5, "alliance:time": -0.5}
    assert replace(plan, predictors=Plan().predictors) == Plan()
    with pytest.raises(ValueError, match="no effect 'entry:time'; there are contact, alliance, entry, female, contact"):
        Plan().set("entry:time", 1.0)


def test_a_plan_is_the_studys_unless_it_is_said_otherwise():
    plan, p = Plan(), cohort.Parameters()
    assert (plan.persons, plan.waves, plan.outcome, plan.alpha) == (p.persons, study.FOLLOW_UPS, "pda", study.ALPHA)
    assert plan == Plan.study("pda")
    change = p.pda_alliance_change * p.pda_sd / (12 - 3)
    expected = {"contact": p.pda_contact * p.pda_sd / p.contact_scale, "alliance": p.pda_alliance * p.pda_sd}
    expected |= {"entry": 0, "female": 0, "contact:time": 0, "alliance:time": change}
    assert plan.effects == pytest.approx(expected)
    assert set(plan.terms[1:]) == set(models.SPECIFICATIONS["pda_c"].terms) - {"age"}
    assert plan.slope_sd == p.pda_slope
    assert plan.intercept_sd**2 == pytest.approx(p.pda_propensity**2 + p.pda_intercept**2)


def test_effects_on_attendance_and_involvement_come_from_the_cohorts_parameters():
    p = cohort.Parameters()
    for outcome in ("attendance", "involvement"):
        of = lambda name, outcome=outcome: getattr(p, f"{outcome}_{name}")
        effects = Plan.study(outcome).effects
        assert effects["contact"] == pytest.approx(of("contact") * of("sd") / p.contact_scale)
        assert effects["contact:time"] == pytest.approx(of("contact_change") * of("sd") / p.contact_scale / 9)
        assert effects["alliance:time"] == pytest.approx(of("alliance_change") * of("sd") / 9)
    with pytest.raises(ValueError, match="outcome: 'income' is not one of attendance, involvement, pda"):
        Plan.study("income")


def test_the_studys_plan_expects_the_visits_and_people_that_the_cohort_has():
    plan, rows = Plan(), models.frame("pda_c", measures.score(*records.read()))
    r, share = plan.persistence, np.array(plan.retention)

    def expected(what):  # over the tendency to be seen, of a function of the chances of each wave
        seen = lambda z: stats.norm.cdf((stats.norm.ppf(share) - r**0.5 * z) / (1 - r) ** 0.5)
        return integrate.quad(lambda z: stats.norm.pdf(z) * what(seen(z)), -9, 9)[0]

    never, mean = expected(lambda q: np.prod(1 - q)), expected(np.sum)
    variance = expected(lambda q: (q * (1 - q)).sum() + q.sum() ** 2) - mean**2
    assert abs(rows["person"].nunique() - plan.persons * (1 - never)) < np.sqrt(plan.persons * never * (1 - never))
    assert abs(len(rows) - plan.persons * mean) < np.sqrt(plan.persons * variance)
    each = rows.groupby("wave").size().to_numpy()
    assert (np.abs(each - plan.persons * share) < np.sqrt(plan.persons * share * (1 - share))).all()


# The generator and its fits


@pytest.mark.parametrize("name", UNEVEN)
def test_a_replicate_is_its_printed_equations_fitted_as_one_data_set(name):
    plan, borders = UNEVEN[name], (0, 7)
    frame = replicate(plan, max(borders) + 1, 11)
    for i in borders:
        fit = reml.fit(formula(plan), visits(plan, 11, i), "person", plan.random)
        rows = frame[frame["replicate"] == i].set_index("term")
        assert list(rows.index) == list(plan.terms) == list(fit.fixed.index)
        for column in ("estimate", "std_error", "df", "p", "conf_low", "conf_high"):
            expected = fit.fixed[column].to_numpy()
            scale = fit.fixed["std_error"] if column in ("estimate", "conf_low", "conf_high") else 1 + abs(expected)
            assert (np.abs(rows[column] - expected) < 1e-8 * scale).all(), column
        assert (rows["singular"] == fit.singular).all()
        assert (rows["converged"] == fit.converged).all()


def test_a_replicate_of_the_second_block_is_its_own_child_of_the_seed():
    plan, i = QUICK, BLOCK + 1
    rows = replicate(plan, i + 1, 5).set_index(["replicate", "term"]).loc[i]
    fit = reml.fit(formula(plan), visits(plan, 5, i), "person", plan.random)
    assert rows["estimate"].to_numpy() == pytest.approx(fit.fixed["estimate"].to_numpy(), rel=1e-8)


def test_intervals_and_significance_follow_alpha():
    plan = replace(UNEVEN["products and a slope"], alpha=0.001)
    rows = replicate(plan, 3, 2).set_index(["replicate", "term"]).loc[2]
    fit = reml.fit(formula(plan), visits(plan, 2, 2), "person", plan.random).fixed
    for i, term in enumerate(plan.terms):
        half = stats.t.isf(0.0005, fit["df"].iloc[i]) * fit["std_error"].iloc[i]
        assert rows.loc[term, "conf_low"] == pytest.approx(fit["estimate"].iloc[i] - half, rel=1e-7, abs=1e-7)
        assert rows.loc[term, "conf_high"] == pytest.approx(fit["estimate"].iloc[i] + half, rel=1e-7, abs=1e-7)
        assert rows.loc[term, "significant"] == (fit["p"].iloc[i] < 0.001)


def test_a_larger_plan_holds_the_smaller_ones_people():
    small, large = QUICK, replace(QUICK, persons=75)
    seen = visits(large, 3, 4)
    pd.testing.assert_frame_equal(visits(small, 3, 4), seen[seen["person"] < small.persons])
    for plan in (small, large):
        fit = reml.fit(formula(plan), visits(plan, 3, 4), "person", plan.random)
        rows = replicate(plan, 5, 3).query("replicate == 4")
        assert rows["estimate"].to_numpy() == pytest.approx(fit.fixed["estimate"].to_numpy(), rel=1e-8)


def test_ten_waves_with_a_thousand_patterns_take_little_memory(monkeypatch):
    plan = Plan(persons=50, waves=tuple(range(10)), retention=(0.6,) * 10, persistence=0.0, predictors=(), random="1")
    model, bytes_held = design.model_of, []
    watched = lambda plan, kinds, m, V: (bytes_held.append(sum(v.nbytes for v in V)), model(plan, kinds, m, V))[1]
    monkeypatch.setattr(design, "model_of", watched)
    found = design.simulate(plan, 0, 4)
    assert max(bytes_held) < 50e6
    assert found["estimate"].shape == (BLOCK, len(plan.terms))
    for i in (0, 3, BLOCK - 1):
        fit = reml.fit(formula(plan), visits(plan, 4, i), "person", plan.random)
        assert found["estimate"][i] == pytest.approx(fit.fixed["estimate"].to_numpy(), rel=1e-8)
        assert found["df"][i] == pytest.approx(fit.fixed["df"].to_numpy(), rel=1e-6)


def test_each_estimate_says_which_truth_stands_beside_it():
    plan = Plan()
    rows = replicate(plan, 1, 0).set_index("term")
    of_predictors = rows.index.isin(list(plan.effects))
    assert rows["truth_kind"].tolist() == ["causal effect" if it else "limit" for it in of_predictors]
    assert rows["truth"][of_predictors].to_dict() == plan.effects
    assert (rows["truth"][~of_predictors] == limit(plan)[["Intercept", "time"]]).all()
    assert rows["limit"].to_dict() == limit(plan).to_dict()


# What the model converges to


@pytest.mark.parametrize("name", list(UNEVEN)[:2])
def test_the_limit_is_what_a_very_large_sample_gives_and_the_causal_effect_is_not(name):
    plan = UNEVEN[name]
    fit = reml.fit(formula(plan), population(plan, 80_000, 1), "person", plan.random).fixed
    assert (np.abs(fit["estimate"] - limit(plan)) < 4 * fit["std_error"]).all()
    for p in plan.predictors:
        if p.confounding:
            assert abs(fit["estimate"][p.name] - p.average) > 10 * fit["std_error"][p.name]


def test_the_limit_knows_that_those_who_were_missed_once_are_missed_again():
    # How much of the confounding between people enters depends on how many visits people have.
    dose = Predictor("dose", within=0.5, by_time=None, confounding=0.7)
    still = {"retention": (0.3,) * 4, "intercept_sd": 20.0, "slope_sd": 0.0, "residual_sd": 20.0, "random": "1"}
    plan = Plan(waves=(1.0, 2.0, 9.0, 10.0), predictors=(dose,), persistence=0.9, **still)
    fit = reml.fit(formula(plan), population(plan, 80_000, 3), "person").fixed.loc["dose"]
    assert abs(fit["estimate"] - limit(plan)["dose"]) < 4 * fit["std_error"]
    assert abs(fit["estimate"] - limit(replace(plan, persistence=0.0))["dose"]) > 8 * fit["std_error"]


@pytest.mark.parametrize("name", UNEVEN)
def test_without_confounding_the_limit_is_the_causal_effect(name):
    plan = UNEVEN[name]
    plan = replace(plan, predictors=tuple(replace(p, confounding=0.0) for p in plan.predictors))
    expected = {"Intercept": 0.0, "time": plan.course} | plan.effects
    assert limit(plan).to_dict() == pytest.approx(expected, abs=1e-9)
    assert all(limit(plan)[term] == 0 for term, value in expected.items() if value == 0)


@pytest.mark.parametrize("rho", [-1.0, -0.3, 0.5])
def test_the_limit_of_a_confounded_predictor_that_stays_is_known_by_hand(rho):
    # Regression of u0 on x: cov / var = rho intercept_sd between / between^2, whatever the waves and who is seen.
    predictor = Predictor("dose", 4.0, 2.5, 0.0, 3.0, None, confounding=rho)
    plan = replace(QUICK, predictors=(predictor,), slope_sd=0.0, intercept_sd=8.0)
    assert limit(plan)["dose"] == pytest.approx(3.0 + rho * 8.0 / 2.5, abs=1e-8)
    assert limit(plan)["time"] == pytest.approx(plan.course, abs=1e-8)


def test_the_limit_of_a_confounded_binary_predictor_that_stays_is_known_by_hand():
    # E[u0 | x = 1] - E[u0 | x = 0] = rho SD (phi(h) / mean + phi(h) / (1 - mean))
    predictor = Predictor("arm", 0.2, 3.0, 0.0, 1.0, None, binary=True, confounding=0.4)
    plan = replace(QUICK, predictors=(predictor,), slope_sd=0.0, intercept_sd=8.0)
    expected = 1.0 + 0.4 * 8.0 * stats.norm.pdf(stats.norm.ppf(0.2)) / (0.2 * 0.8)
    assert limit(plan)["arm"] == pytest.approx(expected, abs=1e-8)


def test_a_predictor_that_changes_within_people_alone_is_not_confounded():
    plan = replace(Plan(), predictors=(Predictor("dose", between=0.0, average=2.0, confounding=0.9),))
    assert limit(plan)["dose"] == pytest.approx(2.0, abs=1e-8)


def test_a_binary_predictor_that_hardly_changes_has_nearly_the_limit_of_one_that_stays():
    stays, moves = (
        replace(QUICK, predictors=(Predictor("arm", 0.3, 1.0, within, 1.0, None, binary=True, confounding=0.3),))
        for within in (0.0, 1e-5)
    )
    assert limit(moves)["arm"] == pytest.approx(limit(stays)["arm"], abs=1e-4)


def test_the_order_of_waves_does_not_change_the_limit():
    plan = UNEVEN["products and a slope"]
    turned = replace(plan, waves=plan.waves[::-1], retention=plan.retention[::-1])
    assert limit(turned).to_dict() == pytest.approx(limit(plan).to_dict(), abs=1e-9)


@pytest.mark.parametrize("unit", [1e-6, 1e9])
def test_units_of_a_predictor_change_only_its_coefficients(unit):
    plan = UNEVEN["products and a slope"]
    dose = plan.predictors[0]
    coarse = replace(dose, mean=dose.mean * unit, between=dose.between * unit, within=dose.within * unit)
    coarse = replace(coarse, average=dose.average / unit, by_time=dose.by_time / unit)
    moved = limit(replace(plan, predictors=(coarse, *plan.predictors[1:])))
    for term in ("dose", "dose:time"):
        assert moved[term] * unit == pytest.approx(limit(plan)[term], rel=1e-6)
    assert moved["any"] == pytest.approx(limit(plan)["any"], rel=1e-6)


def test_estimates_of_the_studys_plan_centre_on_the_limit_and_not_on_the_causal_effect():
    frame = replicate(Plan(), 1000, 3)
    ends, causal = summarise(frame, against="limit"), summarise(frame)
    assert (ends["bias"].abs() < 4 * ends["bias_mcse"]).all()
    assert causal.loc["contact", "bias"] > 10 * causal.loc["contact", "bias_mcse"]


# Size, coverage and power that are known


def test_without_effects_a_test_finds_something_as_often_as_alpha_says():
    plan = Plan()
    for term in plan.effects:
        plan = plan.set(term, 0.0)
    plan = replace(plan, predictors=tuple(replace(p, confounding=0.0) for p in plan.predictors), alpha=0.1)
    summary = summarise(replicate(plan, 1500, 8))
    assert (summary["failed"] == 0).all()
    for term in plan.effects:
        assert within_error(summary.loc[term, "power"], 0.1, 1500), term
        assert within_error(summary.loc[term, "coverage"], 0.9, 1500), term


@pytest.fixture(scope="module")
def steady():
    return replicate(STEADY, 3000, 21)


def test_power_for_a_predictor_that_stays_is_that_of_the_t_test_on_person_means(steady):
    n, K, (dose,) = STEADY.persons, len(STEADY.waves), STEADY.predictors
    error = np.sqrt(STEADY.intercept_sd**2 + STEADY.residual_sd**2 / K)
    critical = stats.t.isf(0.025, n - 2)

    def power(chi):  # given the spread of the predictor, which is drawn anew in each replicate
        shift = dose.average * dose.between * np.sqrt(chi) / error
        return stats.nct.sf(critical, n - 2, shift) + stats.nct.cdf(-critical, n - 2, shift)

    expected = integrate.quad(lambda chi: stats.chi2.pdf(chi, n - 1) * power(chi), 5, 120)[0]
    summary = summarise(steady)
    assert 0.6 < expected < 0.95
    assert within_error(summary.loc["dose", "power"], expected, 3000)
    assert within_error(summary.loc["dose", "coverage"], 0.95, 3000)
    rows = steady[(steady["term"] == "dose") & ~steady["singular"]]
    assert rows["df"].to_numpy() == pytest.approx(n - 2, rel=1e-6)


def test_power_for_time_is_that_of_the_t_test_within_people(steady):
    n, K = STEADY.persons, len(STEADY.waves)
    df = n * (K - 1) - 1
    shift = STEADY.course * np.sqrt(n * (STEADY.time**2).sum()) / STEADY.residual_sd
    critical = stats.t.isf(0.025, df)
    expected = stats.nct.sf(critical, df, shift) + stats.nct.cdf(-critical, df, shift)
    summary = summarise(steady)
    assert 0.6 < expected < 0.99
    assert within_error(summary.loc["time", "power"], expected, 3000)
    rows = steady[(steady["term"] == "time") & ~steady["singular"]]
    assert rows["df"].to_numpy() == pytest.approx(df, rel=1e-6)


# The seed alone decides


@pytest.fixture(scope="module")
def quick():
    return replicate(QUICK, 4 * BLOCK + 1, 77)


@pytest.mark.parametrize("replicates", [1, BLOCK - 1, BLOCK, BLOCK + 1])
def test_a_shorter_run_is_the_beginning_of_a_longer_one(quick, replicates):
    expected = quick[quick["replicate"] < replicates]
    pd.testing.assert_frame_equal(replicate(QUICK, replicates, 77), expected, check_exact=True)


def test_another_seed_gives_other_estimates_and_the_same_seed_the_same(quick):
    assert (replicate(QUICK, 1, 78)["estimate"].to_numpy() != quick["estimate"][: len(QUICK.terms)].to_numpy()).all()
    pd.testing.assert_frame_equal(replicate(QUICK, 1, np.int64(77)), replicate(QUICK, 1, 77), check_exact=True)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_number_of_threads_does_not_change_a_bit(quick, threads, monkeypatch):
    monkeypatch.setattr(design, "ThreadPoolExecutor", lambda _: ThreadPoolExecutor(threads))
    pd.testing.assert_frame_equal(replicate(QUICK, 4 * BLOCK + 1, 77), quick, check_exact=True)


def test_the_order_in_which_blocks_end_does_not_change_a_bit(quick, monkeypatch):
    monkeypatch.setattr(design, "as_completed", lambda futures: reversed(list(futures)))
    pd.testing.assert_frame_equal(replicate(QUICK, 4 * BLOCK + 1, 77), quick, check_exact=True)


def test_a_folder_does_not_change_a_bit(quick, tmp_path):
    kept = replicate(QUICK, 4 * BLOCK + 1, 77, folder=tmp_path)
    pd.testing.assert_frame_equal(kept, quick, check_exact=True)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "results.parquet"), quick, check_exact=True)


def test_blas_has_one_thread_while_blocks_run_and_then_what_it_had(monkeypatch):
    solve, second, seen = design._solve, threading.Event(), []
    threads = lambda: {pool["num_threads"] for pool in threadpool_info()}

    def block(plan, replicates, seed):
        if replicates.start == 0:  # ends while the other is still at work
            second.wait(10)
        else:
            second.set()
            time.sleep(0.2)
            seen.append(threads())
        return solve(plan, replicates, seed)

    monkeypatch.setattr(design, "ThreadPoolExecutor", lambda _: ThreadPoolExecutor(2))
    monkeypatch.setattr(design, "_solve", block)
    with threadpool_limits(2):
        replicate(QUICK, 2 * BLOCK, 1)
        assert seen == [{1}]
        assert threads() == {2}


def test_a_run_is_quiet_unless_its_bar_is_asked_for(capsys):
    replicate(QUICK, 1, 0)
    assert capsys.readouterr() == ("", "")
    replicate(QUICK, 1, 0, progress=True)
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{BLOCK}/{BLOCK}" in said.err


@pytest.mark.parametrize("seed", [-1, None, 1.5, "1"])
def test_a_seed_that_is_no_whole_number_is_refused(seed, tmp_path):
    with pytest.raises(ValueError, match=r"seed is .*; it must be a whole number of 0 or more"):
        replicate(QUICK, 1, seed, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_no_replicate_is_refused():
    with pytest.raises(ValueError, match="replicates is 0; it must be 1 or more"):
        replicate(QUICK, 0, 1)


# A run that was stopped


SCRIPT = """
import sys, time
from helpers import design
from helpers.design import Plan, Predictor
print(*sorted({{"dask", "distributed"}} & set(sys.modules)))
one = design.simulate
design.simulate = lambda *block: (time.sleep(0.3), one(*block))[1]
design.replicate({plan}, {replicates}, 77, folder={folder!r})
"""


def process(replicates, folder, blas_threads):
    script = SCRIPT.format(plan=QUICK, replicates=replicates, folder=str(folder))
    variables = {f"{name}_NUM_THREADS": str(blas_threads) for name in ("OPENBLAS", "OMP", "MKL")}
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", script], env=os.environ | variables, **piped)


def blocks(folder):
    return sorted(path.name for path in folder.glob("block-*.parquet"))


def until(condition, process, patience=60):
    end = time.monotonic() + patience
    while not condition() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    assert condition(), process.communicate()[1] if process.poll() is not None else "nothing happened"


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    replicate(QUICK, 8 * BLOCK - 1, 77, folder=folder)
    return folder


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C reaches a process differently on Windows")
def test_a_run_killed_and_then_interrupted_ends_with_the_same_bytes_whatever_blas_threads_it_had(
    uninterrupted, tmp_path
):
    started = process(8 * BLOCK - 1, tmp_path, 1)
    until(lambda: len(blocks(tmp_path)) >= 2, started)
    started.kill()
    started.communicate()
    after_kill = len(blocks(tmp_path))
    assert 2 <= after_kill < 8
    again = process(8 * BLOCK - 1, tmp_path, 3)
    until(lambda: len(blocks(tmp_path)) >= after_kill + 2, again)
    again.send_signal(signal.SIGINT)
    out, said = again.communicate()
    assert "KeyboardInterrupt" in said
    assert out == "\n"  # neither dask nor distributed was imported
    assert after_kill + 2 <= len(blocks(tmp_path)) < 8
    assert not (tmp_path / "results.parquet").exists()
    kept = {name: (tmp_path / name).stat().st_mtime_ns for name in blocks(tmp_path)}
    replicate(QUICK, 8 * BLOCK - 1, 77, folder=tmp_path)
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in kept} == kept
    for name in ("results.parquet", "plan.json", *blocks(uninterrupted)):
        assert (tmp_path / name).read_bytes() == (uninterrupted / name).read_bytes(), name


def test_an_interrupt_between_blocks_stops_those_that_wait(tmp_path, monkeypatch):
    made, one = [], design.simulate

    def interrupted(store, block, arrays):
        raise KeyboardInterrupt

    monkeypatch.setattr(design, "ThreadPoolExecutor", lambda _: ThreadPoolExecutor(1))
    monkeypatch.setattr(design, "simulate", lambda *args: (made.append(args), one(*args))[1])
    monkeypatch.setattr(design._Store, "keep", interrupted)
    with pytest.raises(KeyboardInterrupt) as stop:  # what is raised keeps the run's frame, as a notebook does
        replicate(QUICK, 20 * BLOCK, 1, folder=tmp_path)
    stopped = len(made)
    assert stop.traceback
    assert stopped < 20
    time.sleep(0.2)
    assert len(made) == stopped
    assert blocks(tmp_path) == []
    assert not list(tmp_path.glob("*.part"))


@pytest.fixture
def finished(uninterrupted, tmp_path):
    for path in uninterrupted.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def cut(whole):
    return whole[: len(whole) // 2]


def flipped(whole):
    at = len(whole) // 4
    return whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :]


@pytest.mark.parametrize("damage", [cut, flipped, lambda whole: b"", lambda whole: b"PAR1" * 9])
def test_a_damaged_block_is_made_again(damage, finished, uninterrupted):
    path = finished / "block-000003.parquet"
    path.write_bytes(damage(path.read_bytes()))
    replicate(QUICK, 8 * BLOCK - 1, 77, folder=finished)
    assert path.read_bytes() == (uninterrupted / path.name).read_bytes()
    assert (finished / "results.parquet").read_bytes() == (uninterrupted / "results.parquet").read_bytes()


def test_a_block_of_other_rows_is_made_again(finished, uninterrupted):
    path = finished / "block-000001.parquet"
    pd.read_parquet(path).head(10).to_parquet(path)
    replicate(QUICK, 8 * BLOCK - 1, 77, folder=finished)
    assert path.read_bytes() == (uninterrupted / path.name).read_bytes()


def test_what_a_killed_run_left_half_written_is_not_read(finished, uninterrupted):
    (finished / "block-000002.parquet").rename(finished / "block-000002.parquet.4711.part")
    (finished / "results.parquet.4711.part").write_bytes(b"half")
    replicate(QUICK, 8 * BLOCK - 1, 77, folder=finished)
    assert (finished / "results.parquet").read_bytes() == (uninterrupted / "results.parquet").read_bytes()


def test_a_finished_run_goes_on_to_more_replicates_and_back(finished, uninterrupted, quick):
    grown = replicate(QUICK, 9 * BLOCK, 77, folder=finished)
    assert grown["replicate"].nunique() == 9 * BLOCK
    replicate(QUICK, 4 * BLOCK + 1, 77, folder=finished)
    pd.testing.assert_frame_equal(pd.read_parquet(finished / "results.parquet"), quick, check_exact=True)
    replicate(QUICK, 8 * BLOCK - 1, 77, folder=finished)
    assert (finished / "results.parquet").read_bytes() == (uninterrupted / "results.parquet").read_bytes()


@pytest.mark.parametrize(
    ("plan", "seed"),
    [
        (QUICK, 78),
        (replace(QUICK, persons=61), 77),
        (replace(QUICK, alpha=0.01), 77),
        (QUICK.set("dose", 8.5), 77),
    ],
)
def test_a_folder_of_another_plan_or_seed_is_refused_by_name_and_left_as_it_is(plan, seed, finished):
    before = {path.name: path.read_bytes() for path in finished.iterdir()}
    with pytest.raises(ValueError, match="is of another plan, seed or version: name another folder") as refusal:
        replicate(plan, 1, seed, folder=finished)
    assert str(finished / "plan.json") in str(refusal.value)
    assert {path.name: path.read_bytes() for path in finished.iterdir()} == before


@pytest.mark.parametrize("change", [{"helpers": "0.0.1"}, {"block": 100}, "not JSON"])
def test_a_folder_of_another_version_is_refused(change, finished):
    path = finished / "plan.json"
    path.write_text(change if isinstance(change, str) else json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match="is of another plan, seed or version"):
        replicate(QUICK, 1, 77, folder=finished)


def test_numbers_that_are_equal_are_the_same_plan_however_they_were_typed(finished):
    other = replace(QUICK, persons=np.int64(60), waves=(1, 4, 6), slope_sd=np.float64(QUICK.slope_sd))
    expected = (finished / "results.parquet").read_bytes()
    replicate(other, 8 * BLOCK - 1, np.int64(77), folder=finished)
    assert (finished / "results.parquet").read_bytes() == expected


def test_a_folder_that_cannot_be_is_an_error_that_names_it(tmp_path):
    (tmp_path / "note.txt").write_text("kept")
    for folder in (tmp_path / "note.txt", tmp_path / "note.txt" / "run"):
        with pytest.raises(OSError, match=r"note\.txt"):
            replicate(QUICK, 1, 1, folder=folder)
    assert (tmp_path / "note.txt").read_text() == "kept"


# Fits that fail


def test_replicates_that_cannot_be_fitted_stay_as_rows_and_power_is_over_the_others():
    plan = replace(QUICK, persons=4, retention=(0.5, 0.4, 0.3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = replicate(plan, 200, 4)
        summary = summarise(frame)
    assert len(frame) == 200 * len(plan.terms)
    blank = frame["estimate"].isna()
    assert 0.1 < blank.mean() < 0.9
    figures = ["std_error", "df", "p", "conf_low", "conf_high"]
    assert frame.loc[blank, figures].isna().all(axis=None)
    assert frame.loc[blank, "failed"].all()
    assert not frame.loc[blank, ["converged", "singular", "significant"]].any(axis=None)
    assert (frame["failed"] == ~frame["converged"]).all()
    assert frame.loc[~frame["failed"], ["estimate", *figures]].notna().all(axis=None)
    for term, rows in frame.groupby("term", observed=True):
        fitted = [row for row in rows.itertuples() if not row.failed]
        assert summary.loc[term, "failed"] == 1 - len(fitted) / 200
        assert summary.loc[term, "power"] == sum(row.p < 0.05 for row in fitted) / len(fitted)
        assert summary.loc[term, "replicates"] == 200


@pytest.mark.parametrize("seen", [0.5, 1e-5])
@pytest.mark.parametrize("random", ["1", "1 + time"])
def test_where_every_fit_fails_power_is_blank_and_not_zero(seen, random):
    plan = replace(Plan(), persons=1, retention=(seen,) * 3, random=random)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = replicate(plan, 3, 4)
        summary = summarise(frame)
    assert frame["failed"].all()
    assert len(frame) == 3 * len(plan.terms)
    assert (summary["failed"] == 1).all()
    figures = ["power", "std_error", "bias", "coverage", "rmse", "type_s", "type_m"]
    assert summary[figures + [f"{name}_mcse" for name in figures]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("persons", "retention", "random"),
    [
        (2, (0.9, 0.8, 0.7), "1 + time"),
        (5, (0.9, 0.8, 0.7), "1 + time"),
        (8, (0.38, 0.28, 0.24), "1"),
        (15, (0.38, 0.28, 0.24), "1 + time"),
    ],
)
def test_no_small_plan_stops_the_run_or_warns(persons, retention, random):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = replicate(replace(Plan(), persons=persons, retention=retention, random=random), BLOCK, 7)
    assert np.isfinite(frame.loc[~frame["failed"], ["estimate", "std_error", "df"]]).all(axis=None)
    assert (frame.loc[~frame["failed"], "std_error"] > 0).all()


def test_a_replicate_fails_where_the_same_data_cannot_be_fitted_alone():
    plan = replace(QUICK, persons=5, retention=(0.6, 0.5, 0.4))
    frame = replicate(plan, 40, 6)
    alone = []
    for i in range(40):
        try:
            alone.append(not reml.fit(formula(plan), visits(plan, 6, i), "person", plan.random).converged)
        except ValueError:
            alone.append(True)
    assert frame.groupby("replicate")["failed"].first().tolist() == alone
    assert 0 < sum(alone) < 40


def test_a_fit_on_the_boundary_counts_and_is_reported():
    plan = replace(STEADY, intercept_sd=0.0)
    frame = replicate(plan, 500, 3)
    summary = summarise(frame)
    assert (summary["failed"] == 0).all()
    assert (summary["singular"] == frame["singular"].mean()).all()
    assert 0.4 < summary.loc["dose", "singular"] < 0.65  # half of an estimated variance of zero is below zero


# Summaries


MADE = pd.DataFrame(
    {
        "term": ["dose"] * 8,
        "estimate": [2.0, -1.0, 3.0, 0.5, 4.0, 2.5, np.nan, 99.0],
        "std_error": [0.5, 0.4, 0.75, 0.5, 0.7, 1.0, np.nan, 0.5],
        "conf_low": [1.0, -1.8, 1.5, -0.5, 2.5, 0.5, np.nan, 98.0],
        "conf_high": [3.0, -0.2, 4.5, 1.5, 5.5, 4.5, np.nan, 100.0],
        "significant": [True, True, True, False, True, True, False, True],
        "failed": [False] * 6 + [True] * 2,
        "singular": [True, False, False, True, False, False, False, True],
        "truth": 1.25,
        "limit": 2.75,
    }
)


@pytest.mark.parametrize(("against", "truth"), [("truth", 1.25), ("limit", 2.75)])
def test_each_figure_is_its_definition_and_its_monte_carlo_error_that_of_morris_white_and_crowther(against, truth):
    got = summarise(MADE, against).loc["dose"]
    estimates, n = [2.0, -1.0, 3.0, 0.5, 4.0, 2.5], 6
    mean = sum(estimates) / n
    squares = [(e - truth) ** 2 for e in estimates]
    mse = sum(squares) / n
    share = lambda k, n: (k / n, (k / n * (1 - k / n) / n) ** 0.5)
    intervals = [(1.0, 3.0), (-1.8, -0.2), (1.5, 4.5), (-0.5, 1.5), (2.5, 5.5), (0.5, 4.5)]
    errors = [0.5, 0.4, 0.75, 0.5, 0.7, 1.0]
    error = sum(errors) / n
    found = [2.0, -1.0, 3.0, 4.0, 2.5]
    ratios = [abs(e) / truth for e in found]
    ratio = sum(ratios) / 5
    expected = {
        "truth": (truth, None),
        "power": share(5, 6),
        "bias": (mean - truth, (sum((e - mean) ** 2 for e in estimates) / (n * (n - 1))) ** 0.5),
        "std_error": (error, (sum((e - error) ** 2 for e in errors) / (n * (n - 1))) ** 0.5),
        "coverage": share(sum(low <= truth <= high for low, high in intervals), 6),
        "rmse": (mse**0.5, (sum((s - mse) ** 2 for s in squares) / (n * (n - 1))) ** 0.5 / (2 * mse**0.5)),
        "type_s": share(1, 5),
        "type_m": (ratio, (sum((r - ratio) ** 2 for r in ratios) / (5 * 4)) ** 0.5),
        "failed": share(2, 8),
        "singular": share(3, 8),
        "replicates": (8, None),
    }
    for name, (value, error) in expected.items():
        assert got[name] == pytest.approx(value, rel=1e-12), name
        assert error is None or got[f"{name}_mcse"] == pytest.approx(error, rel=1e-12), name
    assert set(got.index) == set(expected) | {
        f"{name}_mcse" for name, (_, error) in expected.items() if error is not None
    }


def test_an_effect_of_zero_has_no_wrong_sign_and_no_exaggeration():
    got = summarise(MADE.assign(truth=0.0)).loc["dose"]
    assert got[["type_s", "type_s_mcse", "type_m", "type_m_mcse"]].isna().all()
    assert got["power"] == pytest.approx(5 / 6)


def test_a_negative_effect_found_positive_has_the_wrong_sign():
    got = summarise(MADE.assign(truth=-1.25)).loc["dose"]
    assert got["type_s"] == pytest.approx(4 / 5)
    assert got["type_m"] == pytest.approx((2 + 1 + 3 + 4 + 2.5) / 5 / 1.25)


def test_exaggeration_is_large_where_power_is_small():
    # Normal theory (Gelman & Carlin): E[|z| | significant], power and sign error for an effect of a third of its error.
    plan = replace(STEADY, persons=200).set("dose", 0.0)
    error = np.sqrt(STEADY.intercept_sd**2 + STEADY.residual_sd**2 / 4) / (2.0 * np.sqrt(200))
    plan = plan.set("dose", error / 3)
    got = summarise(replicate(plan, 2000, 2)).loc["dose"]
    crit, d = 1.972, 1 / 3
    up, down = stats.norm.sf(crit - d), stats.norm.cdf(-crit - d)
    size = (stats.norm.pdf(crit - d) + d * up + stats.norm.pdf(crit + d) - d * down) / (up + down) / d
    assert abs(got["power"] - (up + down)) < 4 * got["power_mcse"]
    assert abs(got["type_s"] - down / (up + down)) < 4 * got["type_s_mcse"]
    assert abs(got["type_m"] - size) < 4 * got["type_m_mcse"] + 0.1


def test_terms_keep_the_order_of_the_model():
    assert list(summarise(replicate(Plan(), 2, 0)).index) == list(Plan().terms)


def test_a_frame_or_a_question_that_summarise_does_not_know_is_refused():
    with pytest.raises(ValueError, match="against: 'zero' is neither 'truth' nor 'limit'"):
        summarise(MADE, "zero")
    with pytest.raises(ValueError, match="no column 'limit': `summarise` takes what `replicate` returns"):
        summarise(MADE.drop(columns="limit"), "limit")


# Curves, and the smallest study


@pytest.mark.parametrize(
    ("vary", "values", "plans"),
    [
        ("persons", [20, np.int64(60)], [replace(QUICK, persons=20), replace(QUICK, persons=60)]),
        ("retention", [0.5, (0.9, 0.5, 0.4)], [replace(QUICK, retention=r) for r in ((0.5,) * 3, (0.9, 0.5, 0.4))]),
        ("retention", np.array([0.5, 1.0]), [replace(QUICK, retention=(r,) * 3) for r in (0.5, 1.0)]),
        ("dose", [0, 12.0], [QUICK.set("dose", 0.0), QUICK.set("dose", 12.0)]),
    ],
)
def test_a_power_curve_is_the_summary_of_each_plan_on_one_seed(vary, values, plans):
    table = power_curve(QUICK, vary, values, 100, 9)
    assert list(table.columns[:2]) == ["value", "term"]
    assert table["value"].tolist() == [value for value in values for _ in QUICK.terms]
    parts = [summarise(replicate(plan, 100, 9)).rename_axis("term").reset_index() for plan in plans]
    pd.testing.assert_frame_equal(table.drop(columns="value"), pd.concat(parts, ignore_index=True), check_exact=True)


def test_a_power_curve_of_what_cannot_vary_is_refused():
    with pytest.raises(ValueError, match="no effect 'price'; there are dose"):
        power_curve(QUICK, "price", [1.0], 1)
    with pytest.raises(ValueError, match=r"persons is 30\.5; it must be a whole number"):
        power_curve(QUICK, "persons", [30.5], 1)
    with pytest.raises(ValueError, match="retention has 2 values for 3 waves"):
        power_curve(QUICK, "retention", [(0.5, 0.5)], 1)


def test_the_smallest_study_has_the_power_and_one_person_less_has_not():
    table = smallest_n(STEADY, "dose", 0.8, 250, 4)
    assert table["persons"].is_monotonic_increasing
    persons = table.loc[table["enough"], "persons"].iloc[0]
    assert persons - 1 in table["persons"].tolist()
    assert (table["enough"] == (table["persons"] >= persons)).all()
    for tried in (persons - 1, persons):
        power = summarise(replicate(replace(STEADY, persons=int(tried)), 250, 4)).loc["dose", "power"]
        assert table.set_index("persons").loc[tried, "power"] == power
        assert (power >= 0.8) == (tried >= persons)
    error = np.sqrt(STEADY.intercept_sd**2 + STEADY.residual_sd**2 / 4)
    known = (stats.norm.isf(0.025) + stats.norm.ppf(0.8)) ** 2 * (error / (1.2 * 2.0)) ** 2 + 2
    assert 0.8 * known < persons < 1.25 * known


@pytest.mark.parametrize("start", [1, 40])
@pytest.mark.parametrize("short", [0.79, np.nan])
def test_the_search_finds_each_size_that_may_be_the_answer_also_where_every_smaller_one_fails(
    start, short, monkeypatch
):
    answer = None
    figures = lambda persons: {"power": 0.8 if persons >= answer else short, "power_mcse": 0.01, "failed": 0.0}
    monkeypatch.setattr(design, "replicate", lambda plan, *rest: plan.persons)
    monkeypatch.setattr(design, "summarise", lambda persons: pd.DataFrame({"dose": figures(persons)}).T)
    for answer in range(1, 50):
        table = smallest_n(replace(STEADY, persons=start), "dose", 0.8, most=50).set_index("persons")
        assert table.index[table["enough"]][0] == answer
        assert answer == 1 or not table.loc[answer - 1, "enough"]
    answer = 51
    with pytest.raises(ValueError, match=rf"dose: power {short} with 50 persons, below the target 0\.8"):
        smallest_n(replace(STEADY, persons=start), "dose", 0.8, most=50)


@pytest.mark.parametrize(
    ("term", "target", "said"),
    [
        ("dose:time", 0.8, "no term 'dose:time'; there are Intercept, dose, time"),
        ("dose", 0.0, "target is 0.0; it must be between 0 and 1"),
        ("dose", 1.0, "target is 1.0; it must be between 0 and 1"),
    ],
)
def test_a_smallest_study_for_what_is_not_there_is_refused(term, target, said):
    with pytest.raises(ValueError, match=said):
        smallest_n(STEADY, term, target)
