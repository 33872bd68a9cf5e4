"""Formulas as MathML, written while the site is built: no script and no request when a page is read.

`latex2mathml` converts; `mathml` mends what browsers would draw wrongly and refuses what they could not draw. The
letters are those of STIX Two Math, without which brackets do not stretch; pages with formulas load a subset of it.
"""

import base64
import html
import importlib.util
import io
import re
import unicodedata
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from fontTools import subset
from latex2mathml import exceptions
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

LOG = logging.getLogger(__name__)
subset.log.setLevel("WARNING")  # it tells every glyph to whoever has turned on the tale of a build
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
STYLESHEET = "maths.css"
SIGNS = "ℎ∑∏∫−×·…⋯≤≥≠≈∼∞∂∇⊤′|∣∥∈∉⊂∪∩→←⇒↔↦¯ˆ˜˙√ℓ𝔼ℙ𝒩±∓⊗⊕⋅⊥⟨⟩‖∀∃∅ℝℕ⏞⏟‾ϕϵ"
LETTER_RANGES = ((0x20, 0x7F), (0x391, 0x3CA), (0x1D400, 0x1D49C), (0x1D6A8, 0x1D756))  # ASCII, Greek, bold, italic


def mathml(latex: str, display: bool = False) -> str:
    """One formula as a `<math>` element.

    Raises
    ------
    ValueError
        A command that the converter does not know.
    """
    latex = re.sub(r"\\label\{[^}]*\}", "", latex).strip()
    outside = re.sub(r"\\begin\{(.+?)\}.*\\end\{\1\}", "", latex, flags=re.DOTALL)
    if display and re.search(r"\\\\|(?<!\\)&", outside):  # rows without an environment, as Sphinx allows
        latex = rf"\begin{{split}}{latex}\end{{split}}"
    known = re.sub(r"\\(begin|end)\{(\w+)\}", _environment, latex)
    try:
        markup = convert(known, display="block" if display else "inline")
    except REFUSALS as error:
        raise ValueError(f"the formula has no MathML, {type(error).__name__}: {latex}") from None
    markup = markup.replace("<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>")  # \sim is a relation
    markup = markup.replace('<mo stretchy="false">&#x0007C;</mo>', '<mo stretchy="false" lspace="0" rspace="0">|</mo>')
    markup = re.sub(
        r"<mo(?: movablelimits=\"true\")?>([A-Za-z]{2,})</mo>", r"<mi>\1</mi>", markup
    )  # a name, not a sign
    markup = re.sub(
        r"(<mi>(?:log|logit|exp|ln|det|max|min|arg|Pr|var|cov)</mi>)(?!<m[ou]|<mrow><mo)",
        r'\1<mspace width="0.167em"/>',
        markup,
    )
    markup = re.sub(r'<m([in]) mathvariant="(bold|bold-italic)">([^<]+)</m\1>', _letters, markup)
    markup = re.sub(r'<mtd columnalign="(left|right)">', r'<mtd style="text-align:\1;padding-\1:0">', markup)
    markup = markup.replace('style="text-align:left;padding-left:0"', 'style="text-align:left;padding-left:0.2em"')
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


def stylesheet(letters: frozenset[str] = frozenset()) -> str:
    """The letters of formulas as a style sheet that holds its font, so that it also works from a folder of files.

    With `letters`, those alone, and the italic and bold ones that browsers draw in their place.
    """
    package = Path(importlib.util.find_spec("ziamath").origin).parent
    options = subset.Options(flavor="woff", hinting=False, name_IDs=[0, 13, 14])  # the notice and licence stay in
    font = subset.load_font(package / "fonts" / "STIXTwoMath-Regular.ttf", options)
    chosen = subset.Subsetter(options)
    usual = {*SIGNS, *(chr(code) for first, last in LETTER_RANGES for code in range(first, last))}
    wanted = {sign for sign in usual if unicodedata.normalize("NFKC", sign) in letters} | set(letters)
    chosen.populate(text="".join(wanted or usual))
    chosen.subset(font)
    font["head"].modified = font["head"].created  # the same file from every build
    font.recalcTimestamp = False
    font.flavor = "woff"
    data = io.BytesIO()
    font.save(data)
    source = f"data:font/woff;base64,{base64.b64encode(data.getvalue()).decode()}"
    face = f'@font-face {{ font-family: "Book Maths"; src: url("{source}"); }}'
    return f'{face}\nmath {{ font-family: "Book Maths", math; }}\n'


def write_stylesheet(app: Sphinx) -> None:
    """Put the style sheet among the site's static files."""
    if app.builder.format == "html":
        static = Path(app.outdir) / "_static"
        static.mkdir(parents=True, exist_ok=True)
        (static / STYLESHEET).write_text(stylesheet(), encoding="utf-8")


def use_stylesheet(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Load the style sheet on a page with formulas, and on no other."""
    if doctree is not None and any(doctree.findall(lambda node: isinstance(node, nodes.math | nodes.math_block))):
        app.add_css_file(STYLESHEET)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx as the renderer `mathml`."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    app.connect("builder-inited", write_stylesheet)
    app.connect("html-page-context", use_stylesheet)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
