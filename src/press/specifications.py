"""The explorer's second panel: where its fit falls on the specification curve (`helpers.curve`), claim by claim.

The directive `curve-panel` marks the place; `book/_static/explorer/curve.js` fills it. What it loads is written when
the site is built, from book/data/analyses/curve.csv and .json, and only for a page that has the panel. A row of the
curve is known by its number alone: its levels are those of the record's choices, all crossed, in their order.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from helpers import measures, models, records, study
from helpers.tables import brief
from press import BookError
from press.roles import table
from press.verdicts import short

FOLDER = "book/data/analyses"
DATA, SCRIPT, STYLE = "explorer/curve-data.js", "explorer/curve.js", "explorer/curve.css"

# What the explorer's choices are called on the curve. What has no name here, no specification of the curve has.
SAMPLES = {"sponsored": "complete", "repeated": "repeated"}
COVARIATES = {"entry": "entry", "female": "sex", "age": "age"}
RANDOM = {"intercept": "intercept", "slope": "intercept and slope"}
METHODS = {"reml": "REML", "ml": "ML"}
SCALE = "raw"  # the explorer has outcomes as they are
CLOCKS = {
    "months": lambda months: months,
    "centred": lambda months: months - months.mean(),
    "wave": lambda months: np.arange(len(months)),
    "log": np.log,
}
WORDS = {"raw": "", "bounded": "stretched"}  # what a family's name adds for the outcome's scale

Curve = dict[str, Any]


def curve(folder: Path) -> Curve:
    """The curve as committed: choices, the study's own levels, and of each claim its estimates and what is told apart.

    `estimates` are thousandths of an SD of the outcome for one SD of the predictor, in the order of the rows; `told`
    says of each whether its interval excludes zero. Fits by GEE are left out.
    Raises BookError if the files are missing or a specification is.
    """
    try:
        text = (folder / "curve.csv").read_text(encoding="utf-8")
        record = json.loads((folder / "curve.json").read_text(encoding="utf-8"))
    except FileNotFoundError as missing:
        raise BookError(f"{missing.filename} does not exist: make analyses") from None
    mixed = (row for row in csv.DictReader(io.StringIO(text)) if row["gee"] == "0")
    rows = sorted(mixed, key=lambda row: int(row["specification"]))
    if [int(row["specification"]) for row in rows] != list(range(prod(map(len, record["choices"].values())))):
        raise BookError("curve.csv is not whole: make analyses")
    claims = {
        claim.key: {
            "estimates": [int(row[claim.key]) for row in rows],
            "told": [row[f"sig_{claim.key}"] == "1" for row in rows],
        }
        for claim in study.CLAIMS
    }
    return {"choices": record["choices"], "study": record["study"], "claims": claims}


def number(choices: Mapping[str, Sequence[str]], levels: Mapping[str, str]) -> int:
    """The row of the specification with these levels."""
    row = 0
    for choice, all_levels in choices.items():
        row = row * len(all_levels) + all_levels.index(levels[choice])
    return row


def clocks(levels: Sequence[str]) -> dict[str, str]:
    """For each way in which the explorer counts time, the level of the curve that is the same coding.

    Two are the same if one is the other on another scale, at the months of the follow-ups. A level of the same name
    comes first. `categorical` is known by its name.
    """
    months = np.array(study.FOLLOW_UPS, float)
    counted = {name: clock(months) for name, clock in CLOCKS.items()}
    code = {name: (t - t[0]) / (t[-1] - t[0]) for name, t in counted.items()}
    found = {"categorical": "categorical"} if "categorical" in levels else {}
    for name in CLOCKS:
        alike = [level for level in levels if level in code and np.allclose(code[level], code[name])]
        if alike:
            found[name] = name if name in alike else alike[0]
    return found


def sds(scores: pd.DataFrame) -> dict[str, float]:
    """The SDs that the curve counts in: of predictors and outcomes, over complete visits."""
    fixed = models.centres(scores)["sd"]
    outcomes = scores.loc[scores["complete"], list(study.OUTCOMES)].std()
    return {name: float(fixed[name]) for name in ("contact", "alliance")} | outcomes.to_dict()


def data(made: Curve, sd: Mapping[str, float]) -> dict[str, Any]:
    """All that the panel draws: the curve, and how the explorer's choices are called on it."""
    return {
        "choices": made["choices"],
        "own": number(made["choices"], made["study"]),
        "scale": SCALE,
        "words": WORDS,
        "explorer": {
            "sample": SAMPLES,
            "covariates": COVARIATES,
            "time": clocks(made["choices"]["time"]),
            "random": RANDOM,
            "method": METHODS,
        },
        "claims": [
            {
                "key": claim.key,
                "predictor": claim.predictor,
                "outcome": claim.outcome,
                "kind": claim.kind,
                "label": short(claim).replace(":", " for"),
                "sd": sd[claim.predictor] / sd[claim.outcome],
                "estimates": made["claims"][claim.key]["estimates"],
                "told": packed(made["claims"][claim.key]["told"]),
            }
            for claim in study.CLAIMS
        ],
    }


