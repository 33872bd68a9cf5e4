"""The data behind each figure as a CSV file of the site, with a link under the figure's caption."""

import json
from pathlib import Path

from docutils import nodes
from nbformat import NotebookNode
from sphinx.application import Sphinx

from press.drawn import table

FOLDER = "figures"
WORDS = "Data behind this figure (CSV)"


def tables(notebooks: dict[str, NotebookNode]) -> dict[str, str]:
    """CSV text by the figure's name, for every figure that took its data along (`press.along`)."""
    return {
        cell.metadata["mystnb"]["figure"]["name"]: table(json.loads(output.metadata["image/png"]["drawn"]))
        for nb in notebooks.values()
        for cell in nb.cells
        if "name" in cell.metadata.get("mystnb", {}).get("figure", {})
        for output in cell.get("outputs", [])
        if output.get("metadata", {}).get("image/png", {}).get("drawn")
    }


def write(notebooks: dict[str, NotebookNode], site: Path) -> None:
    """The tables as `figures/NAME.csv` of the site."""
    folder = site / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in tables(notebooks).items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")


def add_links(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put a link to its data under the caption of each figure that a notebook drew."""
    if app.builder.name != "html":
        return
    up = "../" * docname.count("/")
    for figure in doctree.findall(nodes.figure):
        name = next(iter(figure["names"]), "")
        if not name.startswith("fig-"):
            continue
        link = nodes.reference("", WORDS, refuri=f"{up}{FOLDER}/{name}.csv", internal=True, classes=["press-data"])
        figure += nodes.legend("", nodes.paragraph("", "", link))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-resolved", add_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
