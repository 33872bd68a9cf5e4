"""Formulas as MathML, written while the site is built: no script, no font and no request when a page is read.

`latex2mathml` converts; `mathml` mends what browsers would draw wrongly and refuses what they could not draw.
"""

import html
import re
from xml.etree import ElementTree

from docutils import nodes
from latex2mathml import exceptions
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

LOG = logging.getLogger(__name__)
REFUSALS = tuple(kind for kind in vars(exceptions).values() if isinstance(kind, type))  # they share no base

# Where Unicode's mathematical letters begin, by variant: capitals, small letters, Greek capitals, Greek small letters.
LETTERS = {
    "bold": {"A": 0x1D400, "a": 0x1D41A, "Α": 0x1D6A8, "α": 0x1D6C2, "0": 0x1D7CE},
    "bold-italic": {"A": 0x1D468, "a": 0x1D482, "Α": 0x1D71C, "α": 0x1D736},
}
ENVIRONMENTS = {
    "aligned": "split",
    "align": "align*",
    "gather": "gather*",
    "equation": "equation*",
    "gathered": "gather*",
}


def mathml(latex: str, display: bool = False) -> str:
    """One formula as a `<math>` element.

    Raises
    ------
    ValueError
        A command that the converter does not know.
    """
    latex = re.sub(r"\\label\{[^}]*\}", "", latex).strip()
    known = re.sub(r"\\(begin|end)\{(\w+)\}", _environment, latex)
    try:
        markup = convert(known, display="block" if display else "inline")
    except REFUSALS as error:
        raise ValueError(f"the formula has no MathML, {type(error).__name__}: {latex}") from None
    markup = markup.replace("<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>")  # \sim is a relation
    markup = re.sub(r"(<mi>(?:log|exp|ln|det|max|min|var)</mi>)(?!<m[ou]>)", r'\1<mspace width="0.167em"/>', markup)
    markup = re.sub(r'<m([in]) mathvariant="(bold|bold-italic)">([^<]+)</m\1>', _letters, markup)
    if unknown := re.search(r"\\[A-Za-z]+", markup):
        raise ValueError(f"the formula's command {unknown[0]} has no MathML: {latex}")
    try:
        ElementTree.fromstring(markup)
    except ElementTree.ParseError:
        raise ValueError(f"the formula has no MathML, perhaps for a stray & or {{: {latex}") from None
    return markup.replace("<math ", f'<math alttext="{html.escape(latex)}" ', 1)


def _environment(match: re.Match) -> str:
    return rf"\{match[1]}{{{ENVIRONMENTS.get(match[2], match[2])}}}"


def _letters(match: re.Match) -> str:
    """Browsers ignore `mathvariant` but for `normal`, so bold is drawn with Unicode's bold letters."""
    text = html.unescape(match[3])
    starts = LETTERS[match[2]]
    shifted = "".join(
        next((chr(s + ord(c) - ord(a)) for a, s in starts.items() if 0 <= ord(c) - ord(a) < 26), c) for c in text
    )
    return f"<m{match[1]}>{shifted}</m{match[1]}>"


def _draw(node: nodes.Element, display: bool) -> str:
    try:
        return mathml(node.astext(), display)
    except ValueError as error:
        LOG.warning(str(error), location=node, type="press", subtype="maths")
        return f"<code>{html.escape(node.astext())}</code>"


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    """An inline formula."""
    self.body.append(f'<span class="math">{_draw(node, display=False)}</span>')
    raise nodes.SkipNode


def visit_math_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """A displayed formula, with its number if it has a label."""
    self.body.append(self.starttag(node, "div", CLASS="math"))
    if node.get("number"):
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append(_draw(node, display=True) + "</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx as the renderer `mathml`."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
