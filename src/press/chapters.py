"""The pages of the book, and its chapters as pairs: MyST text to read and edit, a notebook that holds the outputs.

A chapter is `book/<part>/<name>.md` with `book/<part>/<name>.ipynb`. Both hold the same cells. The notebook's metadata
keeps two hashes under `press`: `cells`, of the cells when the two were last in step (so that it is known which one was
edited since), and `executed`, of all that its outputs depend on.
"""

import hashlib
import importlib.util
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
import yaml
from jupytext.myst import MystMetadataParsingError
from nbformat import NotebookNode

from press import BookError

TEXT = "md:myst"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}
HEADER = {
    "formats": f"ipynb,{TEXT}",
    "text_representation": {"extension": ".md", "format_name": "myst", "format_version": 0.13},
}


@dataclass(frozen=True)
class Chapter:
    """A page with computation. `name` is its Sphinx document name, such as `book/results/average`."""

    root: Path
    name: str

    @property
    def text(self) -> Path:
        return self.root / f"{self.name}.md"

    @property
    def notebook(self) -> Path:
        return self.root / f"{self.name}.ipynb"

    def place(self, nb: NotebookNode, index: int) -> str:
        """Where cell `index` stands, as a person looks for it: `book/results/average.md:43, cell [7]`."""
        code = sum(cell.cell_type == "code" for cell in nb.cells[: index + 1])
        kind = f"cell [{code}]" if nb.cells[index].cell_type == "code" else "Markdown"
        if not self.text.exists():
            return f"{self.name}.ipynb, {kind}"
        return f"{self.name}.md:{lines(nb, read_text(self.text))[index] + 1}, {kind}"


# --- the table of contents -------------------------------------------------------------------------------------------


def pages(root: Path) -> list[str]:
    """Document names of all pages, in reading order, as `_toc.yml` lists them."""
    return [name.removesuffix(".ipynb").removesuffix(".md") for name in _listed(root)]


def computed(root: Path) -> list[Chapter]:
    """The pages with computation, in reading order: those that `_toc.yml` lists with the ending `.ipynb`."""
    return [Chapter(root, name.removesuffix(".ipynb")) for name in _listed(root) if name.endswith(".ipynb")]


def parts(root: Path) -> dict[str, list[str]]:
    """Document names of the pages of each captioned part, in reading order."""
    toc = read_yaml(root / "_toc.yml")
    return {
        part["caption"]: [name.removesuffix(".ipynb").removesuffix(".md") for name in _entries(part)]
        for part in toc.get("parts", [])
        if "caption" in part
    }


def chapters(root: Path) -> list[Chapter]:
    """The pages with computation, once it is sure that every page of `_toc.yml` is there.

    Raises
    ------
    BookError
        A page that `_toc.yml` lists is not there.
    """
    missing = [name for name in pages(root) if not any((root / f"{name}{end}").exists() for end in (".md", ".ipynb"))]
    if missing:
        raise BookError(f"_toc.yml lists pages that do not exist: {', '.join(missing)}. Write them or take them out.")
    return computed(root)


def _listed(root: Path) -> Iterator[str]:
    try:
        toc = read_yaml(root / "_toc.yml")
        return [toc["root"], *_entries(toc)]
    except (AttributeError, KeyError, TypeError):
        raise BookError("_toc.yml is no table of contents: it needs `root:` and lists of `- file: NAME`.") from None


def _entries(node: dict) -> Iterator[str]:
    for part in [*node.get("parts", []), *node.get("subtrees", [])]:
        yield from _entries(part)
    for entry in [*node.get("chapters", []), *node.get("sections", []), *node.get("entries", [])]:
        if "file" in entry:
            yield entry["file"]
        yield from _entries(entry)


# --- the pair --------------------------------------------------------------------------------------------------------


def read(chapter: Chapter) -> NotebookNode:
    """The chapter's cells as they stand now, without outputs, from whichever of the pair was edited last.

    Raises
    ------
    BookError
        Both were edited since they were last in step.
    """
    return _current(chapter)[0]


