"""Glosses: the glossary's definition of a linked term, and the full reference of a citation, for hover and focus.

They stand in the page as hidden tooltips that their links describe, so a screen reader has them without a script;
`reading.js` shows them. Links lead where they led: to the glossary, to the references.
"""

import html
import re
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

TERM = re.compile(
    r'<a class="reference internal" href="(?P<href>[^"]*#term-(?P<id>[^"]+))"(?=><span class="xref std std-term)'
)
CITATION = re.compile(r'<a class="reference internal" href="(?P<href>[^"]*#(?P<id>[^"]+))" title="(?P<title>[^"]+)"')
CITED = re.compile(r'<span class="bibtex-citation"[^>]*>.*?</span>', re.DOTALL)


def note_definitions(app: Sphinx, doctree: nodes.document) -> None:
    """Keep the definition of each term of a glossary, as plain text, by the id of its term."""
    env = app.env
    if not hasattr(env, "press_definitions"):
        env.press_definitions = {}
    for glossary in doctree.findall(addnodes.glossary):
        for item in glossary.findall(nodes.definition_list_item):
            text = " ".join(part.astext() for part in item.findall(nodes.definition))
            text = re.sub(r"\s+([.,;:)])", r"\1", " ".join(text.split()))
            for term in item.findall(nodes.term):
                env.press_definitions.update((name, f"{term.astext()}: {text}") for name in term["ids"])


def add_glosses(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Describe the page's links to terms and references by tooltips at the end of its text."""
    if doctree is None or "body" not in context:
        return
    glosses: dict[str, str] = {}

    def term(link: re.Match) -> str:
        text = app.env.press_definitions.get(f"term-{link['id']}")
        return _describe(link, f"gloss-term-{link['id']}", html.escape(text)) if text else link[0]

    def citation(link: re.Match) -> str:
        return _describe(link, f"gloss-{link['id']}", link["title"])

    def _describe(link: re.Match, name: str, text: str) -> str:
        glosses[name] = text
        return f'<a class="reference internal" href="{link["href"]}" aria-describedby="{name}"'

    body = TERM.sub(term, context["body"])
    body = CITED.sub(lambda cited: CITATION.sub(citation, cited[0]), body)
    tips = "\n".join(
        f'<div role="tooltip" class="press-gloss" id="{name}" hidden>{text}</div>' for name, text in glosses.items()
    )
    context["body"] = f"{body}\n{tips}" if tips else body


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-read", note_definitions)
    app.connect("html-page-context", add_glosses)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
