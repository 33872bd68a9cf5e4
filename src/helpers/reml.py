"""Exact REML for people seen a few times each: a formula and a data frame in, a certified optimum out.

`fit` is what most readers need. What it does stands in four modules, each readable alone: `formulas` reads and checks
the columns, `moments` sums them over people (`Moments`: parts add, one person can be taken out), `waves` keeps what any
model of fixed waves needs (`Waves`), and `likelihood` finds the optimum of the criterion and its degrees of freedom.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from helpers import formulas
from helpers.moments import Fit, Moments, Optimum
from helpers.waves import Waves

__all__ = ["Fit", "Moments", "Optimum", "Waves", "fit", "solve"]


def fit(
    formula: str,
    data: pd.DataFrame,
    group: str,
    random: str = "1",
    reml: bool = True,
    ddf: str = "satterthwaite",
    weights: str | None = None,
    missing: str = "raise",
) -> Fit:
    """Linear mixed model with one grouping factor, at its exact optimum.

    `formula` is `outcome ~ terms` and `random` the random terms (an intercept is meant unless `0 +` says otherwise),
    both as formulaic reads them. `data` has one row a visit, in any order: a data frame, or a Dask data frame (see
    `moments_of_dask`). `weights` names a column of person weights: a person of weight 2 counts as two such people.
    `missing`: "raise" names rows with blanks, "drop" leaves them out (right if they are missing at random).

    `ddf`: "satterthwaite"; "kenward-roger" (REML only; standard errors are then the adjusted ones); "none" (df
    infinite: z). On the boundary (a variance of zero, a correlation of one) Satterthwaite's df move on the face of
    the boundary that the optimum stands on, what ended at zero being taken as known, so that with all variances at
    zero df = n - p as in regression; Kenward and Roger's use all variances.

    Raises
    ------
    ValueError
        An unknown column; blanks, infinite or non-numeric values (column and rows are named); a fixed or random
        column that others give; an outcome without variance, or one that the columns fit exactly; fewer groups than
        random terms; every group with at most as many rows as random terms; an unknown `ddf`; weights that differ
        within a person.
    """
    read = moments_of_dask if hasattr(data, "dask") else Moments.from_frame
    return read(formula, data, group, random, weights, missing).fit(reml, ddf)


def solve(
    y: np.ndarray, X: np.ndarray, Z: np.ndarray, group: np.ndarray, start: np.ndarray | None = None, reml: bool = True
) -> Optimum:
    """The optimum for y (n,), X (n, p), Z (n, q) and group labels (n,), rows in any order.

    `start` is a relative covariance T (q, q) to try beside the built-in starts. Raises ValueError as
    `Moments.from_arrays` and `fit`.
    """
    return Moments.from_arrays(y, X, Z, group).optimum(reml, start=start)


def moments_of_dask(
    formula: str, data: object, group: str, random: str = "1", weights: str | None = None, missing: str = "raise"
) -> Moments:
    """The moments of a Dask data frame: each partition's, added up.

    A person's rows belong into one partition. If a person straddles partitions the frame is shuffled on `group` first,
    which moves the data; partition by person to spare that. Text columns get the levels they have anywhere. Arguments
    and `Raises` as in `fit`, and ValueError for a formula whose terms need all rows at once (`center`, `scale`,
    splines).
    """
    import dask

    design = formulas.Design.of(formula, group, random, weights, missing)
    for name in [*design.columns, *([weights] if weights else []), group]:
        formulas.column_of(data, name)
    if missing == "drop":
        data = data.dropna(subset=[*design.columns, *([weights] if weights else []), group])
    partial = data[group].map_partitions(lambda part: part.drop_duplicates(), meta=data[group]._meta)
    if bool((partial.value_counts() > 1).any().compute()):
        data = data.shuffle(on=group)
    fixed, spread = design.specifications(data.head(2, npartitions=-1))
    for spec in (fixed.rhs, fixed.lhs, spread):
        if spec.transform_state:
            raise ValueError(f"{', '.join(spec.transform_state)}: needs all rows at once; make it a column first")
    if levels := formulas.of_levels(fixed.rhs, spread):
        fixed, spread = design.specifications(data.drop_duplicates(subset=levels).compute())
    design = replace(design, fixed=fixed, random=spread)
    parts = [dask.delayed(_part)(design, part) for part in data.to_delayed()]
    while len(parts) > 1:
        parts = [dask.delayed(_add)(*parts[i : i + 2]) for i in range(0, len(parts), 2)]
    moments = parts[0].compute()
    if moments is None:
        raise ValueError(f"no row has {', '.join(design.columns)}")
    return moments


def _part(design: formulas.Design, data: pd.DataFrame) -> Moments | None:
    return Moments.from_arrays(**design.read(data)) if len(data) else None


def _add(*parts: Moments | None) -> Moments | None:
    there = [part for part in parts if part is not None]
    return sum(there[1:], there[0]) if there else None
