"""What helps to read, as pure functions: minutes, the map's lines, glosses, excerpts, the picture's numbers."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils import nodes
from sphinx import addnodes

from helpers.study import CLAIMS
from press import BookError
from press.cells import gather_records
from press.chapters import pages
from press.excerpts import sections
from press.glosses import add_glosses
from press.pdf import bare, browser
from press.pictures import claims_frame
from press.quote import claim_key, covered
from press.reading import LEARN, NEXT, WORDS_A_MINUTE, minutes, read_text, spoken, summary
from press.registry import TABLES

ROOT = Path(__file__).resolve().parents[1]
# Pages that are looked up, and the front page, which says instead what was asked and what was found.
WITHOUT_LEARN = {"book/index", "book/appendix/numbers", "book/appendix/glossary", "book/appendix/references"}
TABLES_ALONE = {page for page in pages(ROOT) if page.startswith(f"{TABLES}-")}  # reached from the page above them


def document(*children: nodes.Node) -> nodes.document:
    made = nodes.document(SimpleNamespace(record_dependencies=None), None)
    made += children
    return made


# --- reading time ---


def test_only_running_text_counts_as_reading():
    page = nodes.section(
        "",
        nodes.title(text="A title"),
        nodes.container("", nodes.paragraph(text="SYNTHETIC data."), classes=["press-notice"]),
        nodes.paragraph("", "", nodes.Text("One sentence with "), nodes.math(text=r"\beta_0"), nodes.Text(".")),
        nodes.bullet_list("", nodes.list_item("", nodes.paragraph(text="An item"))),
        nodes.container("", nodes.literal_block(text="import this"), classes=["cell"]),
        nodes.figure("", nodes.image(uri="a.png"), nodes.caption(text="A caption.")),
        nodes.table("", nodes.title(text="A table")),
        nodes.admonition("", nodes.paragraph(text="A solution."), classes=["dropdown"]),
        nodes.math_block(text="y = x"),
    )
    assert read_text(page) == "A title One sentence with […]. An item"


def test_a_page_takes_whole_minutes_and_at_least_one():
    assert [minutes(n) for n in (0, 1, WORDS_A_MINUTE, WORDS_A_MINUTE + 1)] == [1, 1, 1, 2]


@pytest.mark.parametrize(
    ("count", "words"), [(1, "1 minute"), (25, "25 minutes"), (60, "1 h 0 min"), (125, "2 h 5 min")]
)
def test_minutes_are_spoken(count, words):
    assert spoken(count) == words


# --- the lines of the map ---


def test_a_page_is_summed_up_by_what_its_reader_learns():
    text = nodes.paragraph("", "", nodes.strong(text=LEARN), nodes.Text(" how a line fits; and why it may not."))
    assert summary(document(nodes.paragraph(text="First."), text)) == "How a line fits."


def test_a_page_without_it_is_summed_up_by_its_first_sentence():
    notice = nodes.container("", nodes.paragraph(text="SYNTHETIC data."), classes=["press-notice"])
    text = nodes.paragraph("", "The words of this field. And more.")
    assert summary(document(notice, text)) == "The words of this field."


def source(page: str) -> list[str]:
    """The paragraphs of a page's text, without its header."""
    text = (ROOT / f"{page}.md").read_text(encoding="utf-8")
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    return [part.strip() for part in re.split(r"\n\s*\n|\n\+\+\+.*\n", text) if part.strip()]


@pytest.mark.parametrize("page", [page for page in pages(ROOT) if page not in WITHOUT_LEARN | TABLES_ALONE])
def test_a_page_begins_with_what_its_reader_will_learn(page):
    title, first, *_ = source(page)
    assert title.startswith("# ")
    assert first.replace("*", "").startswith(LEARN)


@pytest.mark.parametrize("page", [page for page in pages(ROOT) if page not in TABLES_ALONE])
def test_a_page_ends_with_where_to_go_next(page):
    last = source(page)[-1].removeprefix(":::{reading}\n")  # which a book on a reader's data has not
    assert last.replace("*", "").startswith(NEXT)
    assert "](" in last


# --- glosses ---

GLOSSARY = (
    '<a class="reference internal" href="../appendix/glossary.html#term-wave">'
    '<span class="xref std std-term">wave</span></a>'
)
CITED = (
    '<span class="bibtex-citation" id="id1">[<a class="reference internal" href="references.html#id9" '
    'title="A. Author. A title.">A, 2016</a>]</span>'
)
PLAIN = '<a class="reference internal" href="one.html#num-a" title="points"><span class="press-num">1</span></a>'


def glossed(body: str) -> str:
    app = SimpleNamespace(env=SimpleNamespace(press_definitions={"term-wave": "wave: a < scheduled assessment"}))
    context = {"body": body}
    add_glosses(app, "page", "page.html", context, nodes.section())
    return context["body"]


