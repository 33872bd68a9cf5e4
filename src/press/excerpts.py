"""What the search page shows of a page it found: the passage with the words, without fetching the page.

Browsers refuse to fetch a neighbour of a page opened from a folder, which is how Sphinx finds its excerpts. So the
book's running text, section by section, is a script that the search page alone loads.
"""

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

from press.reading import read_text

SCRIPT = "excerpts.js"


def sections(doctree: nodes.document) -> list[list[str]]:
    """[anchor, heading, text] of each section of a page, without the text of the sections within it."""
    return [
        [
            section["ids"][0],
            next((part.astext() for part in section.children if isinstance(part, nodes.title)), ""),
            " ".join(filter(None, map(_own_text, section.children))),
        ]
        for section in doctree.findall(nodes.section)
    ]


def _own_text(part: nodes.Node) -> str:
    return "" if isinstance(part, nodes.section | nodes.title) else read_text(part)


def note_sections(app: Sphinx, doctree: nodes.document) -> None:
    """Keep a page's text before links and code are rendered."""
    if not hasattr(app.env, "press_sections"):
        app.env.press_sections = {}
    app.env.press_sections[app.env.docname] = sections(doctree)


def serve(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Write the excerpts, and load them and their script on the search page."""
    if page != "search" or app.builder.name != "html":
        return
    path = Path(app.outdir) / "_static" / SCRIPT
    path.parent.mkdir(parents=True, exist_ok=True)
    held = {"pages": app.env.press_sections, "terms": getattr(app.env, "press_definitions", {})}
    path.write_text(f"const EXCERPTS = {json.dumps(held, ensure_ascii=False, sort_keys=True)};\n", encoding="utf-8")
    app.add_js_file(SCRIPT, loading_method="defer")
    app.add_js_file("search.js", loading_method="defer")


def no_fetch(app: Sphinx, config: Config) -> None:
    """Turn off Sphinx's own excerpts."""
    config.html_show_search_summary = False


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", no_fetch)
    app.connect("doctree-read", note_sections, priority=700)
    app.connect("html-page-context", serve)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
