"""The explorer's data and page: what a reader's browser needs to refit the study, and what is there without scripts.

For each sample the second moments of the stacked person vectors (`helpers.waves.Waves`), of a pattern of visits each.
From those `book/_static/explorer/reml.js` makes any of the page's models. Rows leave the cohort only as such sums.

The moments of a pattern of few people *are* their rows. So with data of real people, patterns of fewer than `SMALLEST`
people are dropped before anything is summed, and the page says how many. Nobody is behind a SYNTHETIC row: of the
cohort nothing is dropped.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from helpers import figures, measures, records, study
from helpers.tables import brief
from helpers.waves import Waves
from press import BookError
from press.roles import table

PAGE = "book/using/explorer"
SCRIPTS = ("explorer/data.js", "explorer/reml.js", "explorer/explorer.js")

SMALLEST = 5  # people of a pattern, if people are behind the rows
DIGITS = 13  # significant, of a moment: the fits need about ten
BASELINE = ("age", "female", *(f"{outcome}_0" for outcome in study.OUTCOMES))
YES_NO = ("female", "has_sponsor")
LABELS = {  # name: what it is called, one unit of it, several
    "age": ("age", "year", "years"),
    "female": ("female", "yes against no", ""),
    "attendance_0": ("attendance at entry", "meeting a week", "meetings a week"),
    "involvement_0": ("involvement at entry", "activity", "activities"),
    "pda_0": ("PDA at entry", "point", "points"),
    "contact": ("contact", "day a week", "days a week"),
    "alliance": ("alliance", "point of the inventory", "points of the inventory"),
    "has_sponsor": ("having a sponsor", "yes against no", ""),
}
OUTCOMES = {"attendance": "attendance", "involvement": "involvement", "pda": "PDA"}


@dataclass(frozen=True)
class Sample:
    """Visits to choose from: complete on every outcome, on `BASELINE` and on `predictors`.

    `products` are pairs whose product is a column of its own: it is no linear map of the two. `complete`: visits with a
    sponsor, a contact and an alliance only; `visits`: people with at least so many of them.
    """

    label: str
    predictors: tuple[str, ...]
    products: tuple[tuple[str, str], ...]
    complete: bool
    visits: int = 1

    def rows(self, scores: pd.DataFrame) -> pd.DataFrame:
        """One row a visit: person, wave, baseline, outcomes, predictors, products (`contact:alliance`)."""
        rows = scores[scores["wave"].isin(study.FOLLOW_UPS) & (scores["complete"] | (not self.complete))]
        rows = rows[["person", "wave", *BASELINE, *study.OUTCOMES, *self.predictors]].dropna()
        rows = rows.astype(dict.fromkeys(rows.columns.drop(["person", "wave"]), float))
        rows = rows[rows.groupby("person")["wave"].transform("size") >= self.visits]
        return rows.assign(**{f"{a}:{b}": rows[a] * rows[b] for a, b in self.products}).reset_index(drop=True)


_SPONSORED = ("contact", "alliance"), (("contact", "alliance"), ("contact", "female"), ("alliance", "female"))
SAMPLES = {
    "followed": Sample("every followed visit", ("has_sponsor",), (("has_sponsor", "female"),), complete=False),
    "sponsored": Sample("complete visits with a sponsor", *_SPONSORED, complete=True),
    "repeated": Sample("the same, of people with several of them", *_SPONSORED, complete=True, visits=2),
}

# The study's models by name; the first is what the page opens with. `press` and the browser both read these.
_COMMON = {"covariates": ["entry", "female", "age"], "time": "centred", "bend": False, "drift": False}
_COMMON |= {"centre": "mean", "scale": "units", "random": "slope", "method": "reml"}
PRESETS = {
    "b": {"sample": "sponsored", "outcome": "pda", "terms": {"contact": ["observed"], "alliance": ["observed"]}},
    "c": {
        "sample": "sponsored",
        "outcome": "pda",
        "terms": {"contact": ["observed", "time"], "alliance": ["observed", "time"]},
    },
    "a": {"sample": "followed", "outcome": "pda", "terms": {"has_sponsor": ["observed"]}},
}
PRESETS = {name: preset | {"products": []} | _COMMON for name, preset in PRESETS.items()}


def patterned(rows: pd.DataFrame, smallest: int) -> tuple[pd.DataFrame, dict]:
    """The rows of people whose pattern of visits `smallest` people share, and how much was dropped."""
    pattern = rows.sort_values("wave").groupby("person")["wave"].agg(tuple)
    shared = pattern.map(pattern.value_counts())
    kept = rows[rows["person"].map(shared) >= smallest].reset_index(drop=True)
    gone = shared[shared < smallest]
    return kept, {"patterns": int(pattern[gone.index].nunique()), "people": len(gone)}


def moments(rows: pd.DataFrame) -> dict:
    """`Waves` of the rows as plain lists: V packed, its upper triangle row by row, rounded to `DIGITS`."""
    varying = list(rows.columns.drop(["person", "wave", *BASELINE]))
    waves = Waves.from_frame(rows, "person", "wave", BASELINE, varying)
    return {
        "baseline": list(BASELINE),
        "varying": varying,
        "waves": [list(map(int, pattern)) for pattern in waves.waves],
        "centre": _rounded(waves.centre),
        "m": [int(count) for count in waves.m],
        "V": [_rounded(V[np.triu_indices(len(V))]) for V in waves.V],
    }


def _rounded(values: np.ndarray) -> list[float]:
    short = [float(f"{value:.{DIGITS}g}") for value in values.tolist()]
    return [int(value) if value == int(value) else value for value in short]


def data(persons: pd.DataFrame, visits: pd.DataFrame, smallest: int) -> dict:
    """All that the page computes from: samples, labels, presets, and a digest that links carry.

    Raises BookError if a sample has no pattern of `smallest` people.
    """
    scores = measures.score(persons, visits)
    samples = {}
    for name, sample in SAMPLES.items():
        rows, dropped = patterned(sample.rows(scores), smallest)
        if rows.empty:
            raise BookError(f"Explorer: no pattern of {sample.label} has {smallest} people. Leave the page out.")
        samples[name] = {
            "label": sample.label,
            "predictors": list(sample.predictors),
            "products": [f"{a}:{b}" for a, b in sample.products],
            "dropped": dropped,
            **moments(rows),
        }
    told = "".join(frame.to_csv(index=False) for frame in (persons, visits)) + str(smallest)
    return {
        "digest": hashlib.sha256(told.encode()).hexdigest()[:8],
        "smallest": smallest,
        "midpoint": study.MEAN_FOLLOW_UP,
        "yes_no": list(YES_NO),
        "labels": {name: dict(zip(("label", "unit", "units"), words, strict=True)) for name, words in LABELS.items()},
        "outcomes": {
            name: {"label": OUTCOMES[name], "unit": one.unit, "low": one.low, "high": one.high}
            for name, one in study.OUTCOMES.items()
        },
        "presets": PRESETS,
        "samples": samples,
    }


def is_synthetic(resources: Mapping[str, Mapping]) -> bool:
    """Whether the data package's own file names say that nobody is behind the rows."""
    return "SYNTHETIC" in resources["persons"]["path"]


