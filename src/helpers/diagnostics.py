"""Where a fitted model may mislead: residuals, fits without each person, errors that do not trust its variances.

Everything takes the arrays that `formulas.Design.read` makes of a frame, one row a visit, and in the notation of
`helpers.likelihood` person i has y_i = X_i b + Z_i u_i + e_i, with covariance V_i = s2 I + Z_i (s2 T) Z_i'.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from helpers.moments import Moments, _table, upright
from helpers.reml import Fit

WEAKENS, FALLS = 1 / 3, 2 / 3  # shares of an estimate whose loss weakens a claim, or fells it
VERDICTS = ("holds", "weakens", "falls")  # from good to bad


def verdict(claimed: float, checks: pd.DataFrame) -> str:
    """What checks make of a claim whose estimate was `claimed`; `checks` has estimate, conf_low, conf_high, a row each.

    A check `falls` if the estimate turns its sign or loses more than the share FALLS of its size; it `weakens` if it
    loses more than WEAKENS, or if its interval includes zero; else it `holds`. The verdict is that of the worst check.
    Raises ValueError for no checks, or one that is not a number.
    """
    if not len(checks) or checks[["estimate", "conf_low", "conf_high"]].isna().any(axis=None):
        raise ValueError("checks: none, or one without estimate or interval")
    left = checks["estimate"] / claimed
    includes = (checks["conf_low"] <= 0) & (checks["conf_high"] >= 0)
    worst = np.where(left < 1 - FALLS, 2, np.where((left < 1 - WEAKENS) | includes, 1, 0)).max()
    return VERDICTS[worst]


def residuals(
    fit: Fit, y: np.ndarray, X: np.ndarray, Z: np.ndarray, group: np.ndarray, **names: object
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What a fit leaves over: of visits, and of people.

        u_i = s2 T Z_i' V_i^-1 (y_i - X_i b),      e_i = y_i - X_i b - Z_i u_i

    u_i is the best linear unbiased predictor at the estimated variances (EBLUP). Returns two frames. One row a visit,
    in the order of the arrays: person, fitted (X b + Z u), marginal (y - X b) and conditional (e) residual, in the
    outcome's units. One row a person (index): a column for each random term.

    Source: Laird & Ware 1982, doi 10.2307/2529876.
    """
    b, G = fit.fixed["estimate"].to_numpy(), fit.random_cov.to_numpy()
    left = y - X @ b
    spread, effects = np.zeros(len(y)), {}
    for label, rows, V in _people(fit, Z, group):
        effects[label] = G @ Z[rows].T @ np.linalg.solve(V, left[rows])
        spread[rows] = Z[rows] @ effects[label]
    visits = pd.DataFrame({"person": group, "fitted": X @ b + spread, "marginal": left, "conditional": left - spread})
    return visits, pd.DataFrame(effects, fit.random_cov.index).T.rename_axis("person")


def without_each(
    y: np.ndarray,
    X: np.ndarray,
    Z: np.ndarray,
    group: np.ndarray,
    in_turn: Sequence | None = None,
    **names: Sequence[str] | str,
) -> tuple[pd.Index, Moments]:
    """People's labels (B,), and B data sets: the moments of all people less those of one of them each.

    `in_turn` lists people who go one after another and stay away: without the first, without the first two, and so on.
    The sums of a person are subtracted, which is exact; `optimum` then solves all B side by side. `names` are
    `fixed`, `random` and `outcome` of `Moments.from_arrays`, which says what is raised. Raises ValueError for someone
    in `in_turn` who has no row, or stands there twice.
    """
    whole = Moments.from_arrays(y, X, Z, group, **names)
    labels, person = np.unique(group, return_inverse=True)
    W = np.linalg.solve(whole.R.T, np.column_stack([X, y]).T).T  # in the basis of the whole
    m = np.zeros((len(labels), len(whole.m)))
    S, E = np.zeros((len(labels), *whole.S.shape)), np.zeros((len(labels), *whole.E.shape))
    for i in range(len(labels)):
        rows = np.flatnonzero(person == i)
        rows = rows[np.lexsort(Z[rows].T[::-1])]
        U, A = upright(*np.linalg.qr(Z[rows]))
        k = len(A)
        near = np.abs(whole.A[:, :k] - A).max((1, 2)) <= 1e-9 * np.abs(A).max()
        pattern = np.flatnonzero(near & (whole.rows == len(rows)))[0]
        inside = U.T @ W[rows]
        left = W[rows] - U @ inside
        m[i, pattern], E[i] = 1, left.T @ left
        S[i, pattern, :k, :k] = inside[:, None, :, None] * inside[None, :, None, :]
    if in_turn is not None:
        gone = pd.Index(labels).get_indexer(in_turn)
        if (gone < 0).any() or len(set(gone)) < len(gone):
            raise ValueError("in_turn: someone without a row, or listed twice")
        labels, m, S, E = labels[gone], m[gone].cumsum(0), S[gone].cumsum(0), E[gone].cumsum(0)
    return pd.Index(labels, name="person"), replace(whole, m=whole.m - m, S=whole.S - S, E=whole.E - E)


