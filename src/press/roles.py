"""The Sphinx extension that lets numbers, and nothing else, carry values from the ledger into the pages.

Roles `num`, `fact` and `holds`; directives `claims`, `facts` and `targets`; an anchor on every cell that
recorded a number; roles within alt texts; a notice on every page. Everything is rendered at build time from the
gathered results and `helpers.study`; what cannot be resolved is a warning of type `press`, so `-W` fails the build.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole
from sphinx.util.nodes import make_refnode

from helpers.study import CLAIMS, FACTS, SOURCES, Claim
from press.quote import (
    UnresolvedError,
    claim_key,
    fact,
    is_number,
    load,
    number,
    recovered,
    refresh_readme,
    resolve,
    words,
)
from press.readings import direction

__all__ = ["refresh_readme", "resolve", "setup"]

LOG = logging.getLogger(__name__)
FACTS_PAGE = "book/background/published"
MISSING = "—"
SYNTHETIC = (
    "SYNTHETIC data. ",
    "The cohort in this book is simulated: its numbers show what an analysis does, not what happened to anyone.",
)


def warn(message: str, docname: str, line: int | None, subtype: str) -> None:
    """A warning at page and line; in a notebook the line counts 10000 a cell, which is spelt out."""
    if line and line >= 10000:
        message = f"{message} [cell {line // 10000}, line {line % 10000}]"
    LOG.warning(message, location=(docname, line), type="press", subtype=subtype)


def number_node(content: str, env: BuildEnvironment, line: int | None, hover: bool = True) -> nodes.Node:
    """The number `KEY[|format]` as a link to the cell that recorded it; a warning and a dash if there is none.

    `hover` adds unit and status, which a table that shows them beside the number leaves out.
    """
    try:
        text, entry = number(content, env.press_results)
    except UnresolvedError as error:
        warn(str(error), env.docname, line, "num")
        return nodes.Text(MISSING)
    key = content.strip().partition("|")[0]
    env.press_links.setdefault(env.docname, []).append((key, entry["page"], line))
    title = ", ".join(filter(None, (entry["unit"], entry["status"]))) if hover else ""
    return _link(text, entry["page"], f"num-{key}", title, env, "num")


def fact_node(key: str, env: BuildEnvironment, line: int | None) -> nodes.Node:
    """The published fact `key` with its source on hover, linked to the table of facts."""
    try:
        quoted = fact(key)
    except UnresolvedError as error:
        warn(str(error), env.docname, line, "fact")
        return nodes.Text(MISSING)
    title = f"published: {quoted.meaning}. {SOURCES[quoted.source].citation}"
    return _link(str(quoted), FACTS_PAGE, f"fact-{quoted.key}", title, env, "fact")


def _link(text: str, page: str, target: str, title: str, env: BuildEnvironment, name: str) -> nodes.Node:
    shown = nodes.inline(text, text, classes=[f"press-{name}"])
    return pending_xref(
        "", shown, refdomain="", reftype="press", reftarget=target, refdoc=env.docname, page=page, hover=title
    )


class NumberRole(SphinxRole):
    """{num}`KEY` or {num}`KEY|.1f`."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        return [number_node(self.text, self.env, self.lineno)], []


class FactRole(SphinxRole):
    """{fact}`KEY`."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        return [fact_node(self.text, self.env, self.lineno)], []


class HoldsRole(SphinxRole):
    """{holds}`words|CONDITION`."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        text, _, condition = self.text.rpartition("|")
        try:
            text = words(self.text, self.env.press_results)
        except UnresolvedError as error:
            warn(str(error), self.env.docname, self.lineno, "holds")
        shown = nodes.inline(text, text, classes=["press-holds"])
        shown["condition"] = condition
        return [shown], []


Cell = str | nodes.Node | Sequence[nodes.Node | str]


