"""What the analyses share: parts that are kept as they end, one committed table, and a record of what produced it.

An analysis is a script of this folder with a list of tasks and a function that turns one task into rows. `main` runs
the tasks side by side, with a bar; a run that was stopped goes on where it was; the committed files change when all is
done. Each table has a record beside it, with the hash of every source it depends on: the script, and each module of
`helpers` that it imports, directly or through another. A test compares them with the code that is here.
"""

import argparse
import ast
import hashlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "_build" / "analyses"
RESULTS = ROOT / "book" / "data" / "analyses"  # where chapters find them, in the repository and in a kit

Rows = list[dict]


def scripts() -> list[Path]:
    """The analyses: every script of this folder but what they share and what runs them."""
    here = Path(__file__).resolve().parent
    return sorted(path for path in here.glob("*.py") if path.name not in (Path(__file__).name, "run.py"))


# --- what a result came from ---


def sources(script: Path) -> list[Path]:
    """A script and every module that it imports from this folder or from `helpers`, directly or through another."""
    found, waiting = [], [Path(script).resolve()]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.append(path)
            waiting += _imported(path)
    return sorted(found)


def _imported(path: Path) -> list[Path]:
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    modules = {name.removeprefix("helpers.") for name in names if name.startswith("helpers.")}
    beside = {name for name in names if name != Path(__file__).stem}  # the harness decides no number
    candidates = [ROOT / "src" / "helpers" / f"{name}.py" for name in modules]
    candidates += [ROOT / "analyses" / f"{name}.py" for name in beside]
    return [candidate for candidate in candidates if candidate.exists()]


def inputs(script: Path, data: Sequence[Path] = ()) -> dict[str, str]:
    """The hash of each source, and of each file of data that was read, by its path in the repository."""
    return {path.relative_to(ROOT).as_posix(): digest(path) for path in [*sources(script), *data]}


def digest(path: Path) -> str:
    """SHA-256 of a text file, whatever its line ends."""
    return hashlib.sha256(path.read_text(encoding="utf-8").encode()).hexdigest()


def versions(*names: str) -> dict[str, str]:
    """The versions of Python and of some packages, with which a result was made."""
    return {name: version(name) for name in names} | {"python": ".".join(map(str, sys.version_info[:3]))}


def write(path: Path, text: str) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(path)


# --- a run ---


def main(
    script: Path,
    tasks: Callable[[bool], list[tuple]],
    rows_of: Callable[..., Rows],
    about: dict,
    finish: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table,
    data: Sequence[Path] = (),
    packages: Sequence[str] = ("numpy", "scipy", "pandas"),
) -> int:
    """The command line of an analysis; its exit code.

    `tasks(quick)` lists tuples of plain values, `rows_of(*task)` gives rows (dicts of plain values), `finish` makes
    the table that is committed of all of them. With --quick the result goes to `_build/analyses`, not into the book.
    """
    parser = argparse.ArgumentParser(description=f"Recompute {Path(script).stem}.")
    parser.add_argument("--quick", action="store_true", help="a smoke run with few tasks, into _build/analyses")
    quick = parser.parse_args().quick
    name = Path(script).stem
    try:
        table = finish(pd.DataFrame(gather(script, tasks(quick), rows_of, data)))
    except KeyboardInterrupt:
        print("\nStopped. The committed files are as they were; the same command goes on.", file=sys.stderr)
        return 130
    folder = BUILD if quick else RESULTS
    write(folder / f"{name}.csv", table.to_csv(index=False, lineterminator="\n", float_format="%.6g"))
    made = {"result": digest(folder / f"{name}.csv"), "inputs": inputs(script, data), "versions": versions(*packages)}
    write(folder / f"{name}.json", json.dumps(about | made, indent=1, ensure_ascii=False) + "\n")
    print(f"{folder / f'{name}.csv'}: {len(table)} rows, {(folder / f'{name}.csv').stat().st_size / 1000:.0f} kB")
    return 0


def gather(script: Path, tasks: list[tuple], rows_of: Callable[..., Rows], data: Sequence[Path] = ()) -> Rows:
    """The rows of all tasks, in their order; each task's are kept under `_build` until what they came from changes."""
    name = Path(script).stem
    made_of = hashlib.sha256(json.dumps(inputs(script, data)).encode()).hexdigest()[:16]
    held = {
        task: BUILD / f"{name}-{made_of}" / f"{hashlib.sha256(repr(task).encode()).hexdigest()[:20]}.json"
        for task in tasks
    }
    waiting = [task for task in tasks if not held[task].exists()]
    with (
        ProcessPoolExecutor(os.cpu_count(), initializer=threadpool_limits, initargs=(1,)) as pool,
        tqdm(total=len(tasks), initial=len(tasks) - len(waiting), desc=name, unit="task") as bar,
    ):
        futures = {pool.submit(rows_of, *task): task for task in waiting}
        try:
            for future in as_completed(futures):
                write(held[futures[future]], json.dumps(future.result()))
                bar.update()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return [row for task in tasks for row in json.loads(held[task].read_text(encoding="utf-8"))]
