"""The power surface: it is that of today's code, one run a plan serves every effect, and a cell can be found again."""

import csv
import json
import sys
from itertools import product
from math import sqrt
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from helpers import design, study
from press import BookError
from press.powersurface import static, surface

ROOT = Path(__file__).parents[1]
ANALYSES = ROOT / "analyses"
sys.path.insert(0, str(ANALYSES))

import committed  # noqa: E402
import power_surface  # noqa: E402

RESULTS = committed.RESULTS
SURFACE = ANALYSES / "power_surface.py"
RECORD = json.loads((RESULTS / "power_surface.json").read_text(encoding="utf-8"))
ROWS = list(csv.DictReader((RESULTS / "power_surface.csv").open(encoding="utf-8")))


def row(outcome: str, term: str, waves: str, kept: float, persons: int) -> dict[str, str]:
    wanted = [outcome, waves, kept, persons, term]
    [found] = [r for r in ROWS if [r["outcome"], r["waves"], float(r["kept"]), int(r["persons"]), r["term"]] == wanted]
    return found


@pytest.mark.parametrize("name", [path.stem for path in committed.scripts()])
def test_a_committed_result_was_computed_by_the_code_that_is_here(name):
    table, record = (RESULTS / f"{name}.{ending}" for ending in ("csv", "json"))
    then = json.loads(record.read_text(encoding="utf-8"))
    data = [ROOT / path for path in then["inputs"] if path.startswith("book/")]
    now = committed.inputs(ANALYSES / f"{name}.py", data)
    changed = sorted(path for path in now | then["inputs"] if now.get(path) != then["inputs"].get(path))
    assert not changed, f"{name} is out of date, for these changed: {', '.join(changed)}. Run: make analyses"
    assert then["result"] == committed.digest(table), "the table was edited: make analyses"


def test_every_committed_result_has_its_script():
    assert {path.stem for path in RESULTS.iterdir()} == {path.stem for path in committed.scripts()}


def modules_of(module: ModuleType) -> set[str]:
    """The modules of helpers from which `module` holds something: themselves, their functions or their classes."""
    names = {v.__name__ if isinstance(v, ModuleType) else getattr(v, "__module__", None) for v in vars(module).values()}
    return {name for name in names if isinstance(name, str) and name.startswith("helpers.")}


def test_its_sources_are_the_modules_that_it_uses():
    used, waiting = set(), modules_of(power_surface)
    while waiting:
        used |= waiting
        waiting = {name for each in used for name in modules_of(sys.modules[each])} - used
    named = {Path(name).stem for name in committed.inputs(SURFACE) if name.startswith("src/")}
    assert {f"helpers.{name}" for name in named} == used | {"helpers.reml"}  # which hands on what others define


def test_every_plan_has_a_row_for_each_claim_about_its_outcome():
    plans = list(product(study.CLAIMS, power_surface.WAVES, power_surface.KEPT, power_surface.PERSONS))
    expected = {(c.outcome, c.term, waves, f"{kept:g}", f"{n}") for c, waves, kept, n in plans}
    names = ("outcome", "term", "waves", "kept", "persons")
    assert {tuple(r[name] for name in names) for r in ROWS} == expected
    assert len(ROWS) == len(expected)
    assert 0.5 / sqrt(RECORD["replicates"]) < 0.023, "the Monte Carlo error of a power, at most"


@pytest.mark.parametrize(("outcome", "waves", "persons"), [("pda", "3 6 12", 302), ("attendance", "6 12", 40)])
def test_another_effect_moves_the_estimates_and_nothing_else(outcome, waves, persons):
    none = power_surface.plan_of(outcome, waves, 0.0, persons)
    one = none.set("contact", 2.5).set("alliance:time", -0.7)
    before, after = (design.replicate(plan, 60, 3) for plan in (none, one))
    for term, effect in (("contact", 2.5), ("alliance:time", -0.7), ("alliance", 0.0)):
        moved = power_surface.moved(before[before["term"] == term], effect)
        again = after[after["term"] == term]
        for name in ("estimate", "std_error", "df", "conf_low", "conf_high", "truth"):
            size = moved["std_error"] if name in ("estimate", "conf_low", "conf_high") else moved[name].abs() + 1e-300
            assert ((moved[name] - again[name]).abs() / size)[~moved["failed"]].max() < 1e-5, name
        for name in ("significant", "failed", "singular"):
            assert (moved[name] == again[name])[~moved["failed"]].all(), name
        assert (moved["failed"] == again["failed"]).all()


def test_a_cell_is_found_again_with_other_draws_and_the_effect_in_the_plan():
    cell, effect = row("pda", "alliance:time", "3 6 12", 0.0, 302), 0.4
    plan = power_surface.plan_of("pda", "3 6 12", 0.0, 302)
    plan = plan.set("alliance:time", effect * RECORD["units"]["pda alliance:time"])
    found = design.summarise(design.replicate(plan, 250, power_surface.SEED + 1)).loc["alliance:time"]
    for name in ("power", "coverage"):
        held = float(cell["power_0.4" if name == "power" else name])
        error = sqrt(held * (1 - held) * (1 / 250 + 1 / RECORD["replicates"]))
        assert found[name] == pytest.approx(held, abs=3 * error)
    one = RECORD["units"]["pda alliance:time"]
    assert found["std_error"] / one == pytest.approx(float(cell["std_error"]), abs=3 * found["std_error_mcse"] / one)
    assert found["bias"] / one == pytest.approx(float(cell["bias"]), abs=3 * found["bias_mcse"] / one)
    held, error = float(cell["type_m_0.4"]), float(found["type_m_mcse"])
    assert found["type_m"] == pytest.approx(held, abs=3 * error)


