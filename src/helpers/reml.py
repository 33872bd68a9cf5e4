"""Exact REML for people seen a few times each: the study's mixed models at their optimum, with a certificate.

Model, for person i with n_i visits (rows), p fixed and q random columns:

    y_i = X_i b + Z_i u_i + e_i,      u_i ~ N(0, s2 T),  e_i ~ N(0, s2 I),      T = L L'           (1)

so that y_i has covariance s2 V_i, V_i = I + Z_i T Z_i'. Write Z_i = U_i A_i with orthonormal columns in U_i (QR;
one A for all people seen on the same schedule, a *pattern*) and W = [X | y]. Then

    M = I + A T A'                                                                                  (2)
    V^-1 = (I - U U') + U M^-1 U',      log|V_i| = log|M|                                           (3)
    C = W' V^-1 W = E + sum over patterns of S : M^-1                                               (4)
    E = sum_i W_i' (I - U_i U_i') W_i,      S = sum_i (U_i'W_i) (x) (U_i'W_i)  in each pattern      (5)

E and S are sums over people, taken once; nothing is subtracted that could cancel. With b and s2 profiled out,
minus twice the restricted log-likelihood (lme4's `REMLcrit`) is a function of T alone, n = sum n_i, v = n - p:

    f(T) = sum log|V_i| + log|Cxx| + v (1 + log(2 pi r2 / v)),      r2 = |C| / |Cxx|                (6)

    b = Cxx^-1 Cxy,   s2 = r2 / v,   cov(b) = s2 Cxx^-1                                             (7)

Its gradient is G = df/dT = sum A' M^-1 (m M - S : O) M^-1 A for m people a pattern,                (8)
with O = df/dC = v C^-1 - (v - 1) [Cxx^-1, 0; 0, 0]. Newton steps are taken on L (q x r, at rank r), where a
variance of zero is a smooth point; dT = D L' + L D' gives the second derivatives exactly.

T is optimal on its face of the cone of covariance matrices when G T = 0, and there is no descent off that face
when G is non-negative on the null space of T. Both are checked, and that f is not flat there: `certified` (9).

Reference: Bates, Maechler, Bolker & Walker 2015, doi 10.18637/jss.v067.i01, for (6) and (7).
"""

from dataclasses import dataclass

import numpy as np

STEP = 1e-10  # relative Newton step at which an optimum is polished
SMALL = 1e-3  # a singular value of L below this (in units of a typical visit schedule) is tried at zero
TOLERANCE = 1e-7  # of the certificate, relative to the terms that cancel in G
FLAT = 1e-6  # least second derivative of f along a relative change of L; ordinary data give 1 and more
STARTS = (0.1, 0.5, 2.0)  # L = start * identity, in units of a typical visit schedule
COLLINEAR = 1e-10  # what a column adds to those before it, relative to its size, below which it counts as given
ITERATIONS = 200


@dataclass(frozen=True)
class Optimum:
    """A fit. Shapes for p fixed and q random columns; variances in the outcome's units squared."""

    beta: np.ndarray  # (p,)
    covariance: np.ndarray  # (p, p) of beta: s2 (X'V^-1X)^-1
    random_cov: np.ndarray  # (q, q) s2 T
    residual_var: float  # s2
    criterion: float  # -2 restricted log-likelihood, lme4's scale
    rank: int  # of random_cov
    gradient: np.ndarray  # (q, q) G = df/dT at the optimum
    certified: bool  # no descent on the face of T or off it, and no flat direction
    iterations: int  # Newton steps, all starts together
    n_obs: int
    n_groups: int

    @property
    def singular(self) -> bool:
        """Whether the optimum stands on the boundary: a variance of zero or a correlation of one."""
        return self.rank < len(self.random_cov)


@dataclass(frozen=True)
class Sums:
    """What REML needs of the data (5), for P patterns, in coordinates in which X, y and Z have unit scale."""

    m: np.ndarray  # (P,) people a pattern
    A: np.ndarray  # (P, q, q)
    S: np.ndarray  # (P q q, c c), c = p + 1
    E: np.ndarray  # (c, c)
    Rx: np.ndarray  # (p, p) X = Q Rx, with Q'Q = n I
    Rz: np.ndarray  # (q, q) Z = Q Rz, with sum of Q_i'Q_i = n_groups I
    ols: np.ndarray  # (p,) Q'y, Q scaled like Rx
    scale: float  # of the residuals y - Q Q'y
    n_obs: int

    @property
    def n_groups(self) -> int:
        return int(self.m.sum())

    def criterion(self, T: np.ndarray) -> float:
        """f(T) of equation (6) at a relative covariance T (q x q) in the units of Z, on lme4's scale."""
        return _evaluate(self, self.Rz @ T @ self.Rz.T).f + self.constant

    @property
    def constant(self) -> float:
        """What (6) loses in the coordinates of these sums."""
        v = self.n_obs - len(self.Rx)
        return 2 * np.log(np.abs(np.diag(self.Rx))).sum() + 2 * v * np.log(self.scale)


