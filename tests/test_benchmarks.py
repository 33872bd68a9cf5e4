"""The pieces of `make bench`: the data, the referee, the engines' processes, the report. No test looks at a time."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers import reml
from helpers.design import Plan

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import crew  # noqa: E402
import data  # noqa: E402
import engines  # noqa: E402
import planning  # noqa: E402
import report  # noqa: E402
from referee import Referee, design  # noqa: E402

import run  # noqa: E402

SMALL = run.Extent({60: 1}, responses=4, blocks=2, limit=60, budget=60, replicates=10, repeats=1)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setattr(crew, "BENCH", tmp_path)
    return tmp_path


def worker(name):
    return [sys.executable, str(ROOT / "benchmarks/worker.py"), name]


def test_the_data_are_the_same_every_time_and_have_the_study_s_shape():
    (frame, responses), (again, _) = data.simulate(302, 3), data.simulate(302, 3)
    assert frame.equals(again)
    assert responses.shape == (3, len(frame))
    assert frame["person"].nunique() == 302
    assert frame.groupby("person")["time"].agg(tuple).nunique() == 7
    assert design(frame)[0].shape[1] == 8


def test_what_is_written_is_read_back_bit_for_bit(tmp_path):
    frame, responses = data.simulate(20, 2)
    data.write(tmp_path, frame, responses)
    frame_again, responses_again = data.read(tmp_path)
    assert frame_again.equals(frame)
    assert (responses_again == responses).all()


def test_the_referee_gives_the_criterion_of_the_whole_covariance_matrix():
    frame, _ = data.simulate(25)
    X, Z = design(frame)
    T, y = np.array([[0.4, -0.02], [-0.02, 0.003]]), frame["pda"].to_numpy()
    same = frame["person"].to_numpy()[:, None] == frame["person"].to_numpy()
    V = np.eye(len(y)) + same * (Z @ T @ Z.T)
    XVX, d = X.T @ np.linalg.solve(V, X), len(y) - 8
    rest = y - X @ np.linalg.solve(XVX, X.T @ np.linalg.solve(V, y))
    r2 = rest @ np.linalg.solve(V, rest)
    expected = np.linalg.slogdet(V)[1] + np.linalg.slogdet(XVX)[1] + d * (1 + np.log(2 * np.pi * r2 / d))
    assert Referee(frame).criterion(y, T) == pytest.approx(expected, abs=1e-9)


def test_the_referee_agrees_with_reml_on_its_optimum():
    frame, _ = data.simulate(100)
    fit = engines.create("helpers.reml").fit(frame)
    T = (fit.random_cov / fit.residual_var).to_numpy()
    assert Referee(frame).criterion(frame["pda"].to_numpy(), T) == pytest.approx(fit.criterion, abs=1e-7)


def test_responses_fitted_at_once_give_what_they_give_one_by_one():
    frame, responses = data.simulate(120, 6)
    single, many = engines.create("helpers.reml"), engines.create("helpers.reml, at once")
    one_by_one = [single.found(fit) for fit in single.refits(single.prepare(frame), responses)]
    at_once = [many.found(fit) for fit in many.refits(many.prepare(frame), responses)]
    for one, other in zip(one_by_one, at_once, strict=True):
        np.testing.assert_allclose(other["T"], one["T"], atol=1e-6)
        assert other["residual_var"] == pytest.approx(one["residual_var"], rel=1e-6)
        assert one["converged"] == other["converged"]


def test_a_run_measures_every_engine_and_the_report_shows_it(bench):
    names = ("helpers.reml", "helpers.reml, at once")
    team = crew.Crew({name: worker(name) for name in names}, {"lme4": "no R"})
    results = {"machine": run.machine(), "left_out": team.left_out, "about": {}}
    results["fits"] = [run.fits(team, SMALL, 60, {}, results["about"])]
    results["refits"] = run.refits(team, SMALL, 60)
    results = json.loads(json.dumps(results))
    for size in results["fits"]:
        for of in size["engines"].values():
            assert len(of["seconds"]) == 2
            assert of["peak"] >= of["loaded"] > 0
        assert size["engines"]["helpers.reml"]["short"] < 1e-6
        assert set(size["parts"]) == {"pass", "criterion", "search"}
    assert results["refits"]["engines"]["helpers.reml"]["fits"] == 4
    text = report.render(results)
    assert "60 people" in text
    assert "| helpers.reml, at once |" in text
    assert "lme4: no R" in text


def test_an_engine_that_fails_is_a_row_and_is_not_asked_for_more(bench):
    team, out = crew.Crew({"broken": worker("no such engine")}), {}
    extent = replace(SMALL, rounds={60: 1, 90: 1})
    sizes = [run.fits(team, extent, persons, out, {}) for persons in extent.rounds]
    first, second = (size["engines"]["broken"]["error"] for size in sizes)
    assert "KeyError" in first
    assert second == f"not asked: at 60 people {first}"
    assert first in report.fits(sizes[0])


def test_without_r_and_without_a_package_index_the_rivals_are_left_out_and_it_is_said_why(bench, monkeypatch):
    monkeypatch.setattr(crew.shutil, "which", lambda name: None)
    monkeypatch.setattr(crew, "install_rivals", lambda names: dict.fromkeys(names, "could not be installed: no index"))
    team = crew.recruit()
    assert set(team.left_out) == {"lme4", "lmerTest", *crew.RIVALS}
    assert "Rscript" in team.left_out["lme4"]
    assert set(team.commands) == set(crew.ORDER) - set(team.left_out)


def test_an_engine_that_takes_too_long_is_stopped(bench):
    engine = crew.Engine([sys.executable, "-c", "import time; time.sleep(60)"], bench / "log.txt")
    assert engine.ask(0.2, do="fit") == {"error": "stopped after 0 s"}
    assert engine.process.poll() is not None


def test_an_engine_whose_process_dies_says_its_last_words(bench):
    engine = crew.Engine([sys.executable, "-c", "raise SystemExit('no memory left')"], bench / "log.txt")
    assert "no memory left" in engine.ask(30, do="fit")["error"]


def test_the_bars_are_computed_from_the_medians_without_the_first_call():
    def of(*seconds):
        return {"seconds": list(seconds), "short": 0.0}

    results = {
        "fits": [
            {"persons": 100_000, "engines": {"helpers.reml": of(9, 0.1, 0.1), "lme4": of(20, 6, 6)}},
            {"persons": 1_000_000, "engines": {"helpers.reml": of(9, 1, 1)}},
        ],
        "refits": {
            "engines": {
                "lme4": {"seconds": [1, 0.03], "furthest": 0.1},
                "helpers.reml, at once": {"seconds": [1, 0.0002], "furthest": 0.0},
            }
        },
    }
    values = {one["bar"]: (one["value"], one["met"]) for one in report.bars(results)}
    assert [value for value, _ in values.values()] == [
        pytest.approx(150), pytest.approx(60), 1, pytest.approx(1), None, None, 0.0
    ]  # fmt: skip
    assert [met for _, met in values.values()] == [True, True, True, True, None, None, True]


def test_the_cohort_for_simr_follows_the_plan():
    plan = Plan(persons=20_000, correlation=0.3)
    frame, told = planning.one_cohort(plan, 1), planning.parameters(plan)
    assert frame["person"].nunique() < plan.persons
    seen = frame.groupby("time").size() / plan.persons
    np.testing.assert_allclose(seen, plan.retention, atol=0.015)
    fit = reml.fit(told["formula"].split(" + (")[0], frame, group="person", random="1 + time", ddf="none")
    wanted = pd.Series(told["beta"]) - fit.fixed["estimate"][list(told["beta"])]
    assert (wanted.abs() < 4 * fit.fixed["std_error"][list(told["beta"])]).all()
    L = np.array([[told["theta"][0], 0], told["theta"][1:]])
    np.testing.assert_allclose(fit.random_cov / fit.residual_var, L @ L.T, atol=0.03)


def test_a_planner_gives_power_and_the_digest_of_its_numbers():
    planner = engines.create("helpers.design")
    asked = {"replicates": 20, "seed": 1}
    one, other = (planner.powered(planner.power(None, asked)) for _ in range(2))
    assert one == other
    assert 0 < one["power"] <= 1
    assert planner.powered(planner.power(None, asked | {"seed": 2}))["digest"] != one["digest"]


def test_the_report_says_when_a_cluster_gives_other_bits():
    row = {"replicates": 10, "cores": 1, "seconds": [1.0], "power": 0.5, "power_mcse": 0.1}
    same = {"helpers.design": row | {"digest": "a"}, "over Dask": row | {"digest": "a"}}
    assert "the same bits" in report.planning({"term": "x", "rows": same})
    assert "different bits" in report.planning({"term": "x", "rows": same | {"third": row | {"digest": "b"}}})


@pytest.mark.parametrize(
    ("seconds", "words"), [(1.234, "1.23 s"), (0.0456, "45.6 ms"), (7.89e-6, "7.89 µs"), (120, "120 s")]
)
def test_times_are_shown_with_three_digits(seconds, words):
    assert report.time(seconds) == words


def test_every_rival_is_pinned_and_has_its_reason():
    lines = (ROOT / "benchmarks/requirements.txt").read_text(encoding="utf-8").splitlines()
    required = dict(line.split("#", 1) for line in lines if not line.startswith("#"))
    names = {name.split("==")[0].strip() for name in required}
    assert set(crew.RIVALS) <= names
    assert all("==" in name for name in required)
    assert all(len(reason.split()) >= 2 for reason in required.values())
