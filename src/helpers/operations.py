"""What a mapping may compute: a short list of named operations on columns of a reader's file.

A cell is text or a number. Two cells are the same if they are the same number ("1", "1.0", 1) or the same words in
any case ("Yes", "yes "). Nothing a reader wrote is ever evaluated: an operation is looked up by its name in
`OPERATIONS`, and numbers are read by one pattern.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]{1,2})?")
THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")  # 1,234 may be either, so it is neither
BLANKS = ("", "na", "n/a", ".", "-", "nan", "null")  # what many programs write where there is no answer
WEEK = 7  # days


class UnreadableError(ValueError):
    """Cells that an operation cannot work with: `rows`, a mask; `column`, by its place; what was `expected`; `mend`."""

    def __init__(self, rows: np.ndarray, column: int, expected: str, mend: str):
        super().__init__(expected)
        self.rows, self.column, self.expected, self.mend = rows, column, expected, mend


@dataclass(frozen=True)
class Operation:
    """One named operation: what it does in words, the keys it needs, those it may have, and its function.

    `run` takes the columns (each a float array, NaN where blank) and the keys' values (numbers, or arrays where a key
    named a column), and gives a float array. `many`: whether it takes several columns.
    """

    words: str
    needs: tuple[str, ...]
    may: tuple[str, ...]
    run: Callable[[list[np.ndarray], Mapping], np.ndarray]
    many: bool = False


def _whole_of(of: object) -> np.ndarray:
    """`of` as an array in which nothing that cannot be divided by is left."""
    return np.where(np.asarray(of, dtype=float) > 0, of, np.nan)


def _any(columns: list[np.ndarray]) -> np.ndarray:
    """1 where any is 1 (or more), 0 where all are 0; blank if a blank could still make it 1."""
    stack = np.stack(columns)
    return np.where((stack > 0).any(axis=0), 1.0, np.where(np.isnan(stack).any(axis=0), np.nan, 0.0))


def _combined(how: Callable) -> Callable[[list[np.ndarray], Mapping], np.ndarray]:
    """`how` over those columns that are answered, blank if fewer than `least` are (all of them if it is not said)."""

    def run(columns: list[np.ndarray], keys: Mapping) -> np.ndarray:
        stack = np.stack(columns)
        enough = (~np.isnan(stack)).sum(axis=0) >= keys.get("least", len(columns))
        made = np.full(stack.shape[1], np.nan)
        made[enough] = how(stack[:, enough], axis=0)
        return made

    return run


OPERATIONS = {
    "days_less": Operation(
        "{of} less {columns}, as days abstinent from days used", ("of",), (), lambda c, k: k["of"] - c[0]
    ),
    "percent": Operation(
        "{columns} in percent of {of}", ("of",), (), lambda c, k: 100 * c[0] / _whole_of(k["of"])
    ),
    "percent_to_days": Operation(
        "{columns} percent of {of} days, in whole days", ("of",), (), lambda c, k: np.round(c[0] / 100 * k["of"])
    ),
    "count_to_week": Operation(
        "{columns} in {of} days, as so many a week", ("of",), (), lambda c, k: WEEK * c[0] / _whole_of(k["of"])
    ),
    "week_to_count": Operation(
        "{columns} a week, as a whole number in {of} days", ("of",), (), lambda c, k: np.round(c[0] * k["of"] / WEEK)
    ),
    "times": Operation("{columns} times {by}", ("by",), (), lambda c, k: c[0] * k["by"]),
    "reverse": Operation(
        "{columns} turned round, {low} for {high}", ("low", "high"), (), lambda c, k: k["low"] + k["high"] - c[0]
    ),
    "any_of": Operation("whether any of {columns} is 1", (), (), lambda c, k: _any(c), many=True),
    "max": Operation("the largest of {columns}", (), ("least",), _combined(np.nanmax), many=True),
    "min": Operation("the smallest of {columns}", (), ("least",), _combined(np.nanmin), many=True),
    "sum": Operation("the sum of {columns}", (), ("least",), _combined(np.nansum), many=True),
    "mean": Operation("the mean of {columns}", (), ("least",), _combined(np.nanmean), many=True),
}  # fmt: skip
COPYING = {  # operations that leave cells as they are, and so work on text too
    "recode": "{columns}, recoded",
    "constant": "the same value on every row",
}
NAMES = [*OPERATIONS, *COPYING]


def number(cell: object) -> float | None:
    """The number a cell holds ("3", "3.5", "3,5", 3); NaN if it is blank, None if it is no finite number."""
    if isinstance(cell, bool | np.bool_):
        return float(cell)
    if isinstance(cell, int | float | np.number):
        return float(cell) if not np.isinf(cell) else None
    if cell is None:
        return np.nan
    text = str(cell).strip()
    if text.casefold() in BLANKS:
        return np.nan
    if not NUMBER.fullmatch(text) or THOUSANDS.fullmatch(text):
        return None
    return float(text.replace(",", "."))


def same(cell: object) -> str:
    """What two cells that are the same have in common: "" if blank, the number as text, or the words in lower case."""
    read = number(cell)
    if read is None:
        return " ".join(str(cell).split()).casefold()
    return "" if np.isnan(read) else f"{read + 0.0:.15g}"


def blank(cells: pd.Series) -> np.ndarray:
    """Which cells are blank."""
    if pd.api.types.is_numeric_dtype(cells):
        return cells.isna().to_numpy()
    return among(cells, ("",))


def factored(cells: pd.Series) -> tuple[np.ndarray, list]:
    """The place of each cell among the distinct ones, and these, None where missing."""
    codes, distinct = pd.factorize(cells.to_numpy(), use_na_sentinel=False)
    missing = pd.isna(distinct)
    return codes, [None if gone else cell for cell, gone in zip(distinct.tolist(), missing, strict=True)]


def each(cells: pd.Series, read: Callable, dtype: type = object) -> np.ndarray:
    """`read` of each cell, called once for each distinct one: a column of a million rows holds few."""
    codes, distinct = factored(cells)
    made = np.empty(len(distinct), dtype=dtype)
    made[:] = [read(cell) for cell in distinct]
    return made[codes]


def among(cells: pd.Series, keys: Collection[str]) -> np.ndarray:
    """Which cells are one of `keys`, as `same` gives them."""
    return each(cells, lambda cell: same(cell) in keys, bool)


def numbers(cells: pd.Series, column: int, words: str) -> np.ndarray:
    """A column as floats, NaN where it is blank. Raises UnreadableError for what is no number."""
    codes, distinct = factored(cells)
    read = [number(cell) for cell in distinct]
    bad = np.array([value is None for value in read], dtype=bool)
    if bad.any():
        mend = "recode it with values, or name it under missing; write thousands without a comma"
        raise UnreadableError(bad[codes], column, f"a number, as the mapping says {words}", mend)
    return np.array(read, dtype=float)[codes]


def compute(name: str, columns: list[pd.Series], keys: Mapping[str, object]) -> np.ndarray:
    """The operation `name` on `columns`. A value of `keys` is a number, or a column of the file.

    Raises UnreadableError for cells that are no numbers; a key's column counts on from the columns.
    """
    words = f'op = "{name}"'
    arrays = [numbers(cells, i, words) for i, cells in enumerate(columns)]
    named = [key for key, value in keys.items() if isinstance(value, pd.Series)]
    read = {key: numbers(keys[key], len(columns) + i, words) for i, key in enumerate(named)}
    return OPERATIONS[name].run(arrays, {**keys, **read}) + 0.0


def recode(
    cells: pd.Series, values: Mapping[str, object], otherwise: object = None, keep: bool = False
) -> tuple[pd.Series, np.ndarray]:
    """Each cell's value by `values` (keys as `same` gives them), and which cells no key covers.

    A blank cell stays blank unless `values` has the key "". What is not covered becomes `otherwise`; without it the
    cell is left as it is, and is among those not covered unless `keep`.
    """
    codes, distinct = factored(cells)
    known = [same(cell) for cell in distinct]
    lost = np.array([not (key in values or key == "") for key in known], dtype=bool)
    made = np.empty(len(distinct), dtype=object)
    for i, (key, cell) in enumerate(zip(known, distinct, strict=True)):
        made[i] = values.get(key, "" if key == "" else cell if otherwise is None else otherwise)
    told = lost[codes] if otherwise is None and not keep else np.zeros(len(cells), dtype=bool)
    return pd.Series(made[codes], index=cells.index, dtype=object), told
