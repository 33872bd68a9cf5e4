"""Figures that no chapter owns, drawn from the ledger while the site is built: the front page's nine claims."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from helpers.ledger import name
from helpers.study import CLAIMS, OUTCOMES
from press.figuredata import WORDS
from press.quote import Results, claim_key
from press.roles import warn

FOLDER = "_pictures"
WIDTH, HEIGHT = 5.4, 4.6  # inches: narrower than a chapter's figure, so that a phone need not shrink it as much


def claims_frame(results: Results) -> pd.DataFrame:
    """The nine claims, a row each, in units of the outcome and as multiples of the true effect (`over_truth`...).

    Raises
    ------
    KeyError
        A claim that has no estimate or no truth in the results.
    """
    rows = []
    for claim in CLAIMS:
        columns = ("estimate", "conf_low", "conf_high")
        row = {column: results[claim_key(claim, column)]["value"] for column in columns}
        row |= {"true_effect": results[f"truth.{claim.key}.causal"]["value"]}
        row |= {"limit": results[f"truth.{claim.key}.limit"]["value"]}
        over = {f"{column}_over_truth": value / row["true_effect"] for column, value in row.items()}
        unit = results[claim_key(claim, "estimate")]["unit"]
        rows.append({"outcome": claim.outcome, "term": claim.term, "kind": claim.kind, "unit": unit} | row | over)
    return pd.DataFrame(rows)


def draw_claims(frame: pd.DataFrame, path: Path) -> None:
    """Estimate and interval of each claim as multiples of its true effect, a panel for each outcome."""
    import matplotlib.pyplot as plt  # a second to import, and only needed here

    from helpers import figures

    panels = figures.axes(1, len(OUTCOMES), height=HEIGHT, sharex=True)
    figure = panels[0].figure
    figure.set_size_inches(WIDTH, HEIGHT)
    for ax, (outcome, what) in zip(panels, OUTCOMES.items(), strict=True):
        rows = frame[frame["outcome"] == outcome]
        shown = rows.filter(like="_over_truth").rename(columns=lambda column: column.removesuffix("_over_truth"))
        shown.index = [term.replace(":time", " × time") for term in rows["term"]]
        _ = ax.axvline(1, color="#444444", linewidth=1.2, linestyle="--")
        _ = figures.forest(ax, shown, [term.partition(":")[0] for term in rows["term"]])
        _ = ax.set_title(what.label)
    _ = panels[-1].set_xticks(
        [0, 0.5, 1, 1.5], ["no\neffect", "half the\ntrue effect", "the true\neffect", "half as\nmuch again"]
    )
    with plt.rc_context({"svg.hashsalt": name(path.stem)}):
        figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


PICTURES: dict[str, tuple[Callable, Callable]] = {"claims": (claims_frame, draw_claims)}


class Picture(SphinxDirective):
    """A figure of PICTURES with its caption, alt text and data."""

    required_arguments = 1
    has_content = True
    option_spec = {"alt": directives.unchanged_required, "name": directives.unchanged}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        which = self.arguments[0]
        frame_of, draw = PICTURES[which]
        try:
            frame = frame_of(self.env.press_results)
        except KeyError as missing:
            warn(f"picture '{which}' needs the number {missing}, which no cell records", *self.place, "picture")
            return []
        folder = Path(self.env.srcdir) / FOLDER
        folder.mkdir(exist_ok=True)
        frame.to_csv(folder / f"{which}.csv", index=False, float_format="%.6g", lineterminator="\n")
        draw(frame, folder / f"{which}.svg")
        image = nodes.image(uri=f"/{FOLDER}/{which}.svg", alt=self.options.get("alt", ""), classes=["dark-light"])
        figure = nodes.figure("", image, classes=["press-picture"])
        caption = nodes.caption()
        caption += self.parse_inline(" ".join(self.content), lineno=self.lineno)[0]
        figure += caption
        data = addnodes.download_reference("", WORDS, reftarget=f"/{FOLDER}/{which}.csv", classes=["press-data"])
        figure += nodes.legend("", nodes.paragraph("", "", data))
        self.set_source_info(figure)
        self.add_name(figure)
        return [figure]

    @property
    def place(self) -> tuple[str, int]:
        return self.env.docname, self.lineno


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("picture", Picture)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