def test_a_term_is_described_by_its_definition():
    body = glossed(GLOSSARY)
    assert 'href="../appendix/glossary.html#term-wave" aria-describedby="gloss-term-wave"' in body
    assert 'id="gloss-term-wave" hidden>wave: a &lt; scheduled assessment</div>' in body


def test_a_citation_is_described_by_its_reference_and_each_only_once():
    body = glossed(CITED * 2)
    assert body.count('aria-describedby="gloss-id9"') == 2
    assert body.count(">A. Author. A title.</div>") == 1
    assert "title=" not in body


def test_other_links_are_left_as_they_are():
    assert glossed(PLAIN) == PLAIN
    assert glossed(GLOSSARY.replace("wave", "none")) == GLOSSARY.replace("wave", "none")


# --- search ---


def test_excerpts_hold_each_section_without_the_sections_in_it():
    inner = nodes.section("", nodes.title(text="Inner"), nodes.paragraph(text="Within."), ids=["inner"])
    outer = nodes.section("", nodes.title(text="Outer"), nodes.paragraph(text="Before."), inner, ids=["outer"])
    assert sections(document(outer)) == [["outer", "Outer", "Before."], ["inner", "Inner", "Within."]]


def test_a_pending_citation_leaves_no_gap():
    cited = addnodes.pending_xref("", nodes.Text("kelly2016"), refdomain="cite")
    text = nodes.paragraph("", "", nodes.Text("The abstract "), cited, nodes.Text(", in words."))
    assert read_text(text) == "The abstract, in words."


# --- the front page's picture ---


def results(estimate: float, low: float, high: float, truth: float) -> dict[str, dict]:
    """A ledger in small: every claim with the same estimate, interval and truth."""
    made = {}
    for claim in CLAIMS:
        for column, value in {"estimate": estimate, "conf_low": low, "conf_high": high}.items():
            made[claim_key(claim, column)] = {"value": value, "unit": "points"}
        made[f"truth.{claim.key}.causal"] = {"value": truth}
        made[f"truth.{claim.key}.limit"] = {"value": truth}
    return made


def test_the_picture_shows_each_claim_as_a_multiple_of_its_truth():
    frame = claims_frame(results(3.0, 1.0, 5.0, truth=2.0))
    assert len(frame) == len(CLAIMS)
    row = frame.iloc[0]
    assert (row["estimate_over_truth"], row["conf_low_over_truth"], row["conf_high_over_truth"]) == (1.5, 0.5, 2.5)


def test_a_claim_without_its_truth_is_not_drawn():
    made = results(3.0, 1.0, 5.0, truth=2.0)
    del made[f"truth.{CLAIMS[-1].key}.causal"]
    with pytest.raises(KeyError, match=CLAIMS[-1].key):
        claims_frame(made)


@pytest.mark.parametrize(("truth", "held"), [(2.0, True), (1.0, True), (0.9, False), (5.1, False)])
def test_an_interval_holds_the_truth_or_does_not(truth, held):
    assert covered(CLAIMS[0], results(3.0, 1.0, 5.0, truth)) is held


# --- the PDF ---


def test_the_printed_page_is_the_text_with_a_heading_for_each_part():
    tables = f'<span id="document-{TABLES}-models"></span><section><h3>Rows</h3></section>'
    page = (
        '<html data-theme="auto"><head><script>x</script></head><body><nav>Menu</nav><article class="bd-article">'
        '<h1>Book<a class="headerlink" href="#b">#</a></h1><div><span id="document-one"></span><h2>One</h2></div>'
        f"{tables}<noscript><p>Static</p></noscript><script>y</script></article><footer></footer></body></html>"
    )
    printed = bare(page, {"one": "Part & one"})
    assert "<h1>Book</h1>" in printed
    assert '<div class="press-part"><h1>Part &amp; one</h1></div><span id="document-one"></span><h2>One</h2>' in printed
    assert "<p>Static</p>" in printed
    assert "Rows" not in printed
    assert not re.search("script|Menu|footer", printed)
    assert 'data-theme="light"' in printed


def test_without_chromium_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CHROMIUM", raising=False)
    with pytest.raises(BookError, match="sudo apt install chromium"):
        browser()


# --- what a cell recorded ---


def recorded(*values: int) -> str:
    rows = "".join(f"<tr><td>k{value}</td><td>{value}</td></tr>" for value in values)
    table = f"<table><thead><tr><th>key</th></tr></thead><tbody>{rows}</tbody></table>"
    return (
        f'<div class="output text_html"><details class="ledger"><summary>Recorded: {len(values)}</summary>'
        f"{table}</details></div>\n"
    )


def test_what_a_cell_recorded_in_several_calls_stands_under_one_heading():
    cell = "<div>" + recorded(1, 2) + recorded(3) + recorded(4, 5, 6) + "</div>"
    assert gather_records(cell).split() == ("<div>" + recorded(1, 2, 3, 4, 5, 6) + "</div>").split()


def test_records_with_something_between_them_stay_apart():
    cells = recorded(1) + "</div><div>" + recorded(2)
    assert gather_records(cells) == cells