def solve(y: np.ndarray, X: np.ndarray, Z: np.ndarray, group: np.ndarray, start: np.ndarray | None = None) -> Optimum:
    """REML optimum of model (1) for y (n,), X (n, p), Z (n, q) and group labels (n,), rows in any order.

    `start` is a relative covariance T (q, q) to try beside the built-in starts; the best certified optimum wins.

    Raises
    ------
    ValueError
        What `sums` raises.
    """
    return optimum(sums(y, X, Z, group), start)


def optimum(data: Sums, start: np.ndarray | None = None) -> Optimum:
    """The best of the optima reached from several starts, in the units of the data."""
    q, p, Rz = len(data.Rz), len(data.Rx), data.Rz
    starts = [size * np.eye(q) for size in STARTS]
    if start is not None:
        values, vectors = np.linalg.eigh(Rz @ start @ Rz.T)
        starts.insert(0, vectors * np.sqrt(np.maximum(values, SMALL**2)))
    tried = [_descend(data, L) for L in starts]
    L, at, certified, _ = min(tried, key=lambda found: (round(found[1].f, 7), not found[2]))
    s2 = data.scale**2 * at.r2 / (data.n_obs - p)
    to_beta, to_u = np.linalg.inv(data.Rx), np.linalg.inv(Rz)
    return Optimum(
        beta=to_beta @ (data.ols + data.scale * at.b),
        covariance=s2 * to_beta @ at.Cxx_inverse @ to_beta.T,
        random_cov=s2 * to_u @ L @ L.T @ to_u.T,
        residual_var=s2,
        criterion=at.f + data.constant,
        rank=L.shape[1],
        gradient=Rz.T @ at.G @ Rz,
        certified=bool(certified) and _unique(data, L, at),
        iterations=sum(found[3] for found in tried),
        n_obs=data.n_obs,
        n_groups=data.n_groups,
    )


def sums(y: np.ndarray, X: np.ndarray, Z: np.ndarray, group: np.ndarray) -> Sums:
    """One pass over the rows: the sums (5).

    Raises
    ------
    ValueError
        Shapes that differ; a value that is not finite; a column of X (or Z) that the columns before it give;
        no more rows than columns of X; every person with at most q visits (T and s2 cannot be told apart);
        an outcome that the columns fit exactly.
    """
    y, X, Z = (np.asarray(part, float) for part in (y, X, Z))
    X, Z, group = X.reshape(len(X), -1), Z.reshape(len(Z), -1), np.asarray(group)
    if not len(y) == len(X) == len(Z) == len(group):
        raise ValueError(f"y, X, Z and group have {len(y)}, {len(X)}, {len(Z)} and {len(group)} rows")
    for part, values in (("y", y), ("X", X), ("Z", Z)):
        if not np.isfinite(values).all():
            raise ValueError(f"{part} has {(~np.isfinite(values)).sum()} values that are not finite")
    (n, p), q = X.shape, Z.shape[1]
    if n <= p:
        raise ValueError(f"{n} rows cannot carry {p} fixed effects")
    (Qx, Rx), (Qz, Rz) = _qr(X, "X"), _qr(Z, "Z")
    ols = Qx.T @ y
    rest = y - Qx @ ols
    again = Qx.T @ rest  # once more, so that a large offset in y leaves no trace
    ols, rest = ols + again, rest - Qx @ again
    scale = np.sqrt(rest @ rest / n)
    if scale <= 1e-12 * np.abs(y).max():
        raise ValueError("the fixed effects fit the outcome exactly: no variance is left")
    # Rows of a person in the order of Z, people with the same schedule one after another.
    people, person = np.unique(group, return_inverse=True)
    visits = np.bincount(person)
    if visits.max() <= q:
        raise ValueError(f"every group has at most {q} rows, as many as random effects: variances are not identified")
    kind = _same(Z)
    order = np.lexsort((kind, person))
    W = np.column_stack([Qx * np.sqrt(n), rest / scale])[order]
    Qz, kind, first = Qz[order] * np.sqrt(len(people)), kind[order], np.cumsum(visits) - visits
    E, blocks = np.zeros((p + 1, p + 1)), []
    for count in np.unique(visits):
        rows = first[visits == count][:, None] + np.arange(count)  # (people with this count, count)
        pattern = _same(kind[rows])
        rows = rows[np.argsort(pattern, kind="stable")]
        starts = np.flatnonzero(np.diff(np.sort(pattern), prepend=-1))
        U, A = np.linalg.qr(Qz[rows[starts]])  # (patterns, count, min(count, q))
        sizes = np.diff(np.append(starts, len(rows)))
        w = W[rows]
        at = np.repeat(U, sizes, axis=0)
        UW = at.swapaxes(1, 2) @ w
        left = (w - at @ UW).reshape(-1, p + 1)
        E += left.T @ left
        k = U.shape[2]
        S = np.zeros((len(starts), q, q, p + 1, p + 1))
        for j, f in enumerate(np.split(UW.reshape(len(rows), -1), starts[1:])):
            S[j, :k, :k] = (f.T @ f).reshape(k, p + 1, k, p + 1).swapaxes(1, 2)
        blocks.append((sizes, np.pad(A, ((0, 0), (0, q - k), (0, 0))), S))
    left = E[-1, -1] - E[-1, :-1] @ np.linalg.pinv(E[:-1, :-1], rcond=1e-10) @ E[:-1, -1]
    if left <= 1e-10 * E[-1, -1] or E[-1, -1] <= 1e-20 * n:
        raise ValueError("fixed and random effects together can fit every row: no residual variance is left")
    m, A, S = (np.concatenate(part) for part in zip(*blocks, strict=True))
    return Sums(
        m, A, S.reshape(-1, (p + 1) ** 2), E, Rx / np.sqrt(n), Rz / np.sqrt(len(people)), ols / np.sqrt(n), scale, n
    )


