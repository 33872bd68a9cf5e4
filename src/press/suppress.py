"""Counts of few people, out of what a book on a reader's data prints.

Of a table every whole number from 1 to the limit less one is shown as "<5" (0 tells of nobody), and so is a count with
its percentage. What would give it away says "hidden": the smallest other count of the column, or of the row, where such
a cell would be the only one, since a total tells it; the percentages of its row; and any percentage of people or of
their visits that is less than the limit in as many as the study has people. A recorded number says by its unit whether
it counts people; a table does not, so all its whole numbers are treated alike, but for round ones among decimals.
"""

import html
import re
from collections.abc import Mapping

from nbformat import NotebookNode

ROW = re.compile(r"<tr\b[^>]*>.*?</tr>", re.DOTALL)
CELL = re.compile(r"(<td\b[^>]*>)(.*?)(</td>)", re.DOTALL)
HEAD = re.compile(r"\bn = ([0-9]+)\b")  # a group's size, beside its name
COUNT = re.compile(r"\s*([0-9][0-9,]*)(?:\.0+)?(\s+[A-Za-z][\w ]*)?(?:\s*\([^()]*%\))?\s*")
OF_PEOPLE = r"( of (people|those|visits|follow-up visits|interviews|answers|items|[0-9,]+ )\b.*)?"
SHARE = re.compile(rf"\s*([0-9]+(?:\.[0-9]+)?) %{OF_PEOPLE}\s*")
FRACTION = re.compile(r"[\u2212-]?[0-9,]*\.[0-9]*[1-9][0-9]*\b.*")
COUNT_UNIT = re.compile(r"|.*\b(people|persons?|visits?|interviews?|rows|answers|inventor\w*)\b.*")
SHARE_UNIT = re.compile(f"%{OF_PEOPLE}")
HIDDEN = "hidden"


def suppress_counts(results: Mapping[str, Mapping], limit: int, people: int) -> dict[str, dict]:
    """Ledger entries with small counts (whole numbers in the format d) and small shares of `people` as text."""
    return {key: _entry(entry, limit, people) for key, entry in results.items()}


def _entry(entry: Mapping, limit: int, people: int) -> dict:
    value, text = entry["value"], None
    if isinstance(value, str):
        return dict(entry)
    if SHARE_UNIT.fullmatch(entry["unit"]) and _few(value, limit, people):
        text = HIDDEN
    elif COUNT_UNIT.fullmatch(entry["unit"]) and entry["format"] == "d" and 0 < value < limit:
        text = f"<{limit}"
    return {**entry, "value": text, "text": text} if text else dict(entry)


def _few(percent: float, limit: int, people: int) -> bool:
    """Whether a percentage tells of fewer than `limit`, or of all but so few."""
    return any(0 < part / 100 * people < limit for part in (percent, 100 - percent))


def suppress_outputs(cell: NotebookNode, limit: int, people: int) -> None:
    """The tables of a cell's outputs, and what it recorded, without small counts."""
    for output in cell.get("outputs", []):
        data, recorded = output.get("data", {}), output.get("metadata", {}).get("ledger")
        if recorded is not None:
            kept = [_entry(entry, limit, people) for entry in recorded]
            page = "".join(data["text/html"])
            for old, new in zip(recorded, kept, strict=True):
                page = page.replace(_row(old), _row(new))
            data["text/html"], output.metadata["ledger"] = page, kept
        elif "text/html" in data:
            data["text/html"] = suppressed("".join(data["text/html"]), limit, people)
        if "text/html" in data:
            data["text/plain"] = "(a table)"


def _row(entry: Mapping) -> str:
    """The key and the value of an entry as `ledger` shows them."""
    cells = entry["key"], f"{entry['text']} {entry['unit']}".strip()
    return "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)


def suppressed(table: str, limit: int, people: int) -> str:
    """An HTML table without small counts."""
    rows = [[_text(text) for _, text, _ in CELL.findall(row)] for row in ROW.findall(table)]
    decimals = {j for row in rows for j, text in enumerate(row) if FRACTION.fullmatch(text.strip())}
    counts = {
        (i, j): n
        for i, row in enumerate(rows)
        for j, text in enumerate(row)
        if (n := _count(text)) and not ("." in text and j in decimals)
    }
    small = {cell for cell, n in counts.items() if n < limit}
    hide, with_small = _with_neighbours(small, counts), {i for i, _ in small}
    for i, row in enumerate(rows):
        for j, text in enumerate(row):
            share = SHARE.fullmatch(text)
            if share and (i in with_small or _few(float(share[1]), limit, people)):
                hide.add((i, j))
    position = [-1, -1]

    def cell(found: re.Match) -> str:
        position[1] += 1
        at = tuple(position)
        if at not in hide:
            return found[0]
        said = f"<{limit}{COUNT.fullmatch(_text(found[2]))[2] or ''}" if at in small else HIDDEN
        return f"{found[1]}{html.escape(said)}{found[3]}"

    def row(found: re.Match) -> str:
        position[:] = [position[0] + 1, -1]
        return CELL.sub(cell, found[0])

    return _without_sizes(ROW.sub(row, table), limit)


def _without_sizes(table: str, limit: int) -> str:
    """The sizes of groups in headings: few as in cells, and the next larger with a single one."""
    sizes = sorted({int(size) for size in HEAD.findall(table)})  # a group may have a heading more than once
    few = [size for size in sizes if 0 < size < limit]
    told = [size for size in sizes if size >= limit][: len(few) == 1]

    def size(found: re.Match) -> str:
        n = int(found[1])
        return f"n = &lt;{limit}" if n in few else f"n {HIDDEN}" if n in told else found[0]

    return HEAD.sub(size, table)


def _with_neighbours(small: set[tuple[int, int]], counts: Mapping[tuple[int, int], int]) -> set[tuple[int, int]]:
    """`small` and the counts that have to go with them: no hidden count is the only one of its column or its row."""
    hide = set(small)
    while True:
        more = set()
        # In a row of two counts the other is of another kind (visits beside people); in a column the total is outside.
        for axis, least in ((1, 1), (0, 2)):
            for line in {cell[axis] for cell in hide}:
                shown = [(n, cell) for cell, n in counts.items() if cell[axis] == line and cell not in hide]
                if sum(cell[axis] == line for cell in hide) == 1 and len(shown) >= least:
                    more.add(min(shown)[1])
        if not more:
            return hide
        hide |= more


def _text(cell: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", cell))


def _count(text: str) -> int | None:
    found = COUNT.fullmatch(text)
    return int(found[1].replace(",", "")) if found else None