def table(caption: Cell, head: Sequence[str], rows: Iterable[Sequence[Cell]], ids: Sequence[str] = ()) -> nodes.table:
    """A captioned table whose first column heads its rows."""
    built = nodes.table(classes=["press-table"], ids=list(ids))
    built += nodes.title("", "", *_nodes(caption))
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1, **({"stub": 1} if column == 0 else {})) for column in range(len(head))]
    group += nodes.thead("", _row(head))
    group += nodes.tbody("", *[_row(row) for row in rows])
    built += group
    return built


def _row(cells: Sequence[Cell]) -> nodes.row:
    row = nodes.row()
    for cell in cells:
        row += nodes.entry("", nodes.paragraph("", "", *_nodes(cell)))
    return row


def _nodes(cell: Cell) -> list[nodes.Node]:
    parts = [cell] if isinstance(cell, str | nodes.Node) else cell
    return [nodes.Text(part) if isinstance(part, str) else part for part in parts]


def _anchor(target: str, *children: nodes.Node) -> nodes.inline:
    return nodes.inline("", "", *children, ids=[target])


class ClaimsTable(SphinxDirective):
    """The nine claims: model and coefficient, estimate with interval, p with df, the truth, recovered or not."""

    HEAD = ("Claim", "Coefficient (unit)", "Estimate [95 % interval]", "p (df)", "True effect", "Limit", "As built in")
    YOURS = ("The abstract's finding", "Coefficient (unit)", "Yours [95 % interval]", "p (df)", "Yours, in words")

    def run(self) -> list[nodes.Node]:
        ids = [
            f"num-{key}" for key in ("claims.n", "claims.recovered", "claims.covered") if key in self.env.press_results
        ]
        self.env.press_anchors.setdefault(self.env.docname, set()).update(ids)
        if self.config.press_yours:
            caption = "The abstract's findings, and the same coefficients in your data"
            return [table(caption, self.YOURS, map(self.yours, CLAIMS), ids)]
        caption = "The nine claims, on the SYNTHETIC cohort: estimate beside truth"
        return [table(caption, self.HEAD, map(self.claim, CLAIMS), ids)]

    def claim(self, claim: Claim) -> list[Cell]:
        return [
            claim_words(claim),
            *self.estimated(claim),
            self.number(f"truth.{claim.key}.causal"),
            self.number(f"truth.{claim.key}.limit"),
            self.verdict(claim),
        ]

    def yours(self, claim: Claim) -> list[Cell]:
        results = self.env.press_results
        keys = [claim_key(claim, column) for column in ("estimate", "conf_low", "conf_high")]
        if not all(is_number(key, results) for key in keys):
            lacking = [self.config.press_lacking.get(name) for name in ("sponsor", claim.predictor, claim.outcome)]
            said = ": ".join(["your data cannot say", *filter(None, lacking)][:2])
            return [claim_words(claim), self.coefficient(claim), MISSING, MISSING, said]
        estimate, low, high = (results[key]["value"] for key in keys)
        agrees = "as the abstract reports" if low > 0 else "the other way round" if high < 0 else "cannot tell"
        return [claim_words(claim), *self.estimated(claim), f"{agrees}: {direction(estimate, low, high)}"]

    def coefficient(self, claim: Claim) -> Cell:
        unit = self.env.press_results.get(claim_key(claim, "estimate"), {}).get("unit", "")
        return [nodes.literal(text=claim.model), f" {claim.term.replace(':', ' × ')}", f" ({unit})" if unit else ""]

    def estimated(self, claim: Claim) -> list[Cell]:
        columns = ("estimate", "conf_low", "conf_high", "df", "p")
        estimate, low, high, df, p = (self.number(claim_key(claim, column)) for column in columns)
        return [
            self.coefficient(claim),
            [estimate, " ", nodes.inline("", "", *_nodes(["[", low, ", ", high, "]"]), classes=["press-interval"])],
            [p, " (", df, ")"],
        ]

    def number(self, key: str) -> nodes.Node:
        return number_node(key, self.env, self.lineno)

    def verdict(self, claim: Claim) -> str:
        if claim_key(claim, "conf_low") not in self.env.press_results:
            return MISSING
        return "recovered" if recovered(claim, self.env.press_results) else "not recovered"


