"""The specification curve of each claim: every estimate of `helpers.curve`, and statsmodels' GEE of the same columns.

The table has a row a specification, in the order of `curve.specifications()`, so that the choices of a row are known by
its number; `gee` is 1 where GEE fitted it (the choices of `GEE` as given there, the others crossed; the row is numbered
as the specification with a random intercept by REML). Of each claim: the estimate in thousandths of an SD of the
outcome for one SD of the predictor (interactions: the change of that from the first follow-up to the last), and in the
column `sig_...` whether it is told apart from zero at `study.ALPHA`, two-sided (mixed models: Satterthwaite's df).
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from committed import ROOT, Rows, main
from helpers import curve, records, study

DATA = [ROOT / "book" / "data" / name for name in ("persons-SYNTHETIC.csv", "visits-SYNTHETIC.csv")]
KEYS = ("visits", "covariates", "time", "scale")
# GEE's fits take a hundred times as long, so it is shown for some levels of the choices that move little.
GEE = {"random": ["intercept"], "estimator": ["REML"], "covariates": ["entry, sex, age"]}
GEE |= {"time": ["months", "categorical"]}


def tasks(quick: bool) -> list[tuple]:
    return [(claim.key, 40 if quick else 1) for claim in study.CLAIMS]


def rows_of(key: str, every: int) -> Rows:
    """Every specification (or every so many) of one claim."""
    [claim] = [claim for claim in study.CLAIMS if claim.key == key]
    panel, specs = curve.panel(*records.read(DATA[0].parent)), curve.specifications().iloc[::every]
    [mixed] = curve.fits(panel, claim, specs)
    parts = [_rows(mixed["estimate"], mixed["p"], key, 0), _rows(*_by_gee(panel, claim, specs), key, 1)]
    return [row for part in parts for row in part]


def _rows(estimate: pd.Series, p: pd.Series, key: str, gee: int) -> Rows:
    found = zip(estimate.index, estimate, p, strict=True)
    return [
        {"specification": int(i), "gee": gee, "claim": key, "": round(1000 * b), "sig_": int(p < study.ALPHA)}
        for i, b, p in found
    ]


def _by_gee(panel: curve.Panel, claim: study.Claim, specs: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    alone = specs[np.logical_and.reduce([specs[name].isin(levels) for name, levels in GEE.items()])]
    estimate, p = pd.Series(np.nan, alone.index), pd.Series(np.nan, alone.index)
    for values, rows in alone.assign(split=alone["predictor"] != "overall").groupby([*KEYS, "split"], sort=False):
        b, error = curve.gee(panel, claim, *values)
        at = rows["predictor"].map({"overall": 0, "within": 0, "between": 1}).to_numpy()
        estimate[rows.index], p[rows.index] = b[at], 2 * stats.norm.sf(np.abs(b / error))[at]
    return estimate, p


def finish(table: pd.DataFrame) -> pd.DataFrame:
    wide = table.pivot(index=["gee", "specification"], columns="claim", values=["", "sig_"])
    wide.columns = [f"{what}{key}" for what, key in wide.columns]
    keys = [claim.key for claim in study.CLAIMS]
    return wide[[*keys, *(f"sig_{key}" for key in keys)]].reset_index()


if __name__ == "__main__":
    about = {
        "unit": "thousandths of an SD of the outcome for one SD of the predictor",
        "choices": {name: list(levels) for name, levels in curve.CHOICES.items()},
        "study": curve.STUDY,
        "gee": GEE,
    }
    sys.exit(main(Path(__file__), tasks, rows_of, about, finish, DATA, ("numpy", "scipy", "pandas", "statsmodels")))
