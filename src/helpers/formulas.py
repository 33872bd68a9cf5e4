"""Formulas to columns: what of a data frame a model uses, read by formulaic and checked before anything is computed.

Every error names the column, the first row it is in, and the mend.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from formulaic import Formula, SimpleFormula
from formulaic.errors import FormulaicError
from formulaic.parser.types import Factor


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
        fixed, spread = parse(formula, outcome=True), parse(random)
        if not len(spread):
            raise ValueError(f"random {random!r} has no term: write '1' for an intercept, '1 + time' for a slope too")
        if not len(fixed.rhs):
            raise ValueError(f"formula {formula!r} has no fixed effect: write '1' for an intercept alone")
        return cls(fixed, spread, group, weights, missing)

    @property
    def columns(self) -> list[str]:
        return sorted(self.fixed.required_variables | self.random.required_variables)

    def rows(self, data: pd.DataFrame) -> pd.DataFrame:
        """The rows to use, checked."""
        blank_allowed = self.missing == "drop"
        numeric(data, sorted(self.fixed.lhs.required_variables), blank_allowed)
        numeric(data, self.columns, blank_allowed, text=True)
        numeric(data, weights := [self.weights] if self.weights else [], blank_allowed)
        if self.missing == "drop":
            column_of(data, self.group)
            data = data.dropna(subset=[*self.columns, *weights, self.group])
        groups(data, self.group)
        if data.empty:
            raise ValueError(f"no row has {', '.join(self.columns)}")
        return data.astype({name: object for name in self.columns if _is_text(data[name])})

    def specifications(self, data: pd.DataFrame) -> tuple[object, object]:
        """Of the fixed and the random part: formulaic's, with the levels that these rows have."""
        return tuple(read(part, self.rows(data)).model_spec for part in (self.fixed, self.random))

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
    far = 10.0 ** np.array([0, 0, 1, 2, 4, 6])[:, None] * np.random.default_rng(0).normal(size=(6, n))
    values = np.concatenate([np.eye(n), far, -far])
    values[:, 0] = 1
    frame = pd.DataFrame(np.tile(values, (K, 1)), columns=list(names))
    for name, by_wave in codings:
        frame[name] = np.repeat(by_wave, len(values))
    parsed = parse(formula)
    if unknown := sorted(parsed.required_variables - set(frame.columns)):
        raise ValueError(f"no variable {unknown[0]!r}; there are {', '.join(map(str, frame.columns[1:]))}")
    with np.errstate(all="ignore"):  # a term that is not finite is not linear either
        right, left = matrices(parsed, frame)
    for side in (right, left):
        if side is not None and (held := side.model_spec.transform_state):
            raise ValueError(f"{', '.join(held)}: needs the rows themselves; make it a variable or a coding first")
    columns = [*right.columns, *([] if left is None else left.columns)]
    W = np.column_stack([right.to_numpy(float), *([] if left is None else [left.to_numpy(float)])])
    W = W.reshape(K, len(values), len(columns))
    T = W[:, :n].copy()
    linear = np.isfinite(W).all((0, 1))
    T[:, 1:] -= np.where(linear, T[:, :1], 0)
    T = np.where(linear, T, 0)
    off = values[None, n:] @ T - np.where(linear, W[:, n:], 0)
    linear &= (np.abs(off) <= 1e-9 * (1 + np.abs(values[None, n:]) @ np.abs(T))).all((0, 1))
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
    sides = [parsed.lhs, parsed.rhs] if hasattr(parsed, "lhs") else [parsed]
    if not all(isinstance(side, SimpleFormula) for side in sides):
        raise ValueError(f"formula {formula!r} has a '|': the grouping column is the argument `group`")
    if outcome and len(sides) == 1:
        raise ValueError(f"formula {formula!r} has no outcome: write 'outcome ~ terms'")
    return parsed


def matrices(parsed: object, data: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """The right side of a formula, or of its specification, and the left side if it has one."""
    made = read(parsed, data)
    return (made.rhs, made.lhs) if hasattr(made, "lhs") else (made, None)


def read(parsed: object, data: pd.DataFrame) -> object:
    try:
        return parsed.get_model_matrix(data, na_action="ignore", context={"np": np})
    except FormulaicError as problem:
        raise ValueError(f"formula: {_plain(problem)}") from None


def of_levels(*specifications: object) -> list[str]:
    """The columns that enter as levels: text, and what stands in `C()`."""
    return sorted(
        {
            str(name)
            for spec in specifications
            for factor, names in spec.factor_variables.items()
            if spec.encoder_state.get(factor.expr, (None,))[0] is Factor.Kind.CATEGORICAL
            for name in names & spec.required_variables
        }
    )


def _is_text(column: pd.Series) -> bool:
    return not (pd.api.types.is_numeric_dtype(column) or isinstance(column.dtype, pd.CategoricalDtype))


def _plain(problem: Exception) -> str:
    """A parser's message without its colours, on one line."""
    return re.sub(r"\s+", " ", re.sub(r"\x1b\[[0-9;]*m|⧛[^⧚]*?m(?=\S)|\[0m|[⧛⧚]", "", str(problem))).strip()


def column_of(data: pd.DataFrame, name: str) -> None:
    if name not in data.columns:
        raise ValueError(f"no column {name!r}; there are {', '.join(map(str, data.columns))}")
    if list(data.columns).count(name) > 1:
        raise ValueError(f"column {name!r} is there twice: give one of them another name")


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
        column = column.astype(object) if pd.api.types.is_string_dtype(column) else column
        number = pd.to_numeric(column, errors="coerce")
        if not text or number.notna().sum() * 2 > column.notna().sum():
            odd = column.index[column.notna() & number.isna()]
            which = f"{column[odd[0]]!r} in row {odd[0]}" if len(odd) else "its numbers are stored as text"
            raise ValueError(f"column {name!r} is not numeric: {which}; convert it with pandas.to_numeric")
