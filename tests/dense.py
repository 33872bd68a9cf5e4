"""The model with every matrix written out, row by row of the data: slow, plain, and sharing no code with `helpers`."""

import numpy as np
import pandas as pd
from hypothesis import strategies as st


def covariance(T, Z, group):
    """V = I + Z_i T Z_i' of every person, in one n x n matrix; y has covariance s2 V."""
    return np.eye(len(Z)) + (Z @ T @ Z.T) * (group[:, None] == group[None, :])


def criterion(T, y, X, Z, group, reml=True):
    """Minus twice the (restricted) log-likelihood with b and s2 at their best."""
    return estimates(T, y, X, Z, group, reml)[0]


def estimates(T, y, X, Z, group, reml=True):
    """The criterion, b, s2 and the covariance of b at relative covariance T."""
    half = np.linalg.cholesky(covariance(T, Z, group))
    logdet = 2 * np.log(np.diag(half)).sum()
    x, z = np.linalg.solve(half, X), np.linalg.solve(half, y)
    Q, R = np.linalg.qr(x)
    beta = np.linalg.solve(R, Q.T @ z)
    d = len(y) - X.shape[1] if reml else len(y)
    left = z - Q @ (Q.T @ z)
    s2 = left @ left / d
    if reml:
        logdet += 2 * np.log(np.abs(np.diag(R))).sum()
    inverse = np.linalg.inv(R)
    return logdet + d * (1 + np.log(2 * np.pi * s2)), beta, s2, s2 * inverse @ inverse.T


def deviance(G, s2, y, X, Z, group, reml=True):
    """Minus twice the (restricted) log-likelihood at random_cov G and residual variance s2, b at its best."""
    V = s2 * covariance(G / s2, Z, group)
    inverse = np.linalg.inv(V)
    information = X.T @ inverse @ X
    left = y - X @ np.linalg.solve(information, X.T @ inverse @ y)
    value = np.linalg.slogdet(V)[1] + left @ inverse @ left
    if reml:
        return value + np.linalg.slogdet(information)[1] + (len(y) - X.shape[1]) * np.log(2 * np.pi)
    return value + len(y) * np.log(2 * np.pi)


def satterthwaite(L, s2, y, X, Z, group, contrasts, reml=True):
    """df of the rows of `contrasts`, with derivatives by finite differences.

    The variance parameters are the entries of L (q x r), relative factor at the optimum, and log s. Turning L about
    changes nothing, which is what the pseudo-inverse leaves out.
    """
    shape = L.shape
    at = np.append(L.ravel(), np.log(s2) / 2)

    def parts(v):
        F, variance = v[:-1].reshape(shape), np.exp(2 * v[-1])
        return variance * F @ F.T, variance

    def value(v):
        return deviance(*parts(v), y, X, Z, group, reml)

    def variances(v):
        G, variance = parts(v)
        V = variance * covariance(G / variance, Z, group)
        return ((contrasts @ np.linalg.inv(X.T @ np.linalg.solve(V, X))) * contrasts).sum(1)

    H = second_derivatives(value, at, 1e-3)
    g = np.array([central(variances, at, way, 1e-4) for way in np.eye(len(at))])
    A = 2 * np.linalg.pinv(H, rcond=1e-6, hermitian=True)
    return 2 * variances(at) ** 2 / np.einsum("ak,ab,bk->k", g, A, g)


def central(function, at, way, step):
    """First derivative along `way`, to the fourth order of `step`."""
    f = lambda k: function(at + k * step * way)
    return (8 * (f(1) - f(-1)) - (f(2) - f(-2))) / (12 * step)


def second_derivatives(function, at, step):
    """All second derivatives, to the fourth order of `step`."""
    k, ways = len(at), np.eye(len(at))

    def along(way):
        f = lambda c: function(at + c * step * way)
        return (16 * (f(1) + f(-1)) - (f(2) + f(-2)) - 30 * f(0)) / (12 * step**2)

    own = np.array([along(way) for way in ways])
    H = np.diag(own)
    for i in range(k):
        for j in range(i):
            H[i, j] = H[j, i] = (along(ways[i] + ways[j]) - own[i] - own[j]) / 2
    return H