def _current(chapter: Chapter) -> tuple[NotebookNode, str]:
    """The current cells, and which of the pair is ahead: `md`, `ipynb` or neither (empty)."""
    if not chapter.notebook.exists():
        return _from_text(chapter), "md"
    if not chapter.text.exists():
        return _bare(stored(chapter)), "ipynb"
    text, notebook = _from_text(chapter), stored(chapter)
    differs = _differs(chapter, text, notebook)
    if not differs:
        return text, ""
    in_step = notebook.metadata.get("press", {}).get("cells")
    if in_step is None or in_step == _digest(notebook):
        return text, "md"
    if in_step == _digest(text):
        return _bare(notebook), "ipynb"
    raise BookError(
        f"{differs}\nBoth files were edited since they were last in step. "
        f"Keep one: put the other back as it was committed (git checkout), then `make pair`."
    )


def difference(chapter: Chapter) -> str:
    """The first cell in which the text and the notebook differ, as a message; empty if they hold the same cells."""
    for path in (chapter.text, chapter.notebook):
        if not path.exists():
            return f"{path.relative_to(chapter.root)} is missing. Mend: make update"
    return _differs(chapter, _from_text(chapter), stored(chapter))


def _differs(chapter: Chapter, text: NotebookNode, notebook: NotebookNode) -> str:
    for index, (ours, theirs) in enumerate(zip(text.cells, notebook.cells, strict=False)):
        for part in ("cell_type", "source", "metadata"):
            if ours[part] != theirs[part]:
                return f"{chapter.place(text, index)}: {part} is not that of {chapter.name}.ipynb. Mend: make pair"
    if len(text.cells) != len(notebook.cells):
        counts = f"{len(text.cells)} cells, {chapter.name}.ipynb {len(notebook.cells)}"
        return f"{chapter.name}.md has {counts}. Mend: make pair"
    return ""


def sync(chapter: Chapter) -> str:
    """Bring the pair in step from whichever was edited, keep the outputs of unchanged cells; which one was ahead.

    A notebook that does not exist yet is left to `make update`, which writes it with its outputs.
    """
    current, ahead = _current(chapter)
    if ahead == "ipynb":
        write(chapter.text, jupytext.writes(current, fmt=TEXT))
        current = _from_text(chapter)
    if ahead and chapter.notebook.exists():
        before = stored(chapter)
        kept = before.metadata.get("press", {})
        executed = kept.get("executed", "") if kept.get("figures") == figures(before) else ""  # or an edit is blessed
        store(chapter, keep_outputs(current, before), executed)
    return ahead


def keep_outputs(current: NotebookNode, before: NotebookNode) -> NotebookNode:
    """`current` with the outputs of those code cells of `before` that have the same source."""
    outputs = {cell.id: cell for cell in _identified(before).cells if cell.cell_type == "code"}
    for cell in current.cells:
        if cell.cell_type == "code" and cell.id in outputs:
            cell.outputs, cell.execution_count = outputs[cell.id].outputs, outputs[cell.id].execution_count
    return current


def stored(chapter: Chapter) -> NotebookNode:
    """The committed notebook, with its outputs. Raises BookError if the file is not one."""
    nb = read_notebook(chapter.notebook)
    if nb is None:
        raise BookError(
            f"{chapter.name}.ipynb is not a notebook: it is damaged, or a merge left its marks in it. "
            f"Put it back as it was committed (git checkout), or delete it and `make update`."
        )
    return _identified(nb)


def store(chapter: Chapter, nb: NotebookNode, executed: str) -> None:
    """Write the chapter's notebook (cells and outputs), with hashes of its cells, of what was executed, of figures."""
    nb = _identified(nb)
    nb.metadata["press"] = {"cells": _digest(nb), "executed": executed, "figures": figures(nb)}
    write(chapter.notebook, dump(nb))


def figures(nb: NotebookNode) -> str:
    """Hash of all figures of a notebook, which nbval does not compare."""
    outputs = [output for cell in nb.cells for output in cell.get("outputs", [])]
    drawn = [output.get("data", {}).get("image/png", "") for output in outputs]
    return hashlib.sha256("".join(drawn).encode()).hexdigest()[:16]


def _from_text(chapter: Chapter) -> NotebookNode:
    try:
        return _bare(jupytext.reads(read_text(chapter.text), fmt=TEXT))
    except MystMetadataParsingError as error:  # jupytext's first line says which cell and where
        raise BookError(f"{chapter.name}.md: {str(error).splitlines()[0]}") from None
    except yaml.YAMLError as error:
        raise BookError(f"{chapter.name}.md{_fault(error)}") from None


