"""The truth to 20 digits, apart from `helpers.reml` and from lme4: `python tests/reference/exact.py`, 7 minutes.

Needs mpmath (with gmpy2 it is several times faster) beside what the book needs, and lme4.json and lme4_study.json from
make.py, whose best fits are one start among others. Writes exact.json: by case, and by model of the study,

    criterion, beta, std_error, random_cov, residual_var, rank (of random_cov), satterthwaite (df), kenward_roger
    (df, std_error), and under "ml" the same of the maximum likelihood fit, which has no kenward_roger;
    df are null where the optimum is on the boundary (rank below q), where neither method is defined;
    lme4_short, lme4_default_short: how far above this criterion lme4's best and its default fit ended.

Everything is worked in 80-digit numbers from the decimals in the frame, so nothing needs care about cancellation and
the textbook formulas serve as they stand. For groups i with covariance s2 V_i, V_i = I + Z_i T Z_i', T = L L', L q x r:

    V_i^-1 = I - Z_i H_i Z_i',   H_i = L (I + L'Z_i'Z_i L)^-1 L',   log|V_i| = log|I + L'Z_i'Z_i L|
    C = W'W - sum_i (Z_i'W_i)' H_i (Z_i'W_i),   W = [X | y];   C = K K', K lower triangular:
    log|X'V^-1X| = 2 sum log K_jj,  r2 = K_yy^2  (residual sum of squares)
    -2 log L(T, s2) = log|V| + v log(2 pi s2) + r2 / s2 [+ log|X'V^-1X|],   v = n [- p]     [REML]

Groups with the same Z_i'Z_i share H_i, so only the sums of (Z_i'W_i) (x) (Z_i'W_i) over them are needed. Derivatives
are central differences with step 1e-20, which leave 35 digits of the gradient and the second derivatives.

An optimum is found in four steps. 1. The columns are made orthonormal (exactly, in 80 digits), which makes every case
well scaled. 2. In doubles, BFGS over L from many starts. 3. The best ends are polished by Newton's method in 80 digits,
in a basis of the random terms in which T is near the identity on its range: at rank r, L is lower trapezoidal.
4. Certificate: a gradient below 1e-30 on the face of rank r; positive second derivatives there; and the derivative
of the criterion by T positive on the null space of T, so that no further dimension pays.

That is proof of an optimum; that no other is lower rests on the starts, lme4's ends among them.
"""

import argparse
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from cases import CASES, split, study
from mpmath import mp, mpf
from scipy.optimize import minimize

HERE = Path(__file__).parent
mp.dps = 80
STEP = mpf(10) ** -20
ZERO = mpf(10) ** -30
_exact, _root, _log = (np.frompyfunc(function, 1, 1) for function in (lambda x: mpf(float(x)), mp.sqrt, mp.log))


def exact(values: np.ndarray) -> np.ndarray:
    """The same doubles as 80-digit numbers."""
    return _exact(np.asarray(values, float))


def root(x: np.ndarray) -> np.ndarray:
    return np.sqrt(x) if np.asarray(x).dtype == float else _root(x)


def log(x: np.ndarray) -> np.ndarray:
    return np.log(x) if np.asarray(x).dtype == float else _log(x)


def transposed(A: np.ndarray) -> np.ndarray:
    return A.swapaxes(-1, -2)


def identity(size: int, like: np.ndarray) -> np.ndarray:
    return np.eye(size) if like.dtype == float else exact(np.eye(size))


def cholesky(A: np.ndarray) -> np.ndarray:
    """Lower triangular K (..., k, k) with K K' = A, of doubles or 80-digit numbers."""
    K = A * 0
    for j in range(A.shape[-1]):
        K[..., j, j] = root(A[..., j, j] - (K[..., j, :j] ** 2).sum(-1))
        for i in range(j + 1, A.shape[-1]):
            K[..., i, j] = (A[..., i, j] - (K[..., i, :j] * K[..., j, :j]).sum(-1)) / K[..., j, j]
    return K


