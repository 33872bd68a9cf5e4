"""The package stays small and plain: imports run one way, and the wheel asks for nothing that it does not import."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HELPERS = ROOT / "src" / "helpers"
ORDER = ["study", "faults", "contract", "delimited", "coded", "files", "operations", "recipes", "layouts", "guesses",
         "mapping", "oddities", "records", "templates", "measures", "cohort", "likelihood", "formulas", "moments",
         "waves", "reml", "diagnostics", "sensitivity", "weights", "imputation", "models", "curve", "plans", "design",
         "tables", "figures", "ledger", "__main__"]  # fmt: skip
# Where the import's name is not the distribution's
DISTRIBUTIONS = {"IPython": "ipython", "charset_normalizer": "charset-normalizer"}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= (
                {f"{node.module}.{alias.name}" for alias in node.names} if node.module == "helpers" else {node.module}
            )
    return found


def modules() -> list[Path]:
    return [path for path in sorted(HELPERS.glob("*.py")) if path.stem != "__init__"]


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.stem)
def test_a_module_imports_only_modules_that_stand_before_it(path):
    used = {name.split(".")[1] for name in imports(path) if name.startswith("helpers.")}
    assert used <= set(ORDER[: ORDER.index(path.stem)])


def test_the_generator_and_the_check_of_records_do_not_know_each_other():
    assert "helpers.records" not in imports(HELPERS / "cohort.py")
    assert "helpers.cohort" not in imports(HELPERS / "records.py")


def test_what_scores_and_models_never_imports_the_generator():
    for module in (
        "faults",
        "delimited",
        "coded",
        "files",
        "contract",
        "oddities",
        "records",
        "measures",
        "likelihood",
        "formulas",
        "moments",
        "waves",
        "reml",
        "models",
    ):
        assert "helpers.cohort" not in imports(HELPERS / f"{module}.py")


def test_helpers_never_imports_press():
    assert not any(name.split(".")[0] == "press" for path in modules() for name in imports(path))


def test_the_wheel_asks_for_exactly_what_its_modules_import():
    outside = (
        {name.split(".")[0] for path in modules() for name in imports(path)} - {"helpers"} - sys.stdlib_module_names
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {DISTRIBUTIONS.get(name, name) for name in outside - {"dask"}} == set(project["dependencies"])
    assert set(project["optional-dependencies"]) == {"dask"}


def test_dask_is_imported_only_when_a_scheduler_or_a_dask_frame_is_given():
    code = "import sys, helpers.design, helpers.reml, helpers.models, helpers.__main__\n"
    code += "sys.exit(bool({'dask', 'distributed'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_helpers_stays_small_enough_to_read():
    lines = {path.stem: len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert max(lines.values()) <= 650, "a module is read in one sitting"
    assert sum(lines.values()) <= 9400


def test_every_direct_dependency_has_its_reason_and_is_locked():
    lines = (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    for line in filter(None, (line for line in lines if not line.startswith("#"))):
        name, _, reason = line.partition("#")
        assert len(reason.split()) >= 2, f"{line}: no reason"
        assert f"\n{re.split('[<[]', name)[0].strip()}==" in f"\n{lock}", f"{name}: not in the lock"