def _bare(nb: NotebookNode) -> NotebookNode:
    """Cells only: no outputs, ids from content, the same notebook metadata everywhere."""
    cells = []
    for cell in nb.cells:
        new = getattr(nbformat.v4, f"new_{cell.cell_type}_cell")(cell.source)
        new.metadata = cell.metadata
        cells.append(new)
    header = nb.metadata.get("jupytext", {})
    extra = {"default_lexer": header["default_lexer"]} if "default_lexer" in header else {}
    metadata = nbformat.from_dict({"jupytext": HEADER | extra, **METADATA})
    return _identified(nbformat.v4.new_notebook(cells=cells, metadata=metadata))


def _identified(nb: NotebookNode) -> NotebookNode:
    """Cell ids from type and source, so that a rerun or a moved cell leaves them alone."""
    seen: Counter[str] = Counter()
    for cell in nb.cells:
        content = f"{cell.cell_type}\n{cell.source}"
        cell.id = hashlib.sha256(f"{content}\n{seen[content]}".encode()).hexdigest()[:8]
        seen[content] += 1
    nb.nbformat, nb.nbformat_minor = 4, 5
    return nb


def _digest(nb: NotebookNode) -> str:
    cells = [(cell.cell_type, cell.source, cell.metadata) for cell in nb.cells]
    return hashlib.sha256(json.dumps(cells, sort_keys=True).encode()).hexdigest()[:16]


def lines(nb: NotebookNode, text: str) -> list[int]:
    """The line of `text`, counted from 0, at which each cell's source starts."""
    starts, position = [], 0
    for cell in nb.cells:
        found = text.find(cell.source, position)
        position = found if found >= 0 else position
        starts.append(text.count("\n", 0, position))
        position += len(cell.source) if found >= 0 else 0
    return starts


# --- what the outputs depend on --------------------------------------------------------------------------------------


def fingerprint(root: Path, nb: NotebookNode) -> str:
    """Hash of all that a notebook's outputs depend on: its code cells, the helpers, the data, the lock.

    Prose, captions and tags are left out: to change them reruns nothing. Of the analyses' results those count that the
    code names.
    """
    digest = hashlib.sha256()
    code = [cell.source for cell in nb.cells if cell.cell_type == "code"]
    for source in code:
        digest.update(source.encode() + b"\0")
    for path in _inputs(root, "\n".join(code)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()[:16]


def reads(code: str, path: Path) -> bool:
    """Whether code may read a file of the data: the study's files always, a result of an analysis if it names it."""
    return path.parent.name != "analyses" or f'"{path.stem}"' in code


def _inputs(root: Path, code: str) -> list[Path]:
    helpers = Path(importlib.util.find_spec("helpers").origin).parent
    data = [path for path in sorted((root / "book" / "data").rglob("*")) if path.is_file() and reads(code, path)]
    return [*sorted(helpers.rglob("*.py")), *data, *(path for path in [root / "requirements.txt"] if path.exists())]


# --- files -----------------------------------------------------------------------------------------------------------


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BookError(f"{path} does not exist.") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise BookError(f"{path}:{line} is not UTF-8. Save the file in that encoding.") from None


def read_yaml(path: Path) -> dict:
    try:
        return yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise BookError(f"{path}{_fault(error)}") from None


def _fault(error: yaml.YAMLError) -> str:
    """Line and reason of what cannot be read as YAML, for the end of a file's name."""
    mark = getattr(error, "problem_mark", None)
    return f"{f':{mark.line + 1}' if mark else ''} is not YAML: {getattr(error, 'problem', None) or error}"


def read_results(root: Path) -> dict[str, dict]:
    """The committed `book/results.json`."""
    path = root / "book" / "results.json"
    try:
        results = json.loads(read_text(path))
        if all("value" in entry for entry in results.values()):
            return results
        reason = "an entry has no value"
    except (AttributeError, TypeError):
        reason = "it is not a table of keys"
    except ValueError as error:
        reason = str(error)
    raise BookError(f"{path} is not what `make update` wrote ({reason}). Mend: make update")


def read_notebook(path: Path) -> NotebookNode | None:
    """The notebook at `path`; None if the file is damaged."""
    faults: dict = {}
    try:
        nb = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4, capture_validation_error=faults)
    except (AttributeError, KeyError, ValueError):  # not UTF-8, not JSON, or not a notebook's
        return None
    return None if faults else nb


def write(path: Path, text: str) -> None:
    """Write `path` whole or not at all, and not if it holds `text` already: an interruption leaves the old file."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def dump(nb: NotebookNode) -> str:
    return nbformat.writes(nb).rstrip("\n") + "\n"
