"""Counts of few people, out of what a book on a reader's data prints.

Of a table every whole number from 1 to the limit less one is shown as "<5" (0 tells of nobody); where this would leave
a single such cell in a column, the smallest other count of the column goes too, so that a total does not give it away.
Which whole numbers count people a table does not say, so all of them are treated alike.
"""

import html
import re
from collections.abc import Mapping

from nbformat import NotebookNode

ROW = re.compile(r"<tr\b[^>]*>.*?</tr>", re.DOTALL)
CELL = re.compile(r"(<td\b[^>]*>)(.*?)(</td>)", re.DOTALL)
HEAD = re.compile(r"\bn = ([0-9]+)\b")  # a group's size, beside its name
COUNT = re.compile(r"\s*([0-9][0-9,]*)(?:\.0+)?(\s+[A-Za-z][\w ]*)?\s*")


def suppress_counts(results: Mapping[str, Mapping], limit: int) -> dict[str, dict]:
    """Ledger entries with small counts (whole numbers in the format d) as text."""
    return {key: _hidden(entry, limit) for key, entry in results.items()}


def _hidden(entry: Mapping, limit: int) -> dict:
    small = isinstance(entry["value"], int) and entry["format"] == "d" and 0 < entry["value"] < limit
    return {**entry, "value": f"<{limit}", "text": f"<{limit}"} if small else dict(entry)


def suppress_outputs(cell: NotebookNode, limit: int) -> None:
    """The tables of a cell's outputs, and what it recorded, without small counts."""
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "text/html" in data:
            data["text/html"] = suppressed("".join(data["text/html"]), limit)
        if "text/html" in data or "ledger" in output.get("metadata", {}):
            data["text/plain"] = "(a table)"
        if "ledger" in output.get("metadata", {}):
            output.metadata["ledger"] = [_hidden(entry, limit) for entry in output.metadata["ledger"]]


def suppressed(table: str, limit: int) -> str:
    """An HTML table without small counts."""
    rows = [CELL.findall(row) for row in ROW.findall(table)]
    numbers = [[_count(text) for _, text, _ in row] for row in rows]
    hide = {(i, j) for i, row in enumerate(numbers) for j, n in enumerate(row) if n is not None and 0 < n < limit}
    for j in {j for _, j in hide}:
        here = [(row[j], i) for i, row in enumerate(numbers) if j < len(row) and row[j]]
        shown = [(n, i) for n, i in here if (i, j) not in hide]
        if len(here) - len(shown) == 1 and len(shown) > 1:
            hide.add((min(shown)[1], j))
    position = [-1, -1]

    def cell(found: re.Match) -> str:
        position[1] += 1
        if tuple(position) not in hide:
            return found[0]
        unit = (COUNT.fullmatch(_text(found[2])) or [None, None, None])[2] or ""
        return f"{found[1]}&lt;{limit}{html.escape(unit)}{found[3]}"

    def row(found: re.Match) -> str:
        position[:] = [position[0] + 1, -1]
        return CELL.sub(cell, found[0])

    small = lambda found: f"n = &lt;{limit}" if 0 < int(found[1]) < limit else found[0]
    return HEAD.sub(small, ROW.sub(row, table))


def _text(cell: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", cell))


def _count(cell: str) -> int | None:
    found = COUNT.fullmatch(_text(cell))
    return int(found[1].replace(",", "")) if found else None
