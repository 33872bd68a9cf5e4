"""Plain Markdown of the book's MyST, for whatever is not a built page: editions, kits, slides.

`plain` is the one function that resolves the roles of numbers and every other role and directive that chapters use.
One that it does not know is an error, so that none is ever shown raw.
"""

import functools
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import yaml
from nbformat import NotebookNode
from pybtex.backends.markdown import Backend
from pybtex.database import BibliographyData, Person, parse_file
from pybtex.richtext import Text
from pybtex.style.formatting.plain import Style

from helpers.study import CLAIMS, FACTS
from press import BookError
from press.quote import UnresolvedError, claim_key, derived, quote, recovered, resolve, unmarked

NUMBERS = {"num", "fact", "holds"}
ADMONITIONS = {
    "admonition", "attention", "caution", "dropdown", "hint", "important", "margin", "note", "seealso", "sidebar",
    "tip", "warning",
}  # fmt: skip
FENCE = re.compile(r"^(\s*)(`{3,}|:{3,}|~{3,})\s*(?:\{([\w:.-]+)\})?\s*(.*?)\s*$")
SPAN = re.compile(r"(?<!`)(?:\{(?P<role>[\w:+.-]+)\})?(?P<mark>`+)(?!`)(?P<content>.+?)(?<!`)(?P=mark)(?!`)", re.DOTALL)
LINK = re.compile(
    r"(?P<code>(`+)[^`].*?\2)|(?<!!)\[(?P<words>(?:[^\[\]]|\[[^\[\]]*\])+)\]\((?P<target>[^()\s]+)\)", re.DOTALL
)
LABEL = re.compile(r"^\((\S+)\)=\s*$")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$")
RAW = re.compile(r"^\s*(?:`{3,}|:{3,})\{[a-z]|^\(\S+\)=\s*$|^\+\+\+", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A part of a MyST text: prose (no `name`), or a directive with its options and body, both as written."""

    text: str
    name: str = ""
    argument: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    indent: str = ""


@dataclass(frozen=True)
class Book:
    """What the text of any page may refer to; `home` is the site's address, or empty if the book has none."""

    results: Mapping[str, Mapping]
    bibliography: BibliographyData
    home: str = ""


@dataclass
class Page:
    """One page that is made plain. `beside` holds the pages to which its links may stay as they are."""

    name: str
    book: Book
    beside: frozenset[str] = frozenset()
    figures: dict[str, int] = field(default_factory=dict)
    equations: dict[str, int] = field(default_factory=dict)
    anchors: dict[str, str] = field(default_factory=dict)
    cited: set[str] = field(default_factory=set)


def book(root: Path, results: Mapping[str, Mapping]) -> Book:
    """The book at `root`, whose gathered numbers are `results`."""
    source = root / "book" / "references.bib"
    citation = root / "CITATION.cff"
    cff = yaml.safe_load(citation.read_text(encoding="utf-8")) if citation.exists() else {}
    results = {**results, **derived(results)}
    return Book(results, parse_file(source) if source.exists() else BibliographyData(), cff.get("url", "").rstrip("/"))


def lessons(notebooks: Mapping[str, NotebookNode]) -> dict[str, NotebookNode]:
    """Those of `notebooks` that teach: they have a lesson."""
    return {name: nb for name, nb in notebooks.items() if any(block.name == "lesson" for block in said(nb))}


def said(nb: NotebookNode) -> Iterator[Block]:
    """The blocks of all Markdown cells."""
    return (block for cell in nb.cells if cell.cell_type == "markdown" for block in blocks(cell.source))


def page(name: str, nb: NotebookNode, of: Book, beside: frozenset[str] = frozenset()) -> Page:
    """The page `name` with the numbers of its figures and formulas, and the places its links lead to."""
    made = Page(name, of, beside)
    for cell in nb.cells:
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if "name" in figure:
            made.figures[figure["name"]] = len(made.figures) + 1
        if cell.cell_type == "markdown":
            _note_anchors(made, cell.source)
    for block in said(nb):
        if "label" in block.options and block.name == "math":
            made.equations[block.options["label"]] = len(made.equations) + 1
    return made


def _note_anchors(page: Page, text: str) -> None:
    """A heading's anchor in Jupyter is the heading itself, with dashes for spaces."""
    pending = []
    for line in text.splitlines():
        if label := LABEL.match(line):
            pending.append(label[1])
        elif heading := HEADING.match(line):
            slug = re.sub(r"[^\w\- ]", "", heading[1].lower()).replace(" ", "-")
            page.anchors |= dict.fromkeys([*pending, slug], heading[1].replace(" ", "-"))
            pending = []


# --- blocks ----------------------------------------------------------------------------------------------------------


def blocks(text: str) -> Iterator[Block]:
    """The prose and the directives of a MyST text, in their order."""
    lines = text.splitlines()
    prose: list[str] = []
    i = 0
    while i < len(lines):
        fence = FENCE.match(lines[i])
        if not fence:
            prose.append(lines[i])
            i += 1
            continue
        indent, mark, name, argument = fence.groups()
        end = _closing(lines, i, mark)
        if name:
            yield from _prose(prose)
            prose = []
            body = textwrap.dedent("\n".join(lines[i + 1 : end])).splitlines()
            options, start = _options(body)
            yield Block("\n".join(body[start:]).strip("\n"), name, argument, options, indent)
        else:
            prose += lines[i : end + 1]
        i = end + 1
    yield from _prose(prose)


def _prose(lines: list[str]) -> Iterator[Block]:
    text = "\n".join(lines).strip("\n")
    if text.strip():
        yield Block(text)


def _closing(lines: list[str], opening: int, mark: str) -> int:
    close = re.compile(rf"^\s*{re.escape(mark[0])}{{{len(mark)},}}\s*$")
    return next((i for i in range(opening + 1, len(lines)) if close.match(lines[i])), len(lines))


def substituted(text: str, name_to_text: Mapping[str, Callable[[str], str]]) -> str:
    """`text` with each directive of one of the names replaced by what its function makes of the body."""
    lines, out, i = text.splitlines(), [], 0
    while i < len(lines):
        fence = FENCE.match(lines[i])
        if fence and fence[3] in name_to_text:
            end = _closing(lines, i, fence[2])
            out += name_to_text[fence[3]]("\n".join(lines[i + 1 : end])).splitlines()
            i = end + 1
        else:
            out.append(lines[i])
            i += 1
    return "\n".join(out)


def _options(body: list[str]) -> tuple[dict[str, str], int]:
    """The options at the head of a directive's body, and the line at which the rest begins."""
    if body and body[0].strip() == "---":
        end = next((i for i in range(1, len(body)) if body[i].strip() == "---"), len(body) - 1)
        return {key: str(value) for key, value in (yaml.safe_load("\n".join(body[1:end])) or {}).items()}, end + 1
    found: dict[str, str] = {}
    for i, line in enumerate(body):
        option = re.match(r":([\w-]+):\s*(.*)$", line)
        if not option:
            return found, i
        found[option[1]] = option[2]
    return found, len(body)


# --- the one function ------------------------------------------------------------------------------------------------


def plain(text: str, page: Page) -> str:
    """`text` with every role and directive turned into plain Markdown.

    Raises
    ------
    BookError
        A role or directive that is not known, or that cannot be printed; the page is named.
    """
    parts = [textwrap.indent(shown(block, page), block.indent) for block in blocks(text)]
    return "\n\n".join(part for part in parts if part.strip())


def metadata(value: object, page: Page) -> object:
    """A cell's metadata with the roles in its texts (captions, alt texts) resolved."""
    match value:
        case str():
            return inline(value, page)
        case dict():
            return {key: metadata(below, page) for key, below in value.items()}
        case list():
            return [metadata(below, page) for below in value]
    return value


def raw(text: str) -> list[str]:
    """The roles, directives and labels of MyST that `text` still shows."""
    roles = [span[0] for span in SPAN.finditer(text) if span["role"]]
    return roles + [match[0].strip() for match in RAW.finditer(text)]


def shown(block: Block, page: Page) -> str:
    """One block as plain Markdown."""
    if not block.name:
        return inline(block.text, page)
    if block.name in ADMONITIONS:
        title = inline(block.argument, page) or block.name.capitalize()
        return textwrap.indent(f"**{title}**\n\n{plain(block.text, page)}", "> ", lambda line: True)
    if block.name not in DIRECTIVES:
        raise BookError(f"{page.name}: the directive {block.name} has no plain form: see press.markdown")
    return DIRECTIVES[block.name](block, page)


def inline(text: str, page: Page) -> str:
    """Prose without its roles; links lead to where they can be followed."""
    lines = [line for line in text.splitlines() if not LABEL.match(line) and not line.startswith("%")]
    spoken = SPAN.sub(lambda span: _span(span, page), unmarked("\n".join(lines)))
    return LINK.sub(lambda link: link[0] if link["code"] else _link(link, page), spoken)


def _span(span: re.Match, page: Page) -> str:
    role, content = span["role"], span["content"]
    if not role:
        return span[0]
    try:
        if role in NUMBERS:
            return quote(role, content, page.book.results)
        return ROLES[role](content, page)
    except UnresolvedError as error:
        raise BookError(f"{page.name}: {error}") from None
    except KeyError as error:
        missing = (
            "has no plain form: see press.markdown" if role not in ROLES else f"leads to {error}, which is not there"
        )
        raise BookError(f"{page.name}: the role {{{role}}} {missing}") from None


def _link(link: re.Match, page: Page) -> str:
    words, target = link["words"], link["target"]
    if re.match(r"[a-z]+:", target):
        return link[0]
    path, _, anchor = target.partition("#")
    if not path:
        return f"[{words}](#{page.anchors[anchor]})" if anchor in page.anchors else words
    name = docname(path, page.name)
    if name in page.beside:
        return f"[{words}]({PurePosixPath(path).with_suffix('.ipynb')!s})"
    return f"[{words}]({page.book.home}/{name}.html{'#' * bool(anchor)}{anchor})" if page.book.home else words


def docname(path: str, page: str) -> str:
    """The page that a link on `page` with this path leads to."""
    parts: list[str] = list(PurePosixPath(page).parent.parts)
    for part in PurePosixPath(path).with_suffix("").parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


# --- roles -----------------------------------------------------------------------------------------------------------


def _authors(people: list[Person]) -> str:
    names = [str(Text.from_latex(" ".join([*person.prelast_names, *person.last_names]))) for person in people]
    return " & ".join(names) if len(names) < 3 else f"{names[0]} et al."


def _cited(content: str, page: Page) -> list[tuple[str, str]]:
    """(authors, year) of each key."""
    keys = [key.strip() for key in content.split(",")]
    entries = [page.book.bibliography.entries[key] for key in keys]
    page.cited.update(keys)
    return [(_authors(e.persons.get("author") or e.persons["editor"]), e.fields["year"]) for e in entries]


def _cite(content: str, page: Page) -> str:
    return f"({'; '.join(f'{authors}, {year}' for authors, year in _cited(content, page))})"


def _cite_text(content: str, page: Page) -> str:
    return "; ".join(f"{authors} ({year})" for authors, year in _cited(content, page))


def _words(content: str, page: Page) -> str:
    return re.sub(r"\s*<[^<>]+>$", "", content)


ROLES = {
    "cite": _cite,
    "cite:p": _cite,
    "cite:t": _cite_text,
    "term": _words,
    "abbr": lambda content, page: re.sub(r"\s*\([^()]*\)$", "", content),
    "math": lambda content, page: f"${content}$",
    "eq": lambda content, page: f"({page.equations[content]})",
    "numref": lambda content, page: f"Figure {page.figures[content]}",
}


@functools.cache
def _style() -> Style:
    return Style()  # looks through all that is installed for its plugins


def references(page: Page) -> str:
    """The works cited so far, as a list; empty if none was."""
    if not page.cited:
        return ""
    listed = _style().format_bibliography(page.book.bibliography, sorted(page.cited))
    lines = (" ".join(entry.text.render(Backend()).splitlines()) for entry in listed)
    return "\n".join("- " + re.sub(r"\\([.()+-])", r"\1", line) for line in lines)  # escapes that nothing here needs


# --- directives ------------------------------------------------------------------------------------------------------


def _math(block: Block, page: Page) -> str:
    body = block.text.strip()
    if re.search(r"\\\\|(?<!\\)&", re.sub(r"\\begin\{(.+?)\}.*\\end\{\1\}", "", body, flags=re.DOTALL)):
        body = f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"
    tag = f" \\tag{{{page.equations[block.options['label']]}}}" if block.options.get("label") in page.equations else ""
    return f"$$\n{body}{tag}\n$$"


def _lesson(block: Block, page: Page) -> str:
    return "\n\n".join(
        [
            "**After this chapter you can**",
            plain(block.text, page),
            f"**Before it:** {inline(block.options['prerequisites'], page)}",
            f"**In class:** {block.options['minutes']} minutes, with the exercises",
        ]
    )


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _targets(block: Block, page: Page) -> str:
    results = page.book.results
    names = [
        k.removeprefix("target.").removesuffix(".target") for k in results if re.fullmatch(r"target\..+\.target", k)
    ]
    rows = []
    for name in names:
        target, achieved = (results[f"target.{name}.{column}"] for column in ("target", "achieved"))
        agreement = "by construction" if achieved["status"] == "calibrated" else "emerging"
        meaning = FACTS[name].meaning if name in FACTS else name.replace("_", " ")
        shown = [f"{entry['text']} {entry['unit']}".strip() for entry in (target, achieved)]
        rows.append([meaning, *shown, target["status"], agreement])
    return table(["Quantity", "Target", "Achieved", "Target is", "Agreement is"], rows)


def _claims(block: Block, page: Page) -> str:
    from press.roles import claim_words  # brings Sphinx

    def text(key: str) -> str:
        return resolve(f"{{num}}`{key}`", page.book.results)

    rows = []
    for claim in CLAIMS:
        estimate, low, high, df, p = (
            text(claim_key(claim, c)) for c in ("estimate", "conf_low", "conf_high", "df", "p")
        )
        verdict = "recovered" if recovered(claim, page.book.results) else "not recovered"
        truth = text(f"truth.{claim.key}.causal")
        rows.append([claim_words(claim), f"{estimate} [{low}, {high}]", f"{p} ({df})", truth, verdict])
    return table(["Claim", "Estimate [95 % interval]", "p (df)", "True effect", "As built in"], rows)


DIRECTIVES = {
    "math": _math,
    "lesson": _lesson,
    "targets": _targets,
    "claims": _claims,
    "reading": lambda block, page: plain(block.text, page),
    "needs": lambda block, page: "",
    "exercise-start": lambda block, page: f"### Exercise: {inline(block.argument, page)}",
    "exercise-end": lambda block, page: "",
    "solution-start": lambda block, page: "#### Solution",
    "solution-end": lambda block, page: "",
}
