"""Two editions of each chapter from one source: the student's without solutions and notes, the teacher's with them.

An edition is a notebook that stands alone: plain Markdown, numbered figures with their captions, the notice that the
data are SYNTHETIC at its head, the references and the licence at its end.
"""

from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from press import BookError
from press.chapters import METADATA, read_yaml
from press.markdown import Block, Book, Page, blocks, inline, metadata, page, references, shown

KINDS = ("student", "teacher")
LICENCE = "https://creativecommons.org/licenses/by/4.0/"
ANSWER = "# Your answer\n"


def attribution(root: Path) -> str:
    """The line to copy beside anything taken from the book, from CITATION.cff."""
    cff = read_yaml(root / "CITATION.cff")
    title = cff["title"].partition(":")[0]
    names = [author.get("name") or f"{author['given-names']} {author['family-names']}" for author in cff["authors"]]
    by = ", ".join(names)
    return f'From "{title}", by {by[0].lower() + by[1:] if by.startswith("The ") else by}, CC BY 4.0 ({LICENCE}).'


def notice(root: Path, name: str) -> str:
    """What the page `name` says of its data: SYNTHETIC, or which real data it holds."""
    from press.roles import SYNTHETIC  # brings Sphinx

    settings = read_yaml(root / "_config.yml").get("sphinx", {}).get("config", {})
    strong, rest = settings.get("press_real_data", {}).get(name, SYNTHETIC)
    return f"> **{strong.strip()}** {rest}"


def editions(root: Path, notebooks: dict[str, NotebookNode], book: Book, kind: str) -> dict[str, NotebookNode]:
    """One edition of all `notebooks`, by page, with links to one another."""
    beside = frozenset(notebooks)
    return {name: edition(root, nb, page(name, nb, book, beside), kind) for name, nb in notebooks.items()}


def edition(root: Path, nb: NotebookNode, of: Page, kind: str) -> NotebookNode:
    """The chapter `nb` as the notebook of one edition (`student` or `teacher`), with its outputs.

    Raises
    ------
    BookError
        A role or directive without a plain form; a solution that does not end.
    """
    cells = list(_cells(nb, of, kind == "teacher"))
    cells[0].source = _after_title(cells[0].source, notice(root, of.name))
    if listed := references(of):
        cells.append(_cell("markdown", f"## References\n\n{listed}"))
    cells.append(_cell("markdown", _closing(root, of)))
    for index, cell in enumerate(cells):
        cell.id = f"cell-{index + 1}"
    return nbformat.from_dict({"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5})


def text(nb: NotebookNode) -> str:
    """The notebook as its file's content."""
    return nbformat.v4.writes(nb) + "\n"


def _after_title(text: str, said: str) -> str:
    title, _, rest = text.partition("\n")
    return f"{title}\n\n{said}\n{rest}" if title.startswith("# ") else f"{said}\n\n{text}"


def _closing(root: Path, of: Page) -> str:
    link = f" The chapter on the site: {of.book.home}/{of.name}.html." if of.book.home else ""
    return f"---\n\n{attribution(root)} Code: MIT licence. The cohort is SYNTHETIC: say so wherever you show it.{link}"


def _cells(nb: NotebookNode, of: Page, teacher: bool) -> Iterator[NotebookNode]:
    """The cells of one edition. Gates of exercises and solutions may stand in different cells."""
    solving = ""
    for cell in nb.cells:
        if cell.cell_type == "code":
            if teacher or not solving:
                yield from _code(cell, of)
            continue
        text: list[str] = []
        for block in blocks(cell.source):
            if block.name == "solution-start":
                solving = block.argument
            if (teacher or not solving) and not (_for_teacher(block) and not teacher):
                text.append(shown(block, of))
            if block.name == "solution-end":
                solving = ""
            if block.name == "exercise-end" and not teacher:
                yield from _markdown(text)
                text = []
                yield _cell("code", ANSWER, execution_count=None, outputs=[])
        yield from _markdown(text)
    if solving:
        raise BookError(f"{of.name}: the solution of {solving} has no solution-end")


def _for_teacher(block: Block) -> bool:
    return "teacher" in block.options.get("class", "").split()


def _markdown(parts: list[str]) -> Iterator[NotebookNode]:
    text = "\n\n".join(part for part in parts if part.strip())
    if text:
        yield _cell("markdown", text)


def _cell(kind: str, source: str, metadata: object = None, **further: object) -> NotebookNode:
    """A cell. nbformat's own makers validate each, which for a whole book takes longer than to make it."""
    return nbformat.from_dict({"cell_type": kind, "source": source, "metadata": metadata or {}, **further})


def _code(cell: NotebookNode, of: Page) -> Iterator[NotebookNode]:
    """A code cell with its outputs, and under a figure its number and caption."""
    kept = {key: metadata(value, of) for key, value in cell.metadata.items() if key in ("mystnb", "tags")}
    if "hide-input" in cell.metadata.get("tags", []):
        kept["jupyter"] = {"source_hidden": True}
    yield _cell("code", cell.source, kept, execution_count=cell.execution_count, outputs=cell.outputs)
    figure = cell.metadata.get("mystnb", {}).get("figure", {})
    if figure.get("caption"):
        number = f"**Figure {of.figures[figure['name']]}.** " if "name" in figure else ""
        yield _cell("markdown", number + inline(figure["caption"], of))