def _qr(matrix: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Q, R of a matrix whose columns are first scaled to one, naming the column that others give."""
    size = np.sqrt((matrix**2).sum(0))
    Q, R = np.linalg.qr(matrix / np.where(size > 0, size, 1))
    for column in np.flatnonzero(np.abs(np.diag(R)) < COLLINEAR):
        raise ValueError(f"{name}: column {column} is zero or a combination of the columns before it")
    return Q, R * size


def _same(rows: np.ndarray) -> np.ndarray:
    """Number equal rows of a matrix alike, 0, 1, ... in sorted order."""
    order = np.lexsort(rows.T[::-1])
    new = np.r_[False, (np.diff(rows[order], axis=0) != 0).any(1)]
    number = np.empty(len(rows), int)
    number[order] = np.cumsum(new)
    return number


@dataclass(frozen=True)
class _Point:
    """f, its gradient and what the Hessian needs, at one T."""

    f: float
    G: np.ndarray  # (q, q)
    b: np.ndarray  # (p,)
    r2: float
    Cxx_inverse: np.ndarray  # (p, p)
    C_inverse: np.ndarray  # (c, c)
    M_inverse: np.ndarray  # (P, q, q)
    SO: np.ndarray  # (P, q, q) S : O
    size: float  # of the terms that cancel in G


def _evaluate(data: Sums, T: np.ndarray) -> _Point:
    """Equations (2) to (8), in order."""
    A, m, c = data.A, data.m, len(data.E)
    v = data.n_obs - c + 1
    M = np.eye(len(T)) + A @ T @ A.swapaxes(1, 2)
    M_inverse = np.linalg.inv(M)
    C = data.E + (M_inverse.ravel() @ data.S).reshape(c, c)
    C_inverse, Cxx_inverse = np.linalg.inv(C), np.linalg.inv(C[:-1, :-1])
    b = Cxx_inverse @ C[:-1, -1]
    r2 = 1 / C_inverse[-1, -1]
    logV = m @ np.linalg.slogdet(M)[1]
    f = logV + np.linalg.slogdet(C[:-1, :-1])[1] + v * (1 + np.log(2 * np.pi * r2 / v))
    weight = v * C_inverse
    weight[:-1, :-1] -= (v - 1) * Cxx_inverse
    SO = (data.S @ weight.ravel()).reshape(M.shape)
    B = M_inverse @ A
    G = (B.swapaxes(1, 2) @ (m[:, None, None] * M - SO) @ B).sum(0)
    size = m @ (A * B).sum((1, 2))
    return _Point(f, (G + G.T) / 2, b, r2, Cxx_inverse, C_inverse, M_inverse, SO, size)


def _directions(L: np.ndarray) -> np.ndarray:
    """Orthonormal changes of L (K, q, r), without the rotations L (e_a e_b' - e_b e_a'), which leave T as it is."""
    (q, r), pairs = L.shape, np.triu_indices(L.shape[1], 1)
    turns = np.zeros((len(pairs[0]), q, r))
    for turn, a, b in zip(turns, *pairs, strict=True):
        turn[:, b], turn[:, a] = L[:, a], -L[:, b]
    return np.linalg.qr(turns.reshape(-1, q * r).T, mode="complete")[0][:, len(turns) :].T.reshape(-1, q, r)


def _hessian(data: Sums, L: np.ndarray, at: _Point, D: np.ndarray) -> np.ndarray:
    """Second derivatives (K, K) of f(LL') along the directions D (K, q, r)."""
    c, K = len(data.E), len(D)
    v = data.n_obs - c + 1
    dT = D @ L.T + L @ D.swapaxes(1, 2)
    dM = data.A @ dT[:, None] @ data.A.swapaxes(1, 2)  # (K, P, q, q)
    N = at.M_inverse @ dM @ at.M_inverse  # minus the change in M^-1
    dC = -(N.reshape(K, -1) @ data.S).reshape(K, c, c)
    inner = 2 * at.M_inverse @ at.SO - data.m[:, None, None] * np.eye(len(L))
    full, fixed = at.C_inverse @ dC, at.Cxx_inverse @ dC[:, :-1, :-1]
    curve = _traces(N, dM @ inner) - v * _traces(full, full) + (v - 1) * _traces(fixed, fixed)
    return curve + 2 * (at.G @ D).reshape(K, -1) @ D.reshape(K, -1).T


def _traces(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """tr(left[k] right[l]) for every k and l, summed over the axes between the first and the last pair."""
    return left.reshape(len(left), -1) @ right.swapaxes(-1, -2).reshape(len(right), -1).T


def _newton(data: Sums, L: np.ndarray) -> tuple[np.ndarray, _Point, int]:
    """Newton steps on L from a start, uphill directions turned round, halved until f falls."""
    at = _evaluate(data, L @ L.T)
    for step in range(ITERATIONS if L.size else 0):
        directions = _directions(L)
        values, vectors = np.linalg.eigh(_hessian(data, L, at, directions))
        values = np.maximum(np.abs(values), 1e-9 * np.abs(values).max())
        along = np.tensordot(vectors.T, directions, 1)
        D = -np.tensordot(np.tensordot(along, 2 * at.G @ L, 2) / values, along, 1)
        size, length = np.linalg.norm(L), np.linalg.norm(D)
        D *= min(1, (1 + size) / max(length, 1e-300))
        slope = 2 * np.vdot(at.G @ L, D)
        for _halving in range(40):
            ahead = _evaluate(data, (L + D) @ (L + D).T)
            if ahead.f <= at.f + 0.01 * slope + 1e-12 * abs(at.f):
                break
            D, slope = D / 2, slope / 2
        L, at = L + D, ahead
        if length <= STEP * (SMALL + size):
            return L, at, step + 1
    return L, at, ITERATIONS if L.size else 0


def _descend(data: Sums, L: np.ndarray) -> tuple[np.ndarray, _Point, bool, int]:
    """Newton from one start; directions that vanish are dropped, directions that pay are taken up again."""
    used, kept = 0, None
    for _face in range(3 * len(L)):
        L, at, more = _newton(data, L)
        used += more
        U, values, _ = np.linalg.svd(L, full_matrices=False)
        rank = int((values > SMALL).sum())
        if rank < L.shape[1]:
            kept, L = (L, at), U[:, :rank] * values[:rank]
            continue
        off = _descent_off_face(L, at)
        if off is None:
            return L, at, _stationary(L, at), used
        if kept and _stationary(*kept) and _descent_off_face(*kept) is None:
            return *kept, True, used  # a small variance, but not zero
        L, kept = np.column_stack([L, STARTS[0] * off]), None
    return L, at, False, used


def _stationary(L: np.ndarray, at: _Point) -> bool:
    """G T = 0 (9), in units of the terms that cancel in G."""
    return np.linalg.norm(at.G @ L) <= TOLERANCE * at.size * np.linalg.norm(L)


def _unique(data: Sums, L: np.ndarray, at: _Point) -> bool:
    """Whether f curves upwards in every direction on the face: if not, the data do not tell these variances apart."""
    if not L.size:
        return bool(np.abs(at.G).max() > TOLERANCE * at.size)
    curvature = np.linalg.eigvalsh(_hessian(data, L, at, _directions(L)))
    return bool(curvature[0] * (L**2).sum() > FLAT)


def _descent_off_face(L: np.ndarray, at: _Point) -> np.ndarray | None:
    """The direction in the null space of T in which f falls most; None if it falls in none (9)."""
    null = np.linalg.svd(L, full_matrices=True)[0][:, L.shape[1] :]
    if not null.size:
        return None
    values, vectors = np.linalg.eigh(null.T @ at.G @ null)
    return None if values[0] >= -TOLERANCE * at.size else null @ vectors[:, 0]
