"""The explorer's data and page: what a reader's browser needs to refit the study, and what stands there without scripts.

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

import numpy as np
import pandas as pd

from helpers import measures, records, study
from helpers.waves import Waves
from press import BookError

SMALLEST = 5  # people of a pattern, if people are behind the rows
DIGITS = 13  # significant, of a moment: the fits need about ten
BASELINE = ("age", "female", *(f"{outcome}_0" for outcome in study.OUTCOMES))
YES_NO = ("female", "has_sponsor")
LABELS = {  # name: what it is called, and what one unit of it is
    "age": ("age", "year"),
    "female": ("female", "yes against no"),
    "attendance_0": ("attendance at entry", "meeting a week"),
    "involvement_0": ("involvement at entry", "activity"),
    "pda_0": ("PDA at entry", "point"),
    "contact": ("contact", "day a week"),
    "alliance": ("alliance", "point of the inventory"),
    "has_sponsor": ("having a sponsor", "yes against no"),
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
        "labels": {name: {"label": label, "unit": unit} for name, (label, unit) in LABELS.items()},
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


def script(folder: Path | None = None) -> str:
    """The data as a classic script, which a page from disk may load."""
    smallest = 0 if is_synthetic(records.contract(folder)) else SMALLEST
    made = data(*records.read(folder), smallest)
    return f"window.EXPLORER_DATA = {json.dumps(made, separators=(',', ':'))};\n"
