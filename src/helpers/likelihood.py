"""The REML (or ML) criterion of grouped data as a function of sums over people: its optimum, its certificate, its df.

Model, for person i with n_i visits (rows), p fixed and q random columns:

    y_i = X_i b + Z_i u_i + e_i,      u_i ~ N(0, s2 T),  e_i ~ N(0, s2 I),      T = L L'           (1)

so that y_i has covariance s2 V_i, V_i = I + Z_i T Z_i'. Write Z_i = U_i A_i with orthonormal columns in U_i (one A
for all people with the same Z_i'Z_i, a *pattern*) and W = [X | y]. Then

    M = I + A T A'                                                                                  (2)
    V^-1 = (I - U U') + U M^-1 U',      log|V_i| = log|M|                                           (3)
    C = W' V^-1 W = E + sum over patterns of S : M^-1                                               (4)
    E = sum_i W_i' (I - U_i U_i') W_i,      S = sum_i (U_i'W_i) (x) (U_i'W_i)  in each pattern      (5)

E and S add up over people; nothing is subtracted that could cancel. With b and s2 profiled out, minus twice the
restricted log-likelihood (lme4's `REMLcrit`) is a function of T alone; with n = sum n_i and d = n - p for REML
(for ML: d = n, and log|Cxx| stays out)

    f(T) = sum log|V_i| + log|Cxx| + d (1 + log(2 pi r2 / d)),      r2 = |C| / |Cxx|                (6)

    b = Cxx^-1 Cxy,   s2 = r2 / d,   cov(b) = s2 Cxx^-1                                             (7)

Its gradient is G = df/dT = sum A' M^-1 (m M - S : O) M^-1 A for m people a pattern,                (8)
with O = df/dC = d C^-1 - (d - 1) [Cxx^-1, 0; 0, 0] (ML: d for d - 1). Newton steps are taken on L (q x r, at
rank r), where a variance of zero is a smooth point; dT = D L' + L D' gives the second derivatives H exactly.

T is optimal on its face of the cone of covariance matrices when G T = 0, and there is no descent off that face
when G is non-negative on the null space of T. Both are checked, and that f is not flat there: `certified`. (9)
That is a certificate of a local optimum; that it is the best one rests on several starts. In samples of a few people
f can have optima that only a lucky start finds.

Everything has a leading axis of data sets, which are solved side by side: what one of them gives does not depend, to
the last bit, on the others beside it.

Reference: Bates, Maechler, Bolker & Walker 2015, doi 10.18637/jss.v067.i01, for (6) and (7).
"""

from dataclasses import dataclass, fields, replace
from functools import cache

import numpy as np

STOP = 1e-9  # Newton decrement (of f) that ends the search with its step: what is left then is of its square
SMALL = 1e-3  # a singular value of L below this (in units of a typical visit schedule) is tried at zero
TOLERANCE = 1e-7  # of the certificate, relative to the terms that cancel in G
FLAT = 1e-6  # least second derivative of f along a relative change of L; ordinary data give 1 and more
# L = start * identity, in units of a typical visit schedule, beside `by_moments`. With these none of 194 tiny samples
# with two optima ended in the wrong one; with 0.1 and 2 alone nine did.
STARTS = (0.02, 0.1, 1.0, 5.0, 25.0, 200.0, 5000.0)
SIDEWAYS = (5.0, 0.1)  # one direction and the others
TAKEN_UP = 0.1  # how far into a direction that pays
EQUAL = 1e-7  # of f: optima as near as this are one
FEW = 50  # groups below which many data sets, too, are solved from every start. In 20,000 made fits of one to three
# visits a person, `by_moments` alone missed the optimum in 2.5 % with 8 people, 0.6 % with 15, none with 50 or 100
ITERATIONS = 100
HALVINGS = 40


