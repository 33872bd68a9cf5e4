"""`make update` keeps a stored output that is equivalent to the new one."""

import base64
import io

import nbformat
import numpy as np
import pytest
from nbformat import v4
from PIL import Image
from tiny import write_book

from helpers.ledger import entry
from press import update as module
from press.chapters import Chapter, read, stored
from press.update import alike, equivalent, update


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(file, "png")
    return file.getvalue()


def shifted(count, levels, size=100):
    """A grey square with `count` of its pixels off by `levels`."""
    pixels = np.full((size, size, 3), 100)
    pixels.reshape(-1, 3)[:count] += levels
    return png(pixels)


def figure(data):
    return [v4.new_output("display_data", {"image/png": base64.b64encode(data).decode(), "text/plain": "<Figure>"})]


def number(value):
    recorded = {"ledger": [entry("answer", value, ".1f")]}
    return [v4.new_output("display_data", {"text/plain": "answer"}, metadata=recorded)]


@pytest.mark.parametrize(
    ("count", "levels", "same"),
    [(0, 0, True), (49, 2, True), (50, 2, False), (1, 3, False), (49, -2, True)],
    ids=["identical", "few pixels by two", "too many pixels", "one pixel by three", "few pixels darker"],
)
def test_figures_are_alike_up_to_two_levels_in_under_half_a_percent(count, levels, same):
    assert alike(shifted(0, 0), shifted(count, levels)) is same
    assert equivalent(figure(shifted(0, 0)), figure(shifted(count, levels))) is same


def test_figures_of_another_size_are_not_alike():
    assert not alike(shifted(0, 0), shifted(0, 0, size=99))


@pytest.mark.parametrize(("rerun", "same"), [(42.0, True), (42.00004, True), (42.00005, False), (43.0, False)])
def test_numbers_are_equivalent_within_the_ledgers_tolerance(rerun, same):
    assert equivalent(number(42.0), number(rerun)) is same


def test_a_number_that_prints_otherwise_is_not_equivalent():
    assert not equivalent(number(0.9499999999), number(0.95000000001))


def test_a_damaged_figure_is_not_like_another():
    assert not alike(b"no figure", shifted(0, 0))
    assert not alike(shifted(0, 0)[:60], shifted(0, 0))


def test_other_text_is_not_equivalent():
    printed = [[v4.new_output("stream", name="stdout", text=text)] for text in ("1\n", "2\n")]
    shown = [[v4.new_output("display_data", {"text/html": f"<b>{text}</b>"})] for text in ("1", "2")]
    for ours, theirs in (printed, shown):
        assert equivalent(ours, ours)
        assert not equivalent(ours, theirs)


def test_another_number_of_outputs_is_not_equivalent():
    assert not equivalent(number(1.0), number(1.0) * 2)


@pytest.fixture
def rerun(tmp_path, monkeypatch):
    """A tiny book whose one cell gives, when rerun, the outputs it is told to give."""
    write_book(tmp_path, one=["# One", "record"])
    chapter = Chapter(tmp_path, "book/one")

    def giving(outputs):
        def run(root, chapters, fresh):
            nb = read(chapter)
            nb.cells[1].outputs, nb.cells[1].execution_count = outputs, 1
            return {chapter.name: nb}

        monkeypatch.setattr(module, "run", run)
        return update(tmp_path, [chapter])

    giving.chapter = chapter
    return giving


def test_the_first_update_writes_notebook_and_results(rerun):
    assert rerun(number(42.0)) == ["book/one.ipynb", "book/results.json"]


def test_an_equivalent_rerun_rewrites_nothing(rerun):
    rerun(number(42.0) + figure(shifted(0, 0)))
    assert rerun(number(42.00000001) + figure(shifted(5, 1))) == []


def test_a_changed_number_is_rewritten_in_notebook_and_results(rerun):
    rerun(number(42.0))
    assert rerun(number(43.0)) == ["book/one.ipynb", "book/results.json"]
    assert stored(rerun.chapter).cells[1].outputs[0].metadata["ledger"][0]["value"] == 43.0


def test_the_notebook_keeps_the_hash_of_what_was_executed_and_no_timing(rerun):
    rerun(number(42.0))
    metadata = nbformat.read(rerun.chapter.notebook, as_version=4).metadata
    assert set(metadata["press"]) == {"cells", "executed", "figures"}
    assert metadata["language_info"] == {"name": "python", "pygments_lexer": "ipython3"}


def test_the_readme_prints_the_new_number(rerun):
    readme = rerun.chapter.root / "README.md"
    readme.write_text("It is <!--num:answer-->?<!--/num-->.\n")
    rerun(number(42.0))
    assert readme.read_text() == "It is <!--num:answer-->42.0<!--/num-->.\n"
