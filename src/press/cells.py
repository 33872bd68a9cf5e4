"""Cells of code on a page: each has a number, its code is folded, and the numbers in prose lead back to it.

A cell's number counts the code cells of its page, so that it is the `[12]` of the notebook. What it recorded, in
however many calls, stands under one heading. Beside each paragraph that quotes recorded numbers stands, on a wide
screen, a link to each cell that computed them.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


class Fold(nodes.General, nodes.Element):
    """Part of a cell that opens when asked; `summary` says what it holds."""


class MarginNote(nodes.Inline, nodes.Element):
    """Links beside a paragraph; `links` are (address, text). They hold no text of the page, so search ignores them."""


def visit_fold(self: HTML5Translator, node: Fold) -> None:
    kind = node["kind"]
    self.body.append(f'<details class="press-fold press-{kind}"><summary>{node["summary"]}</summary>\n')


def depart_fold(self: HTML5Translator, node: Fold) -> None:
    self.body.append("</details>\n")


def visit_margin(self: HTML5Translator, node: MarginNote) -> None:
    """The number in the text is the link for keyboard and screen reader; this is the same link, for the eye."""
    links = " ".join(
        f'<a href="{self.attval(href)}" tabindex="-1">{self.encode(text)}</a>' for href, text in node["links"]
    )
    self.body.append(f'<span class="press-margin" aria-hidden="true">{links}</span>')
    raise nodes.SkipNode


# --- folding ---------------------------------------------------------------------------------------------------------


def fold_code(app: Sphinx, doctree: nodes.document) -> None:
    """Number the page's code cells and fold their code, and outputs that a tag hides."""
    env = app.env
    if not hasattr(env, "press_cells"):
        env.press_cells = {}
    cells = [cell for cell in doctree.findall(nodes.container) if cell.get("nb_element") == "cell_code"]
    env.press_cells[env.docname] = {cell["cell_index"]: number for number, cell in enumerate(cells, start=1)}
    for number, cell in enumerate(cells, start=1):
        code = [part for part in cell.children if part.get("nb_element") == "cell_code_source"]
        outputs = [part for part in cell.children if part.get("nb_element") == "cell_code_output"]
        mode = cell.attributes.pop("hide_mode", "")  # ours is the only fold
        if mode == "all":
            _wrap(cell, code + outputs, "code", f"Cell {number}")
        else:
            _wrap(cell, code, "code", f"Cell {number}")
            _wrap(cell, outputs if "output" in mode else [], "output", f"Output of cell {number}")


def _wrap(cell: nodes.container, parts: list[nodes.Node], kind: str, summary: str) -> None:
    if parts:
        place = cell.index(parts[0])
        for part in parts:
            cell.remove(part)
        cell.insert(place, Fold("", *parts, kind=kind, summary=summary))


# --- what a cell recorded ---------------------------------------------------------------------------------------------

RECORD = r'<div class="output text_html"><details class="ledger">(?:(?!</details>).)*</details></div>\s*'


def gather_records(html: str) -> str:
    """`html` with what a cell recorded in several calls, one after another, under one heading."""
    return re.sub(f"(?:{RECORD}){{2,}}", _gathered, html, flags=re.DOTALL)


def _gathered(match: re.Match) -> str:
    rows = "".join(re.findall(r"<tbody>(.*?)</tbody>", match[0], re.DOTALL))
    first = re.match(RECORD, match[0], re.DOTALL)[0]
    first = re.sub(r"Recorded: \d+", f"Recorded: {rows.count('<tr>')}", first)
    return re.sub(r"<tbody>.*</tbody>", lambda _: f"<tbody>{rows}</tbody>", first, flags=re.DOTALL)


def gather_on_page(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    if "body" in context:
        context["body"] = gather_records(context["body"])


# --- links from prose back to the cells ------------------------------------------------------------------------------


def add_margins(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put a note with links to their cells beside every paragraph, caption or table that quotes numbers."""
    if app.builder.name != "html":
        return
    quoting: dict[nodes.Element, list[nodes.reference]] = {}
    for shown in doctree.findall(lambda node: isinstance(node, nodes.inline) and "press-num" in node["classes"]):
        if isinstance(shown.parent, nodes.reference):
            quoting.setdefault(_block(shown), []).append(shown.parent)
    for block, references in quoting.items():
        links = dict.fromkeys(_cell_link(app, docname, reference) for reference in references)
        note = MarginNote(links=list(links))
        if isinstance(block, nodes.table):
            block.parent.insert(
                block.parent.index(block) + 1, nodes.paragraph("", "", note, classes=["press-of-table"])
            )
        else:
            block.insert(0, note)


def note_first(app: Sphinx) -> None:
    """Keep the first key of each cell: one address for all its numbers."""
    app.env.press_first = {}
    for key, entry in app.env.press_results.items():
        app.env.press_first.setdefault((entry["page"], entry["cell"]), key)


def _above(node: nodes.Node) -> Iterator[nodes.Element]:
    while node.parent is not None:
        node = node.parent
        yield node


def _block(node: nodes.Node) -> nodes.Element:
    """The table around the node, or else the innermost paragraph, caption, term or title."""
    above = list(_above(node))
    tables = [block for block in above if isinstance(block, nodes.table)]
    inline = (nodes.Inline, nodes.reference)
    return tables[-1] if tables else next(block for block in above if not isinstance(block, inline))


def _cell_link(app: Sphinx, docname: str, reference: nodes.reference) -> tuple[str, str]:
    """(address, text) of the cell that a quoted number leads to; one address for all the numbers of a cell."""
    env = app.env
    key = unquote(reference.get("refid") or reference["refuri"].partition("#")[2]).removeprefix("num-")
    entry = env.press_results[key]
    page, index = entry["page"], entry["cell"]
    first = env.press_first[page, index]
    path = "" if page == docname else app.builder.get_relative_uri(docname, page)
    number = env.press_cells.get(page, {}).get(index)
    where = f"cell {number}" if number else "the table"
    title = env.titles[page].astext()
    label = where if page == docname else f"{where} of {title}"
    reference["reftitle"] = "; ".join(filter(None, (reference.get("reftitle", ""), label)))
    return f"{path}#num-{first}", label


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_node(Fold, html=(visit_fold, depart_fold))
    app.add_node(MarginNote, html=(visit_margin, None))
    app.connect("builder-inited", note_first, priority=600)  # after press.roles has read the results
    app.connect("doctree-read", fold_code, priority=800)
    app.connect("doctree-resolved", add_margins)
    app.connect("html-page-context", gather_on_page)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
