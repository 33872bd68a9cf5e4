"""Measure `helpers.reml` and `helpers.design` beside their rivals: `make bench`, or `python benchmarks/run.py`.

Writes results.json and RESULTS.md beside this file (--quick: under _build/bench). Each engine runs in a process of its
own, pinned to one core with one thread; they are asked in turn, A B C A B C, and the figures are medians.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import crew
import data
import numpy as np
import planning
import report
from referee import Referee
from tqdm import tqdm

from helpers.design import Plan


@dataclass(frozen=True)
class Extent:
    """How much is measured: rounds at each number of people; responses refitted, in how many blocks; seconds."""

    rounds: dict[int, int]
    responses: int
    blocks: int
    limit: float  # an engine that needs longer for one answer is stopped, and not asked for larger data
    budget: float  # an engine that has used this much on one table is not asked again for it
    replicates: int  # of the plan by `design`; what fits one model after another gets a fiftieth
    repeats: int  # of the planning


LOADING = 300  # seconds in which an engine must have the data, and a planner be done
FULL = Extent(
    {302: 11, 10_000: 5, 100_000: 5, 1_000_000: 3},
    responses=1000,
    blocks=10,
    limit=180,
    budget=40,
    replicates=10_000,
    repeats=3,
)
QUICK = Extent({302: 1}, responses=10, blocks=2, limit=4, budget=2, replicates=500, repeats=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run of about a minute, into _build/bench")
    parser.add_argument("--only", nargs="+", metavar="ENGINE", default=crew.ORDER, help="; ".join(crew.ORDER))
    asked = parser.parse_args()
    extent, folder = (QUICK, crew.BENCH) if asked.quick else (FULL, crew.HERE)
    results = measure(crew.recruit([name for name in crew.ORDER if name in asked.only]), extent)
    results["bars"] = report.bars(results)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "RESULTS.md").write_text(report.render(results))
    print(f"Wrote {folder / 'RESULTS.md'}", file=sys.stderr)


def measure(team: crew.Crew, extent: Extent) -> dict:
    """Everything, in the order of the report."""
    results = {"machine": machine(), "left_out": team.left_out, "about": {}}
    out = {}  # who is not asked for larger data, and why
    results["fits"] = [fits(team, extent, persons, out, results["about"]) for persons in extent.rounds]
    results["refits"] = refits(team, extent, min(extent.rounds))
    results["planning"] = plans(team, extent, results["about"])
    return results


def machine() -> dict:
    """Where and when this was measured."""
    model = [line for line in _read("/proc/cpuinfo").splitlines() if line.startswith("model name")]
    memory = [line for line in _read("/proc/meminfo").splitlines() if line.startswith("MemTotal")]
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=crew.HERE, capture_output=True, text=True, check=False
    )
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": model[0].partition(":")[2].strip() if model else platform.processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(int(memory[0].split()[1]) / 1024**2, 1) if memory else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "load_at_start": round(os.getloadavg()[0], 2),
        "commit": commit.stdout.strip(),
    }


def _read(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""


def data_of(persons: int, responses: int = 0) -> Path:
    """The folder with the data of so many people."""
    folder = crew.BENCH / "data" / f"{persons}-{responses}"
    data.write(folder, *data.simulate(persons, responses))
    return folder


def start(name: str, command: list[str], folder: Path, cores: int = 1) -> tuple[crew.Engine, dict]:
    """The engine with the data loaded, and its answer to that."""
    log = "".join(letter if letter.isalnum() else "-" for letter in name)
    engine = crew.Engine(command, crew.BENCH / "logs" / f"{log}.txt", cores)
    return engine, engine.ask(LOADING, do="load", folder=str(folder))


def fits(team: crew.Crew, extent: Extent, persons: int, out: dict[str, str], about: dict) -> dict:
    """By engine: seconds of each whole fit, the first one apart; what it found; its peak memory, and that with the
    data alone. Who fails is put `out`."""
    folder, running, measured, parts = data_of(persons), {}, {}, {}
    for name, command in team.commands.items():
        if name in out:
            measured[name] = {"error": out[name]}
            continue
        engine, answer = start(name, command, folder)
        if "fit" in answer.get("can", ()):
            running[name], about[name] = engine, answer["about"]
            measured[name] = {"loaded": answer["peak"], "seconds": []}
            continue
        engine.stop()
        if "error" in answer:
            measured[name] = {"error": answer["error"]}
    for _ in tqdm(range(extent.rounds[persons] + 1), f"{persons:,} people", unit="round"):  # one more, to warm up
        for name in list(running):
            of, answer = measured[name], running[name].ask(extent.limit, do="fit")
            if "error" in answer:
                of["error"] = answer["error"]
            else:
                of["seconds"].append(answer["seconds"])
                of["peak"], of["found"] = of.get("peak", answer["peak"]), answer["found"]
            if "error" in of or sum(of["seconds"]) > extent.budget:
                running.pop(name).stop()
    for name, engine in running.items():
        if name == report.OURS:
            answer = engine.ask(LOADING, do="parts")
            parts = {"parts": answer["parts"]} if "parts" in answer else {}
        engine.stop()
    for name, of in measured.items():
        if "error" in of and name not in out:
            out[name] = f"not asked: at {persons:,} people {of['error']}"
    frame, _ = data.read(folder)
    found = {name: of["found"] for name, of in measured.items() if "found" in of}
    for name, value in shortfalls(Referee(frame), frame["pda"].to_numpy(), found).items():
        measured[name]["short"] = value
    return {"persons": persons, "visits": len(frame), "engines": measured} | parts


def shortfalls(referee: Referee, y: np.ndarray, found: dict[str, dict]) -> dict[str, float]:
    """By engine: how far the criterion at what it found stands above the least of all engines."""
    values = {name: referee.criterion(y, np.array(one["T"])) for name, one in found.items()}
    return {name: value - min(values.values()) for name, value in values.items()}


def refits(team: crew.Crew, extent: Extent, persons: int) -> dict:
    """By engine: seconds a fit in each block of responses, and the shortfall of every fit.

    After one block to warm up (and to see how long it takes), each round gives each engine its next block: all of
    it, or as much as the budget allows. An engine that works on all responses at once gets all of them every round.
    """
    folder, running, measured, step, size = data_of(persons, extent.responses), {}, {}, {}, {}
    block = extent.responses // extent.blocks
    for name, command in team.commands.items():
        engine, answer = start(name, command, folder)
        few = min(block, 5)
        if "refits" in answer.get("can", ()):
            answer = engine.ask(extent.limit, do="refits", **{"from": 0, "to": few})
        if "seconds" not in answer:
            engine.stop()
            if "error" in answer:
                measured[name] = {"error": answer["error"]}
            continue
        running[name] = engine
        measured[name] = {"seconds": [answer["seconds"] / few], "found": {}, "note": answer.get("note", "")}
        allowed = extent.budget / extent.blocks / (answer["seconds"] / few)
        step[name] = 0 if answer["at_once"] else block
        size[name] = extent.responses if answer["at_once"] else max(1, min(block, int(allowed)))
    for number in tqdm(range(extent.blocks), f"{extent.responses:,} refits", unit="block"):
        for name in list(running):
            of, first = measured[name], number * step[name]
            answer = running[name].ask(extent.limit, do="refits", **{"from": first, "to": first + size[name]})
            if "error" in answer:
                of["error"] = answer["error"]
                running.pop(name).stop()
                continue
            of["seconds"].append(answer["seconds"] / size[name])
            of["found"] |= dict(enumerate(answer["found"], first))
    for engine in running.values():
        engine.stop()
    frame, responses = data.read(folder)
    referee, short = Referee(frame), {name: [0.0] for name in measured}
    for number, y in enumerate(responses):
        found = {name: of["found"][number] for name, of in measured.items() if number in of.get("found", {})}
        for name, value in shortfalls(referee, y, found).items():
            short[name].append(value)
    for name, of in measured.items():
        fitted = of.pop("found", {}).values()
        of |= {"fits": len(fitted), "unconverged": sum(not one["converged"] for one in fitted)}
        of |= {"missed": sum(one > report.REACHED for one in short[name]), "furthest": max(short[name])}
    return {"persons": persons, "visits": len(frame), "responses": extent.responses, "engines": measured}


def plans(team: crew.Crew, extent: Extent, about: dict) -> dict:
    """By planner: seconds of simulating and fitting the study's plan so many times, and the power it finds."""
    plan, folder = Plan(), crew.BENCH / "data" / "plan"
    data.write(folder, planning.one_cohort(plan, data.SEED), np.empty((0, 0)))
    simr = not crew.missing_in_r("simr")
    asked = planning.parameters(plan) | {"seed": data.SEED, "simr": simr}
    many, few = extent.replicates, max(10, extent.replicates // 50)
    rows = [  # name, engine, cores, replicates
        ("helpers.design", "helpers.design", 2, many),
        ("helpers.design, one core", "helpers.design", 1, many),
        ("helpers.design, Dask, 1 worker", "helpers.design, Dask, 1 worker", 2, many),
        ("helpers.design, Dask, 2 workers", "helpers.design, Dask, 2 workers", 2, many),
        ("simr" if simr else "lme4: simulate, refit, Wald test", "lme4", 1, few),
        ("mixedlm powerSim", "mixedlm powerSim", 1, few),
    ]
    running, measured = {}, {}
    for name, engine, cores, replicates in rows:
        if engine.startswith("helpers") or engine.removesuffix(" powerSim") in team.commands:
            running[name], answer = start(name, crew.command(engine), folder, cores)
            measured[name] = {"replicates": replicates, "cores": cores, "seconds": []}
            about.setdefault(name, answer.get("about", {}))
            if "error" not in answer:  # once, to warm up
                answer = running[name].ask(LOADING, do="power", replicates=10, **asked)
            if "error" in answer:
                measured[name]["error"] = answer["error"]
                running.pop(name).stop()
    for _ in tqdm(range(extent.repeats), "planning", unit="round"):
        for name in list(running):
            of = measured[name]
            answer = running[name].ask(LOADING, do="power", replicates=of["replicates"], **asked)
            if "error" in answer:
                of["error"] = answer["error"]
                running.pop(name).stop()
            else:
                of["seconds"].append(answer["seconds"])
                of |= {key: answer[key] for key in ("power", "power_mcse", "digest") if key in answer}
    for engine in running.values():
        engine.stop()
    return {"term": planning.TERM, "persons": plan.persons, "simr": simr, "rows": measured}


if __name__ == "__main__":
    main()
