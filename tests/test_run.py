"""Running chapters: what is rerun, what an executed copy holds, and how a failing cell is told."""

from pathlib import Path

import nbformat
import pytest
from tiny import write_book, write_chapter

from press import BookError, run
from press.chapters import chapters

# A cell whose output shows whether it was run again.
DICE = "import secrets\n\nsecrets.token_hex(8)"


@pytest.fixture(autouse=True, scope="module")
def everything_under_the_temporary_folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("environment")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in run.environment(root).items():
            patch.setenv(name, value)
        (root / "_build" / "ipython").mkdir(parents=True)
        yield


def executed(root, fresh=False):
    return run.run(root, chapters(root), fresh)


def dice(root, fresh=False):
    return executed(root, fresh)["book/one"].cells[-1].outputs[0].data["text/plain"]


@pytest.fixture(scope="module")
def rolled(tmp_path_factory):
    """A book of one chapter, run once, and what its cell showed."""
    root = write_book(tmp_path_factory.mktemp("rolled"), one=["# One", DICE])
    return root, dice(root)


def test_an_unchanged_chapter_is_not_rerun(rolled):
    root, shown = rolled
    assert dice(root) == shown


def test_a_change_of_prose_reruns_nothing_and_is_in_the_copy(rolled):
    root, shown = rolled
    write_chapter(root, "one", ["# Another title", "# More", DICE])
    assert dice(root) == shown
    assert executed(root)["book/one"].cells[0].source == "# Another title\n\n# More"


def test_fresh_reruns_and_so_do_changed_data(rolled):
    root, shown = rolled
    again = dice(root, fresh=True)
    (root / "book" / "data" / "persons.csv").write_text("person\n2\n")
    assert len({shown, again, dice(root)}) == 3


def test_a_copy_has_counts_in_order_and_no_time_stamps(rolled):
    root, _ = rolled
    nb = nbformat.read(root / "_build" / "run" / "book" / "one.ipynb", as_version=4)
    assert [cell.execution_count for cell in nb.cells if cell.cell_type == "code"] == [1]
    assert all("execution" not in cell.metadata for cell in nb.cells)


def test_a_rerun_is_byte_identical(tmp_path):
    root = write_book(tmp_path, one=["# One", "print(6 * 7)", "import os\n\nos.getcwd()[-4:]"])
    copies = []
    for _ in range(2):
        executed(root, fresh=True)
        copies.append((root / "_build" / "run" / "book" / "one.ipynb").read_bytes())
    assert copies[0] == copies[1]
    assert b"'book'" in copies[0]  # a chapter runs in its own folder


LARGE = """import base64, os
from IPython.display import Image

Image(os.urandom(150_001), format="png")"""


def test_every_failing_chapter_is_named_with_file_line_and_reason(tmp_path):
    cells = {
        "raises": ["# One", "1 + 1", "x = 1\nx / 0"],
        "warns": ["# Two", "import warnings\n\nwarnings.warn('look out', stacklevel=1)"],
        "large": ["# Three", LARGE],
        "doubled": ["# Five", ":mystnb: {figure: {caption: A, name: fig-a}}\n\nprint(1)\n2"],
        "dies": ["# Four", "import os\n\nos._exit(1)"],
    }
    root = write_book(tmp_path, good=["# Good", "1 + 1"], **cells)
    with pytest.raises(BookError) as error:
        executed(root)
    told = sorted(str(error.value).split("\n\n"))
    assert told[0] == "book/dies.md:17, cell [1]: its Python process died, perhaps for lack of memory"
    assert told[1] == "book/doubled.md:19, cell [1] names a figure but shows 2 outputs. Record in the cell before it."
    assert told[2] == (
        "book/large.md:17, cell [1]: its figure takes 150 kB, more than 150. Draw less, or at a lower dpi."
    )
    assert told[3] == ("book/raises.md:21, cell [2] failed at its line 2: x / 0\n  ZeroDivisionError: division by zero")
    assert told[4].startswith("book/warns.md:17, cell [1] wrote to stderr, which a chapter must not:\n")
    assert "look out" in told[4]
    assert (root / "_build" / "run" / "book" / "good.ipynb").exists()


def test_kernels_write_nothing_outside_build(tmp_path):
    given = run.environment(tmp_path)
    folders = [value for name, value in given.items() if Path(value).is_absolute() and name != "HELPERS_DATA"]
    assert len(folders) == 6
    assert all(folder.startswith(str(tmp_path / "_build")) for folder in folders)
