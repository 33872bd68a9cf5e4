"""Every number of the ledger in one place: a table to filter, static tables a part, a CSV and a JSON file.

The value shown is the stored one, of `book/results.json`, at full precision; the cell is where this build found it.
`registry` stands on the page that filters (its rows are in `ledger.js`, which `verify.js` draws); `numbers` without an
argument counts chapter by chapter, `numbers PART` is the table of that part, for readers without scripts.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from html import escape
from itertools import groupby
from os.path import commonprefix  # letter by letter, as is meant here
from pathlib import Path, PurePosixPath

from docutils import nodes
from nbformat import NotebookNode, v4
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

from press import verified
from press.chapters import fingerprint, read_results
from press.roles import table, warn

PAGE = "book/using/verify"  # its folder holds the files
FILES = {"csv": "ledger.csv", "json": "ledger.json", "js": "ledger.js"}
TABLES = "book/appendix/numbers"  # `-PART` is added to it


@dataclass(frozen=True)
class Row:
    """One number: as prose shows it, as it is stored, who verified it, and the code cell that recorded it."""

    key: str
    text: str
    unit: str
    status: str
    value: float | str
    format: str
    page: str
    cell: int  # counted as a notebook counts: its code cells, from one
    verified: str


def stored(results: Mapping[str, Mapping], committed: Mapping[str, Mapping]) -> dict[str, dict]:
    """The stored entry of each number of this build, with the cell it has now; the new one if it was never stored."""
    return {
        key: {**committed.get(key, entry), "page": entry["page"], "cell": entry["cell"]}
        for key, entry in results.items()
        if entry["cell"] is not None
    }


def rows(
    entries: Mapping[str, Mapping],
    records: list[dict],
    notebooks: Mapping[str, NotebookNode],
    prints: Mapping[str, str],
) -> list[Row]:
    """The ledger in the order of `notebooks`, and within a chapter in that of its cells."""
    order = {page: position for position, page in enumerate(notebooks)}
    ranked = sorted(entries, key=lambda key: (order[entries[key]["page"]], entries[key]["cell"], key))
    return [_row(key, entries[key], records, notebooks, prints) for key in ranked]


def _row(key: str, entry: Mapping, records: list[dict], notebooks: Mapping, prints: Mapping[str, str]) -> Row:
    page = entry["page"]
    code = sum(cell.cell_type == "code" for cell in notebooks[page].cells[: entry["cell"] + 1])
    standing = verified.standing(records, key, entry, prints[page])
    said = {name: entry[name] for name in ("text", "unit", "status", "value", "format")}
    return Row(key=key, page=page, cell=code, verified=standing, **said)


def link(row: Row, start: str = PAGE) -> str:
    """The address of a number's cell, from the page `start`."""
    up = "../" * (len(PurePosixPath(start).parts) - 1)
    return f"{up}{row.page}.html#num-{row.key}"


# --- the files -------------------------------------------------------------------------------------------------------


