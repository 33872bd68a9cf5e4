"""The whole book as one PDF: printed once, then read back."""

import re
import subprocess
import sys
import unicodedata

import pytest
from bs4 import BeautifulSoup
from built import ROOT, SITE
from pypdf import PdfReader

from press.chapters import pages
from press.registry import TABLES


@pytest.fixture(scope="module")
def printed() -> PdfReader:
    done = subprocess.run([sys.executable, "-m", "press", "pdf"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    path = ROOT / "_build" / "pdf" / "book.pdf"
    assert done.stdout.strip().endswith(str(path))
    return PdfReader(path)


@pytest.fixture(scope="module")
def text(printed) -> str:
    """All words; letters that the font draws as one (fi, ff) are letters again."""
    return unicodedata.normalize("NFKC", " ".join(" ".join(page.extract_text().split()) for page in printed.pages))


def titles() -> list[str]:
    """The title of every page but the tables of numbers, as the site has it."""
    printed = [page for page in pages(ROOT) if not page.startswith(f"{TABLES}-")]
    found = [re.search(r"<h1>(.*?)<a", (SITE / f"{name}.html").read_text(encoding="utf-8"))[1] for name in printed]
    return [re.sub(r"<[^>]+>", "", title) for title in found]


def bookmarks(outline: list, depth: int = 0) -> list[tuple[int, str]]:
    found = []
    for entry in outline:
        found += bookmarks(entry, depth + 1) if isinstance(entry, list) else [(depth, entry.title)]
    return found


def test_it_is_a_book_tagged_and_in_english(printed):
    assert len(printed.pages) > 3 * len(pages(ROOT))
    root = printed.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"].startswith("en")
    assert printed.metadata.title == "The sponsor study, openly rebuilt"


def test_every_page_of_the_book_has_a_bookmark_in_reading_order(printed):
    front, *chapters = titles()
    marks = bookmarks(printed.outline)
    assert marks[0] == (0, front)
    assert [title for depth, title in marks if depth == 1 and title in chapters] == chapters
    assert {title for depth, title in marks if depth == 0} > {"Background", "Results", "Appendix"}
    assert not [title for _, title in marks if title.endswith("#") or title == "Contents"]


def test_numbers_are_printed_and_none_is_missing(text):
    assert re.search(r"\b\d+ of 9 intervals lie above no effect", text)
    assert "—" not in text


def test_no_role_is_left_raw_but_in_the_page_that_explains_them(text):
    explained = (ROOT / "book" / "appendix" / "built.md").read_text(encoding="utf-8")
    for role in ("{num}", "{fact}", "{holds}", "{term}", "{cite"):
        assert text.count(role) == explained.partition("```text")[2].partition("```")[0].count(role)


def test_every_figure_is_in(printed):
    figures = 0
    for name in pages(ROOT):
        text = BeautifulSoup((SITE / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
        shown = [figure for figure in text.select("figure:has(img)") if not figure.find_parent(class_="solution")]
        figures += len(shown)
    drawn = sum(len(re.findall(rb"/X\d+ Do", page.get_contents().get_data())) for page in printed.pages)
    assert figures > len(pages(ROOT))
    assert drawn >= figures - 1  # the front page's is drawn with lines


def test_code_navigation_and_solutions_are_left_out(text):
    for absent in ("import numpy as np", "Skip to main content", "Show code", "Recorded:", "Notes for the teacher"):
        assert absent not in text.replace("Show code at the top of a chapter", "")


def test_formulas_and_references_are_in(text):
    assert "level 1:" in text
    assert "Recovery benefits of the" in text
