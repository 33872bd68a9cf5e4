"""The book on a reader's data: their numbers, no sentence about ours, no row of theirs, and nothing else touched."""

import json
import re
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from tiny import committed, press, write_book

from helpers import cohort
from press import BookError, yours
from press.chapters import chapters, pages, read, read_text

ROOT = Path(__file__).parents[1]
ALERT = "<script>alert(1)</script>"
CONFIG = """title: Tiny
author: Nobody
copyright: "2026"
only_build_toc_files: true
execute: {execute_notebooks: "off"}
bibtex_bibfiles: [book/references.bib]
sphinx:
  extra_extensions: [press.roles, press.figuredata]
  config:
    html_theme_options: {}
"""
COUNT = """from helpers import ledger, records

persons, visits = records.read()
ledger.record("count.n_persons", len(persons), "d", "people")
ledger.record("count.mean.estimate", 1.0)
ledger.record("count.mean.conf_low", 0.5)
ledger.record("count.mean.conf_high", 1.5)"""
READING = ":::{reading}\nIn our cohort it rises for {num}`count.n_persons` and {num}`count.mean.estimate`.\n:::"
ROWS = ":tags: [rows]\n\nvisits.head(9)"
MADE_UP = ":tags: [synthetic]\n\nraise ValueError('the generator ran')"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A reader's folder: a cohort of 30 people, the last with few meetings, race typed as a script."""
    folder = tmp_path_factory.mktemp("study")
    persons, visits, _ = cohort.simulate(cohort.Parameters(), np.random.default_rng(5))
    persons = persons.head(30).assign(race=ALERT)
    persons.to_csv(folder / "persons.csv", index=False)
    visits[visits["person"].isin(persons["person"])].to_csv(
        folder / f"visits {ALERT.replace('/', '')}.csv", index=False
    )
    return folder


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> Path:
    root = write_book(
        tmp_path_factory.mktemp("book"),
        "# Tiny\n\nOur cohort rises.",
        one=["# One\n\n```{needs} sponsor, two follow-ups\n```", COUNT, "# More\n\n" + READING, ROWS, MADE_UP,
             "persons['race'].value_counts().to_frame()", "# Last\n\n## Exercises\n\nOf our cohort.", "raise"],
        two=["# Two\n\n```{needs} truth\n```\n\nOur truth rises.", "1 + 1"],
        three=["# Three", "raise KeyError('no such wave')"],
    )  # fmt: skip
    (root / "_config.yml").write_text(CONFIG)
    listed = "".join(f"      - file: book/{name}.ipynb\n" for name in ("one", "two", "three"))
    (root / "_toc.yml").write_text(
        f"format: jb-book\nroot: book/index\nparts:\n  - caption: Part\n    chapters:\n{listed}"
    )
    (root / "book" / "_static").mkdir()
    (root / "book" / "references.bib").write_text("")
    return root


@pytest.fixture(scope="module")
def built(book, data, tmp_path_factory) -> tuple[Path, dict, object]:
    """The site, the committed files before, and the outcome of the command as a reader types it."""
    before = committed(book)
    out = tmp_path_factory.mktemp("site") / "mine"
    done = press(book, "book", "--data", str(data), "--out", str(out), "--suppress", "5")
    assert done.returncode == 0, done.stderr
    return out, before, done


def text(site: Path) -> str:
    return "\n".join(path.read_text("utf-8") for path in sorted(site.rglob("*.html")))


def test_their_numbers_stand_where_ours_stood(built):
    page = (built[0] / "book" / "one.html").read_text("utf-8")
    assert "number of persons: " in re.sub(r"<[^>]+>", "", page)
    assert re.search(r'press-num">30<', page)
    assert "above zero, and so is the whole interval" in page


def test_a_claim_that_nothing_was_fitted_for_says_so(built):
    page = re.sub(r"<[^>]+>", " ", (built[0] / "book" / "index.html").read_text("utf-8"))
    assert page.count("your data cannot say") == 9


def test_no_sentence_about_our_cohort_is_left(built):
    assert "ur cohort" not in text(built[0])
    assert "rises" not in text(built[0])


def test_cells_about_the_synthetic_cohort_and_exercises_do_not_run(built):
    assert "the generator ran" not in text(built[0]) + built[2].stderr


def test_every_page_says_whose_data_it_holds(built):
    for page in (built[0] / "book").rglob("*.html"):
        assert "SYNTHETIC" not in page.read_text("utf-8")
        assert "30 people" in page.read_text("utf-8")


def test_what_stands_aside_is_listed_with_its_reason(built):
    page = re.sub(r"<[^>]+>", " ", (built[0] / "book" / "yours" / "aside.html").read_text("utf-8"))
    assert re.search(r"Two\s+it compares with a truth that is known only for a simulated cohort", page)
    assert re.search(r"Three\s+it could not be computed with these data \(cell \[1\]: KeyError: .*no such wave", page)
    assert not (built[0] / "book" / "two.html").exists()


def test_what_they_typed_is_shown_as_text_and_never_as_a_script(built):
    assert "<script>alert" not in text(built[0])
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text(built[0])


def test_no_row_of_their_data_is_in_the_site(built, data):
    assert "Left out of this book" in (built[0] / "book" / "one.html").read_text("utf-8")
    assert not [path for path in built[0].rglob("*") if path.suffix in (".csv", ".ipynb", ".parquet")]
    assert "window_days" not in text(built[0])


def test_the_rows_are_there_if_asked_for(book, data, tmp_path):
    done = press(book, "book", "--data", str(data), "--out", str(tmp_path / "mine"), "--include-data")
    assert done.returncode == 0, done.stderr
    assert "window_days" in text(tmp_path / "mine")
    assert len(pd.read_csv(tmp_path / "mine" / "data" / "persons.csv")) == 30


