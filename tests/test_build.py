"""The built site: what it holds, what is checked of it, what it reports."""

import json

import pytest
from tiny import RECORD, committed, press, write_book

from press.build import _readable, check, stage
from press.chapters import Chapter, read

INDEX = "# Tiny\n\nThe answer is {num}`answer`, see [the chapter](one).\n"
FIGURE = "import matplotlib.pyplot as plt\n\n_ = plt.plot([1, 2], [3, 4])"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A tiny book, built as a user builds it; its folder, the command's outcome, the committed files before."""
    root = write_book(tmp_path_factory.mktemp("book"), INDEX, one=["# One", RECORD, FIGURE])
    before = committed(root)
    return root, press(root, "book"), before


def test_the_last_lines_say_how_many_pages_and_numbers_how_long_and_where(built):
    root, outcome, _ = built
    assert outcome.returncode == 0, outcome.stderr
    *_, counts, index = outcome.stdout.splitlines()
    assert counts.startswith("2 pages, 1 numbers. Chapters ")
    assert index == str(root / "_build" / "html" / "index.html")


def test_the_chapter_and_its_seconds_are_told(built):
    _, outcome, _ = built
    assert outcome.stdout.split()[0] == "one"
    assert outcome.stdout.split()[2] == "s"


def test_the_site_holds_its_pages_and_a_way_in(built):
    root, _, _ = built
    html = root / "_build" / "html"
    assert (html / "book" / "one.html").exists()
    assert "url=book/index.html" in (html / "index.html").read_text()


def test_the_number_is_on_the_page_and_leads_to_its_cell(built):
    root, _, _ = built
    page = (root / "_build" / "html" / "book" / "index.html").read_text()
    assert "one.html#num-answer" in page
    assert ">42<" in page
    assert 'id="num-answer"' in (root / "_build" / "html" / "book" / "one.html").read_text()


def test_results_are_gathered_under_build(built):
    root, _, _ = built
    entry = json.loads((root / "_build" / "results.json").read_text())["answer"]
    assert (entry["value"], entry["page"], entry["cell"]) == (42, "book/one", 1)


def test_a_figure_takes_its_data_along(built):
    root, _, _ = built
    nb = json.loads((root / "_build" / "run" / "book" / "one.ipynb").read_text())
    [block] = json.loads(nb["cells"][-1]["outputs"][0]["metadata"]["image/png"]["drawn"])
    assert block["rows"] == [[1, 3], [2, 4]]


def test_numbers_that_are_not_committed_are_counted(built):
    _, outcome, _ = built
    assert "1 numbers are not those of book/results.json: see make verify, make update" in outcome.stdout


def test_committed_files_are_left_alone(built):
    root, _, before = built
    assert committed(root) == before


def test_a_second_build_is_byte_identical_and_reruns_nothing(built):
    root, _, _ = built
    html = root / "_build" / "html"

    def content():
        return {str(path.relative_to(html)): path.read_bytes() for path in html.rglob("*") if path.is_file()}

    before = content()
    again = press(root, "book")
    assert len(again.stdout.splitlines()) == 3  # no chapter was run
    assert content() == before


# --- what is checked of a site ---------------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path):
    """A whole site, written by hand: two pages, one number, links between them."""
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "index.html").write_text('<h1>A</h1><a href="one.html#num-answer">42</a><a href="#top">up</a>')
    (tmp_path / "book" / "one.html").write_text('<h1>B</h1><div id="num-answer"></div><img src="../a.png">')
    (tmp_path / "a.png").write_bytes(b"png")
    return tmp_path


PAGES, RESULTS = ["book/index", "book/one"], {"answer": {"page": "book/one"}}


def test_a_whole_site_has_no_problem(site):
    assert check(site, PAGES, RESULTS) == []


@pytest.mark.parametrize(
    ("page", "old", "new", "problem"),
    [
        ("one", "h1", "p", "book/one: the page has no title"),
        ("one", "num-answer", "num-other", "book/one: the number answer has no place on its page"),
        ("one", "a.png", "b.png", "book/one.html: broken link to ../b.png"),
        ("index", "one.html", "two.html", "book/index.html: broken link to two.html#num-answer"),
        ("index", "num-answer", "num-other", "book/index.html: broken link to one.html#num-other"),
    ],
)
def test_a_mutated_site_is_named(site, page, old, new, problem):
    path = site / "book" / f"{page}.html"
    path.write_text(path.read_text().replace(old, new))
    assert problem in check(site, PAGES, RESULTS)


def test_a_build_that_publishes_nothing_is_named(tmp_path):
    assert check(tmp_path, PAGES, RESULTS) == ["book/index: no page was built", "book/one: no page was built"]


def test_links_to_other_sites_are_not_followed(site):
    path = site / "book" / "one.html"
    path.write_text(path.read_text() + '<a href="https://example.org/x">x</a><a href="mailto:a@example.org">y</a>')
    assert check(site, PAGES, RESULTS) == []


# --- staging and warnings --------------------------------------------------------------------------------------------


def test_a_staged_notebook_knows_the_lines_of_its_text(tmp_path):
    root = write_book(tmp_path, one=["# One", "1 + 1", "2 + 2"])
    (root / "book" / "results.json").write_text("{}")
    nb = read(Chapter(root, "book/one"))
    stage(root, {"book/one": nb}, root / "_build" / "source")
    staged = root / "_build" / "source" / "book"
    text = (root / "book" / "one.md").read_text().splitlines()
    lines = json.loads((staged / "one.ipynb").read_text())["metadata"]["source_map"]
    assert [text[line + 1] for line in lines] == ["# One", "1 + 1", "2 + 2"]
    assert sorted(path.name for path in staged.iterdir()) == ["data", "index.md", "one.ipynb"]


def test_warnings_name_the_text_to_mend_once_and_without_colour(tmp_path):
    root = write_book(tmp_path, one=["# One"])
    source = root / "_build" / "source"
    log = f"\x1b[91m{source}/book/one.ipynb:14: WARNING: unknown number\x1b[39;49;00m\n"
    assert _readable(log * 2, root, source) == ["book/one.md:14: WARNING: unknown number"]
