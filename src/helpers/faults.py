"""What is wrong with a file, as a frame of problems: one row a problem, with its place, its value and the mend."""

import re
from collections.abc import Iterable, Sequence

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


def listed(problems: Sequence[tuple]) -> pd.DataFrame:
    """Problems (file, row, column, value, expected, mend) as a frame."""
    return pd.DataFrame(problems, columns=COLUMNS, dtype=object).astype({"row": "int64"})


def counted(problems: Sequence[tuple] | pd.DataFrame) -> pd.DataFrame:
    """The same with a column `count`, the rows that each row stands for: 1, unless it is there."""
    frame = problems if isinstance(problems, pd.DataFrame) else listed(problems)
    return frame if "count" in frame else frame.assign(count=1)


def fault(file: str, column: str, value: str, words: str, mend: str, row: int = 0) -> DataError:
    """One problem as the error to raise; without `row` the whole file is meant."""
    return DataError(listed([(file, row, column, value, words, mend)]))


def text(cell: object) -> str:
    """A cell as a message shows it: blank by name, whole numbers without decimals, long text cut, nothing unprintable.

    A terminal obeys control characters and the marks that turn the direction of writing; they are replaced.
    """
    if pd.isna(cell) or str(cell).strip() == "":
        return "blank"
    return clean(f"{cell:.15g}" if isinstance(cell, float) else str(cell)[:100])


def clean(words: str, most: int = 40) -> str:
    """`words` without control characters, cut to `most` letters."""
    words = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in words)
    return words if len(words) <= most else words[: most - 3] + "..."


def escaped(value: str) -> str:
    """`value` so that a spreadsheet that opens a list of problems takes it for text, not for a formula."""
    return "'" + value if re.match(r"[=@+]|-(?![\d.])", value) else value


def grouped(problems: pd.DataFrame, rows: int = 5) -> Iterable[tuple[str, int]]:
    """One text a kind of problem, with how many rows have it, in the order of the frame.

    A kind has the same file, column, expectation and mend. The text names the first `rows` rows and their values.
    `problems` may have a column `count`, the rows that one row stands for.
    """
    counts = problems["count"] if "count" in problems else pd.Series(1, problems.index)
    kinds = problems.groupby(["file", "column", "expected", "mend"], sort=False, dropna=False).groups
    for (file, column, words, mend), where in kinds.items():
        part, count = problems.loc[where[:rows]], int(counts.loc[where].sum())
        place = file + (f", column {column}" if column else "")
        found = [f"row {row}: {value}" if row else value for row, value in zip(part["row"], part["value"], strict=True)]
        more = f", and {count - len(found):,} more" if count > len(found) else ""
        if len(found) > 2 and part["value"].nunique() == 1 and part["row"].all():
            found = [f"{part['value'].iloc[0]} in rows {', '.join(map(str, part['row']))}"]
        yield f"{place}: found {'; '.join(found)}{more}\n    expected: {words}\n    mend: {mend}", count