@dataclass(frozen=True)
class Sums:
    """What f needs of B data sets (5), for P patterns, in coordinates in which X, y and Z have about unit scale.

    S and E are symmetric and packed: pairs i <= j of random columns, pairs of the c = p + 1 columns of W.
    """

    m: np.ndarray  # (B, P) people a pattern
    A: np.ndarray  # (B, P, q, q)
    S: np.ndarray  # (B, P q(q+1)/2, c(c+1)/2), S_ij + S_ji for i < j
    E: np.ndarray  # (B, c(c+1)/2)
    n: np.ndarray  # (B,) rows
    p: int
    reml: bool

    @property
    def d(self) -> np.ndarray:
        return self.n - self.p if self.reml else self.n

    def take(self, which: np.ndarray) -> "Sums":
        """These of the data sets, in this order."""
        return replace(self, **{name: getattr(self, name)[which] for name in ("m", "A", "S", "E", "n")})


@cache
def _places(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of a symmetric matrix: rows and columns of its entries i <= j, where each entry of the whole is among them, and
    what share of a sum S_ij + S_ji it is."""
    i, j = np.triu_indices(size)
    place = np.empty((size, size), int)
    place[i, j] = place[j, i] = np.arange(len(i))
    return i, j, place, np.where(i == j, 1.0, 0.5)


def pack(matrix: np.ndarray) -> np.ndarray:
    """The entries i <= j of the last two axes, those off the diagonal as the sum of both."""
    i, j, _, _ = _places(matrix.shape[-1])
    return upper(matrix) + np.where(i == j, 0, upper(matrix.swapaxes(-1, -2)))


def upper(matrix: np.ndarray) -> np.ndarray:
    """The entries i <= j of the last two axes, in one layout of memory, so that sums over them have one order."""
    i, j, _, _ = _places(size := matrix.shape[-1])
    return np.take(matrix.reshape(*matrix.shape[:-2], size * size), i * size + j, -1)


def unpack(packed: np.ndarray) -> np.ndarray:
    """The symmetric matrix behind `pack`."""
    _, _, place, share = _places(int((8 * packed.shape[-1] + 1) ** 0.5 - 1) // 2)
    return np.take(packed * share, place, -1)


def weigh(S: np.ndarray, N: np.ndarray) -> np.ndarray:
    """S : N = sum over patterns and pairs of N_ij S_ij, packed (..., c(c+1)/2), for symmetric N (..., P, q, q)."""
    weights = upper(N).reshape(*N.shape[:-3], -1)
    return weights @ S if weights.ndim == S.ndim else (weights[..., None, :] @ S)[..., 0, :]


@dataclass(frozen=True)
class Point:
    """f, its gradient and what the Hessian needs, at one T in each data set."""

    f: np.ndarray  # (B,)
    G: np.ndarray  # (B, q, q)
    b: np.ndarray  # (B, p)
    r2: np.ndarray  # (B,)
    Cxx_inverse: np.ndarray  # (B, p, p)
    C_inverse: np.ndarray  # (B, c, c)
    M_inverse: np.ndarray  # (B, P, q, q)
    SO: np.ndarray  # (B, P, q, q) S : O
    size: np.ndarray  # (B,) of the terms that cancel in G

    def put(self, which: np.ndarray, other: "Point") -> None:
        """Replace these data sets' values by another point's."""
        for field in fields(self):
            getattr(self, field.name)[which] = getattr(other, field.name)

    def take(self, which: np.ndarray) -> "Point":
        return Point(*(getattr(self, field.name)[which] for field in fields(self)))


def evaluate(data: Sums, T: np.ndarray) -> Point:
    """Equations (2) to (8), in order, at T (B, q, q)."""
    A, m, p, d = data.A, data.m, data.p, data.d
    M = np.eye(A.shape[-1]) + A @ T[:, None] @ A.swapaxes(-1, -2)
    # By its eigenvalues: where few directions vary a million times as much as the residual, `inv` loses the others.
    values, vectors = np.linalg.eigh(M)
    M_inverse = (vectors / values[..., None, :]) @ vectors.swapaxes(-1, -2)
    C = unpack(data.E + weigh(data.S, M_inverse))
    sign, logC = np.linalg.slogdet(C)
    C_inverse = np.linalg.inv(np.where((sign == 0)[:, None, None], np.eye(p + 1), C))
    r2 = 1 / C_inverse[:, -1, -1]
    b = -C_inverse[:, :p, p] * r2[:, None]
    Cxx_inverse = C_inverse[:, :p, :p] - b[:, :, None] * b[:, None, :] / r2[:, None, None]
    logV = _dot(m, np.log(values).sum(-1))
    lost = (sign <= 0) | (r2 <= 0)  # T is so large that only rounding is left of C: no step goes there
    logr2 = np.log(np.where(lost, 1, r2))
    f = logV + d * (1 + np.log(2 * np.pi / d)) + d * logr2 + (np.where(lost, 0, logC) - logr2 if data.reml else 0)
    f = np.where(lost, np.inf, f)
    weight = d[:, None, None] * C_inverse
    weight[:, :p, :p] -= (d - data.reml)[:, None, None] * Cxx_inverse
    SO = unpack((data.S @ upper(weight)[..., None]).reshape(*m.shape, -1))
    B = M_inverse @ A
    G = _over_patterns(B.swapaxes(-1, -2) @ (m[..., None, None] * M - SO) @ B)
    size = _dot(m, _dot(A.reshape(*m.shape, -1), B.reshape(*m.shape, -1)))
    return Point(f, (G + G.swapaxes(-1, -2)) / 2, b, r2, Cxx_inverse, C_inverse, M_inverse, SO, size)


def hessian(data: Sums, L: np.ndarray, at: Point, D: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Second derivatives (B, K, K) of f(LL') along the directions D (B, K, q, r), and dC (B, K, c, c)."""
    (B, K), d, p = D.shape[:2], data.d[:, None, None], data.p
    dT = D @ L[:, None].swapaxes(-1, -2)
    dT = dT + dT.swapaxes(-1, -2)
    A, M_inverse = data.A[:, None], at.M_inverse[:, None]
    dM = A @ dT[:, :, None] @ A.swapaxes(-1, -2)  # (B, K, P, q, q)
    N = M_inverse @ dM @ M_inverse  # minus the change in M^-1
    dC = -unpack(weigh(data.S, N))
    inner = 2 * at.M_inverse @ at.SO - data.m[..., None, None] * np.eye(L.shape[1])
    full, fixed = at.C_inverse[:, None] @ dC, at.Cxx_inverse[:, None] @ dC[:, :, :p, :p]
    curve = _traces(N, dM @ inner[:, None]) - d * _traces(full, full) + (d - data.reml) * _traces(fixed, fixed)
    flat = D.reshape(B, K, -1)
    return curve + 2 * (at.G[:, None] @ D).reshape(B, K, -1) @ flat.swapaxes(-1, -2), dC


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Inner product over the last axis, by the same sum whatever stands beside it."""
    return (a[..., None, :] @ b[..., :, None])[..., 0, 0]


def _over_patterns(matrices: np.ndarray) -> np.ndarray:
    """Sum of (B, P, q, q) over the patterns, by the same sum whatever stands beside it."""
    B, P, q, _ = matrices.shape
    return (np.ones((1, P)) @ matrices.reshape(B, P, q * q)).reshape(B, q, q)


def _traces(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """tr(left[k] right[l]) for every k and l, summed over the axes between the second and the last pair."""
    shape = (*left.shape[:2], -1)
    return left.reshape(shape) @ right.swapaxes(-1, -2).reshape(shape).swapaxes(-1, -2)


def directions(L: np.ndarray) -> np.ndarray:
    """Orthonormal changes of L (B, K, q, r), without the rotations L (e_a e_b' - e_b e_a'), which leave T as it is."""
    (B, q, r), pairs = L.shape, np.triu_indices(L.shape[2], 1)
    if not len(pairs[0]):
        return np.broadcast_to(np.eye(q * r).reshape(q * r, q, r), (B, q * r, q, r))
    turns = np.zeros((B, len(pairs[0]), q, r))
    for turn, (a, b) in enumerate(zip(*pairs, strict=True)):
        turns[:, turn, :, b], turns[:, turn, :, a] = L[:, :, a], -L[:, :, b]
    basis = np.linalg.qr(turns.reshape(B, -1, q * r).swapaxes(-1, -2), mode="complete")[0]
    return basis[:, :, len(pairs[0]) :].swapaxes(-1, -2).reshape(B, -1, q, r)


def _step(data: Sums, L: np.ndarray, at: Point) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The Newton step D (B, q, r), uphill directions turned round; the decrement it promises (B,); if it is the last.

    Where a direction had to be turned it is not: beside a small variance f is nearly level, and falls away from it.
    """
    D = directions(L)
    B, K = D.shape[:2]
    values, vectors = np.linalg.eigh(hessian(data, L, at, D)[0])
    most = np.abs(values).max(1, keepdims=True)
    turned = (values < -1e-6 * most).any(1)
    values = np.maximum(np.abs(values), 1e-9 * most + 1e-100)
    along = vectors.swapaxes(-1, -2) @ D.reshape(B, K, -1)
    slope = (along @ (2 * at.G @ L).reshape(B, -1, 1))[..., 0]
    step = -((slope / values)[:, None, :] @ along).reshape(L.shape)
    decrement = _dot(slope, slope / values)
    return step, decrement, (decrement <= STOP) & ~turned


def _norm(matrix: np.ndarray) -> np.ndarray:
    flat = matrix.reshape(len(matrix), -1)
    return np.sqrt(_dot(flat, flat))


def _newton(data: Sums, L: np.ndarray) -> tuple[np.ndarray, Point, np.ndarray]:
    """Newton steps on L (B, q, r) from where it is, halved until f falls; where they end, and how many."""
    L, used, todo, part = L.copy(), np.zeros(len(L), int), np.arange(len(L)), data
    end = at = evaluate(part, L @ L.swapaxes(-1, -2))
    for _ in range(ITERATIONS if L.shape[2] else 0):
        now = L[todo]
        D, decrement, done = _step(part, now, at)
        share = np.minimum(1, (1 + _norm(now)) / np.maximum(_norm(D), 1e-300))
        ahead = evaluate(part, (square := now + share[:, None, None] * D) @ square.swapaxes(-1, -2))
        for _halving in range(HALVINGS):
            enough = at.f - 0.01 * share * decrement + 1e-12 * np.abs(at.f)
            bad = np.flatnonzero(~done & ~(ahead.f <= enough))
            if not len(bad):
                break
            share[bad] /= 2
            square = now[bad] + share[bad, None, None] * D[bad]
            ahead.put(bad, evaluate(part.take(bad), square @ square.swapaxes(-1, -2)))
        L[todo] = now + share[:, None, None] * D
        used[todo] += 1
        if done.all() and len(done) == len(L):
            return L, ahead, used
        if done.any():
            end.put(todo[done], ahead.take(done))
            todo, part, ahead = todo[~done], part.take(~done), ahead.take(~done)
            if not len(todo):
                return L, end, used
        at = ahead
    if L.shape[2]:
        end.put(todo, at)
    return L, end, used


def _descend(data: Sums, L: np.ndarray) -> tuple[np.ndarray, np.ndarray, Point, np.ndarray]:
    """Newton from one start a data set; directions that vanish are dropped, directions that pay are taken up again.

    Returns L (B, q, q), its unused columns zero; its rank (B,); f there; and the steps taken (B,).
    """
    B, q, _ = L.shape
    L, rank, used, open_ = L.copy(), np.full(B, q), np.zeros(B, int), np.ones(B, bool)
    kept, kept_rank, end = np.zeros_like(L), np.full(B, -1), None
    for _face in range(3 * q + 1):
        for r in range(q, -1, -1):
            which = np.flatnonzero(open_ & (rank == r))
            if not len(which):
                continue
            found, at, steps = _newton(data if len(which) == B else data.take(which), L[which, :, :r])
            used[which] += steps
            end = end or at
            end.put(which, at)
            U, values, _ = np.linalg.svd(found, full_matrices=False)
            held = (values > SMALL).sum(1)
            level, (pays, off) = stationary(found, at), off_face(found, at)
            L[which] = 0
            L[which, :, :r] = found
            # Directions that vanished are dropped; where we were is kept, in case zero turns out not to be better.
            drop = held < r
            kept[which[drop]] = L[which[drop]]
            kept_rank[which[drop]] = np.where(level & ~pays, r, -1)[drop]
            L[which[drop], :, :r] = U[drop] * np.where(values > SMALL, values, 0)[drop, None, :]
            rank[which[drop]] = held[drop]
            # An optimum of its face from which nothing pays: the end.
            open_[which[~drop & ~pays]] = False
            # Something pays that was dropped before: a small variance, but not zero.
            back = which[~drop & pays & (kept_rank[which] >= 0)]
            if len(back):
                L[back], rank[back], open_[back] = kept[back], kept_rank[back], False
                end.put(back, evaluate(data.take(back), L[back] @ L[back].swapaxes(-1, -2)))
            # Something pays: take it up.
            up = ~drop & pays & (kept_rank[which] < 0)
            if up.any():
                L[which[up], :, r] = TAKEN_UP * off[up]
                rank[which[up]] = r + 1
    return L, rank, end, used


def stationary(L: np.ndarray, at: Point) -> np.ndarray:
    """Whether G T = 0 (9), in units of the terms that cancel in G."""
    return _norm(at.G @ L) <= TOLERANCE * at.size * _norm(L)


def off_face(L: np.ndarray, at: Point) -> tuple[np.ndarray, np.ndarray]:
    """Whether f falls into the null space of T (9), and the direction (B, q) in which it falls most."""
    B, q, r = L.shape
    if r == q:
        return np.zeros(B, bool), np.zeros((B, q))
    null = np.linalg.svd(L, full_matrices=True)[0][:, :, r:] if r else np.broadcast_to(np.eye(q), (B, q, q))
    values, vectors = np.linalg.eigh(null.swapaxes(-1, -2) @ at.G @ null)
    return values[:, 0] < -TOLERANCE * at.size, (null @ vectors[:, :, :1])[..., 0]


@dataclass(frozen=True)
class Found:
    """The best of the optima reached, for B data sets, in the coordinates of `Sums`."""

    L: np.ndarray  # (B, q, q), unused columns zero
    rank: np.ndarray  # (B,) of T
    at: Point
    certified: np.ndarray  # (B,) no descent on the face of T or off it, and no flat direction
    J: np.ndarray  # (B, K, p, p) change of s2 Cxx^-1, in units of s2, with s2 itself and along the face
    A: np.ndarray  # (B, K, K) covariance of these variance parameters, twice the inverse second derivatives of f
    iterations: np.ndarray  # (B,) Newton steps, all starts together


def by_moments(data: Sums) -> np.ndarray:
    """A start L (B, q, q): T by least squares from the second moments of U'r about their means, r from T = 0.

    Means of S_rr are s2 (m I + m A T A'), of E_rr s2 (n - ranks - p). Where T is not positive, it is made a little so.
    """
    A, m, p, (B, q) = data.A, data.m, data.p, (len(data.m), data.A.shape[-1])
    at = evaluate(data, np.zeros((B, q, q)))
    r = np.concatenate([-at.b, np.ones((B, 1))], 1)
    rr = upper(r[:, :, None] * r[:, None])[..., None]
    inside = unpack((data.S @ rr).reshape(*m.shape, -1))
    s2 = _dot(data.E, rr[..., 0]) / np.maximum(data.n - p - q * m.sum(1), 0.1 * data.n)
    cross = (A.swapaxes(-1, -2) @ A).reshape(*m.shape, q * q)  # Z'Z
    whole = _over_patterns(A.swapaxes(-1, -2) @ (inside / s2[:, None, None, None] - m[..., None, None] * np.eye(q)) @ A)
    normal = (cross * m[..., None]).swapaxes(-1, -2) @ cross
    normal = normal.reshape(B, q, q, q, q).transpose(0, 1, 3, 2, 4).reshape(B, q * q, q * q)
    normal = normal + 1e-6 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(q * q)
    T = np.linalg.solve(normal, whole.reshape(B, -1, 1)).reshape(B, q, q)
    values, vectors = np.linalg.eigh((T + T.swapaxes(-1, -2)) / 2)
    return vectors * np.sqrt(np.clip(values, 0.02, 1e6))[:, None, :]


def optimum(data: Sums, starts: tuple | None = None, start: np.ndarray | None = None) -> Found:
    """The best optimum from several starts: by moments; an identity L of several sizes; each direction more than the
    others; and `start`, an L (B, q, q) or (q, q).

    Small samples do have several optima, some with nearly no residual variance. Where `starts` is None (STARTS), data
    sets of at least `FEW` groups are solved from `by_moments` and `start` alone: for many at once.
    """
    B, q = len(data.m), data.A.shape[-1]
    first = [by_moments(data)] + ([] if start is None else [start])
    sizes = STARTS if starts is None else starts
    more = [size * np.eye(q) for size in sizes]
    if len(sizes) and q > 1:
        more += [np.diag(np.where(np.arange(q) == j, *SIDEWAYS)) for j in range(q)]
    every = (data.m.sum(1) < FEW) | (starts is not None)
    count = len(first) + len(more) * every
    owner = np.repeat(np.arange(B), count)
    begin = np.cumsum(count) - count
    each = np.empty((len(owner), q, q))
    for k, L in enumerate(first):
        each[begin + k] = L
    for k, L in enumerate(more, len(first)):
        each[begin[every] + k] = L
    L, rank, at, used = _descend(data.take(owner) if len(owner) > B else data, each)
    if len(owner) > B:
        near = at.f <= np.minimum.reduceat(at.f, begin)[owner] + EQUAL
        score = near * (1 + stationary(L, at))
        best = np.flatnonzero(score == np.maximum.reduceat(score, begin)[owner])
        best = best[np.unique(owner[best], return_index=True)[1]]
        L, rank, at, used = L[best], rank[best], at.take(best), np.add.reduceat(used, begin)
    certified, K, p = np.zeros(B, bool), q * (q + 1) // 2, data.p
    J, A = np.zeros((B, 1 + K, p, p)), np.zeros((B, 1 + K, 1 + K))
    J[:, 0], A[:, 0, 0] = at.Cxx_inverse, 2 / data.d
    for r in range(q + 1):
        which = np.flatnonzero(rank == r)
        if not len(which):
            continue
        part, here, face = data.take(which), at.take(which), L[which, :, :r]
        good = stationary(face, here) & ~off_face(face, here)[0]
        if r == 0:
            certified[which] = good & (np.abs(here.G).max((1, 2)) > TOLERANCE * here.size)
            continue
        D = directions(face)
        H, dC = hessian(part, face, here, D)
        values, vectors = np.linalg.eigh(H)
        steep = values[:, 0] * _norm(face) ** 2 > FLAT
        slope = (D.reshape(*D.shape[:2], -1) @ (2 * here.G @ face).reshape(len(which), -1, 1)).swapaxes(
            -1, -2
        ) @ vectors
        left = ((slope[:, 0] ** 2) / np.where(steep[:, None], values, 1)).sum(1)  # what f would still fall by
        certified[which] = good & steep & (left <= EQUAL)
        values[~steep] = np.nan  # variances that the data do not tell apart have no df
        k, dCxx, inverse = D.shape[1], dC[:, :, :p, :p], here.Cxx_inverse[:, None]
        log_r2 = np.trace(here.C_inverse[:, None] @ dC - pad(inverse @ dCxx), axis1=-2, axis2=-1)
        J[which, 1 : 1 + k] = log_r2[..., None, None] * inverse - inverse @ dCxx @ inverse
        A[which, 1 : 1 + k, 1 : 1 + k] = 2 * (vectors / values[:, None, :]) @ vectors.swapaxes(-1, -2)
    return Found(L, rank, at, certified, J, A, used)


def pad(matrix: np.ndarray) -> np.ndarray:
    """A row and a column of zeros below and to the right."""
    return np.pad(matrix, [(0, 0)] * (matrix.ndim - 2) + [(0, 1), (0, 1)])


def df(covariance: np.ndarray, J: np.ndarray, A: np.ndarray, contrast: np.ndarray) -> np.ndarray:
    """Denominator df (..., k) of contrasts l'b, the rows of `contrast` (..., k, p): 2 var^2 / Var(estimated var).

    With var = l' s2 Cxx^-1 l and J its changes with the variance parameters, whose estimates have covariance A:

        df = 2 var^2 / g'A g,     g = l'J l

    s2, counted in units of r2(T) / d, is at the optimum orthogonal to T, and its share of 1 / df is 1 / d. On the
    boundary the variances that ended at zero are taken as known; with all of them at zero df = d, as in regression.

    Source: Satterthwaite 1946; Giesbrecht & Burns 1985, Biometrics 41:477-486; Kuznetsova, Brockhoff & Christensen
    2017, doi 10.18637/jss.v082.i13.
    """
    variance = ((contrast @ covariance) * contrast).sum(-1)
    g = ((contrast[..., None, :, :] @ J) * contrast[..., None, :, :]).sum(-1)  # (..., K, k)
    spread = ((A @ g) * g).sum(-2)
    with np.errstate(divide="ignore"):
        return 2 * variance**2 / spread


def kenward_roger(data: Sums, best: Found, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Adjusted covariance (p, p) of b, and J (K, p, p), A (K, K) for `df`, of one data set (B = 1) by REML.

    `rows` (P,) is how many visits a person of each pattern has. The variance parameters are the entries of s2 T, and
    s2; the covariance V of y is linear in them, V = sum of them times G_a, so that no second derivatives enter:

        cov_A = F + 2 F [ sum A_ab (Q_ab - P_a F P_b) ] F,      F = (X'V^-1X)^-1,      J_a = -F P_a F
        P_a = -X' V^-1 G_a V^-1 X,     Q_ab = X' V^-1 G_a V^-1 G_b V^-1 X
        A = 2 I^-1,     I_ab = tr(V^-1 G_a V^-1 G_b) - 2 tr(F Q_ab) + tr(F P_a F P_b)

    all in units of s2. Where one contrast is tested, their F test is t with these df and no further scale.
    Source: Kenward & Roger 1997, Biometrics 53:983-997; Halekoh & Hojsgaard 2014, doi 10.18637/jss.v059.i09.
    """
    B, S, m, p = data.A[0], data.S[0], data.m[0], data.p
    Mi, E, F = best.at.M_inverse[0], unpack(data.E[0])[:p, :p], best.at.Cxx_inverse[0]
    q = B.shape[-1]
    units = [np.eye(q)[[i]].T * np.eye(q)[[j]] for i, j in zip(*np.triu_indices(q), strict=True)]
    # G_a within the span of U, and what it is outside: zero, or one for the residual.
    G = [B @ (unit + unit.T) @ B.swapaxes(-1, -2) for unit in units] + [np.broadcast_to(np.eye(q), B.shape)]
    outside, k = np.r_[np.zeros(len(units)), 1.0], len(units) + 1

    def xx(N: np.ndarray, out: float) -> np.ndarray:
        return unpack(weigh(S, (N + N.swapaxes(-1, -2)) / 2))[:p, :p] + out * E

    P = [-xx(Mi @ g @ Mi, out) for g, out in zip(G, outside, strict=True)]
    information, Q, size = np.empty((k, k)), np.empty((k, k, p, p)), np.empty(k)
    for a in range(k):
        for b in range(k):
            both = outside[a] * outside[b]
            Q[a, b] = xx(Mi @ G[a] @ Mi @ G[b] @ Mi, both)
            traces = np.einsum("pij,pji->p", Mi @ G[a], Mi @ G[b]) + both * (rows - q)
            information[a, b] = m @ traces - 2 * np.vdot(F, Q[a, b]) + np.vdot(F @ P[a] @ F, P[b])
            if a == b:
                size[a] = np.sqrt(m @ traces)  # of what cancels in it
    told = np.linalg.eigvalsh(information / np.outer(size, size))[0] > 1e-10
    A = (
        2 * np.linalg.inv(information) if told else np.full((k, k), np.nan)
    )  # no df where the data do not tell them apart
    inner = sum(A[a, b] * (Q[a, b] - P[a] @ F @ P[b]) for a in range(k) for b in range(k))
    return F + 2 * F @ inner @ F, np.array([-F @ part @ F for part in P]), A