def test_the_books_own_files_and_their_files_are_as_they_were(built, book, data):
    assert committed(book) == built[1]
    assert sorted(path.suffix for path in data.iterdir()) == [".csv", ".csv"]


def test_nothing_is_left_beside_the_site(built):
    assert [path.name for path in built[0].parent.iterdir()] == ["mine"]


@pytest.fixture
def quick(monkeypatch) -> None:
    """The place of a site is decided before and after it is built; here it is one page."""

    def one_page(root, work, study, include_data, suppress):
        (work / "site").mkdir()
        (work / "site" / "index.html").write_text("new")
        return work / "site"

    monkeypatch.setattr(yours, "_build", one_page)


def test_bad_data_are_told_and_nothing_is_written(book, data, tmp_path):
    bad = tmp_path / "bad"
    bad.mkdir()
    for path in data.iterdir():
        (bad / path.name).write_bytes(path.read_bytes().replace(b",90,", b",-90,"))
    done = press(book, "book", "--data", str(bad), "--out", str(tmp_path / "mine"))
    assert done.returncode == 2
    assert "window_days" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["bad"]


def test_a_folder_with_other_files_the_repository_and_the_datas_own_folder_are_refused(book, data, tmp_path, quick):
    (tmp_path / "letter.txt").write_text("mine")
    for source, out, words in (
        (data, tmp_path, "holds other files"),
        (data, tmp_path / "letter.txt", "holds other files"),
        (data, book / "book" / "mine", "the book's own folder"),
        (data, data, "holds your data"),
        (data, data.parent, "holds your data"),
        (tmp_path / "none", tmp_path / "mine", "does not exist"),
    ):
        with pytest.raises(yours.RefusedError, match=words):
            yours.make(book, source, out)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_an_older_book_is_replaced_once_the_new_one_is_whole(book, data, tmp_path, quick, monkeypatch):
    old = tmp_path / "mine"
    old.mkdir()
    (old / yours.MARK).write_text("{}")
    (old / "page.html").write_text("old")
    assert yours.make(book, data, old) == old / "index.html"
    assert sorted(path.name for path in old.iterdir()) == ["index.html", yours.MARK]
    assert stat.S_IMODE(old.stat().st_mode) == 0o755

    def breaks(*args):
        raise BookError("half-way")

    monkeypatch.setattr(yours, "_build", breaks)
    with pytest.raises(BookError, match="half-way"):
        yours.make(book, data, old)
    assert (old / "index.html").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


# --- the parts -------------------------------------------------------------------------------------------------------


def study(**visits: list) -> yours.Study:
    persons = pd.DataFrame({"person": [1, 2], "sex": ["female", "male"], "age": [20.0, 30.0]})
    rows = pd.DataFrame({"person": [1, 1, 2, 2], "wave": [0, 3, 0, 3], "observed": 1} | visits)
    return yours.Study(persons, rows, ("visits.csv",))


def test_each_need_is_told_from_the_data():
    scored = study(has_sponsor=[np.nan, 1, np.nan, 0], contact=[np.nan, 2, np.nan, np.nan], pda=[50.0, 60, 70, 80])
    met = {word for word in yours.NEEDS if not yours.unmet([word], scored)}
    assert met == {"sponsor", "contact", "PDA", "entry", "sex", "age"}


def test_unmet_needs_are_joined_into_a_reason():
    assert yours.unmet(["truth", "PDA", "two follow-ups"], study(pda=[50.0, 60, 70, 80])) == (
        "it compares with a truth that is known only for a simulated cohort; there are fewer than two follow-ups"
    )


def test_a_need_that_is_not_known_is_an_error():
    with pytest.raises(BookError, match="needs: SAI"):
        yours.needs("```{needs} SAI, sponsor\n```")


def test_every_chapter_says_what_it_needs_but_the_claims_which_say_what_is_lacking():
    silent = [chapter.name for chapter in chapters(ROOT) if not yours.needs(read(chapter))]
    assert silent == ["book/results/claims"]
    for name in pages(ROOT):
        if (ROOT / f"{name}.md").exists():
            yours.needs(read_text(ROOT / f"{name}.md"))


def test_headings_with_nothing_below_them_go():
    nb = new_notebook(cells=[
        new_markdown_cell("# Title\n\n## Kept\n\n### Empty\n\n### Kept too\n\nWords."),
        new_markdown_cell("## Empty\n\n### Empty\n\n## Code"), new_code_cell("1"),
        new_markdown_cell("## End\n\n### End"),
    ])  # fmt: skip
    yours._drop_empty_headings(nb)
    left = "\n".join(cell.source for cell in nb.cells)
    assert re.findall(r"^#+ .*", left, re.MULTILINE) == ["# Title", "## Kept", "### Kept too", "## Code"]


def test_what_a_cell_recorded_stays_when_its_output_goes():
    entry = {"key": "n", "value": 7}
    cell = new_code_cell(
        metadata={"mystnb": {"figure": {"name": "fig-x"}}},
        outputs=[
            new_output("display_data", {"image/png": "aaaa"}),
            new_output("display_data", {}, metadata={"ledger": [entry]}),
        ],
    )  # fmt: skip
    yours._leave_out(cell, "gone")
    assert "aaaa" not in json.dumps(cell)
    assert cell.outputs[1].metadata["ledger"] == [entry]
    assert yours.figure_name(cell) == ""


@pytest.mark.parametrize(
    "words", ["a|b", "# x", "[l](javascript:alert(1))", "{num}`a`", "<b>", "$x$", "&lt;", "*x*", "a\nb"]
)
def test_somebodys_words_are_never_markup(words):
    assert not re.search(r"[|#\[\]{}`<>$*\n]", yours.escaped(words).replace("&#", ""))
