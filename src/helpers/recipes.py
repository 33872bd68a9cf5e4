"""How one column of the contract is made from a reader's columns, and the rows that come of one file or of several.

What cannot be made is noted in a list of problems (file, row, column, value, expected, mend) and the rest goes on, so
that all of them are told at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

import numpy as np
import pandas as pd

from helpers import faults, operations
from helpers.files import Table
from helpers.operations import OPERATIONS, UnreadableError

ROW, FILE, SAID = "(row)", "(file)", "(said)"  # columns beside those of the contract, in the frames of `rows`
UNCOVERED = "add it to values (or to missing), or say what others are by else or keep"


@dataclass(frozen=True)
class Unless:
    """Where `column` is one of `codes` (as `operations.same` writes them), the value is `then`."""

    column: str
    codes: frozenset[str]
    then: object


@dataclass(frozen=True)
class Recipe:
    """How one column of the contract is made; `columns` are the reader's, a dict where they are told wave by wave."""

    target: str
    columns: tuple[str | dict[str, str], ...] = ()
    first: bool = False  # of `columns`, only the first that the file has
    op: str | None = None
    keys: dict[str, object] = field(default_factory=dict)
    values: dict[str, object] | None = None
    otherwise: object = None
    keep: bool = False
    missing: frozenset[str] = frozenset()
    unless: Unless | None = None
    not_at: frozenset[str] = frozenset()
    file: str | None = None
    line: int = 0  # of the mapping
    place: str = ""  # its key there

    def at(self, wave: str | None) -> "Recipe | None":
        """The recipe at a wave, its columns' names complete; None if it was not asked then."""
        if wave is None:
            return self
        if wave in self.not_at or any(isinstance(name, dict) and wave not in name for name in self.columns):
            return None

        def put(name: object) -> object:
            name = name[wave] if isinstance(name, dict) else name
            return name.replace("{wave}", wave) if isinstance(name, str) else name

        keys = {key: value if key == "value" else put(value) for key, value in self.keys.items()}
        unless = self.unless and replace(self.unless, column=put(self.unless.column))
        return replace(self, columns=tuple(map(put, self.columns)), keys=keys, unless=unless)

    def needs(self) -> list[str]:
        """The columns that must be there beside `columns`."""
        named = [value for key, value in self.keys.items() if isinstance(value, str) and key != "value"]
        return [*named, *([self.unless.column] if self.unless else [])]

    def by_wave(self) -> bool:
        """Whether its columns differ from wave to wave."""
        return any(isinstance(name, dict) or "{wave}" in name for name in (*self.columns, *self.needs()))

    def constant(self) -> bool:
        return self.op == "constant"

    def words(self) -> str:
        """Where it comes from, as a message says it."""
        if self.constant():
            return f"the constant {self.keys['value']}"
        flat = [one for name in self.columns for one in (name.values() if isinstance(name, dict) else [name])]
        said = ("one of " if self.first and len(flat) > 1 else "") + ", ".join(flat)
        if self.op in OPERATIONS:
            said = OPERATIONS[self.op].words.format(columns=said, **self.keys)
        said += ", recoded" if self.values is not None else ""
        return said + (f", unless {self.unless.column}" if self.unless else "")


