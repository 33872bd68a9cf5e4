"""A reader's file as cells."""

from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True)
class Table:
    """The cells of one table of a file.

    name : the file's name; with several sheets "file.xlsx, sheet X"
    cells : columns as in the file; the index is the row of the file (header 1, first data row 2). A column holds text
        (dtype object, blank "") or numbers (blank NaN)
    notes : what was odd about the file, as problems: (file, row, column, value, expected, mend)
    labels : of coded columns (Stata, SPSS), column -> {code: label}; the cells keep the codes
    origin : contract's column -> words for the reader's column, where a mapping made this table
    """

    name: str
    cells: pd.DataFrame
    notes: tuple[tuple, ...] = ()
    labels: dict[str, dict] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