def cr2(
    fit: Fit,
    y: np.ndarray,
    X: np.ndarray,
    Z: np.ndarray,
    group: np.ndarray,
    contrasts: pd.DataFrame | None = None,
    **names: object,
) -> pd.DataFrame:
    """Cluster-robust standard errors of a fit's coefficients, corrected for few people, with the columns of `fixed`.

    With the model's V as working covariance, M = (X'V^-1X)^-1, r_i = y_i - X_i b and V_i = D_i'D_i (Cholesky):

        cov(b) = M [ sum X_i' V_i^-1 A_i r_i r_i' A_i' V_i^-1 X_i ] M
        A_i = D_i' (D_i (V_i - X_i M X_i') D_i')^-1/2 D_i

    If V is right this is unbiased; if V is wrong it still tends to the truth as people become many. The estimates are
    those of the fit. df of a contrast c'b by Satterthwaite's rule under V, with a_i = A_i' V_i^-1 X_i M c:

        df = (sum_i t_ii)^2 / sum_ij t_ij^2,      t_ij = a_i' V_i a_i [i = j] - a_i' X_i M X_j' a_j

    `contrasts` as in `Fit.contrast` (default: each coefficient). A direction of the root without variance, as where a
    person alone decides a coefficient, is left out (Moore-Penrose).

    Source: Bell & McCaffrey 2002, Survey Methodology 28:169-181; Pustejovsky & Tipton 2018,
    doi 10.1080/07350015.2016.1247004.
    """
    terms = fit.fixed.index
    C = np.eye(len(terms)) if contrasts is None else contrasts.reindex(columns=terms, fill_value=0.0).to_numpy(float)
    b = fit.fixed["estimate"].to_numpy()
    left, people = y - X @ b, list(_people(fit, Z, group))
    M = np.linalg.inv(sum(X[rows].T @ np.linalg.solve(V, X[rows]) for _, rows, V in people))
    scores, diagonal, across = [], [], []  # of each person: c'M X'V^-1 A r, a'V a and a'X
    for _, rows, V in people:
        Xi, D = X[rows], np.linalg.cholesky(V).T
        A = D.T @ _inverse_root(D @ (V - Xi @ M @ Xi.T) @ D.T) @ D
        a = C @ M @ Xi.T @ np.linalg.solve(V, A)  # (contrasts, visits)
        scores.append(a @ left[rows])
        diagonal.append(((a @ V) * a).sum(1))
        across.append(a @ Xi)
    across = np.array(across).swapaxes(0, 1)  # (contrasts, people, terms)
    t = -across @ M @ across.swapaxes(1, 2)
    who = np.arange(len(people))
    t[:, who, who] += np.array(diagonal).T
    df = np.trace(t, axis1=1, axis2=2) ** 2 / (t**2).sum((1, 2))
    error = np.sqrt((np.array(scores) ** 2).sum(0))
    return _table(terms if contrasts is None else contrasts.index, C @ b, error, df)


def _people(fit: Fit, Z: np.ndarray, group: np.ndarray) -> Iterator[tuple[object, np.ndarray, np.ndarray]]:
    """Of each person: label, rows, V_i."""
    G = fit.random_cov.to_numpy()
    for label in pd.unique(pd.Series(group)):
        rows = np.flatnonzero(group == label)
        yield label, rows, fit.residual_var * np.eye(len(rows)) + Z[rows] @ G @ Z[rows].T


def _inverse_root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    there = values > 1e-12 * values.max()
    return (vectors[:, there] / np.sqrt(values[there])) @ vectors[:, there].T