# --- what the site makes of it ---


def test_the_panel_gets_the_table_s_figures_and_no_others():
    found = surface(RESULTS)
    assert sum(len(curve["power"]) for curve in found["curves"].values()) == len(ROWS)
    cell = row("pda", "alliance:time", "3 6 9 12", 0.5, 180)
    curve = found["curves"]["pda alliance:time|3 6 9 12|0.5"]
    at = found["persons"].index(180)
    for name in ("failed", "coverage", "width", "std_error", "std_error_mcse", "bias", "bias_mcse"):
        assert curve[name][at] == float(cell[name])
    assert curve["power"][at][found["effects"].index(0.35)] == float(cell["power_0.35"])
    assert curve["type_m"][at][0] is None, "no effect has no size to exaggerate"


def test_the_static_table_has_the_study_s_own_plan():
    cells = [[entry.astext() for entry in r.children] for r in static(surface(RESULTS)).findall() if r.tagname == "row"]
    [shown] = [cell for cell in cells if cell[0] == "PDA: alliance × time"]
    own = row("pda", "alliance:time", "3 6 12", 0.0, 302)
    assert shown[1:] == [f"{float(own[f'power_{effect}']):.2f}" for effect in (0.1, 0.2, 0.3, 0.4, 0.5)]
    assert len(cells) == 1 + len(study.CLAIMS)


def test_a_surface_that_is_missing_or_not_whole_is_refused(tmp_path):
    with pytest.raises(BookError, match="make analyses"):
        surface(tmp_path)
    lines = (RESULTS / "power_surface.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "power_surface.csv").write_text("".join(lines[:-1]), encoding="utf-8")
    (tmp_path / "power_surface.json").write_text(json.dumps(RECORD), encoding="utf-8")
    with pytest.raises(BookError, match="not whole"):
        surface(tmp_path)


def test_a_larger_study_is_more_precise_all_over_the_surface():
    assert all(np.all(np.diff(curve["std_error"]) < 0) for curve in surface(RESULTS)["curves"].values())


# --- what all analyses share ---


def one_task(folder: str, number: int) -> list[dict]:
    """A task that leaves a trace each time it is computed, and stops where the file `stop` is."""
    if number == 2 and (Path(folder) / "stop").exists():
        raise KeyboardInterrupt
    (Path(folder) / f"{number}-{len(list(Path(folder).iterdir()))}").touch()
    return [{"number": number, "square": number**2}]


@pytest.fixture
def script(tmp_path, monkeypatch):
    """A script outside the repository that imports one module of helpers, with a build folder of its own."""
    monkeypatch.setattr(committed, "BUILD", tmp_path / "build")
    monkeypatch.setattr(committed, "ROOT", tmp_path)
    for name, text in (("study", "import math"), ("cohort", "from helpers.study import WAVES")):
        (tmp_path / "src" / "helpers").mkdir(parents=True, exist_ok=True)
        (tmp_path / "src" / "helpers" / f"{name}.py").write_text(text)
    path = tmp_path / "squares.py"
    path.write_text("from helpers import cohort, nothing")
    return path


def test_what_a_result_came_from_is_its_script_and_the_helpers_it_imports_through_others_too(script):
    assert list(committed.inputs(script)) == ["squares.py", "src/helpers/cohort.py", "src/helpers/study.py"]


def test_a_run_that_was_stopped_goes_on_with_what_is_missing(script, tmp_path):
    traces = tmp_path / "traces"
    traces.mkdir()
    tasks = [(str(traces), number) for number in (1, 2, 3)]
    (traces / "stop").touch()
    with pytest.raises(KeyboardInterrupt):
        committed.gather(script, tasks, one_task)
    (traces / "stop").unlink()
    assert [row["square"] for row in committed.gather(script, tasks, one_task)] == [1, 4, 9]
    before = sorted(traces.iterdir())
    assert {path.name[0] for path in before} == {"1", "2", "3"}
    committed.gather(script, tasks, one_task)
    assert sorted(traces.iterdir()) == before, "what is there was computed again"


def test_a_result_is_made_again_when_a_source_has_changed(script, tmp_path):
    traces = tmp_path / "traces"
    traces.mkdir()
    committed.gather(script, [(str(traces), 1)], one_task)
    (tmp_path / "src" / "helpers" / "study.py").write_text("import cmath")
    committed.gather(script, [(str(traces), 1)], one_task)
    assert len(list(traces.iterdir())) == 2


def test_what_an_effect_makes_of_the_replicates_is_what_the_design_module_sums_up():
    rows = design.replicate(power_surface.plan_of("pda", "3 6 12", 0.0, 40), 100, 5)
    for term, effect in (("alliance", 0.0), ("contact", 2.0), ("alliance:time", -0.3)):
        moved = power_surface.moved(rows[rows["term"] == term], effect)
        summed = design.summarise(moved).loc[term]
        found = power_surface.found(moved[~moved["failed"]])
        assert found == pytest.approx({name: summed[name] for name in found}, nan_ok=True)
