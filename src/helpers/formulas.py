"""Formulas to columns: what of a data frame a model uses, read by formulaic and checked before anything is computed.

Every error names the column, the first row it is in, and the mend.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from formulaic import Formula
from formulaic.errors import FormulaicError


@dataclass(frozen=True)
class Design:
    """How the rows of a frame become y, X, Z: read once, applied to the whole or to parts."""

    fixed: object  # formulaic's specification of the fixed part, with the levels of text columns
    random: object
    group: str
    weights: str | None
    missing: str

    @classmethod
    def of(
        cls, formula: str, group: str, random: str = "1", weights: str | None = None, missing: str = "raise"
    ) -> "Design":
        if missing not in ("raise", "drop"):
            raise ValueError(f"missing: {missing!r} is neither 'raise' nor 'drop'")
        return cls(parse(formula, outcome=True), parse(random), group, weights, missing)

    @property
    def columns(self) -> list[str]:
        return sorted(self.fixed.required_variables | self.random.required_variables)

    def rows(self, data: pd.DataFrame) -> pd.DataFrame:
        """The rows to use, checked."""
        blank_allowed = self.missing == "drop"
        numeric(data, sorted(self.fixed.lhs.required_variables), blank_allowed)
        numeric(data, [*self.columns, *([self.weights] if self.weights else [])], blank_allowed, text=True)
        if self.missing == "drop":
            column_of(data, self.group)
            data = data.dropna(subset=[*self.columns, self.group])
        groups(data, self.group)
        if data.empty:
            raise ValueError(f"no row has {', '.join(self.columns)}")
        return data

    def read(self, data: pd.DataFrame) -> dict:
        """What `Moments.from_arrays` takes: y, X, Z, group, weights, and the names of fixed, random and outcome."""
        data = self.rows(data)
        X, y = matrices(self.fixed, data)
        Z, _ = matrices(self.random, data)
        if y.shape[1] != 1:
            raise ValueError(f"the outcome is {y.shape[1]} columns ({', '.join(map(str, y.columns))}): it must be one")
        for name, values in ((name, part[name].to_numpy(float)) for part in (y, X, Z) for name in part):
            if not np.isfinite(values.sum()) and not (finite := np.isfinite(values)).all():
                raise ValueError(f"term {str(name)!r} is not finite in row {data.index[np.argmin(finite)]}")
        return {
            "y": y.to_numpy(float)[:, 0],
            "X": X.to_numpy(float),
            "Z": Z.to_numpy(float),
            "group": data[self.group].to_numpy(),
            "weights": data[self.weights].to_numpy(float) if self.weights else None,
            "fixed": [str(name) for name in X.columns],
            "random": [str(name) for name in Z.columns],
            "outcome": str(y.columns[0]),
        }


@cache
def probe(
    formula: str, names: tuple[str, ...], codings: tuple[tuple[str, tuple[float, ...]], ...]
) -> tuple[np.ndarray, list[str], str]:
    """The coefficients (waves, names, columns) of a formula that is linear in the named variables, its columns, its
    outcome.

    The formula is read at zero, at one in each variable in turn, and, to see that it is linear, at other values.
    `codings` are numbers by wave. Raises ValueError for an unknown name, or a term that is not linear.
    """
    n, K = len(names), len(codings[0][1])
    values = np.concatenate([np.eye(n), np.random.default_rng(0).normal(size=(2, n))])
    values[:, 0] = 1
    frame = pd.DataFrame(np.tile(values, (K, 1)), columns=list(names))
    for name, by_wave in codings:
        frame[name] = np.repeat(by_wave, len(values))
    parsed = parse(formula)
    if unknown := sorted(parsed.required_variables - set(frame.columns)):
        raise ValueError(f"no variable {unknown[0]!r}; there are {', '.join(map(str, frame.columns[1:]))}")
    with np.errstate(all="ignore"):  # a term that is not finite is not linear either
        right, left = matrices(parsed, frame)
    columns = [*right.columns, *([] if left is None else left.columns)]
    W = np.column_stack([right.to_numpy(float), *([] if left is None else [left.to_numpy(float)])])
    W = W.reshape(K, len(values), len(columns))
    T = W[:, :n].copy()
    linear = np.isfinite(W).all((0, 1))
    T[:, 1:] -= np.where(linear, T[:, :1], 0)
    off = values[None, n:] @ np.where(linear, T, 0) - np.where(linear, W[:, n:], 0)
    linear &= np.abs(off).max((0, 1)) <= 1e-9 * (1 + np.abs(np.where(linear, W, 0)).max((0, 1)))
    if not linear.all():
        raise ValueError(
            f"term {columns[np.argmin(linear)]!r} is not linear in the variables: make it a variable of its own"
        )
    return T, list(right.columns), "" if left is None else str(left.columns[0])


def parse(formula: str, outcome: bool = False) -> Formula:
    try:
        parsed = Formula(formula)
    except FormulaicError as problem:
        raise ValueError(f"formula {formula!r}: {_plain(problem)}") from None
    if outcome and not hasattr(parsed, "lhs"):
        raise ValueError(f"formula {formula!r} has no outcome: write 'outcome ~ terms'")
    return parsed


def matrices(parsed: object, data: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """The right side of a formula, or of its specification, and the left side if it has one."""
    try:
        made = parsed.get_model_matrix(data, na_action="ignore", context={"np": np})
    except FormulaicError as problem:
        raise ValueError(f"formula: {_plain(problem)}") from None
    return (made.rhs, made.lhs) if hasattr(made, "lhs") else (made, None)


def _plain(problem: Exception) -> str:
    """A parser's message without its colours, on one line."""
    return re.sub(r"\s+", " ", re.sub(r"\x1b\[[0-9;]*m|⧛[^⧚]*?m(?=\S)|\[0m|[⧛⧚]", "", str(problem))).strip()


def column_of(data: pd.DataFrame, name: str) -> None:
    if name not in data.columns:
        raise ValueError(f"no column {name!r}; there are {', '.join(map(str, data.columns))}")


def groups(data: pd.DataFrame, group: str) -> None:
    column_of(data, group)
    blank = data.index[data[group].isna()]
    if len(blank):
        raise ValueError(
            f"column {group!r} has {len(blank)} blanks, first in row {blank[0]}: every row needs its group"
        )


def numeric(data: pd.DataFrame, names: Sequence[str], blank_allowed: bool = False, text: bool = False) -> None:
    """That the columns are there, finite, and numbers (or, if `text` is allowed, levels)."""
    for name in names:
        column_of(data, name)
        column = data[name]
        blank = column.index[column.isna()]
        if len(blank) and not blank_allowed:
            mend = "fill them, or leave those rows out with missing='drop'"
            raise ValueError(f"column {name!r} has {len(blank)} blanks, first in row {blank[0]}: {mend}")
        if pd.api.types.is_numeric_dtype(column) or (text and isinstance(column.dtype, pd.CategoricalDtype)):
            if pd.api.types.is_float_dtype(column):
                infinite = column.index[np.isinf(column.to_numpy(float, na_value=np.nan))]
                if len(infinite):
                    raise ValueError(f"column {name!r} has {len(infinite)} infinite values, first in row {infinite[0]}")
            continue
        number = pd.to_numeric(column, errors="coerce")
        if not text or number.notna().sum() * 2 > column.notna().sum():
            odd = column.index[column.notna() & number.isna()]
            which = f"{column[odd[0]]!r} in row {odd[0]}" if len(odd) else "its numbers are stored as text"
            raise ValueError(f"column {name!r} is not numeric: {which}; convert it with pandas.to_numeric")
