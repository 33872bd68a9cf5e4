"""Folders that run on their own, away from this repository: an edition of the whole book, and a kit of each chapter.

Each holds notebooks, the data, the helpers as a wheel, the requirements pinned as in the lock, and the licences.
"""

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nbformat import NotebookNode

from press import BookError
from press.chapters import reads
from press.editions import KINDS, attribution, edition, editions, notice, text
from press.markdown import Book, book, lessons, page

RUNS = ("ipykernel", "nbclient")  # what runs a notebook
README = """{title}

{notice}

In this folder, with Python 3.11 to 3.13:

    python -m pip install -r requirements.txt
    jupyter execute --inplace {example}

The first installs what the notebooks need, in the very versions that the book was made with; best into an
environment of its own (python -m venv kit). The second runs a notebook whole; any program that opens notebooks will
do as well.
The data in data/ are SYNTHETIC. The notebooks find them wherever they stand in this folder.
{teacher}
{attribution}
Code: MIT licence (LICENSE). Text, figures and data: CC BY 4.0 (LICENSE-TEXT).
"""
TEACHER = "The notebook in teacher/ has the solutions and the notes for the teacher; those beside it leave them out.\n"


def write_edition(root: Path, notebooks: dict[str, NotebookNode], book: Book, kind: str, out: Path) -> Path:
    """Write one edition of all `notebooks` into the folder `out`, anew."""
    if out.exists() and any(out.iterdir()) and not (out / "README.txt").exists():
        raise BookError(f"{out} holds other files. Choose an empty folder.")
    shutil.rmtree(out, ignore_errors=True)
    for name, nb in editions(root, notebooks, book, kind).items():
        _put(out / f"{short(name)}.ipynb", text(nb))
    title = f"The {kind}'s edition"
    _furnish(root, out, notebooks.values(), title, f"{short(next(iter(notebooks)))}.ipynb", "")
    return out


def write_kits(root: Path, notebooks: dict[str, NotebookNode], book: Book, out: Path) -> list[Path]:
    """Write one zip a chapter into the folder `out`: `average.zip`, with the student's notebook and the teacher's."""
    return [_kit(root, name, nb, _alone(root, name, nb, book), out) for name, nb in notebooks.items()]


def publish(root: Path, notebooks: dict[str, NotebookNode], results: Mapping[str, Mapping], site: Path) -> None:
    """Put into the `site` what its pages offer to take away: notebooks, kits of the chapters that teach, slides."""
    from press.slides import write_slides

    of = book(root, results)
    teaching = lessons(notebooks)
    for name, nb in notebooks.items():
        alone = _alone(root, name, nb, of, KINDS if name in teaching else KINDS[:1])
        for kind, content in alone.items():
            _put(site / "notebooks" / kind / f"{short(name)}.ipynb", content)
        if name in teaching:
            _kit(root, name, nb, alone, site / "kits")
    write_slides(root, notebooks, of, site / "slides")


def _alone(root: Path, name: str, nb: NotebookNode, book: Book, kinds: Sequence[str] = KINDS) -> dict[str, str]:
    """The notebooks of one chapter by itself, without links to other notebooks."""
    return {kind: text(edition(root, nb, page(name, nb, book), kind)) for kind in kinds}


def _kit(root: Path, name: str, nb: NotebookNode, alone: Mapping[str, str], out: Path) -> Path:
    chapter = name.rpartition("/")[2]
    folder = root / "_build" / "kit" / chapter
    shutil.rmtree(folder, ignore_errors=True)
    for kind, place in zip(KINDS, (folder, folder / "teacher"), strict=True):
        _put(place / f"{chapter}.ipynb", alone[kind])
    said = notice(root, name).replace("*", "").removeprefix("> ")
    _furnish(root, folder, [nb], f"Kit of the chapter {chapter}", f"{chapter}.ipynb", TEACHER, said)
    out.mkdir(parents=True, exist_ok=True)
    return pack(folder, out / f"{chapter}.zip")


