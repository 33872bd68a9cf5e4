"""The Sphinx extension that makes the book a pleasure to read: reading times, a map, routes; it also loads its parts.

`press.cells` numbers and folds the code and puts links beside paragraphs, `press.glosses` has definitions and
references on hover, `press.pictures` draws the front page's figure, `press.excerpts` serves the search.
"""

import math
import re
from collections.abc import Iterator

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective, SphinxRole
from sphinx.util.nodes import make_refnode

from press.roles import warn

WORDS_A_MINUTE = 200  # of close reading; people read plain prose somewhat faster
LEARN = "What you will learn:"
NEXT = "Where next:"
# What is looked at, or looked up, instead of read: neither counted as reading nor searched for excerpts.
NOT_READ = (
    nodes.figure,
    nodes.image,
    nodes.table,
    nodes.literal_block,
    nodes.math_block,
    nodes.raw,
    nodes.comment,
    nodes.citation,
    addnodes.toctree,
)
NOT_READ_CLASSES = {"cell", "press-notice", "press-time", "dropdown", "press-map"}
PARTS = ("press.cells", "press.glosses", "press.pictures", "press.excerpts")


class BookMap(nodes.General, nodes.Element):
    """Where the map of the book will stand; `parts` is the one line of each part, by its name."""


class Minutes(nodes.Inline, nodes.TextElement):
    """Where the minutes of `pages` together will stand; of the whole book if there are none."""


# --- reading time ----------------------------------------------------------------------------------------------------


def read_text(node: nodes.Node) -> str:
    """The running text of `node`: no code, outputs, formulas on lines of their own, figures, tables, folded boxes."""
    return re.sub(r"\s+([.,;:)])", r"\1", " ".join(" ".join(_pieces(node)).split()))


def _pieces(node: nodes.Node) -> Iterator[str]:
    if isinstance(node, nodes.Text):
        yield node.astext()
    elif isinstance(node, nodes.math):
        plain = re.sub(r"[\\{}$^_]", "", node.astext())
        yield plain.replace(" ", "") if plain == node.astext() else "[…]"  # a formula in a sentence reads as one word
    elif node.get("refdomain") == "cite":
        yield ""  # a citation is not yet in words
    elif not isinstance(node, NOT_READ) and not NOT_READ_CLASSES & set(node.get("classes", ())):
        inline = isinstance(node, nodes.TextElement)
        pieces = [piece for child in node.children for piece in _pieces(child)]
        yield "".join(pieces) if inline else " ".join(pieces)


def minutes(words: int) -> int:
    """Whole minutes to read so many words, at least one."""
    return max(1, math.ceil(words / WORDS_A_MINUTE))


def spoken(count: int) -> str:
    """Minutes in words: '1 minute', '25 minutes', '2 h 5 min'."""
    if count < 60:
        return f"{count} minute" + "s" * (count != 1)
    return f"{count // 60} h {count % 60} min"


def summary(doctree: nodes.document) -> str:
    """The page in one line: what its reader will learn, up to the first semicolon, or its first sentence."""
    texts = [read_text(paragraph) for paragraph in doctree.findall(nodes.paragraph) if _is_text(paragraph)]
    learn = next((text.removeprefix(LEARN).strip() for text in texts if text.startswith(LEARN)), "")
    line = learn.partition(";")[0] if learn else re.split(r"(?<=[.!?])\s", texts[0] if texts else "")[0]
    return _sentence(line)


def _sentence(line: str) -> str:
    line = line.rstrip(" .,")
    return line[:1].upper() + line[1:] + "." * bool(line)


def _is_text(paragraph: nodes.paragraph) -> bool:
    return not any(NOT_READ_CLASSES & set(above.get("classes", ())) for above in _upwards(paragraph))


def _upwards(node: nodes.Node) -> Iterator[nodes.Node]:
    while node is not None:
        yield node
        node = node.parent


def note_reading(app: Sphinx, doctree: nodes.document) -> None:
    """Keep the page's minutes and its line for the map, and write the minutes under its title."""
    env = app.env
    for name in ("press_minutes", "press_summaries"):
        if not hasattr(env, name):
            setattr(env, name, {})
    count = minutes(len(read_text(doctree).split()))
    env.press_minutes[env.docname] = count
    env.press_summaries[env.docname] = summary(doctree)
    title = next(doctree.findall(nodes.title), None)
    if title is not None:
        line = nodes.paragraph("", f"{spoken(count)} to read", classes=["press-time"])
        title.parent.insert(title.parent.index(title) + 1, line)


# --- the map and the routes ------------------------------------------------------------------------------------------


