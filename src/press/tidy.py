"""The last step of a build: mend the theme's HTML, and leave out what no page needs.

Each mend names the fault and the thread where it is known upstream. A mend that finds nothing to mend is a warning, so
that it is taken out when the theme has mended it. Patterns, not a parser: what is mended is markup that programs wrote.
"""

import base64
import io
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from html import unescape
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx
from sphinx.util import logging

from press import maths

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mend:
    """A fault in what a program wrote, where it is known, what it looks like, and what is put in its place."""

    fault: str
    upstream: str
    pattern: str
    replacement: str


MENDS = (
    Mend(
        "the empty corner of a pandas table is marked as the header of nothing (axe: empty-table-header)",
        "https://github.com/pydata/pydata-sphinx-theme/issues/1480",
        r"<th([^>]*)>(?:\s|&nbsp;)*</th>",
        r"<td\1></td>",
    ),
    Mend(
        "the book's title in the side bar is in no landmark (axe: region)",
        "https://github.com/pydata/pydata-sphinx-theme/pull/1454",
        r'<div id="pst-primary-sidebar" ',  # it stays a div: the theme's script looks for one
        r'<div id="pst-primary-sidebar" role="complementary" aria-label="Book" ',
    ),
    Mend(
        "works cited carry a role that is deprecated, and that no list may hold (axe: aria-deprecated-role, "
        "aria-required-children, aria-allowed-role)",
        "https://github.com/w3c/dpub-aria/pull/22",
        r' role="doc-biblioentry"',
        r' role="listitem"',
    ),
    Mend(
        "a place for advertisements, which stays empty outside Read the Docs",
        "sphinx-book-theme: not reported that we found",
        r'<div id="ethical-ad-placement"[^>]*>\s*</div>',
        "",
    ),
    Mend(
        "every icon of Font Awesome is loaded as a script of 1.5 MB, beside the font that has them too",
        "https://github.com/pydata/pydata-sphinx-theme/issues/2379",
        r'<script defer src="[^"]*scripts/fontawesome\.js[^"]*"></script>',
        "",
    ),
    Mend(
        "names, punctuation and spaces in code are wrapped one by one, to be given the colour they have anyway",
        "pygments: not reported that we found",
        r'<span class="[npw]">([^<]*)</span>',
        r"\1",
    ),
)

# Only the search page searches: `search_as_you_type`, which the theme loads these for, is off.
SEARCH = Mend(
    "the search index and its scripts are loaded on every page",
    "https://github.com/pydata/pydata-sphinx-theme/issues/1977",
    r'<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"></script>\s*',
    "",
)

SCROLLING = Mend(
    "a formula wider than the screen cannot be scrolled with the keyboard, as code and tables can (axe: "
    "scrollable-region-focusable)",
    "https://github.com/pydata/pydata-sphinx-theme/pull/1903 (the same of Jupyter Book's next theme: "
    "https://github.com/jupyter-book/myst-theme/issues/858)",
    r'\["pre",',
    r'["pre",".math",',
)

STYLES = (
    "basic.css",
    "copybutton.css",
    "exercise.css",
    "pygments.css",
    "sphinx-design.min.css",
    "styles/pydata-sphinx-theme.css",
    "styles/sphinx-book-theme.css",
    "togglebutton.css",
)
GENERATED = r"bs-|tooltip"  # classes that Bootstrap's script puts together from parts


def mend(html: str, found: dict[Mend, int], mends: Iterable[Mend] = MENDS) -> str:
    """`html` with `mends` made; `found` counts them."""
    for each in mends:
        html, number = re.subn(each.pattern, each.replacement, html, flags=re.DOTALL)
        found[each] = found.get(each, 0) + number
    return html


def used_styles(css: str, classes: set[str]) -> str:
    """`css` without the rules that only elements of other classes could match.

    What stands in `:is()`, `:not()` and their like is taken as matching, and so is every rule without a class.
    """
    kept = re.findall(r"/\*!.*?\*/", css, re.DOTALL)  # licences
    for prelude, body in _blocks(re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)):
        name = prelude.strip()
        if name.startswith(("@media", "@supports", "@container", "@layer")) and body is not None:
            body = used_styles(body, classes)
            if not body.strip():
                continue
        elif not name.startswith("@") and body is not None:
            selectors = [selector for selector in _selectors(prelude) if _matches(selector, classes)]
            if not selectors:
                continue
            prelude = ",".join(selectors)
        kept.append(prelude + (";" if body is None else f"{{{body}}}"))
    return "".join(kept)


