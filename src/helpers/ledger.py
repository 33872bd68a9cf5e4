"""Every number the prose may quote, recorded by the cell that computed it.

`record` writes no file. It shows the value and puts the full-precision entry into the output's metadata, from
which `press` gathers `results.json` once all notebooks have run.
"""

import html
import math
from collections.abc import Mapping
from numbers import Integral, Real

import pandas as pd
from IPython.display import display

from helpers.tables import brief, show

RELATIVE = 1e-6  # the one tolerance of the book: two raw values agree within max(RELATIVE |stored|, ABSOLUTE)
ABSOLUTE = 1e-9
MISSING = "not available"
STATUSES = ("published", "calibrated", "assumed", "computed")


def entry(key: str, value: float | str, format: str = ".2f", unit: str = "", status: str = "computed") -> dict:
    """One ledger entry: key, raw value, unit, format, status, and the text that prose will show.

    The text has `format`'s digits, less decimals beyond 4 significant digits. A value that is not finite, as the mean
    of nobody, is recorded as `MISSING`: this book refuses to be built with one, a book on a reader's data says it so.

    Raises
    ------
    ValueError
        A key with characters other than letters, digits, `_`, `.`, `-`; an unknown status; a value that is no number.
    """
    if not key or not all(character.isalnum() or character in "_.-" for character in key):
        raise ValueError(f"ledger key {key!r}: use letters, digits, '_', '.' and '-' only")
    if status not in STATUSES:
        raise ValueError(f"ledger key {key!r}: status {status!r} is not one of {', '.join(STATUSES)}")
    if isinstance(value, str):
        return {"key": key, "value": value, "format": "", "unit": unit, "status": status, "text": value}
    if not isinstance(value, Real):
        raise ValueError(f"ledger key {key!r}: {value!r} is not a number")
    if not math.isfinite(value):
        return {"key": key, "value": MISSING, "format": "", "unit": unit, "status": status, "text": MISSING}
    value = int(value) if isinstance(value, Integral) else float(value)
    text = show(value, format) if isinstance(value, int) else brief(value, format)
    return {"key": key, "value": value, "format": format, "unit": unit, "status": status, "text": text}


def agree(stored: float | str, rerun: float | str) -> bool:
    """Whether two raw values agree: equal text, or |difference| <= max(1e-6 |stored|, 1e-9)."""
    if isinstance(stored, str) or isinstance(rerun, str):
        return stored == rerun
    return abs(stored - rerun) <= max(RELATIVE * abs(stored), ABSOLUTE)


def record(key: str, value: float | str, format: str = ".2f", unit: str = "", status: str = "computed") -> None:
    """Record one number under `key` and show it. `format` is a format spec, or `p` for a p-value."""
    _show([entry(key, value, format, unit, status)])


def record_table(
    frame: pd.DataFrame, prefix: str, formats: Mapping[str, str], unit: str = "", status: str = "computed"
) -> None:
    """Record `frame[column]` for each column of `formats`, row by row, under `prefix.row.column`.

    The row's name is its index label with `:` read as `_x_` and spaces as `_`. `unit` belongs to the columns that
    are on the outcome's scale; p, z, df and counts carry none.
    """
    unitless = {"p", "z", "t", "df"}
    _show(
        [
            entry(
                ".".join(filter(None, (prefix, name(label), column))),
                row[column],
                formats[column],
                "" if column in unitless or column.startswith("n_") else unit,
                status,
            )
            for label, row in frame.to_dict("index").items()
            for column in formats
        ]
    )


def name(label: object) -> str:
    """An index label as part of a key: `contact:time` becomes `contact_x_time`."""
    return str(label).replace(":", "_x_").replace(" ", "_")


def _show(entries: list[dict]) -> None:
    lines = [(e["key"], f"{e['text']} {e['unit']}".strip(), e["status"]) for e in entries]
    rows = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>" for line in lines)
    head = "<tr><th>key</th><th>value</th><th>status</th></tr>"
    display(
        {
            "text/plain": "\n".join(f"{key} = {value} ({status})" for key, value, status in lines),
            "text/html": f'<details class="ledger"><summary>Recorded: {len(lines)}</summary>'
            f'<table class="dataframe ledger"><thead>{head}</thead><tbody>{rows}</tbody></table></details>',
        },
        raw=True,
        metadata={"ledger": entries},
    )