def packed(told: Sequence[bool]) -> str:
    """Yes and no as hexadecimal digits of four each, the first the highest bit; the last digit filled up with no."""
    bits = "".join("01"[one] for one in told)
    return "".join(f"{int(bits[i : i + 4].ljust(4, '0'), 2):x}" for i in range(0, len(bits), 4))


def script(made: Mapping[str, Any]) -> str:
    """The data as a classic script, which a page from disk may load."""
    return f"window.SPECIFICATION_CURVE = {json.dumps(made, separators=(',', ':'), ensure_ascii=False)};\n"


class CurvePanel(SphinxDirective):
    """{curve-panel}: the panel's place, and in it, for readers without scripts, where the study's own falls."""

    def run(self) -> list[nodes.Node]:
        try:
            made = curve(Path(self.env.srcdir) / FOLDER)
        except BookError as problem:
            raise self.error(str(problem)) from None
        words = nodes.paragraph("", STATIC)
        still = nodes.container("", words, static(made), classes=["curve-static"])
        return [nodes.container("", still, classes=["curve-panel"], ids=["explorer-curve"])]


STATIC = (
    "The controls of this panel are a script, which is not running here. "
    "The table says where the study’s own specification falls, in SDs of the outcome for one SD of the predictor."
)


def static(made: Curve) -> nodes.table:
    """Of each claim: the ends and the middle of its curve, the study's own estimate and how many lie below it."""
    own, total = number(made["choices"], made["study"]), prod(map(len, made["choices"].values()))
    rows = []
    for claim in study.CLAIMS:
        found = made["claims"][claim.key]
        estimates = found["estimates"]
        at = [min(estimates), median(estimates), max(estimates), estimates[own]]
        below, told = sum(value < estimates[own] for value in estimates), sum(found["told"])
        shown = [brief(value / 1000, ".2f") for value in at]
        rows.append([short(claim), *shown, f"{below:,}", f"{100 * told / total:.0f} %"])
    caption = f"The {total:,} specifications of each claim, on the SYNTHETIC cohort"
    head = ["Claim", "Lowest", "Median", "Highest", "Study’s own", "How many are below it", "Intervals without zero"]
    return table(caption, head, rows)


def load_panel(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Write and load the data, the script and the style on a page with the panel, and on no other."""
    if doctree is None or not any("curve-panel" in node["classes"] for node in doctree.findall(nodes.container)):
        return
    path = Path(app.outdir) / "_static" / DATA
    path.parent.mkdir(parents=True, exist_ok=True)
    made = data(curve(Path(app.srcdir) / FOLDER), sds(measures.score(*records.read())))
    path.write_text(script(made), encoding="utf-8")
    app.add_js_file(DATA, loading_method="defer")
    app.add_js_file(SCRIPT, loading_method="defer")
    app.add_css_file(STYLE)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("curve-panel", CurvePanel)
    app.connect("html-page-context", load_panel)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