def claim_words(claim: Claim) -> str:
    """The claim as the abstract's finding, in words: 'More contact goes with more days abstinent, on average'."""
    predictor = {"contact": "More contact", "alliance": "Stronger alliance"}[claim.predictor]
    outcome = {"attendance": "more meetings", "involvement": "more involvement", "pda": "more days abstinent"}
    when = {"average": "on average", "interaction": "increasingly"}[claim.kind]
    return f"{predictor} goes with {outcome[claim.outcome]}, {when}"


class FactsTable(SphinxDirective):
    """Every published fact with its source; the place {fact} links to."""

    def run(self) -> list[nodes.Node]:
        rows = [
            [_anchor(f"fact-{f.key}", nodes.Text(f.meaning)), str(f), self.source(f.source)] for f in FACTS.values()
        ]
        return [table("Published figures of the study, each with its source", ("What", "Figure", "Source"), rows)]

    def source(self, name: str) -> nodes.Node:
        source = SOURCES[name]
        if not source.url:
            return nodes.Text(source.citation)
        return nodes.reference("", source.citation, refuri=source.url)


class TargetsTable(SphinxDirective):
    """Each target of the cohort beside what the shipped cohort achieves."""

    def run(self) -> list[nodes.Node]:
        results = self.env.press_results
        names = [
            key[len("target.") : -len(".target")]
            for key in results
            if key.startswith("target.") and key.endswith(".target")
        ]
        if not names:
            warn(
                "no 'target.NAME.target' is in the ledger: record the cohort's targets",
                self.env.docname,
                self.lineno,
                "num",
            )
        rows = [self.target(name) for name in names]
        head = ("Quantity", "Target", "Achieved", "Target is", "Agreement is")
        return [table("Target beside achieved, on the SYNTHETIC cohort", head, rows)]

    def target(self, name: str) -> list[Cell]:
        keys = [f"target.{name}.{column}" for column in ("target", "achieved")]
        entries = [self.env.press_results.get(key, {}) for key in keys]
        status = [entry.get("status", MISSING) for entry in entries]
        shown = [
            [number_node(k, self.env, self.lineno), f" {e.get('unit', '')}"] for k, e in zip(keys, entries, strict=True)
        ]
        what = FACTS[name].meaning if name in FACTS else name.replace("_", " ")
        agreement = "by construction" if status[1] == "calibrated" else "emerging"
        return [what, *shown, status[0], agreement]


class Reading(SphinxDirective):
    """{reading}: sentences that are true of these data. In a book on a reader's data others stand in their place."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        self.assert_has_content()
        holder = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, holder)
        return holder.children


class Needs(SphinxDirective):
    """{needs}: what a chapter's data must hold, for `press.yours`; nothing is shown."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        return []


def add_anchors(app: Sphinx, doctree: nodes.document) -> None:
    """Give the cell that recorded KEY the anchor `num-KEY`; an entry's `cell` is its index in the notebook."""
    docname = app.env.docname
    recorded: dict[int, list[str]] = {}
    for key, entry in app.env.press_results.items():
        if entry["page"] == docname and entry["cell"] is not None:
            recorded.setdefault(entry["cell"], []).append(f"num-{key}")
    for cell in doctree.findall(nodes.container):
        if cell.get("nb_element") == "cell_code":
            ids = recorded.get(cell["cell_index"], [])
            cell["ids"] += ids
            app.env.press_anchors.setdefault(docname, set()).update(ids)


def resolve_alt_texts(app: Sphinx, doctree: nodes.document) -> None:
    """Print the roles within alt texts as plain text."""
    for image in doctree.findall(nodes.image):
        if "alt" not in image:
            continue
        try:
            image["alt"] = resolve(image["alt"], app.env.press_results)
        except UnresolvedError as error:
            warn(f"alt text: {error}", app.env.docname, image.line or _line(image), "alt")


