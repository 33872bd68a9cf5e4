"""Slides: one deck a part of the book, from the cells tagged `slide`, shown by reveal.js without a request.

A Markdown cell becomes a slide; a code cell becomes a slide of what it shows, a figure with its caption or a table,
under the heading of the slide before it. reveal.js comes from the package sphinx-revealjs, formulas are MathML.
"""

import base64
import hashlib
import html
import importlib.util
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from mdit_py_plugins.amsmath import amsmath_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode

from press import BookError
from press.chapters import parts, read_yaml
from press.editions import attribution, notice
from press.kits import short
from press.markdown import Book, Page, inline, page, plain
from press.maths import STYLESHEET, mathml, stylesheet

TAG = "slide"
DECK = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{part}: slides. {title}</title>
<link rel="stylesheet" href="reveal/reveal.css">
<link rel="stylesheet" href="reveal/{maths}">
<link rel="stylesheet" href="reveal/slides.css">
<noscript><style>.reveal .slides > section {{ display: block !important; position: static; }}</style></noscript>
</head>
<body>
<main><div class="reveal"><div class="slides">
{slides}
</div></div></main>
<script src="reveal/reveal.js"></script>
<script src="reveal/slides.js"></script>
</body>
</html>
"""
TITLE = """<section>
<h1>{part}</h1>
<p>Slides of a part of <em>{title}</em></p>
{notice}
<p class="licence">{attribution}<br>Shown by reveal.js (MIT licence).
Keys: arrows, Escape for an overview, ? for help.</p>
</section>"""


def write_slides(root: Path, notebooks: dict[str, NotebookNode], book: Book, out: Path) -> list[Path]:
    """Write the deck of each part with tagged cells into the folder `out`, with what it loads beside it."""
    written = []
    for part, names in parts(root).items():
        slides = [slide for name in names if name in notebooks for slide in _chapter(root, notebooks[name], name, book)]
        if slides:
            folder = short(names[0]).partition("/")[0]
            title = read_yaml(root / "_config.yml")["title"]
            first = TITLE.format(
                part=html.escape(part),
                title=html.escape(title),
                notice=_html(notice(root, "")),
                attribution=html.escape(attribution(root)),
            )
            deck = DECK.format(part=part, title=title, maths=STYLESHEET, slides="\n".join([first, *slides]))
            out.mkdir(parents=True, exist_ok=True)
            path = out / f"{folder}.html"
            path.write_text(_figures(deck, out), encoding="utf-8")
            written.append(path)
    if written:
        _furnish(out / "reveal")
    return written


def _figures(deck: str, out: Path) -> str:
    """`deck` with its figures in files beside it, a quarter smaller than within it."""

    def file(match: re.Match) -> str:
        png = base64.b64decode(match[1])
        path = out / "figures" / f"{hashlib.sha256(png).hexdigest()[:16]}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png)
        return f'src="figures/{path.name}"'

    return re.sub(r'src="data:image/png;base64,([^"]+)"', file, deck)


def tagged(nb: NotebookNode) -> bool:
    """Whether any cell of `nb` is a slide."""
    return any(TAG in cell.metadata.get("tags", []) for cell in nb.cells)


def _furnish(folder: Path) -> None:
    """Put reveal.js and the style sheets where the decks look for them."""
    reveal = Path(importlib.util.find_spec("sphinx_revealjs").origin).parent / "_static" / "revealjs"
    folder.mkdir(exist_ok=True)
    for file in (reveal / "dist/reveal.js", reveal / "dist/reveal.css", reveal / "LICENSE"):
        shutil.copyfile(file, folder / file.name)
    for name in ("slides.css", "slides.js"):
        shutil.copyfile(Path(__file__).with_name(name), folder / name)
    (folder / STYLESHEET).write_text(stylesheet(), encoding="utf-8")


# --- the slides of a chapter -----------------------------------------------------------------------------------------


def _chapter(root: Path, nb: NotebookNode, name: str, book: Book) -> Iterator[str]:
    """A slide that names the chapter and its data, and one for each tagged cell."""
    if not tagged(nb):
        return
    of = page(name, nb, book)
    said = notice(root, name)
    foot = f"<p class='foot'>{html.escape(re.search(r'[*]{2}(.+?)[*]{2}', said)[1])}</p>"
    title = next(cell.source for cell in nb.cells if cell.source.startswith("# ")).partition("\n")[0].lstrip("# ")
    yield f"<section>\n<h2 class='chapter'>{_inline(title)}</h2>\n{_html(said)}</section>"
    heading = title
    for index, cell in enumerate(nb.cells):
        headings = re.findall(r"^#{1,6} +(.+)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else []
        if TAG in cell.metadata.get("tags", []):
            body = _words(cell, of) if cell.cell_type == "markdown" else _shown(cell, of)
            if not body and not headings:
                raise BookError(f"{name}, cell {index}: it is tagged as a slide and shows nothing")
            heading = headings[0] if headings else heading
            yield f"<section>\n<h2>{_inline(inline(heading, of))}</h2>\n{body}{foot}</section>"
        heading = headings[-1] if headings else heading


def _words(cell: NotebookNode, of: Page) -> str:
    """The text of a Markdown cell without its first heading, which heads the slide."""
    return _html(re.sub(r"^#{1,6} +.+$", "", plain(cell.source, of), count=1, flags=re.MULTILINE))


def _shown(cell: NotebookNode, of: Page) -> str:
    """What a code cell shows: its figures with alt text and caption, its tables. Records of numbers are left out."""
    options = cell.metadata.get("mystnb", {})
    alt = html.escape(inline(options.get("image", {}).get("alt", ""), of))
    caption = _inline(inline(options.get("figure", {}).get("caption", ""), of))
    parts = []
    for output in cell.outputs:
        data = output.get("data", {})
        if "image/png" in data:
            source = "".join(data["image/png"].split())
            picture = f'<img alt="{alt}" src="data:image/png;base64,{source}">'
            parts.append(f"<figure>{picture}<figcaption>{caption}</figcaption></figure>")
        elif "text/html" in data and "ledger" not in output.get("metadata", {}):
            parts.append(_table(data["text/html"]))
        elif "text/plain" in data and "text/html" not in data:
            parts.append(f"<pre>{html.escape(data['text/plain'])}</pre>")
        elif output.output_type == "stream":
            parts.append(f"<pre>{html.escape(output.text)}</pre>")
    return "\n".join(parts)


def _table(markup: str) -> str:
    """A frame's table without pandas' own style, its empty corner a cell instead of a heading without words."""
    markup = re.sub(r"<style scoped>.*?</style>", "", markup, flags=re.DOTALL).replace(' border="1"', "")
    return re.sub(r"<th([^>]*)>\s*</th>", r"<td\1></td>", markup)


def _html(text: str) -> str:
    return _MARKDOWN.render(re.sub(r"^#+(?= )", "###", text, flags=re.MULTILINE))


def _inline(text: str) -> str:
    return _MARKDOWN.renderInline(text)


def _formula(latex: str, options: dict | None = None) -> str:
    """A formula as MathML, with its number beside it if it has one."""
    number = re.search(r"\\tag\{(.+?)\}", latex)
    drawn = mathml(re.sub(r"\\tag\{.+?\}", "", latex), display=options is None or options.get("display_mode", False))
    return f"{drawn} ({number[1]})" if number else drawn


_MARKDOWN = (
    MarkdownIt("commonmark", {"html": True})
    .enable("table")
    .use(dollarmath_plugin, renderer=_formula, allow_space=True)
    .use(amsmath_plugin, renderer=_formula)
)
