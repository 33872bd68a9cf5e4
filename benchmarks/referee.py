"""Who reached the optimum: the REML criterion, written plainly, apart from every engine, at the variances each found.

With V_i = I + Z_i T Z_i' and T the random effects' covariance divided by the residual variance, the criterion is

    f(T) = sum log|V_i| + log|X'V^-1 X| + (n - p) (1 + log(2 pi r2 / (n - p))),   r2 = y'V^-1 y - y'V^-1 X b

on lme4's scale. Each person's rows are divided by the Cholesky factor of V_i, the rest is least squares by QR.
"""

import numpy as np
import pandas as pd
from data import FIXED


def design(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """X (visits, 8) and Z (visits, 2) of `data.FORMULA`, visits of a person one after another."""
    ones = np.ones(len(frame))
    X = np.column_stack([ones] + [frame[term.split(":")].prod(axis=1) for term in FIXED])
    return X, np.column_stack([ones, frame["time"]])


class Referee:
    """The criterion of one frame's design for any response and any T."""

    def __init__(self, frame: pd.DataFrame):
        self.X, self.Z = design(frame)
        _, first, visits = np.unique(frame["person"], return_index=True, return_counts=True)
        self.rows = [first[visits == count][:, None] + np.arange(count) for count in np.unique(visits)]

    def criterion(self, y: np.ndarray, T: np.ndarray) -> float:
        W, logV = np.column_stack([self.X, y]), 0.0
        for rows in self.rows:
            Z = self.Z[rows]
            factor = np.linalg.cholesky(np.eye(rows.shape[1]) + Z @ T @ Z.swapaxes(1, 2))
            W[rows] = np.linalg.solve(factor, W[rows])
            logV += 2 * np.log(np.diagonal(factor, axis1=1, axis2=2)).sum()
        R = np.abs(np.diag(np.linalg.qr(W, mode="r")))
        d = len(W) - self.X.shape[1]
        return float(logV + 2 * np.log(R[:-1]).sum() + d * (1 + np.log(2 * np.pi * R[-1] ** 2 / d)))
