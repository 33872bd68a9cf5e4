"""Faults: each ends with a non-zero exit and one readable message that names the file and the place."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from tiny import RECORD, committed, press, start_press, write_book, write_chapter

from press import run
from press.__main__ import main

DATA = Path(__file__).parents[1] / "book" / "data"
READ = "from helpers import records\n\npersons, visits = records.read()"


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A tiny book with a committed chapter, as `make update` leaves it. Tests put back what they change."""
    root = write_book(tmp_path_factory.mktemp("book"), "# Tiny\n\n{num}`answer`\n", one=["# One", RECORD])
    outcome = press(root, "update")
    assert outcome.returncode == 0, outcome.stderr
    return root


@pytest.fixture(scope="module")
def built(book):
    """The same book with its site, as `make book` leaves it."""
    outcome = press(book, "book")
    assert outcome.returncode == 0, outcome.stderr
    return book


@pytest.fixture(autouse=True)
def put_back(book):
    before = committed(book)
    yield
    for name in committed(book).keys() - before.keys():
        (book / name).unlink()
    for name, content in before.items():
        (book / name).write_bytes(content)


def fails(root, *arguments):
    """The message with which the command fails, in a process of its own: one, without a traceback."""
    outcome = press(root, *arguments)
    assert outcome.returncode == 1, outcome.stdout + outcome.stderr
    assert "Traceback" not in outcome.stderr
    return outcome.stderr.strip()


@pytest.fixture
def here(monkeypatch, capsys):
    """A command in this process: its exit code, what it said, its message. Chapters have their kernels all the same."""
    monkeypatch.setattr(os, "environ", dict(os.environ))

    def run(root, *arguments):
        code = main(["--root", str(root), *arguments])
        said, told = capsys.readouterr()
        assert "Traceback" not in told
        return code, said, told.strip()

    return run


def test_the_book_without_a_fault_is_built_and_in_step(built):
    assert press(built, "pair", "--check").returncode == 0


def test_a_failing_cell_names_file_line_cell_and_error(book, here):
    write_chapter(book, "one", ["# One", RECORD, "answer = 42\nanswr"])
    before = committed(book)
    code, _, told = here(book, "book")
    assert (code, told) == (
        1,
        "book/one.md:23, cell [2] failed at its line 2: answr\n  NameError: name 'answr' is not defined",
    )
    assert committed(book) == before


def test_an_unknown_ledger_key_names_file_line_and_key(book):
    write_chapter(book, "one", ["# One\n\nIt is {num}`anwser`.", RECORD])
    told = fails(book, "book")
    assert "book/one.md:16" in told
    assert "anwser" in told


def test_a_broken_link_names_file_line_and_target_and_leaves_the_site_before(built):
    (built / "book" / "index.md").write_text("# Tiny\n\n{num}`answer`, see [there](nowhere.md).\n")
    told = fails(built, "book")
    assert "book/index.md:3" in told
    assert "nowhere.md" in told
    assert (built / "_build" / "html" / "book" / "one.html").exists()


def test_a_stale_pair_names_file_line_and_mend(book):
    write_chapter(book, "one", ["# One, edited", RECORD])
    assert fails(book, "pair", "--check") == (
        "book/one.md:14, Markdown: source is not that of book/one.ipynb. Mend: make pair"
    )


def test_a_stored_output_that_does_not_match_fails_nbval_and_names_the_cell(book):
    path = book / "book" / "one.ipynb"
    path.write_text(path.read_text().replace("answer = 42", "answer = 41"))
    outcome = press(book, "test", "-p", "no:cacheprovider", "-n", "0")  # one chapter needs no second process
    assert outcome.returncode == 1
    assert "one.ipynb" in outcome.stdout
    assert "answer = 41" in outcome.stdout
    assert "1 failed" in outcome.stdout.splitlines()[-1]


def test_a_stored_number_that_does_not_match_fails_verify_and_names_key_and_values(book, here):
    path = book / "book" / "results.json"
    results = json.loads(path.read_text())
    results["answer"]["value"] = 41
    path.write_text(json.dumps(results))
    code, said, _ = here(book, "verify")
    assert code == 1
    assert "MISMATCH answer: stored 41, rerun 42" in said


def test_a_malformed_file_names_chapter_file_and_value(book, here):
    shutil.copytree(DATA, book / "book" / "data", dirs_exist_ok=True)
    persons = book / "book" / "data" / "persons-SYNTHETIC.csv"
    persons.write_text(persons.read_text().replace("female", "femal", 1))
    write_chapter(book, "one", ["# One", READ])
    code, _, told = here(book, "book")
    assert code == 1
    assert told.startswith("book/one.md:17, cell [1] failed at its line 3: persons, visits = records.read()")
    assert "persons-SYNTHETIC.csv" in told
    assert "row 4, column sex: found femal" in told