def read() -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """The study's persons and visits, and how many people a pattern must have to be shipped."""
    return *records.read(), 0 if is_synthetic(records.contract()) else SMALLEST


def script(made: Mapping) -> str:
    """The data as a classic script, which a page from disk may load."""
    return f"window.EXPLORER_DATA = {json.dumps(made, separators=(',', ':'))};\n"


# --- without scripts: the specification that the page opens with, fitted while the site is built ---------------------


def opening(made: Mapping) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of the first preset, with z intervals: the coefficients by label, and the outcome's mean at low and high contact.

    The second frame has level, months, estimate, conf_low and conf_high.
    """
    sample = made["samples"]["sponsored"]
    centre = dict(zip([*sample["baseline"], *sample["varying"]], sample["centre"][1:], strict=True))
    waves = _waves(sample)
    terms = [f"I({name} - {centre[name]!r})" for name in ("contact", "alliance", "pda_0", "age")]
    time = {wave: wave - study.MEAN_FOLLOW_UP for wave in study.FOLLOW_UPS}
    formula = f"pda ~ {terms[0]} + {terms[1]} + time + {terms[2]} + female + {terms[3]}"
    fit = waves.model(formula, "1 + time", {"time": time}).fit(ddf="none")
    labels = ["Intercept", "contact", "alliance", "time", "PDA at entry", "female", "age"]
    sd = _sd(waves, "contact")
    at = pd.DataFrame([(level, step * sd, month) for level, step in (("low contact", -1), ("high contact", 1))
                       for month in study.FOLLOW_UPS], columns=["level", "contact", "months"])  # fmt: skip
    L = pd.DataFrame({"Intercept": 1.0, terms[0]: at["contact"], "time": at["months"] - study.MEAN_FOLLOW_UP})
    predicted = fit.contrast(L.assign(female=centre["female"]))
    return fit.fixed.set_axis(labels), at.join(predicted[["estimate", "conf_low", "conf_high"]])


def _waves(sample: Mapping) -> Waves:
    """`Waves` of a shipped sample."""
    V = []
    for waves, packed in zip(sample["waves"], sample["V"], strict=True):
        d = 1 + len(sample["baseline"]) + len(waves) * len(sample["varying"])
        upper = np.zeros((d, d))
        upper[np.triu_indices(d)] = packed
        V.append(upper + np.triu(upper, 1).T)
    patterns = tuple(tuple(map(float, waves)) for waves in sample["waves"])
    centre, m = np.array(sample["centre"]), np.array(sample["m"], float)
    return Waves(tuple(sample["baseline"]), tuple(sample["varying"]), patterns, centre, m, tuple(V))


def _sd(waves: Waves, name: str) -> float:
    """The SD of a varying variable over all visits: sqrt(sum of squares about the mean / (n - 1))."""
    b, t, at = len(waves.baseline), len(waves.varying), waves.varying.index(name)
    squares = sum(np.diag(V)[1 + b + at :: t].sum() for V in waves.V)
    return float(np.sqrt(squares / (waves.m @ np.array([len(w) for w in waves.waves]) - 1)))


def draw(coefficients: pd.DataFrame, predicted: pd.DataFrame, path: Path) -> None:
    """The figure without scripts: trajectories of low and high contact, and the coefficients with their intervals."""
    left, right = figures.axes(2)
    for level, strength in (("low contact", figures.LEVELS["low"]), ("high contact", figures.LEVELS["high"])):
        line = predicted[predicted["level"] == level]
        _ = figures.lines(left, line, "months", "estimate", "contact", level, alpha=strength)
    _ = figures.months(left, study.FOLLOW_UPS, "Predicted abstinence", study.OUTCOMES["pda"].unit)
    rows = coefficients.drop(index="Intercept")
    kinds = [name if name in figures.COLOURS else "none" for name in rows.index]
    _ = figures.forest(right, rows, kinds)
    _ = right.set_title("Coefficients")
    _ = right.set_xlabel(study.OUTCOMES["pda"].unit)
    path.parent.mkdir(parents=True, exist_ok=True)
    plt.savefig(path, metadata={"Software": None})
    plt.close()


class Explorer(SphinxDirective):
    """The place of the explorer, and in it what a reader without scripts sees."""

    def run(self) -> list[nodes.Node]:
        made = self.env.press_explorer
        coefficients, predicted = opening(made)
        path = Path(self.env.srcdir) / PAGE
        draw(coefficients, predicted, path.with_name("explorer-opening.png"))
        figure = nodes.figure("", nodes.image(uri="explorer-opening.png", alt=alt(coefficients, predicted)))
        figure += nodes.caption("", CAPTION)
        static = nodes.container("", figure, coefficient_table(coefficients), classes=["explorer-static"])
        return [nodes.container("", static, classes=["explorer"], ids=["explorer"])]


CAPTION = (
    "SYNTHETIC cohort. The model of percent days abstinent that the explorer opens with. Left: predicted course at low "
    "and high contact (one SD below and above its mean), with 95 % intervals. Right: its coefficients."
)


def alt(coefficients: pd.DataFrame, predicted: pd.DataFrame) -> str:
    """What the figure without scripts shows, in words."""
    courses = [
        f"{level} from {brief(line['estimate'].iloc[0], '.1f')} to {brief(line['estimate'].iloc[-1], '.1f')}"
        for level, line in predicted.groupby("level")
    ]
    terms = [
        f"{name} {brief(row['estimate'], '.2f')} ({brief(row['conf_low'], '.2f')} to {brief(row['conf_high'], '.2f')})"
        for name, row in coefficients.loc[["contact", "alliance"]].iterrows()
    ]
    course = " and ".join(reversed(courses))
    return f"Percent days abstinent over follow-up goes at {course}. Coefficients with intervals: {', '.join(terms)}."


def coefficient_table(coefficients: pd.DataFrame) -> nodes.table:
    rows = [
        [
            name,
            brief(row["estimate"], ".2f"),
            brief(row["std_error"], ".2f"),
            f"[{brief(row['conf_low'], '.2f')}, {brief(row['conf_high'], '.2f')}]",
        ]
        for name, row in coefficients.iterrows()
    ]
    return table(
        "The coefficients, on the SYNTHETIC cohort", ("Term", "Estimate", "Standard error", "95 % interval (z)"), rows
    )


class Samples(SphinxDirective):
    """The samples: people, visits, predictors; and whether anything was left out."""

    def run(self) -> list[nodes.Node]:
        made = self.env.press_explorer
        rows = [[sample["label"], *map(str, _size(sample)), ", ".join(LABELS[name][0] for name in sample["predictors"])]
                for sample in made["samples"].values()]  # fmt: skip
        head = ("Sample", "People", "Visits", "Predictors")
        return [
            table("What can be chosen from, on the SYNTHETIC cohort", head, rows),
            nodes.paragraph("", left_out(made)),
        ]


def _size(sample: Mapping) -> tuple[int, int]:
    return sum(sample["m"]), sum(m * len(waves) for m, waves in zip(sample["m"], sample["waves"], strict=True))


def left_out(made: Mapping) -> str:
    """What the page says of patterns too small to be shipped."""
    if not made["smallest"]:
        return (
            "Sums over very few people would be their rows in disguise. Nobody is behind the rows of this SYNTHETIC "
            f"cohort, so no pattern is left out; with real records, patterns of fewer than {SMALLEST} people would be."
        )
    gone = [
        f"{one['dropped']['people']} people ({one['dropped']['patterns']} patterns) of “{one['label']}”"
        for one in made["samples"].values()
    ]
    return (
        "Sums over very few people would be their rows in disguise, so people with a pattern of visits that fewer "
        f"than {made['smallest']} people share are left out: {', '.join(gone)}."
    )


# --- Sphinx ----------------------------------------------------------------------------------------------------------


def prepare(app: Sphinx) -> None:
    """Make the data before any page is read; for the site, as a script beside the others."""
    if app.config.press_order and PAGE not in app.config.press_order:
        return
    app.env.press_explorer = data(*read())
    if app.builder.name == "html":
        path = Path(app.outdir) / "_static" / SCRIPTS[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script(app.env.press_explorer), encoding="utf-8")


def add_scripts(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Load scripts and style on the explorer's page alone."""
    if pagename == PAGE:
        app.add_css_file("explorer/explorer.css")
        for name in SCRIPTS:
            app.add_js_file(name, loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("explorer", Explorer)
    app.add_directive("explorer-samples", Samples)
    app.connect("builder-inited", prepare)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
