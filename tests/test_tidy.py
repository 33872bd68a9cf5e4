"""The last step of a build: each mend on the markup it is for, styles that no page uses, icons."""

import base64
import io
import re
from pathlib import Path

import pydata_sphinx_theme
import pytest
from fontTools.ttLib import TTFont
from pygments.formatters import HtmlFormatter

from press import maths, tidy

MARKUP = {
    "empty-table-header": (
        '<tr><th></th><th scope="col"> &nbsp;</th><th>estimate</th></tr>',
        '<tr><td></td><td scope="col"></td><th>estimate</th></tr>',
    ),
    "in no landmark": (
        '<div id="pst-primary-sidebar" class="bd-sidebar"><p>Title</p></div>',
        '<div id="pst-primary-sidebar" role="complementary" aria-label="Book" class="bd-sidebar"><p>Title</p></div>',
    ),
    "aria-deprecated-role": (
        '<div class="citation" id="id10" role="doc-biblioentry">',
        '<div class="citation" id="id10" role="listitem">',
    ),
    "advertisements": ('<div id="ethical-ad-placement"\n class="flat">\n</div><p>', "<p>"),
    "Font Awesome": ('<script defer src="../_static/scripts/fontawesome.js?digest=5"></script><p>', "<p>"),
    "names, punctuation": (
        '<span class="n">fit</span><span class="p">(</span><span class="s2">y</span><span class="p">)</span>',
        'fit(<span class="s2">y</span>)',
    ),
    "search index": (
        '<script src="../searchindex.js"></script>\n<script src="a.js"></script>',
        '<script src="a.js"></script>',
    ),
    "scrolled with the keyboard": (
        'querySelectorAll(["pre",".nboutput"])',
        'querySelectorAll(["pre",".math",".nboutput"])',
    ),
}
MENDS = [*tidy.MENDS, tidy.SEARCH, tidy.SCROLLING]


@pytest.mark.parametrize("words", MARKUP)
def test_a_fault_is_mended_and_counted(words):
    (mend,) = [mend for mend in MENDS if words in mend.fault]
    before, after = MARKUP[words]
    found = {}
    assert tidy.mend(before, found, [mend]) == after
    assert found[mend] > 0


def test_every_mend_says_what_it_mends_and_where_that_is_known():
    assert len(MENDS) == len(MARKUP)
    for mend in MENDS:
        assert mend.upstream.startswith("https://github.com/") or mend.upstream.endswith("not reported that we found")


CSS = """/*! licence, of nobody */ .used > a:hover, .gone b { color: red; content: "}" }
@media (min-width: 9px) { .gone { top: 0 } .used:not(.gone) { left: 0 } }
@media print { .gone { top: 0 } }
@import "basic.css"; :root { --a: 1 } .bs-tooltip-auto { top: 0 } /* said */ .gone { background: url(data:;{) }"""


def test_rules_that_no_element_could_match_are_left_out():
    kept = tidy.used_styles(CSS, {"used"})
    assert kept.startswith("/*! licence, of nobody */")
    for there in (".used > a:hover", '"}"', ".used:not(.gone)", '@import "basic.css";', "--a: 1", ".bs-tooltip-auto"):
        assert there in kept
    for gone in (".gone b", "@media print", "url(", "said"):
        assert gone not in kept


def test_nothing_is_left_out_of_styles_that_are_all_used():
    css = '@charset "utf-8";.a,.b>c{x:y}@media print{.a{x:y}}@font-face{src:url(a.woff)}'
    assert tidy.used_styles(css, {"a", "b"}) == css


def test_a_class_is_known_from_a_page_or_from_the_word_of_a_script():
    classes = tidy._classes(['<p class="one two">', '<b class="&quot;three">'], ["node.classList.add('four-five')"])
    assert {"one", "two", '"three', "four-five"} <= classes


def test_icons_are_read_as_escapes_and_as_letters():
    assert tidy.icons('.a:before{content:"\\f185"} :root{--b:"\uf0c5"; --c:"\\2014"}') == {0xF185, 0xF0C5}


def test_the_font_of_icons_holds_those_that_are_drawn_and_its_licence():
    path = next(iter(Path(pydata_sphinx_theme.__file__).parent.rglob("fa-solid-900.ttf")))
    address = tidy.icon_font(path, {0xF185, 0xF186, 0xE000})
    font = TTFont(io.BytesIO(base64.b64decode(address.split(",")[1])))
    assert set(font.getBestCmap()) == {0xF185, 0xF186}
    assert "Font Awesome" in font["name"].getDebugName(0)
    assert address == tidy.icon_font(path, {0xF185, 0xF186}), "the same from every build"


def test_the_font_of_formulas_holds_the_letters_that_browsers_slant():
    whole, some = maths.stylesheet(), maths.stylesheet(frozenset("x=β"))
    assert len(some) < len(whole) / 2
    face = some.partition("base64,")[2].partition('"')[0]
    font = TTFont(io.BytesIO(base64.b64decode(face)))
    assert {ord("x"), ord("="), 0x1D465, 0x1D6FD} <= set(font.getBestCmap())


@pytest.mark.parametrize("style", ["a11y-high-contrast-light", "a11y-high-contrast-dark"])
def test_code_that_loses_its_wrapping_had_the_colour_of_its_block(style):
    rules = HtmlFormatter(style=style).get_style_defs(".highlight")
    (block,) = re.findall(r"^\.highlight \{.*color: (\S+)", rules, re.MULTILINE)
    for kind in ("n", "p", "w"):
        assert re.findall(rf"\.highlight \.{kind} \{{ color: (\S+)", rules) == [block]
