"""The recorded numbers of all chapters, from the metadata of their outputs to `results.json`."""

import json

from nbformat import NotebookNode

from helpers.ledger import MISSING
from press import BookError


def gather(notebooks: dict[str, NotebookNode], whole: bool = True) -> dict[str, dict]:
    """Ledger entries by key, sorted; `page` is the document name, `cell` the index among all cells of the notebook.

    `whole`: no number may lack its value, as none of this book does.

    Raises
    ------
    BookError
        A key is recorded twice (both places are named), or without a finite value.
    """
    results: dict[str, dict] = {}
    for page, nb in notebooks.items():
        for index, cell in enumerate(nb.cells):
            for entry in entries(cell):
                key = entry["key"]
                if key in results:
                    first = results[key]
                    raise BookError(
                        f"The key {key!r} is recorded twice: {_place(first['page'], notebooks, first['cell'])} and "
                        f"{_place(page, notebooks, index)}. Give one of them another name."
                    )
                if whole and entry["value"] == MISSING:
                    raise BookError(f"The number {key!r} is not finite: {_place(page, notebooks, index)}.")
                results[key] = {k: v for k, v in entry.items() if k != "key"} | {"page": page, "cell": index}
    return dict(sorted(results.items()))


def entries(cell: NotebookNode) -> list[dict]:
    """The ledger entries that one cell's outputs carry."""
    return [dict(entry) for output in cell.get("outputs", []) for entry in output.get("metadata", {}).get("ledger", [])]


def dumps(results: dict[str, dict]) -> str:
    """`results.json`: one key a line, so that a change reads as one line."""
    rows = (f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False, sort_keys=True)}" for k, v in results.items())
    return "{\n" + ",\n".join(rows) + "\n}\n"


def _place(page: str, notebooks: dict[str, NotebookNode], index: int) -> str:
    number = sum(cell.cell_type == "code" for cell in notebooks[page].cells[: index + 1])
    return f"in {page}.md, cell [{number}]"
