"""The kits of the chapters: whole, and running where this repository is not."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from built import ROOT, SITE
from taught import each_chapter

from press.chapters import Chapter

CHEAP = ("participation", "time", "trajectories")  # one of each part, run whole


@each_chapter
def test_a_kit_holds_all_that_its_notebook_needs(chapter: Chapter, site: Path) -> None:
    name = chapter.name.rpartition("/")[2]
    path = site / "kits" / f"{name}.zip"
    assert path.stat().st_size < 1_000_000
    with zipfile.ZipFile(path) as kit:
        held = {entry.removeprefix(f"{name}/") for entry in kit.namelist()}
        readme = kit.read(f"{name}/README.txt").decode()
    assert {f"{name}.ipynb", f"teacher/{name}.ipynb", "data/datapackage.json", "requirements.txt"} <= held
    assert {"LICENSE", "LICENSE-TEXT"} <= held and any(entry.endswith(".whl") for entry in held)
    assert len(re.findall(r"^    \S", readme, re.MULTILINE)) == 2


@pytest.fixture(scope="module")
def kits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder of unpacked kits outside the repository, with a new environment that holds what they ask for."""
    folder = tmp_path_factory.mktemp("kits")
    assert not folder.is_relative_to(ROOT)
    for path in (SITE / "kits").glob("*.zip"):
        zipfile.ZipFile(path).extractall(folder)
    kept = ("PYTHON", "HELPERS", "IPYTHON", "JUPYTER", "VIRTUAL_ENV", "PYTEST", "MPL")
    outside = {name: value for name, value in os.environ.items() if not name.startswith(kept)}
    subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)
    scripts = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
    install = [scripts / "python", "-m", "pip", "install", "--quiet", "-r", "requirements.txt"]
    subprocess.run(install, cwd=folder / CHEAP[-1], env=outside, check=True)
    return folder, outside | {"PATH": f"{scripts}{os.pathsep}{outside['PATH']}"}


@pytest.mark.parametrize("place", ["trajectories/", *(f"{name}/teacher/" for name in CHEAP)])
def test_a_kit_runs_in_a_clean_environment_outside_the_repository(kits, place: str) -> None:
    folder, outside = kits
    name, _, edition = place.partition("/")
    command = ["jupyter", "execute", "--inplace", f"{edition}{name}.ipynb"]
    done = subprocess.run(command, cwd=folder / name, env=outside, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    nb = nbformat.read(folder / name / f"{edition}{name}.ipynb", as_version=4)
    assert all(cell.execution_count for cell in nb.cells if cell.cell_type == "code" and cell.source.strip("# \n"))
    asked = ["python", "-c", "import helpers; print(helpers.__file__)"]
    found = subprocess.run(asked, env=outside, cwd=folder, capture_output=True, text=True, check=True)
    assert str(folder / "env") in found.stdout, "the helpers came from elsewhere"
