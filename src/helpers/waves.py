"""Visits at fixed waves as second moments of each person's stacked variables, from which any linear model is made.

`Waves` goes one step further back than `Moments`: time codings, products with time, centring, person means and random
effects of time are chosen afterwards, as linear maps, without the data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from helpers import formulas
from helpers.moments import COLLINEAR, Moments, alike, person_weights, upright


@dataclass(frozen=True)
class Waves:
    """Second moments of people's stacked variables, for visits at fixed waves; everything a linear model can ask.

    A pattern is a set of waves with a complete visit. Person i of a pattern with waves w1 < ... < wk has the vector

        v_i = [1, baseline, varying at w1, ..., varying at wk],      V = sum_i v_i v_i'  in each pattern

    centred by `centre` (one constant a variable). A row of the model's W at wave w is linear in v_i, with coefficients
    that may depend on w: that is `model`.
    """

    baseline: tuple[str, ...]
    varying: tuple[str, ...]
    waves: tuple[tuple[float, ...], ...]  # of each pattern
    centre: np.ndarray  # (1 + b + t,) of 1 (not centred), baseline, varying
    m: np.ndarray  # (..., P)
    V: tuple[np.ndarray, ...]  # a pattern: (..., d, d), d = 1 + b + k t

    @classmethod
    def from_frame(
        cls,
        data: pd.DataFrame,
        group: str,
        wave: str,
        baseline: Sequence[str] = (),
        varying: Sequence[str] = (),
        weights: str | None = None,
    ) -> "Waves":
        """From one row a visit; rows with a blank in any variable are left out.

        Raises
        ------
        ValueError
            An unknown column; values that are not finite numbers; a wave twice in a person; a baseline variable or
            a weight that changes within a person; no complete row.
        """
        baseline, varying = tuple(baseline), tuple(varying)
        names = [*baseline, *varying]
        formulas.numeric(data, [wave, *names, *([weights] if weights else [])], blank_allowed=True)
        formulas.groups(data, group)
        rows = data.dropna(subset=[wave, *names]).sort_values([group, wave], kind="stable")
        if rows.empty:
            raise ValueError(f"no row has {', '.join(names)}")
        person = pd.factorize(rows[group])[0]
        time, x = rows[wave].to_numpy(float), rows[names].to_numpy(float)
        again = np.flatnonzero((person[1:] == person[:-1]) & (time[1:] == time[:-1]))
        if len(again):
            raise ValueError(f"column {wave!r}: a wave twice in one person, first in row {rows.index[again[0] + 1]}")
        first = np.flatnonzero(np.r_[True, person[1:] != person[:-1]])
        moved = np.abs(x[:, : len(baseline)] - x[first][person][:, : len(baseline)]).max(0, initial=0)
        for name, change in zip(baseline, moved, strict=True):
            if change > 0:
                raise ValueError(f"column {name!r} changes within a person: name it under `varying`")
        each = person_weights(rows[weights].to_numpy(float) if weights else None, person, len(first))
        centre = np.r_[0.0, x.mean(0)] if names else np.zeros(1)
        x, visits, slot = x - centre[1:], np.diff(np.append(first, len(person))), alike(time)
        waves, m, V = [], [], []
        for count in np.unique(visits):
            who = np.flatnonzero(visits == count)
            at = first[who][:, None] + np.arange(count)
            pattern = alike(*slot[at].T)
            for number in range(pattern.max() + 1):
                here = pattern == number
                block = x[at[here]]
                stacked = block[:, :, len(baseline) :].reshape(len(block), -1)
                v = np.column_stack([np.ones(len(block)), block[:, 0, : len(baseline)], stacked])
                w = each[who[here]]
                waves.append(tuple(time[at[here][0]].tolist()))
                m.append(w.sum())
                V.append((v * w[:, None]).T @ v)
        order = sorted(range(len(waves)), key=lambda j: waves[j])
        return cls(
            baseline,
            varying,
            tuple(waves[j] for j in order),
            centre,
            np.array([m[j] for j in order]),
            tuple(V[j] for j in order),
        )

    def __add__(self, other: "Waves") -> "Waves":
        """The moments of both parts together. Raises ValueError if their variables differ."""
        return self._with(other, 1)

    def __sub__(self, other: "Waves") -> "Waves":
        """The moments without a part. Raises ValueError if their variables differ."""
        return self._with(other, -1)

    def __radd__(self, other: int) -> "Waves":
        """So that `sum(parts)` works."""
        return self if other == 0 else NotImplemented

    def _with(self, other: "Waves", sign: int) -> "Waves":
        if (self.baseline, self.varying) != (other.baseline, other.varying):
            raise ValueError(f"different variables: {self.baseline, self.varying} and {other.baseline, other.varying}")
        b, shift, held = len(self.baseline), other.centre - self.centre, {}
        for waves, m, V in zip(self.waves, np.moveaxis(self.m, -1, 0), self.V, strict=True):
            held[waves] = m, V
        for waves, m, V in zip(other.waves, np.moveaxis(other.m, -1, 0), other.V, strict=True):
            K = np.eye(V.shape[-1])  # from other's centre to ours
            K[1:, 0] = np.r_[shift[1 : 1 + b], np.tile(shift[1 + b :], len(waves))]
            before = held.get(waves, (0.0, 0.0))
            held[waves] = before[0] + sign * m, before[1] + sign * K @ V @ K.T
        held = {waves: part for waves, part in sorted(held.items()) if np.abs(part[0]).max() > 1e-9}
        if not held:
            raise ValueError("no person is left")
        m = np.stack([part[0] for part in held.values()], -1)
        return replace(self, waves=tuple(held), m=m, V=tuple(part[1] for part in held.values()))

    def model(
        self,
        formula: str,
        random: str = "1",
        codings: Mapping[str, Mapping[float, float]] | None = None,
        basis: np.ndarray | None = None,
    ) -> Moments:
        """The moments of a model, without the data.

        `formula` and `random` may use the variables, `<varying>_mean` (the person's mean over the waves seen),
        `wave`, and the `codings`: numbers by wave, `{"time": {3: -4, 6: -1, 12: 5}}`. A fixed term must be linear in
        the variables, with coefficients that depend on the wave alone: `alliance * time` is, `contact:alliance` is
        not (make it a variable). `basis` is the R of `Moments`, for many data sets at once; it is found if there is
        one.

        Raises
        ------
        ValueError
            An unknown name; a term that is not linear; a random term that uses a variable.
        """
        times = sorted({wave for waves in self.waves for wave in waves})
        names = ["1", *self.baseline, *self.varying, *(f"{name}_mean" for name in self.varying)]
        by_wave = {"wave": dict(zip(times, times, strict=True))} | dict(codings or {})
        for name, coding in by_wave.items():
            if missing := [wave for wave in times if wave not in coding]:
                raise ValueError(f"coding {name!r} has no value for wave {missing[0]:g}")
        coded = tuple((name, tuple(float(coding[wave]) for wave in times)) for name, coding in by_wave.items())
        T, terms, outcome = formulas.probe(formula, tuple(names), coded)
        Z, random_terms, _ = formulas.probe(random, ("1",), coded)
        maps, where = [], {wave: k for k, wave in enumerate(times)}
        for waves in self.waves:
            k = [where[wave] for wave in waves]
            maps.append((np.einsum("wnc,wnd->wcd", T[k], self._rows(len(waves))), Z[k, 0]))
        if basis is None:
            roots = [_root(V, self.m.ndim) for V in self.V]
            tall = [np.swapaxes(H @ root, -1, -2).reshape(-1, T.shape[2])
                    for (H, _), root in zip(maps, roots, strict=True)]  # fmt: skip
            basis = upright(None, np.linalg.qr(np.concatenate(tall) / np.sqrt(_mean_rows(self)), mode="r"))[1]
        c, q = T.shape[2], Z.shape[2]
        pivot = np.abs(np.diag(basis)) > COLLINEAR * np.sqrt((basis**2).sum(0))
        to_basis = np.linalg.inv(np.where(np.diag(~pivot), 1.0, basis))
        E, parts = 0.0, []
        for (H, z), V in zip(maps, self.V, strict=True):
            H = np.einsum("wcd,ce->wed", H, to_basis)
            U, A = upright(*np.linalg.qr(np.concatenate([z, np.zeros((q, q))])))
            U = U[: len(z)]
            UH = np.einsum("wk,wcd->kcd", U, H)
            left = H - np.einsum("wk,kcd->wcd", U, UH)
            flat = UH.reshape(q * c, -1)
            S = (flat @ V @ flat.T).reshape(*V.shape[:-2], q, c, q, c).swapaxes(-3, -2)
            E = E + (left @ V[..., None, :, :] @ left.swapaxes(-1, -2)).sum(-3)
            parts.append((A, S))
        return Moments(
            outcome,
            tuple(terms),
            tuple(random_terms),
            np.array([len(waves) for waves in self.waves]),
            np.stack([A for A, _ in parts]),
            self.m,
            np.stack([S for _, S in parts], -5),
            E,
            basis,
        )

    def _rows(self, k: int) -> np.ndarray:
        """From v of k waves to [1, baseline, varying, person means] at each of them, centres put back: (k, names,
        d)."""
        b, t = len(self.baseline), len(self.varying)
        rows = np.zeros((k, 1 + b + 2 * t, 1 + b + k * t))
        own = np.eye(k * t).reshape(k, t, k * t)
        rows[:, : 1 + b, : 1 + b] = np.eye(1 + b)
        rows[:, 1 + b : 1 + b + t, 1 + b :] = own
        rows[:, 1 + b + t :, 1 + b :] = own.mean(0)
        rows[:, 1:, 0] = np.r_[self.centre[1:], self.centre[1 + b :]]
        return rows


def _root(V: np.ndarray, many: int) -> np.ndarray:
    """F (d, d) with F F' = V, the mean of many data sets' V."""
    values, vectors = np.linalg.eigh(V if many == 1 else V.mean(0))
    return vectors * np.sqrt(np.maximum(values, 0))


def _mean_rows(waves: Waves) -> float:
    return float(np.mean(waves.m @ np.array([len(w) for w in waves.waves])))
