"""Styled tables: tidy frame in, a frame of printed text out; no fitting, no printing.

What leaves here is for reading: at most 4 significant digits, a true minus sign, intervals in brackets.
"""

import math
import re
from collections.abc import Mapping

import pandas as pd


def show(value: float, format: str) -> str:
    """`value` as printed: `format`'s digits, a true minus sign, no negative zero; `p` prints p-values (< .001)."""
    if format == "p":
        return "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")
    text = f"{value:{format}}"
    if text.startswith("-") and not text.strip("-0.%"):
        text = text[1:]
    return text.replace("-", "−") if "e" not in text else text


def brief(value: float, format: str) -> str:
    """`show`, less the decimals beyond 4 significant digits: 14.716 at `.3f` is 14.72, 2557.7 at `.1f` is 2558."""
    if math.isinf(value):  # degrees of freedom, where a test is against the normal distribution
        return "∞" if value > 0 else "−∞"
    decimals = re.fullmatch(r"\.(\d)f", format)
    if decimals and abs(value) >= 1:
        format = f".{min(int(decimals[1]), max(3 - int(math.log10(abs(value))), 0))}f"
    return show(value, format)


def printed(frame: pd.DataFrame, formats: Mapping[str, str], names: Mapping[str, str] | None = None) -> pd.DataFrame:
    """The columns of `formats` as text, blank where missing, headed by `names` (column -> heading)."""
    text = {
        column: [("" if pd.isna(value) else brief(value, format)) for value in frame[column]]
        for column, format in formats.items()
    }
    return pd.DataFrame(text, index=frame.index).rename(columns=dict(names or {}))


def estimates(frame: pd.DataFrame, format: str = ".2f") -> pd.DataFrame:
    """Coefficients as readers expect them: estimate, standard error, degrees of freedom, interval in brackets, p.

    Expects `estimate`, `std_error`, `df`, `conf_low`, `conf_high`, `p` by term.
    """
    return pd.DataFrame(
        {
            "estimate": [brief(value, format) for value in frame["estimate"]],
            "standard error": [brief(value, format) for value in frame["std_error"]],
            "df": [brief(value, ".1f") for value in frame["df"]],
            "95 % interval": [
                f"[{brief(low, format)}, {brief(high, format)}]"
                for low, high in zip(frame["conf_low"], frame["conf_high"], strict=True)
            ],
            "p": [show(value, "p") for value in frame["p"]],
        },
        index=frame.index,
    )
