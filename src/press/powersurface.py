"""The planning panel: the power surface of `analyses` as a script for the browser, and as a table without one.

The directive `power-panel` marks the place; `book/_static/explorer/power.js` fills it. What it loads is written when
the site is built, from book/data/analyses/power_surface.csv and .json, and only for a page that has the panel.
"""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from helpers import study
from press import BookError
from press.roles import table

FOLDER = "book/data/analyses"
DATA, SCRIPT, STYLE = "explorer/power-data.js", "explorer/power.js", "explorer/power.css"
NAMES = {"attendance": "Attendance", "involvement": "Involvement", "pda": "PDA"}
STEPS = {"contact": "day of contact a week", "alliance": "point of the alliance inventory"}
KEPT = (("0", "as in the study"), ("0.5", "half of those missed are made good"), ("1", "no visit is missed"))
OPENING = "pda alliance:time"  # the test that the planning chapter follows
SHOWN = (0.1, 0.2, 0.3, 0.4, 0.5)  # effects in the table

Surface = dict[str, Any]


def surface(folder: Path) -> Surface:
    """The surface as the panel takes it: its record, the tests in words, and for each curve its figures by persons.

    A curve is named "outcome term|waves|kept". Its figures are lists over persons; power, type_s, type_m and
    type_m_mcse are lists of lists, over effects within persons, with null where there is none.
    Raises BookError if the files are missing or are not of one run.
    """
    try:
        text = (folder / "power_surface.csv").read_text(encoding="utf-8")
        record = json.loads((folder / "power_surface.json").read_text(encoding="utf-8"))
    except FileNotFoundError as missing:
        raise BookError(f"{missing.filename} does not exist: make analyses") from None
    rows = list(csv.DictReader(io.StringIO(text)))
    effects = [name.removeprefix("power_") for name in rows[0] if name.startswith("power_")]
    curves: dict[str, dict[str, list]] = {}
    for row in rows:
        curve = curves.setdefault(f"{row['outcome']} {row['term']}|{row['waves']}|{float(row['kept']):g}", {})
        for name, value in _figures(row, effects).items():
            curve.setdefault(name, []).append(value)
    persons = sorted({int(row["persons"]) for row in rows})
    if {len(curve["power"]) for curve in curves.values()} != {len(persons)}:
        raise BookError("power_surface.csv is not whole: make analyses")
    kept = ("alpha", "target", "replicates", "study", "usable")
    return {name: record[name] for name in kept} | {
        "persons": persons,
        "effects": [float(effect) for effect in effects],
        "tests": {f"{c.outcome} {c.term}": words(c, record) for c in sorted(study.CLAIMS, key=_order)},
        "kept": KEPT,
        "opening": OPENING,
        "curves": curves,
    }


def _order(claim: study.Claim) -> int:
    return list(NAMES).index(claim.outcome)


def _figures(row: Mapping[str, str], effects: list[str]) -> dict[str, float | list[float | None]]:
    number = lambda name: float(row[name]) if row.get(name) else None
    plain = ("failed", "coverage", "width", "std_error", "std_error_mcse", "bias", "bias_mcse")
    by_effect = ("power", "type_s", "type_m", "type_m_mcse")
    figures = {name: number(name) for name in plain}
    return figures | {name: [number(f"{name}_{effect}") for effect in effects] for name in by_effect}


def words(claim: study.Claim, record: Mapping) -> dict[str, Any]:
    """How the panel calls a test, one SD of its effect in units, and the effect that the cohort has."""
    key, change = f"{claim.outcome} {claim.term}", claim.kind == "interaction"
    outcome = study.OUTCOMES[claim.outcome].unit
    return {
        "group": NAMES[claim.outcome],
        "label": f"{claim.predictor} × time" if change else f"{claim.predictor}, average effect",
        "unit": record["units"][key],
        "units": f"{outcome} {'a month, ' if change else ''}for one {STEPS[claim.predictor]}",
        "effect": record["effects"][key],
    }


def script(folder: Path) -> str:
    """The surface as a classic script, which a page from disk may load."""
    return f"window.POWER_SURFACE = {json.dumps(surface(folder), separators=(',', ':'), ensure_ascii=False)};\n"


class panel(nodes.General, nodes.Element):  # noqa: N801 - docutils names nodes so
    """The place of the panel."""


class PowerPanel(SphinxDirective):
    """{power-panel}: the panel's place, and below it the power of the study's own plan as a table."""

    def run(self) -> list[nodes.Node]:
        try:
            found = surface(Path(self.env.srcdir) / FOLDER)
        except BookError as problem:
            raise self.error(str(problem)) from None
        return [panel(), static(found)]


def static(found: Surface) -> nodes.table:
    """Power of each test over effects, at the study's people, waves and retention."""
    chosen = found["study"]
    at, columns = found["persons"].index(chosen["persons"]), [found["effects"].index(effect) for effect in SHOWN]
    rows = []
    for key, test in found["tests"].items():
        power = found["curves"][f"{key}|{chosen['waves']}|{chosen['kept']:g}"]["power"][at]
        rows.append([f"{test['group']}: {test['label']}", *(f"{power[column]:.2f}" for column in columns)])
    worst = 0.5 / found["replicates"] ** 0.5
    caption = (
        f"Power with {chosen['persons']} people, and waves and retention as in the study, over the effect in SD "
        f"({found['replicates']:,} replicates; Monte Carlo error at most {worst:.2f})"
    )
    return table(caption, ["Tested", *(f"{effect:g} SD" for effect in SHOWN)], rows)


def visit_panel(self: Any, node: panel) -> None:
    self.body.append(
        '<div id="power-panel"><p>The controls of this panel are a script, which is not running here. '
        "The table says what the study’s own plan would see.</p></div>\n"
    )
    raise nodes.SkipNode


def load_panel(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Write and load the data, the script and the style on a page with the panel, and on no other."""
    if doctree is None or not any(doctree.findall(panel)):
        return
    data = Path(app.outdir) / "_static" / DATA
    data.parent.mkdir(parents=True, exist_ok=True)
    data.write_text(script(Path(app.srcdir) / FOLDER), encoding="utf-8")
    app.add_js_file(DATA, loading_method="defer")
    app.add_js_file(SCRIPT, loading_method="defer")
    app.add_css_file(STYLE)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_node(panel, html=(visit_panel, None))
    app.add_directive("power-panel", PowerPanel)
    app.connect("html-page-context", load_panel)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