def _line(node: nodes.Node) -> int | None:
    while node is not None and node.line is None:
        node = node.parent
    return node.line if node is not None else None


def add_notice(app: Sphinx, doctree: nodes.document) -> None:
    """Say under the title that the data are synthetic, or which real data the page holds."""
    strong, rest = app.config.press_yours or app.config.press_real_data.get(app.env.docname, SYNTHETIC)
    notice = nodes.container(classes=["press-notice"])
    notice += nodes.paragraph("", "", nodes.strong(strong, strong), nodes.Text(rest))
    title = next(doctree.findall(nodes.title), None)
    if title is None:
        doctree.insert(0, notice)
    else:
        title.parent.insert(title.parent.index(title) + 1, notice)


def resolve_link(app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.Node) -> nodes.Node | None:
    """Turn a quoted number or fact into its link; as plain text if its page is not in the book."""
    if node["reftype"] != "press":
        return None
    if node["page"] not in env.found_docs:
        return contnode
    return make_refnode(app.builder, node["refdoc"], node["page"], node["reftarget"], contnode, node["hover"])


def check_links(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of every quoted number whose cell is not to be found."""
    for docname, links in env.press_links.items():
        for key, page, line in links:
            if page not in env.found_docs:
                warn(f"number '{key}' was recorded on {page}, which is not in the book", docname, line, "link")
            elif f"num-{key}" not in env.press_anchors.get(page, ()):
                warn(f"number '{key}' has no cell on {page}: the results are out of date", docname, line, "link")


def read_results(app: Sphinx) -> None:
    """Load the results before any page is read."""
    env = app.env
    path = Path(app.srcdir) / app.config.press_results
    try:
        env.press_results = load(path)
    except (FileNotFoundError, json.JSONDecodeError) as error:
        env.press_results = {}
        LOG.warning(f"no results to quote from {path}: {error}. Run `make update`.", type="press", subtype="results")
    for name in ("press_links", "press_anchors"):
        if not hasattr(env, name):
            setattr(env, name, {})


def note_digest(app: Sphinx, config: Config) -> None:
    """Make what pages quote part of the configuration, so that a new value rereads every page."""
    path = Path(app.srcdir) / config.press_results
    quoted = path.read_bytes() if path.exists() else b""
    config.press_digest = hashlib.sha256(quoted + repr((FACTS, SOURCES)).encode()).hexdigest()


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Drop what a page quoted before it is read anew."""
    for kept in (getattr(env, "press_links", {}), getattr(env, "press_anchors", {})):
        kept.pop(docname, None)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_config_value("press_results", "book/results.json", "env", [str])
    app.add_config_value("press_root", "", "", [str])  # the book's folder, of which Sphinx sees a copy
    app.add_config_value("press_order", [], "", [list])  # its pages in reading order
    app.add_config_value("press_real_data", {}, "env", [dict])
    app.add_config_value("press_yours", [], "env", [list])  # the notice of a book on a reader's data: [strong, rest]
    app.add_config_value("press_lacking", {}, "env", [dict])  # and what the claims need and those data lack, in words
    app.add_config_value("press_digest", "", "env", [str])
    app.add_role("num", NumberRole())
    app.add_role("fact", FactRole())
    app.add_role("holds", HoldsRole())
    app.add_directive("claims", ClaimsTable)
    app.add_directive("facts", FactsTable)
    app.add_directive("targets", TargetsTable)
    app.add_directive("reading", Reading)
    app.add_directive("needs", Needs)
    app.connect("config-inited", note_digest)
    app.connect("builder-inited", read_results)
    app.connect("env-purge-doc", forget)
    app.connect("doctree-read", add_anchors)
    app.connect("doctree-read", resolve_alt_texts)
    app.connect("doctree-read", add_notice)
    app.connect("env-check-consistency", check_links)
    app.connect("missing-reference", resolve_link)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