DAMAGED = "book/one.ipynb is not a notebook: it is damaged, or a merge left its marks in it. Put it back as it was "


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("book/one.ipynb", '{"cells": [', DAMAGED),
        ("book/one.ipynb", "[]", DAMAGED),
        ("book/one.ipynb", "<<<<<<< HEAD\n{}\n", DAMAGED),
        (
            "book/results.json",
            '{"answer": ',
            "{root}/book/results.json is not what `make update` wrote (Expecting value",
        ),
        (
            "book/results.json",
            "[]",
            "{root}/book/results.json is not what `make update` wrote (it is not a table of keys",
        ),
        (
            "book/results.json",
            '{"answer": {}}',
            "{root}/book/results.json is not what `make update` wrote (an entry has",
        ),
        ("_toc.yml", "root: [book", "{root}/_toc.yml:1 is not YAML: expected ',' or ']'"),
        ("_toc.yml", "format: jb-book\n", "_toc.yml is no table of contents: it needs `root:`"),
        ("_config.yml", "title: 'x", "{root}/_config.yml:1 is not YAML: found unexpected end of stream"),
        ("book/one.md", "---\njupytext: [\n---\n", "book/one.md:3 is not YAML: "),
        (
            "book/one.md",
            "```{code-cell}\n:tags: [a\n\n1\n```\n",
            "book/one.md: Code cell 0 at line 1 could not be read",
        ),
        ("book/one.md", "# Caf\udce9\n", "{root}/book/one.md:1 is not UTF-8. Save the file in that encoding."),
    ],
)
def test_a_damaged_file_is_named_and_left_alone(book, name, content, told, here):
    path = book / name
    kept = path.read_bytes()
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    before = committed(book)
    try:
        code, _, message = here(book, "book")
        assert code == 1
        assert message.startswith(told.replace("{root}", str(book)))
        assert committed(book) == before
    finally:
        path.write_bytes(kept)


def test_a_damaged_copy_under_build_is_run_again(book, here):
    copy = book / "_build" / "run" / "book" / "one.ipynb"
    copy.write_text('{"cells": [')
    assert here(book, "update")[0] == 0
    assert json.loads(copy.read_text())["cells"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path, here):
    write_book(tmp_path, one=["# One"])
    (tmp_path / "_build").write_text("a file, not a folder")
    assert here(tmp_path, "book") == (1, "", f"{tmp_path}/_build/ipython: Not a directory")


def test_an_update_that_stops_half_way_leaves_all_files_as_they_were(book, here):
    write_chapter(book, "one", ["# One, edited", RECORD])
    (book / "README.md").write_text("<!--num:anwser-->42<!--/num-->\n")
    before = committed(book)
    code, _, told = here(book, "update")
    assert code == 1
    assert told.startswith("README.md: unknown number 'anwser'")
    assert committed(book) == before
    (book / "README.md").unlink()


def test_a_readers_own_data_do_not_come_into_the_book(book, monkeypatch, tmp_path):
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path))
    assert run.environment(book)["HELPERS_DATA"] == str(book / "book" / "data")


def test_a_key_recorded_twice_names_both_places(book, here):
    write_chapter(book, "one", ["# One", RECORD, RECORD + "\nprint()"])
    code, _, told = here(book, "book")
    assert code == 1
    assert "'answer' is recorded twice: in book/one.md, cell [1] and in book/one.md, cell [2]" in told


def test_a_page_that_is_listed_but_not_written_is_named(book, here):
    (book / "book" / "index.md").unlink()
    code, _, told = here(book, "book")
    assert code == 1
    assert "_toc.yml lists pages that do not exist: book/index." in told


def test_a_folder_without_a_book_is_told_what_is_missing(tmp_path, here):
    assert here(tmp_path, "book") == (1, "", f"{tmp_path}/_toc.yml does not exist.")


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C reaches a process differently on Windows")
@pytest.mark.parametrize("command", ["book", "update"])
def test_an_interrupted_run_leaves_committed_files_and_no_kernel(book, command):
    mark = book / "_build" / "kernel"
    mark.unlink(missing_ok=True)
    cell = f"import os, time\n\nopen({str(mark)!r}, 'w').write(str(os.getpid()))\ntime.sleep(100)"
    write_chapter(book, "one", ["# One", cell])
    before = committed(book)
    running = start_press(book, command)
    while not (mark.exists() and mark.read_text()) and running.poll() is None:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 130
    assert told.strip() == "Interrupted. The committed files are as they were."
    assert committed(book) == before
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)