def as_json(ledger: list[Row], entries: Mapping[str, Mapping], titles: Mapping[str, str]) -> str:
    """What `book/results.json` says of each key, and besides its chapter, code cell, link and who verified it."""
    said = {
        row.key: {
            **entries[row.key],
            "chapter": titles[row.page],
            "code_cell": row.cell,
            "link": link(row),
            "verified": row.verified,
        }
        for row in ledger
    }
    lines = (f"{json.dumps(key)}: {json.dumps(said[key], ensure_ascii=False, sort_keys=True)}" for key in sorted(said))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def as_csv(ledger: list[Row], titles: Mapping[str, str]) -> str:
    """One line a number, in the order of the table."""
    stream = io.StringIO()
    head = ("key", "text", "unit", "status", "value", "format", "chapter", "code_cell", "link", "verified")
    writer = csv.DictWriter(stream, head, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in ledger:
        more = {"chapter": titles[row.page], "code_cell": row.cell, "link": link(row)}
        writer.writerow(asdict(row) | {"value": row.value if isinstance(row.value, str) else repr(row.value)} | more)
    return stream.getvalue()


def as_script(ledger: list[Row], titles: Mapping[str, str]) -> str:
    """The rows for `verify.js`. A key leaves out what it begins with in common with the one before it.

    A row is [letters in common, rest of the key, text, value or null if the text says it, unit, status, page, cell,
    verified], where the four words are places in lists of their own.
    """
    lists: dict[str, list] = {name: [] for name in ("units", "statuses", "pages", "verified")}

    def at(name: str, word: str) -> int:
        if word not in lists[name]:
            lists[name].append(word)
        return lists[name].index(word)

    made, before = [], ""
    for row in ledger:
        common = len(commonprefix([before, row.key]))  # noqa: RUF071
        value = None if str(row.value) == row.text else row.value
        words = at("units", row.unit), at("statuses", row.status), at("pages", row.page), row.cell
        made.append([common, row.key[common:], row.text, value, *words, at("verified", row.verified)])
        before = row.key
    up = "../" * (len(PurePosixPath(PAGE).parts) - 1)
    lists["pages"] = [[f"{up}{page}.html", titles[page]] for page in lists["pages"]]
    lines = [f"{json.dumps(name)}:{_compact(words)}" for name, words in lists.items()]
    return "window.LEDGER={" + ",\n".join([*lines, '"rows":[' + ",\n".join(map(_compact, made)) + "]"]) + "};\n"


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# --- on the site -----------------------------------------------------------------------------------------------------


class registry(nodes.General, nodes.Element):  # noqa: N801 (docutils names nodes so)
    """The place where `verify.js` draws the table, with links to the files."""


class part_table(nodes.General, nodes.Element):  # noqa: N801
    """The static tables of one part of the book, one a chapter."""


class Registry(SphinxDirective):
    """{registry}: the filterable table, on the page `PAGE`."""

    def run(self) -> list[nodes.Node]:
        return [registry()]


class Numbers(SphinxDirective):
    """{numbers}: how many numbers each chapter recorded. {numbers} PART: the table of a part, such as `results`."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        if self.arguments:
            return [part_table(part=self.arguments[0])]
        self.env.press_anchors.setdefault(self.env.docname, set()).add("num-numbers.n")
        counts = [(page, len(list(its))) for page, its in groupby(self.env.press_rows, key=lambda row: row.page)]
        for part in dict.fromkeys(_part(page) for page, _ in counts):
            if f"{TABLES}-{part}" not in self.env.found_docs:
                message = f"the numbers of book/{part} have no table: write {TABLES}-{part}.md and list it"
                warn(message, self.env.docname, self.lineno, "numbers")
        head = ("Chapter", "Numbers", "Table")
        return [table("Numbers recorded by each chapter", head, map(self.row, counts), ["num-numbers.n"])]

    def row(self, count: tuple[str, int]) -> list:
        page, n = count
        doc = {"refdomain": "std", "reftype": "doc", "reftarget": f"/{page}", "refexplicit": False}
        title = pending_xref("", nodes.inline(), refdoc=self.env.docname, **doc)
        place = {"reftype": "press", "page": f"{TABLES}-{_part(page)}", "reftarget": _anchor(page), "hover": ""}
        shown = nodes.inline(text=f"table of {PurePosixPath(page).name}")
        return [title, f"{n}", pending_xref("", shown, refdomain="", refdoc=self.env.docname, **place)]


def _part(page: str) -> str:
    """`results` of `book/results/average`."""
    return PurePosixPath(page).parent.name


def _anchor(page: str) -> str:
    return f"numbers-of-{PurePosixPath(page).name}"


def visit_registry(self: HTML5Translator, node: registry) -> None:
    """Links that work without scripts, and the scripts."""
    _only_on_the_site(self)
    static = self.builder.get_relative_uri(self.builder.current_docname, "_static/x").rpartition("/")[0]
    pages = dict.fromkeys(f"{TABLES}-{_part(row.page)}" for row in self.builder.env.press_rows)
    tables = ", ".join(
        f'<a href="{self.builder.get_relative_uri(self.builder.current_docname, page)}">{page.rpartition("-")[2]}</a>'
        for page in pages
    )
    self.body.append(
        f'<p class="ledger-files">The whole table: <a href="{FILES["csv"]}" download>CSV</a>, '
        f'<a href="{FILES["json"]}" download>JSON</a>. Page by page, without scripts: {tables}.</p>\n'
        '<div id="ledger"><p>The table that filters needs scripts, which have not run.</p></div>\n'
        f'<script defer src="{FILES["js"]}"></script>\n<script defer src="{static}/verify.js"></script>\n'
    )
    raise nodes.SkipNode


def _only_on_the_site(self: HTML5Translator) -> None:
    """Where there is no page beside another, as in the PDF, a sentence stands for a table of links."""
    if self.builder.name != "html":
        self.body.append("<p>The table is on the site, where each number links to its cell.</p>")
        raise nodes.SkipNode


def visit_part_table(self: HTML5Translator, node: part_table) -> None:
    """One table a chapter, a heading row a cell that links to it, a row a number."""
    _only_on_the_site(self)
    env, start = self.builder.env, self.builder.current_docname
    chosen = [row for row in env.press_rows if _part(row.page) == node["part"]]
    for page, its in groupby(chosen, key=lambda row: row.page):
        address = self.builder.get_relative_uri(start, page)
        self.body.append(_chapter_table(page, env.titles[page].astext(), address, list(its)))
    raise nodes.SkipNode


def _chapter_table(page: str, title: str, address: str, its: list[Row]) -> str:
    """Shut until it is opened, so that a page of many rows is drawn at once; a link to what is inside opens it."""
    said = f"<strong>{escape(title)}</strong> · {len(its)} numbers; {_standings(its)}"
    body = "".join(_cell_rows(cell, address, list(group)) for cell, group in groupby(its, key=lambda row: row.cell))
    head = "".join(f'<th scope="col">{column}</th>' for column in ("Key", "Number", "Status", "Stored value"))
    name = _anchor(page)
    return (
        f'<details class="ledger-chapter"><summary id="{name}-title">{said}</summary>\n'
        f'<div class="ledger-region" id="{name}" role="region" tabindex="0" aria-labelledby="{name}-title">\n'
        f'<table class="ledger-table" aria-labelledby="{name}-title">\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div></details>\n"
    )


def _standings(its: Iterable[Row]) -> str:
    """`709 verified by Python 3.11.2, Linux x86_64`; several such counts if the chapter's numbers differ."""
    standings = [row.verified for row in its]
    return escape("; ".join(f"{standings.count(one)} {one}" for one in dict.fromkeys(standings)))


def _cell_rows(cell: int, address: str, its: list[Row]) -> str:
    target = f"{address}#num-{escape(its[0].key)}"
    head = f'<tr class="ledger-cell"><th colspan="4" scope="rowgroup"><a href="{target}">cell {cell}</a></th></tr>\n'
    return head + "".join(
        f'<tr><th scope="row">{escape(row.key)}</th><td>{escape(f"{row.text} {row.unit}".strip())}</td>'
        f"<td>{row.status}</td><td>{'' if str(row.value) == row.text else escape(str(row.value))}</td></tr>\n"
        for row in its
    )


def read_ledger(app: Sphinx) -> None:
    """The rows, before any page is read: stored entries, notebooks as they were staged, records of verification."""
    env, root = app.env, Path(app.config.press_root) if app.config.press_root else None
    committed = read_results(root) if root and (root / "book" / "results.json").exists() else {}
    entries = stored(env.press_results, committed)
    notebooks = _staged(Path(app.srcdir), {entry["page"] for entry in entries.values()}, app.config.press_order)
    prints = {page: fingerprint(root, nb) if root else "" for page, nb in notebooks.items()}
    env.press_prints = prints
    env.press_stored = {key: entry for key, entry in entries.items() if entry["page"] in notebooks}
    env.press_rows = rows(env.press_stored, verified.read(root) if root else [], notebooks, prints)


def _staged(source: Path, pages: set[str], order: list[str]) -> dict[str, NotebookNode]:
    """The notebooks of `pages`, in reading order as far as it is known. `press.roles` warns of one that is missing."""
    paths = {page: source / f"{page}.ipynb" for page in [*filter(pages.__contains__, order), *sorted(pages - {*order})]}
    return {page: v4.reads(path.read_text(encoding="utf-8")) for page, path in paths.items() if path.exists()}


def write_files(app: Sphinx, failure: Exception | None) -> None:
    """CSV, JSON and the script beside the page."""
    env = app.env
    if failure or app.builder.name != "html" or PAGE not in env.found_docs:
        return
    titles = {page: env.titles[page].astext() for page in {row.page for row in env.press_rows}}
    folder = Path(app.outdir) / PurePosixPath(PAGE).parent
    texts = {
        "csv": as_csv(env.press_rows, titles),
        "json": as_json(env.press_rows, env.press_stored, titles),
        "js": as_script(env.press_rows, titles),
    }
    for kind, text in texts.items():
        (folder / FILES[kind]).write_text(text, encoding="utf-8", newline="\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx; after `press.roles`, which reads the results."""
    app.setup_extension("press.roles")
    app.add_node(registry, html=(visit_registry, None))
    app.add_node(part_table, html=(visit_part_table, None))
    app.add_directive("registry", Registry)
    app.add_directive("numbers", Numbers)
    app.connect("builder-inited", read_ledger)
    app.connect("build-finished", write_files)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
