"""Pairs of text and notebook: those of the book, and what `press.chapters` does with an edit."""

from pathlib import Path

import nbformat
import pytest
from tiny import write_book, write_chapter

from press import BookError, chapters, committed
from press.chapters import Chapter, difference, fingerprint, read, store, stored, sync

ROOT = Path(__file__).parents[1]
PROSE, CODE = "# One\n\nProse.", "1 + 1"


# --- the book --------------------------------------------------------------------------------------------------------


def test_every_page_of_the_table_of_contents_is_there():
    assert chapters.chapters(ROOT)


@pytest.mark.parametrize("chapter", chapters.computed(ROOT), ids=lambda chapter: chapter.name)
def test_text_and_notebook_agree_and_the_outputs_are_current(chapter):
    found = committed.problems(chapter)
    assert not found, "\n".join(found)


def test_results_are_what_the_notebooks_record():
    found = committed.stale_results(ROOT, chapters.computed(ROOT))
    assert not found, "\n".join(found)


# --- a tiny pair -----------------------------------------------------------------------------------------------------


@pytest.fixture
def chapter(tmp_path):
    """A pair in step: a paragraph, a cell with its output, another cell."""
    write_book(tmp_path, one=[PROSE, CODE, "2 + 2"])
    chapter = Chapter(tmp_path, "book/one")
    nb = read(chapter)
    for number, cell in enumerate(nb.cells[1:], start=1):
        data = {"text/plain": str(2 * number)}
        cell.execution_count = number
        cell.outputs = [nbformat.v4.new_output("execute_result", data, execution_count=number)]
    store(chapter, nb, fingerprint(tmp_path, nb))
    return chapter


def edit_notebook(chapter, source, index=0, **cell):
    nb = nbformat.read(chapter.notebook, as_version=4)
    nb.cells[index].update({"source": source, **cell})
    nbformat.write(nb, chapter.notebook)


def stored_again(chapter):
    nb = stored(chapter)
    store(chapter, nb, fingerprint(chapter.root, nb))


def test_a_fresh_pair_has_no_problem(chapter):
    assert difference(chapter) == ""
    assert committed.problems(chapter) == []


def test_an_edited_text_is_a_difference_that_names_file_line_and_mend(chapter):
    write_chapter(chapter.root, "one", ["# One\n\nOther prose.", CODE, "2 + 2"])
    assert difference(chapter) == ("book/one.md:14, Markdown: source is not that of book/one.ipynb. Mend: make pair")
    assert committed.problems(chapter) == [difference(chapter)]


def test_an_edited_text_goes_into_the_notebook_and_leaves_its_outputs(chapter):
    write_chapter(chapter.root, "one", ["# One\n\nOther prose.", CODE, "2 + 2"])
    assert sync(chapter) == "md"
    assert stored(chapter).cells[0].source == "# One\n\nOther prose."
    assert stored(chapter).cells[1].outputs[0].data["text/plain"] == "2"
    assert committed.problems(chapter) == []


def test_an_edited_notebook_goes_into_the_text(chapter):
    edit_notebook(chapter, "# One\n\nFrom Jupyter.")
    assert difference(chapter).endswith("Mend: make pair")
    assert read(chapter).cells[0].source == "# One\n\nFrom Jupyter."
    assert sync(chapter) == "ipynb"
    assert "From Jupyter." in chapter.text.read_text()
    assert difference(chapter) == ""


def test_two_edits_are_a_conflict_and_nothing_is_lost(chapter):
    write_chapter(chapter.root, "one", ["# One\n\nFrom the editor.", CODE, "2 + 2"])
    edit_notebook(chapter, "# One\n\nFrom Jupyter.")
    with pytest.raises(BookError, match="Both files were edited"):
        sync(chapter)
    assert "From the editor." in chapter.text.read_text()
    assert "From Jupyter." in chapter.notebook.read_text()


def test_to_sync_a_pair_in_step_writes_nothing(chapter):
    before = chapter.notebook.stat().st_mtime_ns, chapter.text.stat().st_mtime_ns
    assert sync(chapter) == ""
    assert (chapter.notebook.stat().st_mtime_ns, chapter.text.stat().st_mtime_ns) == before


def test_changed_code_loses_its_output_and_asks_for_an_update(chapter):
    write_chapter(chapter.root, "one", [PROSE, "1 + 2", "2 + 2"])
    sync(chapter)
    assert stored(chapter).cells[1].outputs == []
    assert stored(chapter).cells[2].outputs != []
    assert [problem[-11:] for problem in committed.problems(chapter)] == ["make update"] * 2


def test_a_changed_caption_is_a_difference(chapter):
    edit_notebook(chapter, CODE, index=1, metadata={"tags": ["hide-input"]})
    assert "metadata is not that of" in difference(chapter)


def test_changed_data_ask_for_an_update(chapter):
    (chapter.root / "book" / "data" / "persons.csv").write_text("person\n2\n")
    assert [problem.split(": ")[1:] for problem in committed.problems(chapter)] == [
        ["its code, the helpers, the data or the lock have changed. Mend", "make update"]
    ]


def test_the_fingerprint_covers_the_lock(chapter):
    before = fingerprint(chapter.root, read(chapter))
    (chapter.root / "requirements.txt").write_text("numpy==1\n")
    assert fingerprint(chapter.root, read(chapter)) != before


def test_helpers_data_and_lock_are_what_outputs_depend_on():
    names = [path.name for path in chapters._inputs(ROOT, "")]
    assert {"ledger.py", "study.py", "requirements.txt", "datapackage.json"} <= set(names)


