"""A reader's files as cells, before anything is made of them, and the error that lists what is wrong with them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

SHOWN = 1000  # problems spelled out in a message; `DataError.problems` holds all of them
COLUMNS = ["file", "row", "column", "value", "expected", "mend"]  # of a frame of problems


class DataError(ValueError):
    """Files that break the contract; the message lists every problem.

    `problems` holds them as a frame: file, row (as in the file: header 1, first data row 2; 0 if the whole file is
    meant), column, value, expected, mend.
    """

    def __init__(self, problems: pd.DataFrame):
        self.problems = problems
        lines = [f"{len(problems):,} problem{'s' if len(problems) > 1 else ''} in the data:"]
        for file, row, column, value, words, mend in problems.head(SHOWN)[COLUMNS].itertuples(index=False, name=None):
            place = file + (f", row {row}" if row else "") + (f", column {column}" if column else "")
            lines.append(f"{place}: found {value}; expected {words}; {mend}")
        lines += [f"... and {len(problems) - SHOWN:,} more"] if len(problems) > SHOWN else []
        super().__init__("\n".join(lines))


@dataclass(frozen=True)
class Table:
    """One table of a reader's file.

    cells : columns as in the file; index the row in the file (header 1, first data row 2); a column is text (object,
        blank "") or numbers (blank NaN)
    origin : where a column of the contract came from, in words, if a mapping made it
    """

    name: str
    cells: pd.DataFrame
    origin: dict[str, str] = field(default_factory=dict)


def listed(problems: Sequence[tuple]) -> pd.DataFrame:
    """Problems as a frame, from tuples in the order of `COLUMNS`."""
    return pd.DataFrame(problems, columns=COLUMNS, dtype=object).astype({"row": "int64"})


def shown(cell: object) -> str:
    """A cell as a message shows it: blank by name, whole numbers without decimals, long text cut."""
    if pd.isna(cell) or str(cell).strip() == "":
        return "blank"
    text = f"{cell:.15g}" if isinstance(cell, float) else str(cell)
    text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return text if len(text) <= 40 else text[:37] + "..."