def near(name: str, names: Sequence[str]) -> str:
    """The names nearest to one that is not there, or some that are, in words."""
    folded = {known.casefold(): known for known in names}
    close = [folded[found] for found in get_close_matches(name.casefold(), list(folded), 3, 0.6)]
    if close:
        return f"nearest: {', '.join(close)}"
    return f"there is {', '.join(list(names)[:12])}" + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def home(recipe: Recipe, tables: Sequence[Table], mapping: str, problems: list[tuple]) -> Table | None:
    """The one of `tables` that holds what the recipe reads; a problem if there is none or there are several."""
    wanted = [*(recipe.columns if not recipe.first else ()), *recipe.needs()]

    def holds(table: Table) -> bool:
        return all(name in table.cells for name in wanted) and (
            not recipe.first or any(name in table.cells for name in recipe.columns)
        )

    having = [table for table in tables if holds(table) and recipe.file in (None, table.name)]
    if len(having) == 1:
        return having[0]
    files = ", ".join(table.name for table in tables)
    if having:
        found = f"{', '.join(wanted or recipe.columns)} in {len(having)} files"
        problems.append(
            (mapping, recipe.line, recipe.place, found, "columns of one file", f"add file = one of {files}")
        )
        return None
    names = list(dict.fromkeys(str(name) for table in tables for name in table.cells))
    if recipe.first:
        wanted = [*recipe.columns, *wanted]
    lacking = [name for name in wanted if name not in names]
    for name in lacking:
        words = f"a column of {files}"
        problems.append(
            (mapping, recipe.line, recipe.place, repr(name), words, f"correct the name; {near(name, names)}")
        )
    if not lacking:
        problems.append(
            (mapping, recipe.line, recipe.place, ", ".join(wanted), "columns of one file", "join the files")
        )
    return None


def made(recipe: Recipe, table: Table, problems: list[tuple]) -> tuple[pd.Series, np.ndarray]:
    """The recipe's column, one value a row of `table`, and on which rows the reader's file says anything of it."""
    cells = table.cells
    if recipe.constant():
        return pd.Series([recipe.keys["value"]] * len(cells), dtype=object), np.zeros(len(cells), dtype=bool)
    names = [name for name in recipe.columns if name in cells][: 1 if recipe.first else None]
    columns = []
    said = np.zeros(len(cells), dtype=bool)
    for name in names:
        column = _without(cells[name], recipe.missing)
        if recipe.target != "person":  # whose many values need not be looked at
            said |= ~operations.blank(column)
        if recipe.values is not None:
            column, lost = operations.recode(column, recipe.values, recipe.otherwise, recipe.keep)
            known = "one of the codes " + ", ".join(key or '""' for key in recipe.values)
            _note(problems, table, name, lost, known, f"{UNCOVERED} ({recipe.place})")
            column = column.mask(lost, "")
        columns.append(column)
    made = columns[0]
    if recipe.op in OPERATIONS:
        keys = {key: _without(cells[v], recipe.missing) if isinstance(v, str) else v for key, v in recipe.keys.items()}
        read = [*names, *(value for value in recipe.keys.values() if isinstance(value, str))]
        try:
            made = pd.Series(operations.compute(recipe.op, columns, keys))
        except UnreadableError as error:
            _note(problems, table, read[error.column], error.rows, error.expected, f"{error.mend} ({recipe.place})")
            made = pd.Series(np.full(len(cells), np.nan))
    made = made.reset_index(drop=True)
    if recipe.unless:
        shut = operations.among(_without(cells[recipe.unless.column], recipe.missing), recipe.unless.codes)
        said |= shut
        made = made.astype(object).mask(shut, recipe.unless.then)
    return made, said


def _without(cells: pd.Series, missing: frozenset[str]) -> pd.Series:
    """The cells with codes that mean no answer made blank."""
    if not missing:
        return cells
    return cells.mask(operations.among(cells, missing), np.nan if pd.api.types.is_numeric_dtype(cells) else "")


def _note(problems: list[tuple], table: Table, column: str, rows: np.ndarray, expected: str, mend: str) -> None:
    cells = table.cells[column]
    for row, cell in zip(table.cells.index[rows], cells[rows], strict=True):
        problems.append((table.name, int(row), column, faults.text(cell), expected, mend))


def key(cells: pd.Series) -> np.ndarray:
    """Ids as text, by which rows of one person are found: 7 and "7" are the same, "007" is another."""
    return operations.each(
        cells, lambda cell: "" if cell is None else f"{cell:.15g}" if not isinstance(cell, str) else cell.strip()
    )