def _blocks(css: str) -> Iterable[tuple[str, str | None]]:
    """Each rule's prelude and body, in order; the body of a statement such as `@import` is None."""
    depth, start, opened = 0, 0, 0
    for sign in re.finditer(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|url\([^)"\']*\)|[{};]', css):
        if sign[0] == "{":
            opened = opened if depth else sign.start()
            depth += 1
        elif sign[0] == "}":
            depth -= 1
            if depth == 0:
                yield css[start:opened], css[opened + 1 : sign.start()]
                start = sign.end()
        elif sign[0] == ";" and depth == 0:
            yield css[start : sign.start()], None
            start = sign.end()


def _selectors(prelude: str) -> list[str]:
    """The selectors of a rule, parted at the commas outside brackets."""
    return re.findall(r"(?:[^,(]|\((?:[^()]|\([^()]*\))*\))+", prelude)


def _matches(selector: str, classes: set[str]) -> bool:
    bare = re.sub(r"\((?:[^()]|\([^()]*\))*\)", "", selector)
    named = re.findall(r"\.(-?[A-Za-z_](?:[\w-]|\\.)*)", re.sub(r"\[[^]]*\]", "", bare))
    return all(name in classes or re.match(GENERATED, name) for name in named)


def icons(css: str) -> set[int]:
    """The code points of the icons (Unicode's private letters) that `css` draws, written as letters or as escapes."""
    escapes = {int(code, 16) for code in re.findall(r"\\([0-9a-fA-F]{4,5})\b", css)}
    return {code for code in escapes | set(map(ord, css)) if 0xE000 <= code <= 0xF8FF}


def icon_font(path: Path, wanted: set[int]) -> str:
    """The font at `path` with the `wanted` icons alone, as an address that holds it; with its notice and licence."""
    font = TTFont(path, recalcTimestamp=False)
    chosen = subset.Subsetter(subset.Options(hinting=False, name_IDs=[0, 13, 14]))
    chosen.populate(unicodes=wanted & set(font.getBestCmap()))
    chosen.subset(font)
    font.flavor = "woff"
    data = io.BytesIO()
    font.save(data)
    return f"data:font/woff;base64,{base64.b64encode(data.getvalue()).decode()}"


def _embed_icons(css: str, folder: Path) -> str:
    """`css` with the icons it draws inside it: Firefox reads no font from a folder beside the page's own."""
    wanted = icons(css)

    def source(match: re.Match) -> str:
        return f'src:url({icon_font((folder / match[1]).with_suffix(".ttf"), wanted)}) format("woff")'

    return re.sub(r"src:url\(([^)]*fontawesome[^)]*)\)[^;}]*", source, css)


def _classes(pages: Iterable[str], scripts: Iterable[str]) -> set[str]:
    """Every class that a page has, and every word of a script, which may give an element that class."""
    attributes = (unescape(given) for page in pages for given in set(re.findall(r'\sclass="([^"]*)"', page)))
    written = {name for given in attributes for name in given.split()}
    return written | {word for script in scripts for word in re.findall(r"[A-Za-z_][\w-]+", script)}


def _letters(pages: Iterable[str]) -> frozenset[str]:
    """Every letter of every formula."""
    formulas = (formula for page in pages for formula in re.findall(r"<math .*?</math>", page, re.DOTALL))
    return frozenset(letter for formula in formulas for letter in unescape(re.sub(r"<[^>]*>", "", formula)))


def tidy(site: Path) -> list[Mend]:
    """Mend the site and lighten it; the mends for which nothing was found."""
    static = site / "_static"
    found: dict[Mend, int] = {}
    pages = {
        path: path.read_text(encoding="utf-8") for path in sorted(site.rglob("*.html")) if static not in path.parents
    }
    for path, html in pages.items():
        pages[path] = mend(html, found, MENDS if path == site / "search.html" else (*MENDS, SEARCH))
    script = static / "scripts" / "pydata-sphinx-theme.js"
    script.write_text(mend(script.read_text(encoding="utf-8"), found, [SCROLLING]), encoding="utf-8")
    (static / "scripts" / "fontawesome.js").unlink()

    inline = [
        text for page in pages.values() for text in set(re.findall(r"<script[^>]*>(.+?)</script>", page, re.DOTALL))
    ]
    scripts = [path.read_text(encoding="utf-8") for path in sorted(static.rglob("*.js"))]
    classes = _classes(pages.values(), [*inline, *scripts])
    rewritten = {}
    for name in [*STYLES, *(path.name for path in static.glob("mystnb*.css"))]:
        css = used_styles((static / name).read_text(encoding="utf-8"), classes)
        rewritten[name] = _embed_icons(css, (static / name).parent)
    if (static / maths.STYLESHEET).exists():
        rewritten[maths.STYLESHEET] = maths.stylesheet(_letters(pages.values()))
    for name, css in rewritten.items():
        (static / name).write_text(css, encoding="utf-8")
    versions = {name: f"{zlib.crc32(css.encode()):08x}" for name, css in rewritten.items()}
    for path, html in pages.items():
        path.write_text(_versioned(html, versions), encoding="utf-8")
    return [each for each, number in found.items() if not number]


def _versioned(html: str, versions: dict[str, str]) -> str:
    """`html` that names each style sheet's content, so that no browser shows an older one that it has kept."""
    return re.sub(
        r'(href="[^"]*_static/)([^"?]+\.css)(?:\?[^"]*)?"',
        lambda match: f'{match[1]}{match[2]}?v={versions[match[2]]}"' if match[2] in versions else match[0],
        html,
    )


def _finish(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.name == "html":
        unneeded_here = tidy(Path(app.outdir))
        # A book on a reader's data has fewer pages, and so fewer faults.
        for unneeded in [] if app.config.press_yours else unneeded_here:
            LOG.warning(
                "nothing to mend, take this out of press.tidy: %s", unneeded.fault, type="press", subtype="tidy"
            )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx, to be called after everything else that writes into the site."""
    app.connect("build-finished", _finish, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