def inverse_lower(K: np.ndarray) -> np.ndarray:
    """K^-1 of lower triangular K, by forward substitution."""
    inverse = K * 0
    for i in range(K.shape[-1]):
        inverse[..., i, i] = 1 / K[..., i, i]
        for j in range(i):
            inverse[..., i, j] = -(K[..., i, j:i] * inverse[..., j:i, j]).sum(-1) / K[..., i, i]
    return inverse


def inverse(A: np.ndarray) -> np.ndarray:
    """A^-1 of positive definite A."""
    half = inverse_lower(cholesky(A))
    return transposed(half) @ half


@dataclass(frozen=True)
class Sums:
    """The data, in coordinates W = [X | y] -> W to_w, Z -> Z to_z. P patterns, q random terms, c = p + 1."""

    m: np.ndarray  # (P,) groups a pattern
    G: np.ndarray  # (P, q, q) Z_i'Z_i
    S: np.ndarray  # (P, q, q, c, c) sums of (Z_i'W_i) (x) (Z_i'W_i)
    WW: np.ndarray  # (c, c)
    to_w: np.ndarray
    to_z: np.ndarray
    n: int

    def change(self, to_w: np.ndarray, to_z: np.ndarray) -> "Sums":
        """The same data in other coordinates."""
        S = self.S
        for to in (to_z, to_z, to_w, to_w):
            S = np.tensordot(S, to, (1, 0))  # each takes the first axis after the patterns' and puts it last
        G = transposed(to_z) @ self.G @ to_z
        return Sums(self.m, G, S, to_w.T @ self.WW @ to_w, self.to_w @ to_w, self.to_z @ to_z, self.n)

    def doubles(self) -> "Sums":
        parts = (part.astype(float) for part in (self.m, self.G, self.S, self.WW, self.to_w, self.to_z))
        return Sums(*parts, self.n)


def sums(y: np.ndarray, X: np.ndarray, Z: np.ndarray, group: np.ndarray) -> Sums:
    """The sums of a case, in coordinates in which W'W is the identity and Z'Z that times the number of groups."""
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=group[order][0] - 1))
    W, Z = exact(np.column_stack([X, y]))[order], exact(Z)[order]
    patterns: dict[tuple, list] = {}
    for rows in np.split(np.arange(len(y)), starts[1:]):
        G, ZW = Z[rows].T @ Z[rows], Z[rows].T @ W[rows]
        patterns.setdefault(tuple(G.ravel()), []).append((G, ZW))
    m = exact(np.array([len(groups) for groups in patterns.values()]))
    G = np.array([groups[0][0] for groups in patterns.values()])
    S = np.array([sum(np.multiply.outer(ZW, ZW) for _, ZW in groups) for groups in patterns.values()])
    q, c = Z.shape[1], W.shape[1]
    raw = Sums(m, G, S.transpose(0, 1, 3, 2, 4), W.T @ W, exact(np.eye(c)), exact(np.eye(q)), len(y))
    to_z = inverse_lower(cholesky((m[:, None, None] * G).sum(0) / mpf(len(starts)))).T
    return raw.change(inverse_lower(cholesky(raw.WW)).T, to_z)


@dataclass(frozen=True)
class Point:
    """What the criterion is made of at one L. `Cxx_inverse` is cov(beta) / s2 in the coordinates of the sums."""

    log_v: object
    log_cxx: object
    r2: object
    K: np.ndarray  # (c, c) the Cholesky factor of C
    H: np.ndarray  # (P, q, q)


def point(data: Sums, L: np.ndarray) -> Point:
    if L.shape[1]:
        M = cholesky(identity(L.shape[1], L) + L.T @ data.G @ L)
        half = inverse_lower(M) @ L.T
        H = transposed(half) @ half
        log_v = 2 * (data.m * log(np.diagonal(M, axis1=1, axis2=2)).sum(1)).sum()
    else:
        H, log_v = 0 * data.G, 0 * data.m[0]
    K = cholesky(data.WW - np.tensordot(H, data.S, 3))
    return Point(log_v, 2 * log(np.diag(K)[:-1]).sum(), K[-1, -1] ** 2, K, H)


def criterion(data: Sums, L: np.ndarray, reml: bool) -> object:
    """-2 log (restricted) likelihood with s2 profiled out, in the coordinates of the sums."""
    at, v = point(data, L), degrees(data, reml)
    return at.log_v + reml * at.log_cxx + v * (1 + log(2 * pi(L) * at.r2 / v))


