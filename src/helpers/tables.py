"""Styled tables: tidy frame in, a frame of printed text out; no fitting, no printing.

What leaves here is for reading: at most 4 significant digits, a true minus sign, intervals in brackets.
"""

from collections.abc import Mapping

import pandas as pd

from helpers.ledger import show


def printed(frame: pd.DataFrame, formats: Mapping[str, str], names: Mapping[str, str] | None = None) -> pd.DataFrame:
    """The columns of `formats` as text, blank where missing, headed by `names` (column -> heading)."""
    text = {
        column: [("" if pd.isna(value) else show(value, format)) for value in frame[column]]
        for column, format in formats.items()
    }
    return pd.DataFrame(text, index=frame.index).rename(columns=dict(names or {}))


def estimates(frame: pd.DataFrame, format: str = ".2f") -> pd.DataFrame:
    """Coefficients as readers expect them: estimate, standard error, interval in brackets, p.

    Expects `estimate`, `std_error`, `conf_low`, `conf_high`, `p` by term.
    """
    return pd.DataFrame(
        {
            "estimate": [show(value, format) for value in frame["estimate"]],
            "standard error": [show(value, format) for value in frame["std_error"]],
            "95 % interval": [
                f"[{show(low, format)}, {show(high, format)}]"
                for low, high in zip(frame["conf_low"], frame["conf_high"], strict=True)
            ],
            "p": [show(value, "p") for value in frame["p"]],
        },
        index=frame.index,
    )
