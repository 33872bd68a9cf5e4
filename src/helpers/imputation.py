"""Multiple imputation of missed visits and skipped pages: a row a person, filled in by chained equations, and pooled.

The chain is statsmodels' (`MICEData`): each column in turn is regressed on others, the coefficients are drawn from
their approximate posterior, and a missing value is lent by one of the `DONORS` people whose prediction is nearest. What
is filled in is therefore a value that somebody gave: PDA stays within its window, a sponsor is there or is not.

Sources: Rubin 1987, doi 10.1002/9780470316696 (the rules); Barnard & Rubin 1999, doi 10.1093/biomet/86.4.948 (df);
White, Royston & Wood 2011, doi 10.1002/sim.4067 (chained equations).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.imputation.mice import MICEData

from helpers import study
from helpers.reml import Moments

DONORS = 5  # people of whom one lends a value; statsmodels' 20 would be a fifth of those with an inventory at a wave
BURN, THIN = 10, 5  # cycles before the first data set that is kept, and from one to the next
PAIR = ("contact", "alliance")
COLUMNS = ("has_sponsor", *PAIR, *study.OUTCOMES)  # of a visit, in the order in which they are filled in
TERMS = ("Intercept", *PAIR, "time", "entry", "female", "age", "contact:time", "alliance:time")  # of model (c)


def wide(scores: pd.DataFrame) -> pd.DataFrame:
    """A row a person: each of `COLUMNS` at each follow-up (`pda_12`), the entry values (`pda_0`), female, age.

    contact and alliance are as given, blank without a sponsor.
    """
    visits = scores[scores["wave"].isin(study.FOLLOW_UPS)].set_index(["person", "wave"])[list(COLUMNS)]
    table = visits.astype(float).unstack()
    table.columns = [f"{name}_{wave:.0f}" for name, wave in table.columns]
    fixed = ["female", "age", *(f"{outcome}_0" for outcome in study.OUTCOMES)]
    return table.join(scores.drop_duplicates("person").set_index("person")[fixed].astype(float))


class Chain(MICEData):
    """statsmodels' chain on the table of `wide`, with the regressions that this study needs.

    A predictor of a visit enters other people's equations only through a product with having a sponsor, s (x - mean),
    which is zero without one: nothing is ever predicted from the contact or alliance of a visit without a sponsor. Each
    wave has equations of its own, so that effects may differ between waves as they may in the models.

        s_t           on s, pda at other waves; attendance, involvement, pda at t; entry values, sex, age
        x_t           on s, s x at other waves; the other x, attendance, involvement, pda at t; the entry and other pda
        y_t           on s, s contact, s alliance and the other outcomes at t; y and pda at other waves; entry values,
                      sex, age
    """

    def __init__(self, table: pd.DataFrame, rng: np.random.Generator):
        super().__init__(table.reset_index(drop=True), rng=rng)
        self.k_pmm = DONORS
        self._cycle_order = [f"{name}_{wave}" for name in COLUMNS for wave in study.FOLLOW_UPS]  # sponsor first
        self._cycle_order = [name for name in self._cycle_order if len(self.ix_miss[name])]
        self.means = {name: float(table[name].mean()) for name in table}
        self.now = {name: self.data[name].to_numpy(copy=True) for name in table}  # `data`, column by column: faster

    def update(self, vname: str) -> None:
        """Draws the coefficients of one equation and fills in its column."""
        self.X = self.exog(vname)
        super().update(vname)
        self.now[vname] = self.data[vname].to_numpy(copy=True)

    def exog(self, name: str) -> np.ndarray:
        """The regression columns of one equation, (people, columns), as things stand in the chain."""
        kind, wave = name.rsplit("_", 1)
        others = [other for other in study.FOLLOW_UPS if other != int(wave)]
        of = lambda *names: [self.now[each] for each in names]
        by = lambda x, t: self.now[f"has_sponsor_{t}"] * (self.now[f"{x}_{t}"] - self.means[f"{x}_{t}"])
        entries = of(*(f"{outcome}_0" for outcome in study.OUTCOMES), "female", "age")
        pda = of("pda_0", *(f"pda_{t}" for t in others))
        if kind == "has_sponsor":
            columns = of(*(f"{s}_{t}" for s in ("has_sponsor", "pda") for t in others))
            columns += of(*(f"{outcome}_{wave}" for outcome in study.OUTCOMES)) + entries
        elif kind in PAIR:
            columns = of(*(f"has_sponsor_{t}" for t in others)) + [by(x, t) for x in PAIR for t in others] + pda
            columns += of(*(f"{x}_{wave}" for x in (*PAIR, *study.OUTCOMES) if x != kind))
        else:
            columns = of(f"has_sponsor_{wave}", *(f"{y}_{wave}" for y in study.OUTCOMES if y != kind)) + entries
            columns += [by(x, wave) for x in PAIR] + of(*(f"{kind}_{t}" for t in others))
            columns += pda[1:] if kind != "pda" else []
        return np.column_stack([np.ones(len(self.data)), *columns])

    def get_fitting_data(self, vname: str) -> tuple:
        """What statsmodels fits the equation to: the rows in which it is observed."""
        rows = self.ix_obs[vname]
        return self.now[vname][rows], self.X[rows], {}, {}

    def get_split_data(self, vname: str) -> tuple:
        """What statsmodels predicts from: the rows observed, and those to be filled in."""
        rows = self.ix_obs[vname]
        return self.now[vname][rows], self.X[rows], self.X[self.ix_miss[vname]], {}, {}


def impute(
    scores: pd.DataFrame, m: int, rng: np.random.Generator, burn: int = BURN, thin: int = THIN
) -> list[pd.DataFrame]:
    """`m` completed data sets from one chain, each with a row a person and follow-up, sorted by both.

    Columns person, wave, `COLUMNS`, the outcomes' entry values, female, age, and missed (nobody came). contact and
    alliance are blank again wherever there is no sponsor. Products with time are left to the model. Raises ValueError
    if a column has no observed value at a wave.
    """
    table = wide(scores)
    missed = table[[f"pda_{t}" for t in study.FOLLOW_UPS]].isna().to_numpy().ravel()
    chain, kept = Chain(table, rng), []
    for k in range(m):
        chain.update_all(burn if k == 0 else thin)
        kept.append(_long(chain.data, table.index, missed))
    return kept


def _long(data: pd.DataFrame, people: pd.Index, missed: np.ndarray) -> pd.DataFrame:
    waves = np.array(study.FOLLOW_UPS)
    at = lambda name: data[[f"{name}_{t}" for t in waves]].to_numpy().ravel()
    rows = {"person": np.repeat(people, len(waves)), "wave": np.tile(waves, len(people))} | {x: at(x) for x in COLUMNS}
    rows |= {x: np.where(rows["has_sponsor"] == 1, rows[x], np.nan) for x in PAIR}
    rows |= {x: np.repeat(data[x].to_numpy(), len(waves)) for x in ("female", "age")}
    rows |= {f"{y}_0": np.repeat(data[f"{y}_0"].to_numpy(), len(waves)) for y in study.OUTCOMES}
    return pd.DataFrame(rows | {"missed": missed})


def moments(rows: pd.DataFrame, outcome: str, shifts: np.ndarray | None = None) -> Moments:
    """The moments of model (c) of an outcome on the sponsored rows, `TERMS` in order, random intercept and slope.

    Model (b) is `.select(TERMS[:7])`. `rows` has one row a visit with the columns of `impute`; rows without contact or
    alliance are left out. `shifts` (visits, B) are added to the outcome, held in its range: B data sets side by side.
    """
    use = (rows["has_sponsor"] == 1) & rows[[*PAIR, outcome]].notna().all(axis=1)
    part = rows[use]
    contact, alliance, entry, age = (part[x] - part[x].mean() for x in (*PAIR, f"{outcome}_0", "age"))
    time, one = part["wave"] - study.MEAN_FOLLOW_UP, np.ones(len(part))
    X = np.column_stack([one, contact, alliance, time, entry, part["female"], age, contact * time, alliance * time])
    y, kind = part[outcome].to_numpy(float), study.OUTCOMES[outcome]
    if shifts is not None:
        y = np.clip(y[:, None] + shifts[use], kind.low, kind.high)
    Z = np.column_stack([one, time])
    return Moments.from_arrays(y, X, Z, part["person"].to_numpy(), fixed=TERMS, random=("1", "time"), outcome=outcome)


def together(parts: Sequence[Moments]) -> Moments:
    """Moments of data sets that differ in everything, side by side, so that one `optimum` solves all of them.

    A visit pattern that a part lacks is added to it with nobody in it.
    """
    key = lambda one: [(int(n), A.round(9).tobytes()) for n, A in zip(one.rows, one.A, strict=True)]
    every = {k: (n, A) for one in parts for k, n, A in zip(key(one), one.rows, one.A, strict=True)}
    place = {k: at for at, k in enumerate(every)}
    m, S, E, R = [], [], [], []
    for one in parts:
        many = one if one.m.ndim > 1 else replace(one, m=one.m[None], S=one.S[None], E=one.E[None], R=one.R[None])
        at = [place[k] for k in key(one)]
        m.append(np.zeros((len(many.m), len(every))))
        S.append(np.zeros((len(many.m), len(every), *many.S.shape[2:])))
        m[-1][:, at], S[-1][:, at] = many.m, many.S
        E.append(many.E)
        R.append(many.R)
    rows, A = np.array([n for n, _ in every.values()]), np.stack([A for _, A in every.values()])
    whole = {name: np.concatenate(values) for name, values in {"m": m, "S": S, "E": E, "R": R}.items()}
    return replace(parts[0], rows=rows, A=A, **whole)


def pool(estimate: np.ndarray, variance: np.ndarray, df: np.ndarray) -> pd.DataFrame:
    """Rubin's rules for arrays (m imputations, k quantities); one row a quantity.

        q = mean estimate     W = mean variance     B = variance of the estimates     T = W + (1 + 1/m) B
        r = (1 + 1/m) B / W   df_m = (m - 1) (1 + 1/r)^2   df_obs = (d + 1) / (d + 3) d W / T   with d = mean of `df`
        df = 1 / (1 / df_m + 1 / df_obs)     fmi = (r + 2 / (df + 3)) / (1 + r)

    Columns estimate, std_error, df, conf_low, conf_high, p, fmi (fraction of missing information), mc_error (of the
    estimate, for the number of imputations: sqrt(B / m)). Raises ValueError with fewer than 2 imputations.
    """
    m = len(estimate)
    if m < 2:
        raise ValueError(f"{m} imputation: the spread between imputations needs 2 or more")
    q, W, B, d = estimate.mean(0), variance.mean(0), estimate.var(0, ddof=1), df.mean(0)
    added = (1 + 1 / m) * B
    T, r = W + added, added / W
    inverse = 1 / (m - 1) * (added / T) ** 2 + 1 / ((d + 1) / (d + 3) * d * W / T)
    df, se = 1 / inverse, np.sqrt(T)
    half = stats.t.ppf((1 + study.CONFIDENCE) / 2, df) * se
    fmi = (r + 2 / (df + 3)) / (1 + r)
    columns = {"estimate": q, "std_error": se, "df": df, "conf_low": q - half, "conf_high": q + half}
    return pd.DataFrame(columns | {"p": 2 * stats.t.sf(abs(q / se), df), "fmi": fmi, "mc_error": np.sqrt(B / m)})
