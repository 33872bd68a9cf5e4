"""Sums over people as a value: added, taken apart, changed by linear maps, and fitted without going back to the data.

The equations, in the order of `helpers.likelihood`: with W = [X | y] and Z_i = U_i A_i (QR), one A a *pattern*,

    E = sum_i W_i' (I - U_i U_i') W_i,     S = sum_i (U_i'W_i) (x) (U_i'W_i),     m people in each pattern

Centred for accuracy: E and S are kept for W~ with W = W~ R, where the columns of W~ are about orthonormal (times
sqrt n) and R is upper triangular. A large mean or a large scale then stands in R, and cancels nowhere. A change of the
columns, W' = W T, changes R alone: R T = B R' (QR), E' = B'E B, S' = B'S B. A change of the random columns, Z' = Z T,
gives A T = Q A' (QR) in each pattern, S' = Q'S Q, and E' = E + (I - QQ') : S. Two parts meet in one basis,
[sqrt(n1) R1; sqrt(n2) R2] = [B1; B2] R (QR).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd
from scipy import stats

from helpers import formulas, likelihood, study

COLLINEAR = 1e-10  # what a column adds to those before it, relative to its size, below which it counts as given
STEEP = 1e-3  # least eigenvalue of X'X (columns at length one) above which the columns themselves are a good basis
DDF = ("satterthwaite", "kenward-roger", "none")


@dataclass(frozen=True)
class Fit:
    """One fitted model; variances in the outcome's units squared.

    fixed : by term: estimate, std_error, df, t, p (two-sided), conf_low, conf_high (at study.CONFIDENCE)
    covariance : (p, p) of the estimates, s2 (X'V^-1X)^-1, or Kenward and Roger's
    random_cov : (q, q) of the random effects, s2 T
    residual_var : s2
    criterion : -2 (restricted) log-likelihood, lme4's scale
    rank : of random_cov; singular : whether that is below q (a variance of zero, a correlation of one)
    converged : the optimum is certified: level on its face, no descent off it, no flat direction, the best of several
        starts (that no better one lies far away is likely then, not proved)
    gradient : (q, q) df/dT at the optimum
    iterations : Newton steps, all starts together
    """

    outcome: str
    fixed: pd.DataFrame
    covariance: pd.DataFrame
    random_cov: pd.DataFrame
    residual_var: float
    criterion: float
    n_obs: int
    n_groups: int
    converged: bool
    singular: bool
    rank: int
    gradient: np.ndarray
    iterations: int
    reml: bool
    ddf: str
    spread: tuple[np.ndarray, np.ndarray, np.ndarray]  # what `likelihood.df` takes before the contrast

    def contrast(self, L: pd.DataFrame) -> pd.DataFrame:
        """Linear combinations of the coefficients, a row each, with the columns of `fixed`.

        `L` has a column for each term (missing ones count as zero) and a row a combination; its index names the rows.
        Raises ValueError for a column that is no term.
        """
        if unknown := [str(name) for name in L.columns if name not in self.fixed.index]:
            raise ValueError(f"no term {unknown[0]!r}; there are {', '.join(self.fixed.index)}")
        rows = L.reindex(columns=self.fixed.index, fill_value=0.0).to_numpy(float)
        error = np.sqrt(((rows @ self.covariance.to_numpy()) * rows).sum(1))
        return _table(L.index, rows @ self.fixed["estimate"].to_numpy(), error, likelihood.df(*self.spread, rows))

    def __repr__(self) -> str:
        what = f"{'REML' if self.reml else 'ML'} criterion {self.criterion:.3f}, {self.n_obs} rows of {self.n_groups}"
        state = ("" if self.converged else ", not certified") + (f", rank {self.rank}" if self.singular else "")
        return f"{self.outcome}: {what}{state}\n{self.fixed}\n\n{self.random_cov}\nresidual {self.residual_var:.6g}"


@dataclass(frozen=True)
class Optimum:
    """Optima in the units of the data: of one data set, or with a leading axis of data sets before every shape."""

    beta: np.ndarray  # (p,)
    covariance: np.ndarray  # (p, p) of beta: s2 (X'V^-1X)^-1
    df: np.ndarray  # (p,) Satterthwaite's
    random_cov: np.ndarray  # (q, q) s2 T
    residual_var: np.ndarray  # s2
    criterion: np.ndarray  # -2 (restricted) log-likelihood, lme4's scale
    rank: np.ndarray  # of random_cov
    gradient: np.ndarray  # (q, q) G = df/dT at the optimum
    certified: np.ndarray  # no descent on the face of T or off it, and no flat direction
    iterations: np.ndarray  # Newton steps, all starts together
    n_obs: np.ndarray
    n_groups: np.ndarray

    @property
    def singular(self) -> np.ndarray:
        """Whether the optimum stands on the boundary: a variance of zero or a correlation of one."""
        return self.rank < self.random_cov.shape[-1]


@dataclass(frozen=True)
class Moments:
    """The sums of the module's equations, for P patterns, p fixed and q random columns, c = p + 1.

    m, S, E and R may have a leading axis of data sets that share patterns. Values are never changed in place.
    """

    outcome: str
    fixed: tuple[str, ...]
    random: tuple[str, ...]
    rows: np.ndarray  # (P,) visits a person
    A: np.ndarray  # (P, q, q) upper triangular, diagonal >= 0
    m: np.ndarray  # (..., P) people, or the sum of their weights
    S: np.ndarray  # (..., P, q, q, c, c)
    E: np.ndarray  # (..., c, c)
    R: np.ndarray  # (..., c, c)

    @classmethod
    def from_frame(
        cls,
        formula: str,
        data: pd.DataFrame,
        group: str,
        random: str = "1",
        weights: str | None = None,
        missing: str = "raise",
    ) -> "Moments":
        """The moments of a data frame, one pass over its rows; arguments and `Raises` as in `reml.fit`."""
        return cls.from_arrays(**formulas.Design.of(formula, group, random, weights, missing).read(data))

    @classmethod
    def from_arrays(
        cls,
        y: np.ndarray,
        X: np.ndarray,
        Z: np.ndarray,
        group: np.ndarray,
        weights: np.ndarray | None = None,
        fixed: Sequence[str] | None = None,
        random: Sequence[str] | None = None,
        outcome: str = "y",
    ) -> "Moments":
        """The moments of y (n,), X (n, p), Z (n, q), group labels (n,) and, if given, weights (n,); rows in any order.

        y (n, B) makes B data sets that share everything but the outcome.

        Raises
        ------
        ValueError
            Shapes that differ; no rows; a value that is not finite; weights that are negative or differ within a
            person.
        """
        y, X, Z = (np.asarray(part, float) for part in (y, X, Z))
        n, group = len(y), np.asarray(group)
        if not n:
            raise ValueError("no rows")
        X, Z, Y = X.reshape(len(X), -1), Z.reshape(len(Z), -1), y.reshape(n, -1)
        if not n == len(X) == len(Z) == len(group):
            raise ValueError(f"y, X, Z and group have {n}, {len(X)}, {len(Z)} and {len(group)} rows")
        for part, values in (("y", Y), ("X", X), ("Z", Z)):
            if not np.isfinite(values.sum()) and not (finite := np.isfinite(values)).all():
                raise ValueError(f"{part} has {(~finite).sum()} values that are not finite")
        person = pd.factorize(group)[0]
        if (person < 0).any():
            raise ValueError(f"group has {(person < 0).sum()} blanks")
        visits, kind = np.bincount(person), alike(*Z.T)
        each = person_weights(weights, person, len(visits))
        X, Y, R = _basis(X, Y)
        # A person's rows one after another, in the order of Z.
        order = person * (kind.max() + 1) + kind
        order = slice(None) if (order[1:] >= order[:-1]).all() else np.argsort(order, kind="stable")
        X, Y, Z, kind, first = X[order], Y[order], Z[order], kind[order], np.cumsum(visits) - visits
        q, E, parts = Z.shape[1], 0.0, []
        for count in np.unique(visits):
            who = np.flatnonzero(visits == count)
            rows = first[who][:, None] + np.arange(count)
            pattern = alike(*kind[rows].T)
            by, sizes = np.argsort(pattern, kind="stable"), np.bincount(pattern)
            who, rows, begin = who[by], rows[by], np.cumsum(sizes) - sizes
            # Patterns that several people share one by one; people with a pattern of their own all at once.
            shared = [slice(b, b + size) for b, size in zip(begin, sizes, strict=True) if size > 1]
            for at in [*shared, begin[sizes == 1]]:
                own = not isinstance(at, slice)
                U, A = upright(*np.linalg.qr(Z[rows[at] if own else rows[at.start : at.start + 1]]))
                if not len(A):
                    continue
                weight = each[who[at]]
                w = np.sqrt(weight)[:, None]
                inside, left = [], []
                for part in (X, Y):  # (visits, people, columns), by U' to (k, people, columns)
                    x = w * part[rows[at].T]
                    inside.append(np.einsum("gvk,vgp->kgp", U, x) if own else np.tensordot(U[0], x, (0, 0)))
                    x -= np.einsum("gvk,kgp->vgp", U, inside[-1]) if own else np.tensordot(U[0], inside[-1], 1)
                    left.append(x.reshape(1, -1, x.shape[-1]))
                pad = (0, q - U.shape[-1])
                E = E + _second_moments(*left)[:, 0, 0, 0]
                S = np.pad(_second_moments(*inside, own), [(0, 0), (0, 0), pad, pad, (0, 0), (0, 0)])
                m = weight if own else weight.sum(keepdims=True)
                parts.append((np.full(len(A), count), np.pad(A, [(0, 0), pad, (0, 0)]), m, S))
        rows, A, m = (np.concatenate([part[k] for part in parts]) for k in range(3))
        S = np.concatenate([part[3] for part in parts], 1)
        many = y.ndim > 1
        return cls(
            outcome,
            tuple(fixed if fixed is not None else (f"x{j}" for j in range(X.shape[1]))),
            tuple(random if random is not None else (f"z{j}" for j in range(q))),
            *(rows, A, np.broadcast_to(m, (Y.shape[1], len(m))) if many else m),
            *((S, E, R) if many else (S[0], E[0], R[0])),
        )

    @property
    def n_obs(self) -> np.ndarray:
        return self.m @ self.rows

    @property
    def n_groups(self) -> np.ndarray:
        return self.m.sum(-1)

    def __add__(self, other: "Moments") -> "Moments":
        """The moments of both parts together. Raises ValueError if their columns differ."""
        self._same_columns(other)
        if np.array_equal(self.R, other.R):
            ours, theirs, R = self, other, self.R
        else:
            n = [float(np.mean(part.n_obs)) for part in (self, other)]
            B, R = np.linalg.qr(np.concatenate([np.sqrt(n[0]) * self.R, np.sqrt(n[1]) * other.R], -2))
            c, size = R.shape[-1], np.sqrt(sum(n))
            ours = self._turned(B[..., :c, :] * size / np.sqrt(n[0]))
            theirs, R = other._turned(B[..., c:, :] * size / np.sqrt(n[1])), R / size
        return replace(ours._merged(theirs, 1), R=R)

    def __sub__(self, other: "Moments") -> "Moments":
        """The moments without a part: exactly what its people had added. Raises ValueError if columns differ."""
        self._same_columns(other)
        if np.array_equal(self.R, other.R):
            return self._merged(other, -1)
        size = np.maximum(np.sqrt((self.R**2).sum(-2, keepdims=True)), 1e-300)
        return self._merged(other._turned(other.R / size @ np.linalg.pinv(self.R / size, rcond=1e-14)), -1)

    def __radd__(self, other: int) -> "Moments":
        """So that `sum(parts)` works."""
        if other != 0:
            return NotImplemented
        return self

    def transform(self, T_fixed: np.ndarray | None = None, T_random: np.ndarray | None = None) -> "Moments":
        """The moments of X T_fixed and Z T_random, without the data.

        `T_fixed` (p, p') leaves the outcome as it is; (p + 1, p' + 1) changes it too, the outcome being the last row
        and column. `T_random` is (q, q'). Data frames are matched by their index and name the new columns.

        Raises
        ------
        ValueError
            Shapes or names that do not fit.
        """
        moments = self if T_random is None else self._random(T_random)
        if T_fixed is None:
            return moments
        old = (*self.fixed, self.outcome)
        T = np.asarray(T_fixed, float)
        whole = T.shape[:1] == (len(old),) and (not isinstance(T_fixed, pd.DataFrame) or self.outcome in T_fixed.index)
        T, names = linear_map(T_fixed, old if whole else self.fixed, "x", "T_fixed")
        if not whole:
            T, names = likelihood.pad(T), [*names, self.outcome]
            T[-1, -1] = 1
        B, R = full_qr(self.R @ T)
        return replace(moments._turned(B), fixed=tuple(names[:-1]), outcome=names[-1], R=R)

    def select(self, columns: Sequence[str]) -> "Moments":
        """The moments with these fixed columns alone, in this order. Raises ValueError for an unknown one."""
        if unknown := [column for column in columns if column not in self.fixed]:
            raise ValueError(f"no fixed column {unknown[0]!r}; there are {', '.join(self.fixed)}")
        return self.transform(pd.DataFrame(np.eye(len(self.fixed)), self.fixed, self.fixed)[list(columns)])

    def fit(self, reml: bool = True, ddf: str = "satterthwaite") -> Fit:
        """The fitted model of one data set. Raises ValueError as `reml.fit`."""
        if ddf not in DDF:
            raise ValueError(f"ddf: {ddf!r} is not one of {', '.join(DDF)}")
        if ddf == "kenward-roger" and not reml:
            raise ValueError("ddf: 'kenward-roger' belongs to REML; use reml=True, or ddf='satterthwaite'")
        if self.m.ndim > 1:
            raise ValueError(f"{len(self.m)} data sets: `optimum` solves them side by side, `fit` takes one")
        self._refuse()
        one = self._alone()
        sums, R, Rz = one._standardised(reml)
        found = likelihood.optimum(sums, likelihood.STARTS)
        best = one._in_units(sums, found, R, Rz)
        to_beta, s2 = np.linalg.inv(R[0, :-1, :-1]), best.residual_var[0]
        plain = covariance = best.covariance[0]
        J, A = found.J[0], found.A[0]
        if ddf == "kenward-roger":
            covariance, J, A = likelihood.kenward_roger(sums, found, self.rows)
            covariance = s2 * to_beta @ covariance @ to_beta.T
        elif ddf == "none":
            A = 0 * A
        spread = plain, s2 * to_beta @ J @ to_beta.T, A
        p = len(self.fixed)
        random = list(self.random)
        return Fit(
            outcome=self.outcome,
            fixed=_table(self.fixed, best.beta[0], np.sqrt(np.diag(covariance)), likelihood.df(*spread, np.eye(p))),
            covariance=pd.DataFrame(covariance, self.fixed, self.fixed),
            random_cov=pd.DataFrame(best.random_cov[0], random, random),
            residual_var=float(best.residual_var[0]),
            criterion=float(best.criterion[0]),
            n_obs=_whole(best.n_obs[0]),
            n_groups=_whole(best.n_groups[0]),
            converged=bool(best.certified[0]),
            singular=bool(best.singular[0]),
            rank=int(best.rank[0]),
            gradient=best.gradient[0],
            iterations=int(best.iterations[0]),
            reml=reml,
            ddf=ddf,
            spread=spread,
        )

    def optimum(self, reml: bool = True, starts: tuple | None = None, start: np.ndarray | None = None) -> Optimum:
        """The optima of one data set, or of all of them side by side; `start` is a relative covariance T (q, q) to
        try too.

        Of many data sets, those that cannot be fitted (see `reml.fit`) have NaN for an estimate and are not certified.
        """
        many = self if self.m.ndim > 1 else self._alone()
        if many is not self:
            self._refuse()
        usable = many._usable() if many is self else np.ones(1, bool)
        if not usable.any():
            return many._nowhere()
        part = many if usable.all() else many._take(usable)
        sums, R, Rz = part._standardised(reml)
        if start is not None:
            values, vectors = np.linalg.eigh(Rz @ start @ Rz.swapaxes(-1, -2))
            start = vectors * np.sqrt(np.maximum(values, likelihood.SMALL**2))[:, None, :]
        if many is not self and starts is None:
            starts = likelihood.STARTS
        best = part._in_units(sums, likelihood.optimum(sums, starts, start), R, Rz)
        if not usable.all():
            best = _spread(best, usable, many)
        return best if many is self else Optimum(*(getattr(best, field.name)[0] for field in fields(Optimum)))

    def criterion(self, T: np.ndarray, reml: bool = True) -> float:
        """f(T) of `helpers.likelihood` (6) at a relative covariance T (q, q) in the units of Z, on lme4's scale."""
        self._refuse()
        sums, R, Rz = self._alone()._standardised(reml)
        return float((likelihood.evaluate(sums, Rz @ T @ Rz.swapaxes(-1, -2)).f + _constant(sums, R))[0])

    def _alone(self) -> "Moments":
        """One data set as the only one of many."""
        return replace(self, m=self.m[None], S=self.S[None], E=self.E[None])

    def _take(self, which: np.ndarray) -> "Moments":
        """These of many data sets."""
        R = self.R[which] if self.R.ndim > 2 else self.R
        return replace(self, m=self.m[which], S=self.S[which], E=self.E[which], R=R)

    def _same_columns(self, other: "Moments") -> None:
        ours, theirs = ((part.outcome, part.fixed, part.random) for part in (self, other))
        if ours != theirs:
            raise ValueError(f"moments of different columns: {ours} and {theirs}")

    def _turned(self, B: np.ndarray) -> "Moments":
        """The same people in another basis: W~' = W~ B."""
        deep = B[..., None, None, None, :, :]
        return replace(self, S=deep.swapaxes(-1, -2) @ self.S @ deep, E=B.swapaxes(-1, -2) @ self.E @ B)

    def _random(self, T_random: np.ndarray) -> "Moments":
        T, names = linear_map(T_random, self.random, "z", "T_random")
        Q, A = upright(
            *np.linalg.qr(np.concatenate([self.A @ T, np.zeros((*self.A.shape[:1], T.shape[1], T.shape[1]))], 1))
        )
        Q = Q[:, : self.A.shape[1]]  # (P, q, q'): zero rows made the matrix tall enough for any q'
        S = np.einsum("jak,...jabcd,jbl->...jklcd", Q, self.S, Q, optimize=True)
        left = np.eye(Q.shape[1]) - Q @ Q.swapaxes(-1, -2)
        E = self.E + np.einsum("jab,...jabcd->...cd", left, self.S)
        return replace(self, random=tuple(names), A=A, S=S, E=E)._merged(None, 1)

    def _merged(self, other: "Moments | None", sign: int) -> "Moments":
        """Patterns that are alike put together, those without people left out."""
        parts = [self] if other is None else [self, other]
        rows, A = (np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", "A"))
        size = np.maximum(np.abs(A).max((1, 2), keepdims=True), 1e-300)
        label = alike(rows, *np.round(A / size, 10).reshape(len(A), -1).T, np.round(np.log2(size.ravel()), 8))
        _, first = np.unique(label, return_index=True)
        signs = np.repeat([1.0, sign], [len(part.rows) for part in parts] if other else [len(rows), 0])
        together = np.zeros((len(first), len(label)))
        together[label, np.arange(len(label))] = signs
        m = np.concatenate([part.m for part in parts], -1) @ together.T
        S = np.concatenate([part.S for part in parts], -5)
        S = np.tensordot(together, S, (1, S.ndim - 5))
        S = np.moveaxis(S, 0, -5)
        E = self.E if other is None else self.E + sign * other.E
        there = np.abs(m.reshape(-1, len(first))).max(0) > 1e-9
        # Where Z_i is short of its rank, what lies beside its span is in S or in E as the rows came; none of it may go.
        E = E + np.trace(S[..., ~there, :, :, :, :], axis1=-4, axis2=-3).sum(-3)
        return replace(
            self, rows=rows[first][there], A=A[first][there], m=m[..., there], S=S[..., there, :, :, :, :], E=E
        )

    def _refuse(self) -> None:
        """What one data set must have to be fitted."""
        p, q, n = len(self.fixed), len(self.random), _whole(self.n_obs)
        if n <= p:
            raise ValueError(f"{n} rows cannot carry {p} fixed effects")
        if self.n_groups < q:
            raise ValueError(f"{_whole(self.n_groups)} groups cannot carry {q} random terms")
        if self.rows[self.m > 0].max() <= q:
            raise ValueError(
                f"every group has at most {q} rows, as many as random terms: their variances and the residual's are "
                "not identified; leave out a random term"
            )
        fixed, exact = self._given()
        for kind, names, which in (("fixed", self.fixed, fixed), ("random", self.random, _repeats(self._Rz(self.m)))):
            if which.any():
                given = ", ".join(repr(name) for name, given in zip(names, which, strict=True) if given)
                others = "is zero or a combination of the columns before it"
                raise ValueError(f"{kind} columns: {given} {others}; leave out what repeats")
        if exact:
            if self.fixed[:1] == ("Intercept",) and np.abs(self.R[1:, -1]).max() <= 1e-12 * abs(self.R[0, -1]):
                raise ValueError(f"the outcome {self.outcome!r} has no variance: it is the same in every row")
            raise ValueError(f"the fixed effects fit the outcome {self.outcome!r} exactly: no variance is left")
        if not self._varies():
            raise ValueError(
                f"fixed and random effects together can fit every row of {self.outcome!r}: no residual variance is left"
            )

    def _usable(self) -> np.ndarray:
        """Which of many data sets can be fitted (B,)."""
        p, q = len(self.fixed), len(self.random)
        fixed, exact = self._given()
        there = self.m.sum(-1) > 0
        random = _repeats(self._Rz(np.where(there[:, None], self.m, 1))).any(-1)
        long = (self.m * (self.rows > q)).sum(-1) > 0
        enough = (self.n_obs > p) & (self.n_groups >= q) & there & long
        return enough & ~fixed.any(-1) & ~random & ~exact & self._varies()

    def _given(self) -> tuple[np.ndarray, np.ndarray]:
        """Which fixed columns are zero or a combination of those before them (..., p), and if the outcome is (...).

        R tells what held when it was made, E and S what holds since people were taken out.
        """
        gram = self.E + np.trace(self.S, axis1=-4, axis2=-3).sum(-3)
        gram = gram / np.maximum(self.n_obs, 1e-300)[..., None, None]
        fixed, exact = (
            _repeats(self.R)[..., :-1],
            np.abs(self.R[..., -1, -1]) <= 1e-12 * np.abs(self.R[..., :, -1]).max(-1),
        )
        if (np.linalg.eigvalsh(gram) > 1e-6).all():
            shape = gram.shape[:-2]
            return np.broadcast_to(fixed, (*shape, fixed.shape[-1])), np.broadcast_to(exact, shape)
        values, vectors = np.linalg.eigh(gram)
        root = np.sqrt(np.maximum(values, 0))[..., :, None] * vectors.swapaxes(-1, -2)
        now = np.abs(np.diagonal(np.linalg.qr(root, mode="r"), axis1=-2, axis2=-1)) <= 1e-6
        return now[..., :-1] | fixed, now[..., -1] | exact

    def _varies(self) -> np.ndarray:
        """Whether anything is left of the outcome beside what fixed and random effects together can fit (...)."""
        E, p, n = self.E, len(self.fixed), self.n_obs
        Exx, Exy, Eyy = E[..., :-1, :-1], E[..., :-1, -1:], E[..., -1, -1]
        spare = self.rows - (np.abs(np.diagonal(self.A, axis1=1, axis2=2)) > 0).sum(1)
        spare = (np.maximum(self.m, 0) * np.maximum(spare, 0)).sum(-1)  # rows that random effects do not use up
        short = spare <= p
        if short.any():
            size = np.trace(Exx, axis1=-2, axis2=-1)
            rank = np.linalg.matrix_rank(Exx, tol=1e-9 * np.maximum(size, 1e-300), hermitian=True)
            short = short & (spare <= rank + 1e-9)
        # A ridge instead of a pseudo-inverse: persons' own columns leave nothing here, and this is done for thousands.
        ridge = 1e-13 * np.maximum(np.trace(Exx, axis1=-2, axis2=-1) + n, 1)
        b = np.linalg.solve(Exx + ridge[..., None, None] * np.eye(p), Exy)
        left = Eyy - (Exy.swapaxes(-1, -2) @ b)[..., 0, 0]
        return ~short & (left > 1e-10 * Eyy + 2 * ridge * (b**2).sum((-1, -2))) & (Eyy > 1e-20 * n)

    def _nowhere(self) -> Optimum:
        """The optima of many data sets none of which can be fitted."""
        B, p, q = len(self.m), len(self.fixed), len(self.random)
        blank, none = (lambda *shape: np.full((B, *shape), np.nan)), np.zeros(B, int)
        estimates = blank(p), blank(p, p), blank(p), blank(q, q), blank(), blank()
        return Optimum(*estimates, none, blank(q, q), none.astype(bool), none, self.n_obs, self.n_groups)

    def _Rz(self, m: np.ndarray) -> np.ndarray:
        """R (..., q, q) with sum Z_i'Z_i = n_groups R'R."""
        q = self.A.shape[-1]
        share = np.sqrt(np.maximum(m, 0) / m.sum(-1, keepdims=True))
        tall = (share[..., None, None] * self.A).reshape(*m.shape[:-1], -1, q)
        return upright(None, np.linalg.qr(np.concatenate([tall, np.zeros((*m.shape[:-1], q, q))], -2), mode="r"))[1]

    def _standardised(self, reml: bool) -> tuple[likelihood.Sums, np.ndarray, np.ndarray]:
        """The sums as `likelihood` takes them, with a leading axis; R (B, c, c), Rz (B, q, q)."""
        Rz, p = self._Rz(self.m), len(self.fixed)
        A = self.A @ np.linalg.inv(Rz)[:, None]
        i, j = np.triu_indices(A.shape[-1])
        S = self.S[..., i, j, :, :] + np.where((i == j)[:, None, None], 0, self.S[..., j, i, :, :])
        S = likelihood.pack((S + S.swapaxes(-1, -2)) / 2)
        E, n = likelihood.pack(self.E), self.n_obs.astype(float)
        S = np.ascontiguousarray(S.reshape(len(S), -1, S.shape[-1]))  # one layout, so one order of summation
        sums = likelihood.Sums(self.m, A, S, E, n, p, reml)
        R = np.broadcast_to(self.R, (len(self.m), p + 1, p + 1))
        return sums, R, Rz

    def _in_units(self, sums: likelihood.Sums, found: likelihood.Found, R: np.ndarray, Rz: np.ndarray) -> Optimum:
        p, at = sums.p, found.at
        to_beta, to_u = np.linalg.inv(R[:, :p, :p]), np.linalg.inv(Rz)
        s2 = R[:, p, p] ** 2 * at.r2 / sums.d
        L = to_u @ found.L
        b = R[:, :p, p] + R[:, p, p, None] * at.b
        return Optimum(
            beta=(to_beta @ b[..., None])[..., 0],
            covariance=s2[:, None, None] * (to_beta @ at.Cxx_inverse @ to_beta.swapaxes(-1, -2)),
            df=likelihood.df(at.Cxx_inverse, found.J, found.A, to_beta),
            random_cov=s2[:, None, None] * (L @ L.swapaxes(-1, -2)),
            residual_var=s2,
            criterion=at.f + _constant(sums, R),
            rank=found.rank,
            gradient=Rz.swapaxes(-1, -2) @ at.G @ Rz,
            certified=found.certified,
            iterations=found.iterations,
            n_obs=self.n_obs,
            n_groups=self.n_groups,
        )


def _table(terms: Sequence[str], estimate: np.ndarray, std_error: np.ndarray, df: np.ndarray) -> pd.DataFrame:
    """By term: estimate, std_error, df, t, p and the interval at study.CONFIDENCE, from Student's t with those df."""
    t = estimate / std_error
    half = stats.t.ppf((1 + study.CONFIDENCE) / 2, df) * std_error
    columns = {"estimate": estimate, "std_error": std_error, "df": df, "t": t, "p": 2 * stats.t.sf(np.abs(t), df)}
    columns |= {"conf_low": estimate - half, "conf_high": estimate + half}
    return pd.DataFrame(columns, pd.Index(terms, name="term"))


def person_weights(weights: np.ndarray | None, person: np.ndarray, people: int) -> np.ndarray:
    if weights is None:
        return np.ones(people)
    weights, each = np.asarray(weights, float), np.empty(people)
    each[person] = weights
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError("weights: some are negative or not finite")
    if (each[person] != weights).any():
        raise ValueError("weights: they differ between the rows of one person")
    return each


def alike(*columns: np.ndarray) -> np.ndarray:
    """Number equal rows alike, 0, 1, ... in the order in which they first appear."""
    label = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        code, levels = pd.factorize(column)
        label = pd.factorize(label * len(levels) + code)[0]
    return label


def _basis(X: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X~ (n, p), Y~ (n, B) and R (B, c, c) with [X | y] = [X~ | y~] R, the columns about orthonormal (times sqrt n).

    Columns far from collinear are only brought to one size (for a million people that spares a second); others get a
    QR. Each outcome loses its projection, so that a large mean leaves no trace.
    """
    n, p = X.shape
    gram = X.T @ X
    size = np.sqrt(np.diag(gram) / n)
    size[size == 0] = 1
    if np.linalg.eigvalsh(gram / np.outer(size, size) / n)[:1].min(initial=1) > STEEP:
        X, Rx = X / size, np.diag(size)
    else:
        Q, Rx = full_qr(X / size)
        X, Rx = Q * np.sqrt(n), Rx * size / np.sqrt(n)
    onto = np.linalg.lstsq(X.T @ X / n, X.T @ Y / n, rcond=None)[0]
    Y = Y - X @ onto
    scale = np.sqrt((Y**2).sum(0) / n)
    R = np.zeros((Y.shape[1], p + 1, p + 1))
    R[:, :p, :p], R[:, :p, p], R[:, p, p] = Rx, onto.T, scale
    return X, Y / np.where(scale > 0, scale, 1), R


def _second_moments(x: np.ndarray, y: np.ndarray, own: bool = False) -> np.ndarray:
    """Sum over people of (x | y) (x) (x | y), or of each of its own: (B, 1 or g, k, k, c, c).

    From x (k, people, p) and y (k, people, B), B outcomes.
    """
    (k, people, p), B = x.shape, y.shape[-1]
    S = np.empty((B, people if own else 1, k, k, p + 1, p + 1))
    if own:
        S[..., :p, :p] = np.einsum("kgi,lgj->gklij", x, x)
        cross = np.einsum("kgi,lgb->bgkli", x, y)
        S[..., p, p] = np.einsum("kgb,lgb->bgkl", y, y)
    else:
        S[:, 0, :, :, :p, :p] = np.tensordot(x, x, (1, 1)).swapaxes(1, 2)
        cross = np.tensordot(x, y, (1, 1)).transpose(3, 0, 2, 1)[:, None]
        S[:, 0, ..., p, p] = np.einsum("kgb,lgb->bkl", y, y)
    S[..., :p, p], S[..., p, :p] = cross, cross.swapaxes(2, 3)
    return S


def full_qr(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Q (..., n, c) and square R (..., c, c) of any matrix: where n < c, zero columns and rows fill up."""
    c = matrix.shape[-1]
    Q, R = np.linalg.qr(matrix)
    none = [(0, 0)] * (matrix.ndim - 2)
    return np.pad(Q, [*none, (0, 0), (0, c - Q.shape[-1])]), np.pad(R, [*none, (0, c - R.shape[-2]), (0, 0)])


def upright(U: np.ndarray | None, A: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """The same decomposition U A with a diagonal of A that is not negative."""
    sign = np.where(np.diagonal(A, axis1=-2, axis2=-1) < 0, -1.0, 1.0)
    return None if U is None else U * sign[..., None, :], A * sign[..., :, None]


def linear_map(
    T: np.ndarray | pd.DataFrame, old: Sequence[str], letter: str, what: str
) -> tuple[np.ndarray, list[str]]:
    """A linear map as an array, its rows in the order of `old`, and the names of its columns."""
    if isinstance(T, pd.DataFrame):
        if set(T.index) != set(old):
            raise ValueError(f"{what} has rows {', '.join(map(str, T.index))}; the columns are {', '.join(old)}")
        return T.loc[list(old)].to_numpy(float), [str(name) for name in T.columns]
    T = np.asarray(T, float)
    if T.ndim != 2 or len(T) != len(old):
        raise ValueError(f"{what} has shape {T.shape}; it needs {len(old)} rows, one a column ({', '.join(old)})")
    return T, list(old) if T.shape[1] == len(old) else [f"{letter}{j}" for j in range(T.shape[1])]


def _repeats(R: np.ndarray) -> np.ndarray:
    """Which columns add nothing to those before them (..., c), by their upper triangular R."""
    return np.abs(np.diagonal(R, axis1=-2, axis2=-1)) <= COLLINEAR * np.sqrt((R**2).sum(-2))


def _constant(sums: likelihood.Sums, R: np.ndarray) -> np.ndarray:
    """What f loses in the coordinates of the sums: 2 log|Rx| (REML) and 2 d log(scale of y)."""
    size = 2 * np.log(np.abs(np.diagonal(R, axis1=-2, axis2=-1)))
    return size[:, :-1].sum(-1) * sums.reml + sums.d * size[:, -1]


def _spread(best: Optimum, usable: np.ndarray, many: Moments) -> Optimum:
    """The optima among all data sets, NaN where there is none."""
    parts = {}
    for name in (field.name for field in fields(Optimum)):
        values = getattr(best, name)
        whole = np.full((len(usable), *values.shape[1:]), np.nan if values.dtype == float else 0, values.dtype)
        whole[usable] = values
        parts[name] = whole
    return Optimum(**parts | {"n_obs": many.n_obs, "n_groups": many.n_groups})


def _whole(value: float) -> int | float:
    """A count as an integer, a sum of fractional weights as it is."""
    return round(value) if abs(value - round(value)) < 1e-9 else float(value)
