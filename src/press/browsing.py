"""The tests of the built site in a real browser: what they need, whether the site is current, one pytest run."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from press import BookError, chromium

NEEDED = ("playwright", "axe_playwright_python", "pypdf")
SOURCES = ("book", "src", "_config.yml", "_toc.yml", "requirements.txt", "CITATION.cff")


def prepare(root: Path) -> None:
    """Install `requirements-dev.txt` if something of it is missing, and see that there is a browser.

    Raises
    ------
    BookError
        The installation stopped, or there is no Chromium; the message has the remedy.
    """
    missing = [name for name in NEEDED if not find_spec(name)]
    if missing:
        print(f"Installing {', '.join(missing)} from requirements-dev.txt: 60 MB, once.", flush=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "install"]
        if subprocess.call([*pip, "-r", str(root / "requirements-dev.txt")]):
            raise BookError("requirements-dev.txt could not be installed (see above).")
    chromium.find()


def is_current(root: Path) -> bool:
    """Whether the site is there and younger than all that it is made of."""
    site = root / "_build" / "html" / "objects.inv"  # written by every build, and last changed by it
    made_of = (path for name in SOURCES for path in _files(root / name))
    return site.exists() and max(path.stat().st_mtime for path in made_of) <= site.stat().st_mtime


def _files(path: Path) -> list[Path]:
    """`path` and all below it, folders too: one changes when a file in it is removed."""
    below = path.rglob("*") if path.is_dir() else []
    return [found for found in [path, *below] if found.exists() and "__pycache__" not in found.parts]


def run(root: Path, arguments: list[str]) -> int:
    """The tests under `tests/site`, side by side as `tests/site/conftest.py` groups them; pytest's exit code."""
    workers = ["-n", "auto", "--maxprocesses", "4", "--dist", "loadscope"]
    return subprocess.call([sys.executable, "-m", "pytest", *workers, *arguments, "tests/site"], cwd=root)
