"""Weights for having a sponsor: what made one likely, and how much each visit must count to undo it.

At each follow-up a person who was seen has a sponsor or not. A visit at which that was unlikely, given what was known
of the person, stands for the many alike who went the other way and weighs more. Stabilised weights put the chance given
less history above the chance given more, and multiply over the visits of a person.

Source: Robins, Hernan & Brumback 2000, doi 10.1097/00001648-200009000-00011; Cole & Hernan 2008, doi
10.1093/aje/kwn164 (building them, and looking at their distribution).
"""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import statsmodels.api as sm

from helpers import measures, study

KNOWN = ("pda_last", "attendance_last", "involvement_last", "pda_0", "attendance_0", "involvement_0", "female", "age")


def course(rows: pd.DataFrame) -> tuple[str, ...]:
    """What stands above and below the line: the last known sponsor, and marks of the waves after the first."""
    return ("sponsor_last", *marks(rows))


def marks(rows: pd.DataFrame) -> list[str]:
    """The columns of `history` that mark a wave: at_6, at_12."""
    return [column for column in rows if re.fullmatch(r"at_\d+", str(column))]


def history(scores: pd.DataFrame) -> pd.DataFrame:
    """The follow-up visits that were seen, sorted by person and wave, with what was last observed before each.

    Columns of `scores`, `course` and `KNOWN`: sponsor_last (0 at entry, when nobody is asked) and pda_last,
    attendance_last, involvement_last from the last visit that took place; at_6 and at_12 mark the later waves.
    """
    rows = scores[scores["observed"] == 1].sort_values(["person", "wave"])
    rows = rows.assign(has_sponsor=rows["has_sponsor"].fillna(0.0))
    last = rows.groupby("person")[["has_sponsor", *study.OUTCOMES]].shift()
    last = last.rename(columns={"has_sponsor": "sponsor"}).add_suffix("_last")
    later = measures.follow_ups(rows)[1:]
    rows = rows.join(last).assign(**{f"at_{wave}": (rows["wave"] == wave) * 1.0 for wave in later})
    return rows[rows["wave"] > 0].astype({"female": float, "age": float}).reset_index(drop=True)


def stabilised(rows: pd.DataFrame, more: Sequence[str] = ()) -> pd.DataFrame:
    """`rows` of `history` with chance and weight, one row a visit.

    chance = Pr(sponsor | `course`, `KNOWN`, `more`) by logistic regression, and with s_t the sponsor that was observed

        weight_t = prod over the person's visits up to t of Pr(s | COURSE) / Pr(s | COURSE, KNOWN, more)
    """
    fits = [_chance(rows, course(rows)), _chance(rows, (*course(rows), *KNOWN, *more))]
    above, below = (np.where(rows["has_sponsor"] == 1, chance, 1 - chance) for chance in fits)
    weight = pd.Series(above / below, rows.index).groupby(rows["person"]).cumprod()
    return rows.assign(chance=fits[1], weight=weight)


def _chance(rows: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    X = rows[list(names)].to_numpy(float)
    X = sm.add_constant((X - X.mean(0)) / X.std(0))
    return sm.GLM(rows["has_sponsor"].to_numpy(float), X, family=sm.families.Binomial()).fit().fittedvalues


def effect(rows: pd.DataFrame, outcome: str = "pda", weighted: bool = True) -> pd.DataFrame:
    """Weighted mean difference between visits with and without a sponsor, within waves; errors clustered by person.

    Least squares of the outcome on has_sponsor and the marks of the waves, with the weights of `stabilised` (or none),
    and a robust covariance that takes the weights as known, which makes intervals a little too wide. Columns estimate,
    std_error, conf_low, conf_high by term.
    """
    X = sm.add_constant(rows[["has_sponsor", *marks(rows)]].astype(float))
    w = rows["weight"] if weighted else np.ones(len(rows))
    fit = sm.WLS(rows[outcome].astype(float), X, w).fit(
        cov_type="cluster", cov_kwds={"groups": rows["person"].to_numpy()}, use_t=True
    )
    low, high = fit.conf_int(study.ALPHA).to_numpy().T
    columns = {"estimate": fit.params, "std_error": fit.bse, "conf_low": low, "conf_high": high}
    return pd.DataFrame(columns)