class Map(SphinxDirective):
    """A map of the book, from the table of contents; the body has a line `Part: what it does` for each part."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        parts = dict(re.split(r":\s+", line, maxsplit=1) for line in self.content if ": " in line)
        self.env.press_map_place = (self.env.docname, self.lineno)
        return [BookMap("", parts=parts)]


class TotalRole(SphinxRole):
    """{total}`minutes`: how long the whole book takes to read."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        return [Minutes(pages=[])], []


class Route(SphinxDirective):
    """A way through the book: the argument names it and says for whom, the body lists its pages in order."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        name, _, whom = self.arguments[0].partition(":")
        files = [self.env.relfn2path(line.strip())[0] for line in self.content if line.strip()]
        pages = [file.removesuffix(".ipynb").removesuffix(".md") for file in files]
        line = nodes.paragraph(classes=["press-route"])
        line += [nodes.strong(text=f"{name}:"), nodes.Text(f"{whom} ("), Minutes(pages=pages), nodes.Text("). ")]
        for place, page in enumerate(pages):
            target = {"refdomain": "std", "reftype": "doc", "reftarget": f"/{page}", "refexplicit": False}
            line += nodes.Text(" → " if place else "")
            line += addnodes.pending_xref("", nodes.inline(text=page), refdoc=self.env.docname, **target)
        return [line]


def parts(env: BuildEnvironment) -> list[tuple[str, list[str]]]:
    """(caption, pages in reading order) of each part in the table of contents."""
    root = env.get_doctree(env.config.root_doc)
    return [(tree["caption"] or "", [page for _, page in tree["entries"]]) for tree in root.findall(addnodes.toctree)]


def draw_map(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the map and the minutes in their places, now that every page has been read."""
    env = app.env
    for place in list(doctree.findall(BookMap)):
        listed = parts(env)
        for name in {caption for caption, _ in listed} ^ set(place["parts"]):
            warn(f"map: '{name}' is not both a part of _toc.yml and a line of the map", *env.press_map_place, "map")
        drawn = nodes.container(classes=["press-map"])
        for caption, pages in listed:
            drawn += nodes.rubric("", "", nodes.Text(caption))
            drawn += nodes.paragraph(text=_sentence(place["parts"].get(caption, "")))
            within = {page: [part for part in pages if part.startswith(f"{page}-")] for page in pages}
            alone = [page for page in pages if not any(page in named for named in within.values())]
            entries = [_entry(app, docname, page, within[page]) for page in alone]
            drawn += nodes.bullet_list("", *entries, classes=["press-pages"])
        place.replace_self(drawn)
    for place in list(doctree.findall(Minutes)):
        pages = place["pages"] or [env.config.root_doc, *(page for _, pages in parts(env) for page in pages)]
        place.replace_self(nodes.Text(spoken(sum(env.press_minutes.get(page, 0) for page in pages))))


def _entry(app: Sphinx, docname: str, page: str, within: list[str]) -> nodes.list_item:
    """A page with its minutes and what it teaches; pages that carry its name and more (`within`) share a line."""
    title = env_title(app.env, page)
    link = make_refnode(app.builder, docname, page, "", nodes.Text(title))
    count = nodes.inline("", spoken(app.env.press_minutes.get(page, 0)), classes=["press-minutes"])
    head = nodes.paragraph("", "", link, nodes.Text(" "), count)
    entry = nodes.list_item("", head, nodes.paragraph(text=app.env.press_summaries.get(page, "")))
    if within:
        line = nodes.paragraph(classes=["press-within"])
        for part in within:
            line += [nodes.Text(" · ")] * bool(line.children)
            line += make_refnode(app.builder, docname, part, "", nodes.Text(env_title(app.env, part)))
        entry += line
    return entry


def env_title(env: BuildEnvironment, page: str) -> str:
    """The title of a page as plain text."""
    return env.titles[page].astext() if page in env.titles else page


def one_table_of_visitors(app: Sphinx) -> None:
    """Let every HTML builder draw what `html` draws.

    Sphinx asks the builder's own table of visitors if there is one, so a package that registers a node for
    `singlehtml` alone (sphinx-design does) takes from that builder all nodes registered for `html`.
    """
    tables = app.registry.translation_handlers
    if app.builder.format == "html" and app.builder.name in tables:
        tables[app.builder.name] = {**tables.get("html", {}), **tables[app.builder.name]}


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    for part in PARTS:
        app.setup_extension(part)
    app.add_directive("map", Map)
    app.add_directive("route", Route)
    app.add_role("total", TotalRole())
    app.add_css_file("reading.css", priority=810)
    app.add_css_file("print.css", priority=820, media="print")
    app.add_js_file("reading.js", loading_method="defer")
    app.connect("builder-inited", one_table_of_visitors, priority=900)
    app.connect("doctree-read", note_reading, priority=900)
    app.connect("doctree-resolved", draw_map)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
