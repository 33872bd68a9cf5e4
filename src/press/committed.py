"""What must hold of the committed notebooks and of `results.json`: `make test` asks, and says how to mend it."""

from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from press.chapters import Chapter, difference, figures, fingerprint, read_results, stored
from press.gather import entries, gather
from press.run import FIGURE, images

FORBIDDEN = {"nbval-skip", "nbval-ignore-output", "raises-exception"}


def problems(chapter: Chapter) -> list[str]:
    """All that is wrong with a committed pair, one line each, with file, cell and mend. Empty if nothing is."""
    apart = difference(chapter)
    if apart:
        return [apart]
    nb = stored(chapter)
    found = [*_execution(chapter, nb), *_cells(chapter, nb), *_figures(chapter, nb)]
    if nb.metadata.get("press", {}).get("executed") != fingerprint(chapter.root, nb):
        found.append(
            f"{chapter.name}.ipynb: its code, the helpers, the data or the lock have changed. Mend: make update"
        )
    if nb.metadata.get("press", {}).get("figures") != figures(nb):
        found.append(f"{chapter.name}.ipynb: a figure is not the one that was stored. Mend: make update")
    return found


def _execution(chapter: Chapter, nb: NotebookNode) -> Iterator[str]:
    code = [index for index, cell in enumerate(nb.cells) if cell.cell_type == "code"]
    for expected, index in enumerate(code, start=1):
        if nb.cells[index].execution_count != expected:
            yield f"{chapter.place(nb, index)} was not executed in order. Mend: make update"


def _cells(chapter: Chapter, nb: NotebookNode) -> Iterator[str]:
    for index, cell in enumerate(nb.cells):
        for tag in sorted(FORBIDDEN.intersection(cell.metadata.get("tags", []))):
            yield f"{chapter.place(nb, index)} has the tag {tag}, which would hide a difference. Take it out."
        for output in cell.get("outputs", []):
            if output.output_type == "error" or output.get("name") == "stderr":
                yield f"{chapter.place(nb, index)} holds an error or a warning. Mend its cause, then: make update"
            if any(len(figure) > FIGURE for figure in images(output)):
                yield f"{chapter.place(nb, index)} holds a figure of more than {FIGURE // 1000} kB. Draw less."


def _figures(chapter: Chapter, nb: NotebookNode) -> Iterator[str]:
    """nbval does not compare figures, so each needs its numbers where they are compared: a table or the ledger."""
    code = [(index, cell) for index, cell in enumerate(nb.cells) if cell.cell_type == "code"]
    for position, (index, cell) in enumerate(code):
        beside = [neighbour for _, neighbour in code[max(position - 1, 0) : position + 2]]
        if any(map(images, cell.outputs)) and not any(map(_has_numbers, beside)):
            yield f"{chapter.place(nb, index)} draws a figure without a table or recorded numbers beside it."


def _has_numbers(cell: NotebookNode) -> bool:
    return bool(entries(cell)) or any(
        "<table" in output.get("data", {}).get("text/html", "") for output in cell.outputs
    )


def stale_results(root: Path, chapters: list[Chapter]) -> list[str]:
    """Keys whose entry in `book/results.json` is not what the committed notebooks record."""
    committed = read_results(root)
    recorded = gather({chapter.name: stored(chapter) for chapter in chapters if chapter.notebook.exists()})
    differing = [
        key for key in sorted(committed.keys() | recorded.keys()) if _said(committed, key) != _said(recorded, key)
    ]
    return [f"book/results.json, {key}: not what the notebooks record. Mend: make update" for key in differing]


def _said(results: dict[str, dict], key: str) -> dict:
    """An entry without its cell's index, which every new paragraph above it shifts."""
    return {name: value for name, value in results.get(key, {}).items() if name != "cell"}