def short(name: str) -> str:
    """`book/results/average` as `results/average`."""
    return name.removeprefix("book/")


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _furnish(
    root: Path, folder: Path, notebooks: Iterable[NotebookNode], title: str, example: str, teacher: str, said: str = ""
) -> None:
    """Put beside the notebooks what they need to run, and a README of two commands."""
    code = "\n".join(cell.source for nb in notebooks for cell in nb.cells if cell.cell_type == "code")
    unread = lambda place, names: [name for name in names if not reads(code, Path(place) / name)]
    shutil.copytree(root / "book" / "data", folder / "data", ignore=unread)
    for licence in ("LICENSE", "LICENSE-TEXT"):
        shutil.copy(root / licence, folder / licence)
    built = shutil.copy(wheel(root), folder)
    digest = hashlib.sha256(Path(built).read_bytes()).hexdigest()
    pinned = requirements(root, imports(notebooks))
    _put(folder / "requirements.txt", f"./{Path(built).name} --hash=sha256:{digest}\n{pinned}")
    said = (
        said
        or "The data are SYNTHETIC: simulated, and no evidence about anyone. The notebooks that hold others say so."
    )
    filled = README.format(title=title, notice=said, example=example, teacher=teacher, attribution=attribution(root))
    _put(folder / "README.txt", filled)


def pack(folder: Path, path: Path) -> Path:
    """`folder` as the zip `path`, the same bytes from the same files."""
    with zipfile.ZipFile(path, "w") as packed:
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            entry = zipfile.ZipInfo(f"{folder.name}/{file.relative_to(folder).as_posix()}", (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr, entry.compress_type = 3, 0o644 << 16, zipfile.ZIP_DEFLATED
            packed.writestr(entry, file.read_bytes(), compresslevel=9)
    return path


# --- the helpers as a wheel ------------------------------------------------------------------------------------------


def wheel(root: Path) -> Path:
    """The wheel of the helpers, built without a network; the one that is there already if nothing has changed."""
    sources = [root / "pyproject.toml", root / "LICENSE", *sorted((root / "src" / "helpers").rglob("*.py"))]
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    place = root / "_build" / "wheel" / digest
    if not (found := [*place.glob("*.whl")]):
        work = root / "_build" / "wheel" / f"{digest}.{os.getpid()}"
        for path in sources:
            copied = work / path.relative_to(root)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copied)
            copied.chmod(0o644)
        code = f"from setuptools.build_meta import build_wheel; build_wheel({str(place)!r})"
        settings = os.environ | {"SOURCE_DATE_EPOCH": "315619200"}  # the same bytes from every build
        made = subprocess.run([sys.executable, "-c", code], cwd=work, env=settings, capture_output=True, text=True)
        shutil.rmtree(work)
        found = [*place.glob("*.whl")]
        if made.returncode or not found:
            raise BookError(f"The wheel of the helpers was not built:\n{made.stderr[-2000:]}")
    return found[0]


# --- what they need --------------------------------------------------------------------------------------------------


def imports(notebooks: Iterable[NotebookNode]) -> set[str]:
    """The top-level modules that the code cells import."""
    found: set[str] = set()
    for nb in notebooks:
        for cell in nb.cells:
            for node in ast.walk(ast.parse(cell.source)) if cell.cell_type == "code" else ():
                if isinstance(node, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    found.add(node.module.partition(".")[0])
    return found


def requirements(root: Path, modules: Iterable[str]) -> str:
    """The part of the lock, with its hashes, that the helpers and `modules` need and what these need in turn."""
    lock = (root / "requirements.txt").read_text(encoding="utf-8")
    pins = {
        re.split(r"[\[=]", pin, maxsplit=1)[0]: pin
        for pin in re.split(r"^(?=[a-zA-Z])", lock, flags=re.M)
        if "==" in pin
    }
    needed_by = {name: set(re.findall(r"^    #(?: via)? +([\w.-]+)$", pin, re.M)) for name, pin in pins.items()}
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stated = {re.match(r"[\w.-]+", name)[0].lower() for name in project["dependencies"]}
    kept = {name for name in {*stated, *RUNS, *modules} if name in pins}
    if missing := {*stated, *RUNS} - kept:
        raise BookError(f"The lock has no {', '.join(sorted(missing))}. Mend: make lock")
    while more := {name for name, parents in needed_by.items() if parents & kept} - kept:
        kept |= more
    pinned = (re.sub(r"^    #.*\n", "", pins[name], flags=re.M).rstrip() for name in sorted(kept))
    return "\n".join(pinned) + "\n"