def pi(like: np.ndarray) -> object:
    return np.pi if like.dtype == float else mp.pi


def degrees(data: Sums, reml: bool) -> int:
    return data.n - reml * (len(data.WW) - 1)


def constant(data: Sums, reml: bool) -> object:
    """What the criterion gains on the way from the coordinates of the sums to the units of the data."""
    size = log(np.abs(np.diag(data.to_w)))
    return -2 * reml * size[:-1].sum() - 2 * degrees(data, reml) * size[-1]


# --- the optimum ---


def pack(L: np.ndarray) -> np.ndarray:
    return L[np.tril_indices(*L.shape[:1], m=L.shape[1])]


def unpack(theta: np.ndarray, q: int, r: int) -> np.ndarray:
    L = np.zeros((q, r)) if theta.dtype == float else exact(np.zeros((q, r)))
    L[np.tril_indices(q, m=r)] = theta
    return L


def derivatives(function, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (k,) and second derivatives (k, k) of a function, by central differences."""
    k = len(theta)
    step = exact(np.eye(k)) * STEP
    middle = function(theta)
    up, down = [function(theta + s) for s in step], [function(theta - s) for s in step]
    gradient = np.array([(a - b) / (2 * STEP) for a, b in zip(up, down, strict=True)])
    second = np.array([[middle * 0] * k] * k)
    for i in range(k):
        second[i, i] = (up[i] - 2 * middle + down[i]) / STEP**2
        for j in range(i):
            ahead, behind = function(theta + step[i] + step[j]), function(theta - step[i] - step[j])
            both = (ahead + behind + 2 * middle - up[i] - down[i] - up[j] - down[j]) / (2 * STEP**2)
            second[i, j] = second[j, i] = both
    return gradient, second


def factor(T: np.ndarray, least: float = 0.0) -> np.ndarray:
    """Lower triangular L with L L' = T, where T has eigenvalues of at least `least` squared."""
    values, vectors = np.linalg.eigh(T)
    return np.linalg.qr((vectors * np.sqrt(np.maximum(values, least**2))).T)[1].T


def explore(data: Sums, reml: bool, known: list[np.ndarray]) -> list[np.ndarray]:
    """Where BFGS in doubles ends, from several starts and from `known` T (q, q): L (q, q), the best first."""
    rough, q = data.doubles(), len(data.to_z)
    rng = np.random.default_rng(0)
    starts = [size * np.eye(q) for size in (0.03, 0.3, 1, 3, 30)]
    for _ in range(20):  # directions at random, each with its own size, some of them next to nothing
        turned = np.linalg.qr(rng.normal(size=(q, q)))[0] * 10 ** rng.uniform(-3, 2.5, q)
        starts.append(np.linalg.qr(turned.T)[1].T)
    starts += [factor(T, least=1e-4) for T in known]

    def f(theta: np.ndarray) -> float:
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            value = criterion(rough, unpack(theta, q, q), reml)
        return value if np.isfinite(value) else 1e10

    ends = [minimize(f, pack(L), method="BFGS", options={"gtol": 1e-6}) for L in starts]
    return [unpack(end.x, q, q) for end in sorted(ends, key=lambda end: end.fun)]


def polish(data: Sums, reml: bool, L: np.ndarray, rank: int) -> tuple[Sums, np.ndarray] | None:
    """Newton's method at this rank from a rough L: the data in the basis used, and L there. None if it does not arrive.

    The basis: eigenvectors of T, in SDs where they are in the range of T, so that L starts near the identity.
    """
    values, vectors = np.linalg.eigh(L @ L.T)
    values, vectors = values[::-1], vectors[:, ::-1]
    size = np.where(np.arange(len(L)) < rank, np.sqrt(np.maximum(values, 1e-6)), 1.0)
    c, q = len(data.WW), len(L)
    data = data.change(exact(np.eye(c)), exact(vectors * size))
    theta = pack(exact(np.eye(q, rank)))
    if not rank:
        return data, exact(np.zeros((q, 0)))
    f = lambda theta: criterion(data, unpack(theta, q, rank), reml)
    now = f(theta)
    for _ in range(60):
        gradient, second = derivatives(f, theta)
        if max(abs(gradient)) < ZERO:
            rough = second.astype(float)
            return (data, unpack(theta, q, rank)) if np.linalg.eigvalsh(rough)[0] > 1e-6 else None
        curve, along = np.linalg.eigh(second.astype(float))
        if curve[0] > 0:
            step = -inverse(second) @ gradient
        else:
            step = -exact((along / np.maximum(np.abs(curve), 1e-3)) @ along.T) @ gradient
        for _halving in range(30):
            ahead = f(theta + step)
            if ahead <= now:
                break
            step = step / 2
        theta, now = theta + step, ahead
        values = np.linalg.svd(unpack(theta, q, rank).astype(float), compute_uv=False)
        if values[-1] < 1e-9:
            return None  # the optimum has a lower rank
    return None


def off_face(data: Sums, reml: bool, L: np.ndarray) -> float:
    """Least eigenvalue of df/dT on the null space of T (its columns in units of `sums`): positive at an optimum.

    f(T + h^2 u u') = f(T) + h^2 u' (df/dT) u + O(h^4), with u a further column of L.
    """
    q, rank = L.shape
    if rank == q:
        return np.inf
    null = np.linalg.svd(L.astype(float))[0][:, rank:] if rank else np.eye(q)
    null = exact(null)  # orthogonal to 16 digits; the rest is corrected:
    if rank:
        null = null - L @ inverse(L.T @ L) @ (L.T @ null)
    base = criterion(data, L, reml)
    slope = lambda u: (criterion(data, np.column_stack([L, STEP * u]), reml) - base) / STEP**2
    own = [slope(u) for u in null.T]
    G = np.diag(np.array(own, object))
    for i in range(q - rank):
        for j in range(i):
            G[i, j] = G[j, i] = (slope(null[:, i] + null[:, j]) - own[i] - own[j]) / 2
    return float(np.linalg.eigvalsh(G.astype(float))[0])


def optimum(data: Sums, reml: bool, known: list[np.ndarray]) -> tuple[Sums, np.ndarray]:
    """The certified optimum with the lowest criterion: the data in the basis used, and L there."""
    ends = explore(data, reml, known)
    rough = data.doubles()
    lowest, found, certified = criterion(rough, ends[0], reml), [], []
    for L in ends:
        # What ended well above, or as low as an optimum that is certified already, is not worth 80 digits.
        here = criterion(rough, L, reml)
        if here > lowest + 1e-3 or any(abs(here - other) < 1e-6 for other in certified):
            continue
        first = int((np.linalg.eigvalsh(L @ L.T) > 1e-6).sum())
        for rank in sorted(range(len(L) + 1), key=lambda rank: (abs(rank - first), rank)):
            end = polish(data, reml, L, rank)
            if end is not None and off_face(end[0], reml, end[1]) > 0:
                found.append(end)
                certified.append(float(criterion(*end, reml)))
                break
    if not found:
        raise ArithmeticError("no start arrived at a certified optimum")
    best = min(found, key=lambda end: criterion(*end, reml))
    for L in [ends[0], *map(factor, known)]:
        if criterion(*best, reml) > criterion(data, exact(L), reml) + ZERO:
            raise ArithmeticError("a start ended lower than the certified optimum")
    return best


# --- what is reported of it ---


def covariance(data: Sums, at: Point, s2: object) -> np.ndarray:
    """Of beta, in the units of the data: s2 (X'V^-1X)^-1."""
    half = inverse_lower(at.K[:-1, :-1]) @ data.to_w[:-1, :-1].T
    return s2 * half.T @ half


def satterthwaite(data: Sums, L: np.ndarray, reml: bool) -> np.ndarray:
    """df = 2 v^2 / (g'A g), v = var(b_j), g its derivatives by the variance parameters (L, log s), A = 2 H^-1 their
    covariance, H the second derivatives of -2 log (restricted) likelihood, s not profiled out (Giesbrecht & Burns
    1985; Kuznetsova, Brockhoff & Christensen 2017)."""
    q, v = len(L), degrees(data, reml)
    best = mp.log(point(data, L).r2 / v) / 2

    def f(theta: np.ndarray) -> object:
        at, s2 = point(data, unpack(theta[:-1], q, q)), mp.exp(2 * theta[-1])
        return at.log_v + reml * at.log_cxx + v * mp.log(2 * mp.pi * s2) + at.r2 / s2

    def variances(theta: np.ndarray) -> np.ndarray:
        return np.diag(covariance(data, point(data, unpack(theta[:-1], q, q)), mp.exp(2 * theta[-1])))

    theta = np.append(pack(L), best)
    gradient, second = derivatives(f, theta)
    assert max(abs(gradient)) < 1e10 * ZERO
    A = 2 * inverse(second)
    step = exact(np.eye(len(theta))) * STEP
    g = np.array([(variances(theta + s) - variances(theta - s)) / (2 * STEP) for s in step])  # (k, p)
    return 2 * variances(theta) ** 2 / (g * (A @ g)).sum(0)


def kenward_roger(data: Sums, L: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """df and adjusted standard errors of Kenward & Roger (1997), as pbkrtest has them, for each coefficient alone.

    The covariance of y is linear in its parameters, sum_r g_r G_r, so second derivatives vanish and any linear
    change of the parameters gives the same. Taken here: G_0 = the covariance itself at the optimum (for the residual
    variance), and G_ab = Z_i (e_a e_b' + e_b e_a') Z_i' for each element of the random-effects covariance. Then

        P_r = -X'V^-1 G_r V^-1 X,   Q_rt = X'V^-1 G_r V^-1 G_t V^-1 X,   F = (X'V^-1X)^-1       (V the whole covariance)
        W = 2 I^-1,  I_rt = tr(V^-1 G_r V^-1 G_t) - 2 tr(F Q_rt) + tr(F P_r F P_t)
        adjusted covariance = F + 2 F (sum_rt W_rt (Q_rt - P_r F P_t)) F,   df_j = 2 F_jj^2 / sum_rt W_rt d_r d_t,
        d_r = (F P_r F)_jj

    the df because for one coefficient their equations reduce to 2 / A_1. Only a_i = Z_i'V^-1 X_i and B_i = Z_i'V^-1 Z_i
    are needed: X'V^-1 Z E Z'V^-1 X = sum_i a_i' E a_i, and so on; r2 / v is left out of V and put back at the end.
    """
    at, (P, q) = point(data, L), data.G.shape[:2]
    F = inverse_lower(at.K[:-1, :-1])
    F = F.T @ F
    eye = identity(q, L)
    shrink = eye - data.G @ at.H  # a_i = shrink Z_i'X_i
    B = shrink @ data.G
    S = data.S[..., :-1, :-1]  # (P, q, q, p, p)
    aa = np.einsum("psa,ptb,pabxy->pstxy", shrink, shrink, S, optimize=True)  # sums of a_i (x) a_i
    elements = [(a, b) for a in range(q) for b in range(a + 1)]
    E = [np.outer(eye[a], eye[b]) + np.outer(eye[b], eye[a]) for a, b in elements]
    form = lambda middle: (middle[..., None, None] * aa).sum((0, 1, 2))  # sum_i a_i' middle a_i
    Ps = [-inverse(F), *(-form(np.broadcast_to(e, (P, q, q))) for e in E)]
    k = len(Ps)
    excess = np.empty((k, k), object)  # Q_rt - P_r F P_t
    info = np.empty((k, k), object)
    n = mpf(data.n)
    weight = lambda blocks: (data.m * np.trace(blocks, axis1=1, axis2=2)).sum()
    for r in range(k):
        for t in range(r + 1):
            if t == 0:
                Q, trace = -Ps[r], weight(B @ E[r - 1]) if r else n
            else:
                Q = form(E[r - 1] @ B @ E[t - 1])
                trace = weight(B @ E[r - 1] @ B @ E[t - 1])
            product = F @ Ps[r] @ F @ Ps[t]
            info[r, t] = info[t, r] = trace - 2 * np.trace(F @ Q) + np.trace(product)
            excess[r, t] = Q - Ps[r] @ F @ Ps[t]
            excess[t, r] = excess[r, t].T
    W = 2 * inverse(info)
    adjusted = F + 2 * F @ sum(W[r, t] * excess[r, t] for r in range(k) for t in range(k)) @ F
    back = data.to_w[:-1, :-1]
    own = np.diag(back @ F @ back.T)
    d = np.array([np.diag(back @ F @ P_r @ F @ back.T) for P_r in Ps])
    s2 = at.r2 / degrees(data, True)
    return 2 * own**2 / (d * (W @ d)).sum(0), root(s2 * np.diag(back @ adjusted @ back.T))


def described(data: Sums, L: np.ndarray, reml: bool) -> dict:
    """The optimum in the units of the data, as doubles."""
    at, p = point(data, L), len(data.WW) - 1
    s2 = at.r2 / degrees(data, reml)
    K = at.K
    b = inverse_lower(K[:-1, :-1]).T @ K[-1, :-1]  # in coordinates of X and of the scaled rest of y
    unit = data.to_w[-1, -1]
    beta = (data.to_w[:p, :p] @ b - data.to_w[:p, -1]) / unit
    scale = s2 / unit**2
    half = data.to_z @ L
    inside = L.shape[1] == len(L)
    cov = covariance(data, at, scale)
    result = {
        "criterion": criterion(data, L, reml) + constant(data, reml),
        "beta": beta,
        "std_error": root(np.diag(cov)),
        "random_cov": scale * half @ half.T if L.shape[1] else exact(np.zeros((len(L), len(L)))),
        "residual_var": scale,
        "rank": L.shape[1],
        "satterthwaite": satterthwaite(data, L, reml) if inside else None,
    }
    if reml:
        result["kenward_roger"] = None
        if inside:
            df, error = kenward_roger(data, L)
            result["kenward_roger"] = {"df": df, "std_error": error / abs(unit)}
    return result


def plain(value: object) -> object:
    """Lists of doubles, for JSON."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray):
        return value.astype(float).tolist()
    return float(value) if isinstance(value, mpf) else value


def truth(frame: pd.DataFrame, lme4: dict) -> dict:
    """A case of exact.json."""
    data = sums(*split(frame))
    back = np.linalg.inv(data.to_z.astype(float))
    relative = lambda fit: np.reshape(fit["random_cov"], back.shape) / fit["residual_var"]
    fits = {True: lme4, False: lme4["ml"]}
    known = [back @ relative(fit) @ back.T for fit in fits.values()]
    result = plain(described(*optimum(data, True, known), True))
    result["ml"] = plain(described(*optimum(data, False, known), False))
    default = lme4["default_criterion"]
    result["lme4_short"] = lme4["criterion"] - result["criterion"]
    result["lme4_default_short"] = None if default is None else default - result["criterion"]
    result["ml"]["lme4_short"] = lme4["ml"]["criterion"] - result["ml"]["criterion"]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description="Write exact.json.")
    parser.add_argument("names", nargs="*", help="only these cases or models of the study; the others stay")
    names = parser.parse_args().names
    out, found = HERE / "exact.json", {}
    if names and out.exists():
        found = json.loads(out.read_text())
    lme4 = {file: json.loads((HERE / file).read_text()) for file in ("lme4.json", "lme4_study.json")}
    for file, frames in (("lme4.json", CASES), ("lme4_study.json", study())):
        for name, frame in frames.items():
            if names and name not in names:
                continue
            began = time.perf_counter()
            found[name] = truth(frame() if callable(frame) else frame, lme4[file][name])
            one = found[name]
            ranks, short = (one["rank"], one["ml"]["rank"]), (one["lme4_short"], one["lme4_default_short"])
            print(f"{name:24} {time.perf_counter() - began:6.1f} s", *ranks, *short, flush=True)
    out.write_text(one_line_a_list(found) + "\n")


def one_line_a_list(result: dict) -> str:
    """JSON with a key a line and its numbers beside it."""
    text = json.dumps(result, indent=1)
    return re.sub(r"\[[^{}\"]*?\](?=,?\n\s*[\"}])", lambda found: re.sub(r"\s+", " ", found[0]), text)


if __name__ == "__main__":
    main()