def kenward_roger(G, s2, X, Z, group, contrasts):
    """Adjusted covariance of b and, for the rows of `contrasts`, df and scale of their F test.

    Kenward & Roger 1997, with their letters: V is a sum of the sigma_i times G_i; Phi = (X'V^-1X)^-1.
    """
    n, (_p, q) = len(X), (X.shape[1], len(G))
    same = group[:, None] == group[None, :]
    V = s2 * covariance(G / s2, Z, group)
    inverse = np.linalg.inv(V)
    Phi = np.linalg.inv(X.T @ inverse @ X)
    parts = [np.eye(n)]
    for a in range(q):
        for b in range(a + 1):
            unit = np.outer(Z[:, a], Z[:, b]) * same
            parts.append(unit if a == b else unit + unit.T)
    P = [-X.T @ inverse @ g @ inverse @ X for g in parts]
    Q = [[X.T @ inverse @ g @ inverse @ h @ inverse @ X for h in parts] for g in parts]
    k = len(parts)
    information = np.zeros((k, k))
    for i in range(k):
        for j in range(k):
            information[i, j] = (
                np.trace(inverse @ parts[i] @ inverse @ parts[j])
                - np.trace(2 * Phi @ Q[i][j] - Phi @ P[i] @ Phi @ P[j])
            ) / 2
    W = np.linalg.inv(information)
    inner = sum(W[i, j] * (Q[i][j] - P[i] @ Phi @ P[j]) for i in range(k) for j in range(k))
    adjusted, tests = Phi + 2 * Phi @ inner @ Phi, []
    for row in contrasts:
        L, ell = row[:, None], 1
        Theta = L @ np.linalg.inv(L.T @ Phi @ L) @ L.T
        each = [Theta @ Phi @ part @ Phi for part in P]
        A1 = sum(W[i, j] * np.trace(each[i]) * np.trace(each[j]) for i in range(k) for j in range(k))
        A2 = sum(W[i, j] * np.trace(each[i] @ each[j]) for i in range(k) for j in range(k))
        B = (A1 + 6 * A2) / (2 * ell)
        g = ((ell + 1) * A1 - (ell + 4) * A2) / ((ell + 2) * A2)
        c1, c2, c3 = (c / (3 * ell + 2 * (1 - g)) for c in (g, ell - g, ell + 2 - g))
        E = 1 / (1 - A2 / ell)
        variance = 2 / ell * (1 + c1 * B) / ((1 - c2 * B) ** 2 * (1 - c3 * B))
        rho = variance / (2 * E**2)
        df = 4 + (ell + 2) / (ell * rho - 1)
        tests.append((df, df / (E * (df - 2))))
    return adjusted, *np.array(tests).T


def draw(seed, sizes=(3, 4, 2, 4, 1, 3, 4, 4), q=2, p=3, sd=None, noise=1.0, shared=False):
    """A small data set y, X, Z, group: `sizes` rows a person; `shared`: times from a common schedule."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    n, people = len(group), len(sizes)
    visit = np.concatenate([np.arange(size) for size in sizes]).astype(float)
    time = visit - 1 if shared else visit - 1 + 0.3 * rng.normal(size=n)
    one, within, half = np.ones(n), rng.normal(size=n), (rng.random(people) < 0.5).astype(float)[group]
    other = (visit % 2) if shared else rng.normal(size=n)
    Z = np.column_stack([one, time, other, (time - 1) ** 2])[:, :q]
    X = np.column_stack([one, time, within, half + 0.1 * rng.normal(size=people)[group], within * time])[:, :p]
    u = rng.normal(size=(people, q)) * (np.array([1.0, 0.5, 0.7, 0.3])[:q] if sd is None else np.asarray(sd))
    y = X @ np.array([1.0, -0.5, 0.4, 2.0, -0.2])[:p] + (Z * u[group]).sum(1) + noise * rng.normal(size=n)
    return y, X, Z, group


def frame(y, X, Z, group):
    """The same as a frame, with the formula and the random terms that read it back."""
    data = pd.DataFrame({"y": y, "id": group})
    for j in range(X.shape[1]):
        data[f"x{j}"] = X[:, j]
    for j in range(Z.shape[1]):
        data[f"z{j}"] = Z[:, j]
    formula = " + ".join(["y ~ 0", *(f"x{j}" for j in range(X.shape[1]))])
    return formula, data, "id", " + ".join(["0", *(f"z{j}" for j in range(Z.shape[1]))])


@st.composite
def designs(draw_from, terms=(1, 2, 3), least_people=6):
    """Small data sets for hypothesis: groups of one among them, patterns shared or not, variances there or zero."""
    q = draw_from(st.sampled_from(terms))
    sizes = draw_from(st.lists(st.integers(1, q + 3), min_size=least_people + q, max_size=12))
    sizes = (*sizes, q + 2, q + 2, q + 3)  # enough rows to tell the variances apart
    sd = draw_from(st.lists(st.sampled_from([0.0, 0.3, 1.0, 3.0]), min_size=q, max_size=q))
    p, shared = draw_from(st.integers(1, 5)), draw_from(st.booleans())
    return draw(draw_from(st.integers(0, 10_000)), sizes, q, p, sd, shared=shared)


def profile(examples):
    """The settings of every property test: reproducible, and as slow as the machine is."""
    from hypothesis import HealthCheck

    return {
        "max_examples": examples,
        "derandomize": True,
        "deadline": None,
        "database": None,
        "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    }