def test_of_the_analyses_results_only_those_that_a_chapter_names_are_what_it_depends_on(chapter):
    write_chapter(chapter.root, "one", ["# One", CODE, 'records.analysis("curve")'])
    before = fingerprint(chapter.root, read(chapter))
    results = chapter.root / "book" / "data" / "analyses"
    results.mkdir(parents=True)
    (results / "missing.csv").write_text("claim\n")
    assert fingerprint(chapter.root, read(chapter)) == before
    (results / "curve.csv").write_text("claim\n")
    assert fingerprint(chapter.root, read(chapter)) != before


def test_prose_and_line_endings_leave_the_fingerprint_alone(chapter):
    before = fingerprint(chapter.root, read(chapter))
    write_chapter(chapter.root, "one", ["# Another", CODE, "2 + 2"])
    (chapter.root / "book" / "data" / "persons.csv").write_bytes(b"person\r\n1\r\n")
    assert fingerprint(chapter.root, read(chapter)) == before


# --- what a committed notebook may not hold --------------------------------------------------------------------------

PNG = {"image/png": "iVBORw0KGgo="}


@pytest.mark.parametrize(
    ("mutation", "problem"),
    [
        ({"execution_count": None}, "book/one.md:19, cell [1] was not executed in order. Mend: make update"),
        ({"execution_count": 7}, "book/one.md:19, cell [1] was not executed in order. Mend: make update"),
        (
            {"outputs": [nbformat.v4.new_output("stream", name="stderr", text="Warning")]},
            "book/one.md:19, cell [1] holds an error or a warning. Mend its cause, then: make update",
        ),
    ],
    ids=["never executed", "out of order", "stderr"],
)
def test_a_mutated_notebook_is_named(chapter, mutation, problem):
    edit_notebook(chapter, CODE, index=1, **mutation)
    assert committed.problems(chapter) == [problem]


def test_a_figure_without_numbers_beside_it_is_named(chapter):
    edit_notebook(chapter, CODE, index=1, outputs=[nbformat.v4.new_output("display_data", PNG)])
    stored_again(chapter)
    assert committed.problems(chapter) == [
        "book/one.md:19, cell [1] draws a figure without a table or recorded numbers beside it."
    ]


def test_a_figure_edited_by_hand_is_named(chapter):
    figure = nbformat.v4.new_output("display_data", PNG)
    table = nbformat.v4.new_output("display_data", {"text/html": "<table></table>"})
    edit_notebook(chapter, CODE, index=1, outputs=[figure, table])
    stored_again(chapter)
    assert committed.problems(chapter) == []
    another = nbformat.v4.new_output("display_data", {"image/png": "iVBORw0KGgp="})
    edit_notebook(chapter, CODE, index=1, outputs=[another, table])
    assert committed.problems(chapter) == ["book/one.ipynb: a figure is not the one that was stored. Mend: make update"]
    chapter.text.write_text(chapter.text.read_text().replace("Prose.", "More prose."))
    sync(chapter)
    assert [problem[-11:] for problem in committed.problems(chapter)] == ["make update"]  # make pair mends no figure


@pytest.mark.parametrize("beside", [1, 2])
def test_a_figure_with_a_table_in_its_cell_or_the_next_is_fine(chapter, beside):
    figure = nbformat.v4.new_output("display_data", PNG)
    table = nbformat.v4.new_output("display_data", {"text/html": "<table></table>"})
    edit_notebook(chapter, CODE, index=1, outputs=[figure, table] if beside == 1 else [figure])
    if beside == 2:
        edit_notebook(chapter, "2 + 2", index=2, outputs=[table])
    stored_again(chapter)
    assert committed.problems(chapter) == []


def test_a_tag_that_hides_a_difference_is_named(chapter):
    text = chapter.text.read_text().replace(CODE, f":tags: [nbval-skip]\n\n{CODE}")
    chapter.text.write_text(text)
    sync(chapter)
    assert committed.problems(chapter) == [
        "book/one.md:21, cell [1] has the tag nbval-skip, which would hide a difference. Take it out."
    ]


def test_results_that_no_notebook_records_are_named(chapter):
    (chapter.root / "book" / "results.json").write_text('{"answer": {"value": 42}}')
    assert committed.stale_results(chapter.root, [chapter]) == [
        "book/results.json, answer: not what the notebooks record. Mend: make update"
    ]


# --- table of contents and files -------------------------------------------------------------------------------------


def test_pages_are_listed_in_reading_order_through_parts_and_sections(tmp_path):
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nparts:\n- caption: A\n  chapters:\n  - file: book/a.ipynb\n"
        "    sections:\n    - file: book/b\n- caption: C\n  chapters:\n  - file: book/c.md\n"
    )
    assert chapters.pages(tmp_path) == ["book/index", "book/a", "book/b", "book/c"]
    assert [chapter.name for chapter in chapters.computed(tmp_path)] == ["book/a"]


def test_listed_pages_that_do_not_exist_are_named(tmp_path):
    write_book(tmp_path, one=[CODE], two=[CODE])
    (tmp_path / "book" / "one.md").unlink()
    with pytest.raises(BookError, match=r"pages that do not exist: book/one\."):
        chapters.chapters(tmp_path)


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "results.json"
    target.write_text("old")

    def interrupted(self, other):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        chapters.write(target, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    assert target.read_text() == "old"