def rows(
    tables: Sequence[Table],
    recipes: Sequence[Recipe],
    keys: Sequence[str],
    mapping: str,
    problems: list[tuple],
) -> pd.DataFrame:
    """The columns that `recipes` make of `tables`, side by side by `keys` (targets such as person, wave).

    Columns: the targets, `ROW` and `FILE` where the row was first met, and `SAID`, whether it holds any answer.
    """
    homes: dict[str, list[Recipe]] = {table.name: [] for table in tables}
    for recipe in recipes:
        if recipe.target in keys or recipe.constant():
            continue
        if table := home(recipe, tables, mapping, problems):
            homes[table.name].append(recipe)
    whole: pd.DataFrame | None = None
    for table in tables:
        its = []
        for recipe in recipes:
            if recipe.target in keys and home(recipe, [table], mapping, problems):
                its.append(recipe)
        if len(its) < len(keys):
            continue
        frame, said = {}, np.zeros(len(table.cells), dtype=bool)
        for recipe in (*its, *homes[table.name]):
            frame[recipe.target], answered = made(recipe, table, problems)
            said |= answered & (recipe.target not in (*keys, "observed", "window_days"))
        frame = pd.DataFrame(
            {
                ROW: table.cells.index.astype(int),
                FILE: np.full(len(said), table.name, dtype=object),
                SAID: said,
                **frame,
            }
        )
        whole = frame if whole is None else beside(whole, frame, keys, problems)
    if whole is None:
        return pd.DataFrame()
    for recipe in recipes:
        if recipe.constant():
            whole[recipe.target] = pd.Series([recipe.keys["value"]] * len(whole), whole.index, dtype=object)
    return whole


def beside(left: pd.DataFrame, right: pd.DataFrame, keys: Sequence[str], problems: list[tuple]) -> pd.DataFrame:
    """Two frames of `rows` joined by `keys`, the rows of `left` first; a key that `right` has twice is a problem."""
    joint = lambda frame: pd.Series(
        map("\x1f".join, zip(*(key(frame[name]) for name in keys), strict=True)), dtype=object
    )
    here, there = joint(left), joint(right)
    if (twice := there.duplicated()).any():
        for row, file, found in zip(right[ROW][twice], right[FILE][twice], there[twice], strict=True):
            words = f"one row a {' and '.join(keys)}, as files are put side by side by it"
            found = faults.text(found.replace("\x1f", ", "))
            problems.append((file, int(row), ", ".join(keys), found, words, "keep one of the rows"))
        right, there = right[~twice].reset_index(drop=True), there[~twice].reset_index(drop=True)
    new = ~there.isin(here)
    base = pd.concat([left, right.loc[new, [ROW, FILE, *keys]]], ignore_index=True)
    base[SAID] = base[SAID].fillna(False).astype(bool)
    place = pd.Index(there).get_indexer(pd.concat([here, there[new]]))
    found = place >= 0
    if right.empty:
        right, place = right.reindex([0]), np.zeros(len(base), dtype=int)
    right[SAID] = right[SAID].fillna(False).astype(bool)
    base[SAID] |= found & right[SAID].to_numpy()[place]
    for name in right.columns.difference([ROW, FILE, SAID, *keys], sort=False):
        base[name] = right[name].take(place).reset_index(drop=True).where(found)
    return base


def tidy(column: pd.Series) -> pd.Series:
    """A column as a table holds it: numbers as float with NaN, else text with "" where blank."""
    if pd.api.types.is_numeric_dtype(column):
        return column.astype("float64") if column.dtype != object else column
    if pd.api.types.infer_dtype(column, skipna=True) == "string":
        return column if column.notna().all() else column.where(column.notna(), "")
    distinct = [cell for cell in column.dropna().unique() if not (isinstance(cell, str) and not cell.strip())]
    if distinct and not any(isinstance(cell, str) for cell in distinct):
        return pd.to_numeric(column.where(column != "", np.nan)).astype("float64")
    text = operations.each(
        column, lambda cell: "" if cell is None else cell if isinstance(cell, str) else f"{cell:.15g}"
    )
    return pd.Series(text, index=column.index, dtype=object)
