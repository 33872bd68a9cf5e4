"""A chapter of the book, run in the test's own process, so that tests can look at what its cells made."""

from pathlib import Path

import jupytext
import matplotlib
import pytest

from helpers import ledger

ROOT = Path(__file__).parents[1]


def names_of(page: str) -> dict:
    """The names of `book/PAGE.md` after all its cells, in order, and its ledger entries by key (`_recorded`)."""
    names, recorded = {"__name__": f"{Path(page).name}_chapter"}, {}

    def keep(*_, metadata=None, **__):
        recorded.update({entry["key"]: entry["value"] for entry in (metadata or {}).get("ledger", [])})

    matplotlib.use("Agg")
    with pytest.MonkeyPatch.context() as patch, matplotlib.rc_context():
        patch.setattr(ledger, "display", keep)
        for number, cell in enumerate(jupytext.read(ROOT / "book" / f"{page}.md").cells):
            if cell.cell_type == "code":
                exec(compile(cell.source, f"{Path(page).name}.md, cell {number}", "exec"), names)
        matplotlib.pyplot.close("all")
    return {**names, "_recorded": recorded}
