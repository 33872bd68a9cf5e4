"""The engines' processes: who can take part, and how each is started on one core, asked, given up and stopped."""

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
BENCH = HERE.parent / "_build" / "bench"
THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA", "RAYON", "POLARS")  # *_NUM_THREADS, POLARS_MAX_THREADS
RIVALS = ("mixedlm-rs", "mixedlm", "lme-python")
ORDER = ("helpers.reml", "helpers.reml, no df", "helpers.reml, at once", "statsmodels", "lme4", "lmerTest", *RIVALS)


def one_core() -> dict[str, str]:
    """The environment in which no library starts a second thread."""
    names = [f"{name}_MAX_THREADS" if name == "POLARS" else f"{name}_NUM_THREADS" for name in THREADS]
    return os.environ | dict.fromkeys(names, "1") | {"PYTHONDONTWRITEBYTECODE": "1"}


def pin(cores: int = 1) -> None:
    """Keep this process and those it starts on the last `cores` of its cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])


@dataclass
class Crew:
    """The command of each engine that can run here, and why the others cannot."""

    commands: dict[str, list[str]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def recruit(engines: list[str] = ORDER) -> Crew:
    """Who can take part: installs the rivals into `_build/bench/venv` and looks for R and its packages."""
    crew = Crew()
    crew.left_out = install_rivals([name for name in RIVALS if name in engines])
    for name in engines:
        missing = missing_in_r("lme4", "jsonlite", name) if name in ("lme4", "lmerTest") else ""
        if missing:
            crew.left_out[name] = missing
        if name not in crew.left_out:
            crew.commands[name] = command(name)
    return crew


def command(name: str) -> list[str]:
    """What starts an engine, or a planner of planning.py."""
    if name in ("lme4", "lmerTest"):
        return ["Rscript", "--vanilla", str(HERE / "lme4.R"), name]
    rival = name.removesuffix(" powerSim") in RIVALS
    return [str(rivals_python()) if rival else sys.executable, str(HERE / "worker.py"), name]


def missing_in_r(*packages: str) -> str:
    """What is missing of Rscript and its packages, in words; empty if nothing is."""
    if not shutil.which("Rscript"):
        return "no Rscript here (Debian: apt install r-base-core r-cran-lme4 r-cran-lmertest r-cran-jsonlite)"
    for package in packages:
        asked = ["Rscript", "--vanilla", "-e", f"quit(status = !requireNamespace('{package}', quietly = TRUE))"]
        if subprocess.run(asked, capture_output=True, check=False).returncode:
            return f"R has no package {package}"
    return ""


def rivals_python() -> Path:
    folder = BENCH / "venv"
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"


def install_rivals(names: list[str]) -> dict[str, str]:
    """Install what requirements.txt asks, one by one; the names that cannot be installed, with pip's last line."""
    requirements = (HERE / "requirements.txt").read_text()
    stamp, failed = BENCH / "venv" / "installed.json", {}
    if stamp.exists():
        before = json.loads(stamp.read_text())
        if before["requirements"] == requirements and not before["failed"]:
            return {}
    if names:
        print("Installing the rivals into _build/bench/venv", file=sys.stderr)
        venv.create(BENCH / "venv", clear=True, with_pip=True)
        pip = [str(rivals_python()), "-m", "pip", "--disable-pip-version-check", "-q", "install"]
        lines = [line.partition("#")[0].strip() for line in requirements.splitlines()]
        for requirement in filter(None, lines):
            ran = subprocess.run([*pip, requirement], capture_output=True, text=True, check=False)
            if ran.returncode:
                last = (ran.stderr.strip().splitlines() or ["pip said nothing"])[-1]
                failed[requirement.split("==")[0]] = f"could not be installed: {last}"
        stamp.write_text(json.dumps({"requirements": requirements, "failed": failed}))
    return failed


class Engine:
    """One running engine. `ask` gives its answer, or {"error": ...} when it failed, died or took too long."""

    def __init__(self, command: list[str], log: Path, cores: int = 1):
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("w"),
            env=one_core(),
            cwd=HERE.parent,
            preexec_fn=lambda: pin(cores),
        )

    def ask(self, limit: float, **request) -> dict:
        try:
            self.process.stdin.write((json.dumps(request) + "\n").encode())
            self.process.stdin.flush()
            ready, _, _ = select.select([self.process.stdout], [], [], limit)
            if not ready:
                self.stop(patience=0)
                return {"error": f"stopped after {limit:.0f} s"}
            return json.loads(self.process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError):
            said = self.log.read_text(errors="replace").strip().splitlines() or ["nothing"]
            return {"error": f"its process ended (exit {self.process.wait()}); it said: {said[-1]}"}

    def stop(self, patience: float = 10) -> None:
        """End the process: at the end of its input, when it can close what it opened, or else by force."""
        with contextlib.suppress(BrokenPipeError):  # what a dead process never read
            self.process.stdin.close()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
