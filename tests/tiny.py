"""A tiny book in a temporary folder, for the tests of the press."""

import os
import signal
import subprocess
import sys
from pathlib import Path

CONFIG = """title: Tiny
author: Nobody
copyright: "2026"
only_build_toc_files: true
execute: {execute_notebooks: "off"}
sphinx:
  extra_extensions: [press.roles]
"""
CITATION = """title: "Tiny: a book for tests"
message: Cite it.
authors: [{name: Nobody}]
version: 0.1.0
license: MIT
"""
HEADER = """---
jupytext:
  formats: ipynb,md:myst
  text_representation:
    extension: .md
    format_name: myst
    format_version: 0.13
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---
"""
RECORD = 'from helpers import ledger\n\nledger.record("answer", 6 * 7, "d", "points")'


def write_book(root: Path, index: str = "# Tiny\n", **chapters: list[str]) -> Path:
    """A book of `index` and `chapters`: each a list of cells, where a cell that starts with `#` is Markdown."""
    (root / "book" / "data").mkdir(parents=True)
    (root / "book" / "data" / "persons.csv").write_text("person\n1\n")
    (root / "_config.yml").write_text(CONFIG)
    (root / "CITATION.cff").write_text(CITATION)
    listed = "".join(f"- file: book/{name}.ipynb\n" for name in chapters)
    (root / "_toc.yml").write_text(f"format: jb-book\nroot: book/index\n{'chapters:' if chapters else ''}\n{listed}")
    (root / "book" / "index.md").write_text(index)
    for name, cells in chapters.items():
        write_chapter(root, name, cells)
    return root


def write_chapter(root: Path, name: str, cells: list[str]) -> None:
    parts = [cell if cell.startswith("#") else f"```{{code-cell}} ipython3\n{cell}\n```" for cell in cells]
    (root / "book" / f"{name}.md").write_text(HEADER + "\n" + "\n\n".join(parts) + "\n")


def press(root: Path, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess:
    """`python -m press` on the book at `root`, as a user types it."""
    command = [sys.executable, "-m", "press", "--root", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=_outside_pytest())


def start_press(root: Path, *arguments: str) -> subprocess.Popen:
    """The same, left running; Ctrl-C reaches it even if this test run ignores it."""
    command = [sys.executable, "-m", "press", "--root", str(root), *arguments]
    heed = (
        {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)} if os.name == "posix" else {}
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, env=_outside_pytest(), **pipes, **heed)


def committed(root: Path) -> dict[str, bytes]:
    """The content of every file of the book that would be committed."""
    return {str(path.relative_to(root)): path.read_bytes() for path in (root / "book").rglob("*") if path.is_file()}


def _outside_pytest() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "HELPERS_DATA"))}
