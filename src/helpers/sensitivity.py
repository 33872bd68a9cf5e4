"""How strong something unmeasured would have to be: E-values, and a confounder's strength against an estimate.

A mixed model at its variances is least squares of whitened columns. With y_i ~ (X_i b, s2 V_i), V_i = I + Z_i T Z_i',

    y*_i = V_i^-1/2 y_i,      X*_i = V_i^-1/2 X_i                                                     (1)

least squares of y* on X* gives the model's b, s2 and standard errors, on n - p degrees of freedom. What a column U
would do to the coefficient of D, if U were added and V held where it is, is then the algebra of least squares:

    b(without U) - b(with U) = +- se sqrt(df R2_Y R2_D / (1 - R2_D))                                  (2)
    se(with U) = se sqrt((1 - R2_Y) / (1 - R2_D) df / (df - 1))                                       (3)

R2_D is the share of D* that U* explains beyond the other columns, R2_Y the share of y* beyond those and D*. It is
exact at fixed V. A real U also moves the variances, and with them V.

Sources: Cinelli & Hazlett 2020, doi 10.1111/rssb.12348; VanderWeele & Ding 2017, doi 10.7326/M16-2607.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from helpers import formulas, reml, study

LOG_RATIO = 0.91  # log of the risk ratio for one SD of a continuous outcome, VanderWeele & Ding's approximation


def risk_ratio(d: float | np.ndarray) -> float | np.ndarray:
    """About the risk ratio that a difference of `d` SDs of a continuous outcome stands for: exp(0.91 d)."""
    return np.exp(LOG_RATIO * np.asarray(d))[()]


def e_value(ratio: float | np.ndarray) -> float | np.ndarray:
    """The least risk ratio that a confounder must have with exposure and outcome both, to make all of `ratio`.

    R + sqrt(R (R - 1)), with 1 / R for a ratio below 1. Raises ValueError for a ratio that is not above zero.
    """
    ratio = np.asarray(ratio, float)
    if not (ratio > 0).all():
        raise ValueError("ratio: a risk ratio is above zero")
    R = np.maximum(ratio, 1 / ratio)
    return (R + np.sqrt(R * (R - 1)))[()]


def robustness(t: float, df: float, share: float = 1.0, alpha: float | None = None) -> float:
    """The robustness value: R2_D = R2_Y = RV takes `share` of the estimate away, or with `alpha` its significance.

    With f = share |t| / sqrt(df), less t(alpha, df - 1) / sqrt(df - 1) if `alpha` is given (none left: RV is 0),

        RV = (sqrt(f^4 + 4 f^2) - f^2) / 2.
    """
    f = share * abs(t) / np.sqrt(df)
    if alpha is not None:
        f = max(f - stats.t.isf(alpha / 2, df - 1) / np.sqrt(df - 1), 0.0)
    return float((np.sqrt(f**4 + 4 * f**2) - f**2) / 2)


@dataclass(frozen=True)
class Whitened:
    """A mixed model at its variances as least squares: X (n, p) and y (n,) of (1), a row a visit; see the module."""

    X: pd.DataFrame
    y: pd.Series
    roots: tuple[tuple[np.ndarray, np.ndarray], ...]  # of each person: where the rows are, V^-1/2

    @classmethod
    def of(cls, fit: reml.Fit, formula: str, data: pd.DataFrame, group: str, random: str = "1") -> "Whitened":
        """The model of `formula` on `data`, at the variances of its `fit`; arguments and `Raises` as in `reml.fit`."""
        columns = formulas.Design.of(formula, group, random).read(data)
        Z, T, person = columns["Z"], fit.random_cov.to_numpy() / fit.residual_var, pd.factorize(columns["group"])[0]
        order = np.argsort(person, kind="stable")
        roots, known = [], {}  # people with the same Z_i share their root
        for rows in np.split(order, np.cumsum(np.bincount(person))[:-1]):
            if (key := Z[rows].tobytes()) not in known:
                values, vectors = np.linalg.eigh(np.eye(len(rows)) + Z[rows] @ T @ Z[rows].T)
                known[key] = vectors / np.sqrt(values) @ vectors.T
            roots.append((rows, known[key]))
        plain = cls(pd.DataFrame(), pd.Series(dtype=float), tuple(roots))
        X = pd.DataFrame(plain.whiten(columns["X"]), data.index, columns["fixed"])
        return cls(X, pd.Series(plain.whiten(columns["y"]), data.index, name=columns["outcome"]), plain.roots)

    def whiten(self, column: np.ndarray) -> np.ndarray:
        """V_i^-1/2 of each person's rows of `column` (n,) or (n, k)."""
        column = np.asarray(column, float)
        white = np.empty_like(column)
        for rows, root in self.roots:
            white[rows] = root @ column[rows]
        return white

    @property
    def df(self) -> int:
        return self.X.shape[0] - self.X.shape[1]

    def table(self) -> pd.DataFrame:
        """Least squares of y* on X*: estimate, std_error, t by term."""
        X, y = self.X.to_numpy(), self.y.to_numpy()
        inverse = np.linalg.inv(X.T @ X)
        b = inverse @ X.T @ y
        std_error = np.sqrt(np.sum((y - X @ b) ** 2) / self.df * np.diag(inverse))
        return pd.DataFrame({"estimate": b, "std_error": std_error, "t": b / std_error}, self.X.columns)

    def strength(self, term: str, confounder: np.ndarray) -> pd.Series:
        """R2_D (`predictor`) and R2_Y (`outcome`) of a column (n,) in its own units, and `sign`: of the bias in `term`.

        The column may be one of X's, whose strength is then that beyond the others: its benchmark is `bound`.
        """
        U = self.whiten(confounder)
        others = self.X.drop(columns=term)
        keep = [name for name in others if not np.allclose(others[name], U)]
        left = lambda target, given: target - given @ np.linalg.lstsq(given, target, rcond=None)[0]
        D, given = self.X[term].to_numpy(), others[keep].to_numpy()
        both = np.column_stack([given, D])
        with_d = _correlation(left(D, given), left(U, given))
        with_y = _correlation(left(self.y.to_numpy(), both), left(U, both))
        return pd.Series({"predictor": with_d**2, "outcome": with_y**2, "sign": np.sign(with_d * with_y)})

    def adjusted(self, term: str, predictor: float, outcome: float, sign: float = 1.0) -> pd.Series:
        """(2) and (3): estimate, std_error and interval of `term` with a confounder of that strength, V held.

        `sign` 1 for one that had raised the coefficient, -1 for one that had lowered it.
        """
        row, df = self.table().loc[term], self.df
        bias = row["std_error"] * np.sqrt(df * outcome * predictor / (1 - predictor))
        error = row["std_error"] * np.sqrt((1 - outcome) / (1 - predictor) * df / (df - 1))
        half, estimate = stats.t.ppf((1 + study.CONFIDENCE) / 2, df - 1) * error, row["estimate"] - sign * bias
        ends = {"conf_low": estimate - half, "conf_high": estimate + half}
        return pd.Series({"estimate": estimate, "std_error": error, **ends})


def bound(predictor: float, outcome: float, times: float = 1.0) -> tuple[float, float]:
    """The most that a confounder can have of R2_D and R2_Y if it is `times` as strong as a measured column.

    `predictor` and `outcome` are the column's own shares, as `Whitened.strength` gives them. Cinelli & Hazlett's bound
    for a confounder that is independent of the column, given the others. Raises ValueError where `times` is too much.
    """
    if times * predictor >= 1:
        raise ValueError(f"times: a confounder {times:g} times as strong would explain the predictor wholly")
    through = times * predictor**2 / ((1 - times * predictor) * (1 - predictor))
    if through >= 1:
        raise ValueError(f"times: {times:g} is more than the column's own strength allows")
    ratio = (np.sqrt(times) + np.sqrt(through)) / np.sqrt(1 - through)
    return float(times * predictor / (1 - predictor)), float(min(ratio**2 * outcome / (1 - outcome), 1.0))


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Of residuals, about zero (whitened columns have no common mean)."""
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))
