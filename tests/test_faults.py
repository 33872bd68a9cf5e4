"""Faults: each ends with a non-zero exit and one readable message that names the file and the place."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from tiny import RECORD, committed, press, start_press, write_book, write_chapter

DATA = Path(__file__).parents[1] / "book" / "data"
READ = "from helpers import records\n\npersons, visits = records.read()"


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A tiny book with a committed chapter, as `make update` leaves it. Tests put back what they change."""
    root = write_book(tmp_path_factory.mktemp("book"), "# Tiny\n\n{num}`answer`\n", one=["# One", RECORD])
    outcome = press(root, "update")
    assert outcome.returncode == 0, outcome.stderr
    return root


@pytest.fixture(autouse=True)
def put_back(book):
    before = committed(book)
    yield
    for name in committed(book).keys() - before.keys():
        (book / name).unlink()
    for name, content in before.items():
        (book / name).write_bytes(content)


def fails(root, *arguments):
    """The message with which the command fails: one, without a traceback."""
    outcome = press(root, *arguments)
    assert outcome.returncode == 1, outcome.stdout + outcome.stderr
    assert "Traceback" not in outcome.stderr
    return outcome.stderr.strip()


def test_the_book_without_a_fault_is_built_verified_and_in_step(book):
    assert [press(book, *command).returncode for command in (["book"], ["pair", "--check"])] == [0, 0]


def test_a_failing_cell_names_file_line_cell_and_error(book):
    write_chapter(book, "one", ["# One", RECORD, "answer = 42\nanswr"])
    before = committed(book)
    assert fails(book, "book") == (
        "book/one.md:23, cell [2] failed at its line 2: answr\n  NameError: name 'answr' is not defined"
    )
    assert committed(book) == before


def test_an_unknown_ledger_key_names_file_line_and_key(book):
    write_chapter(book, "one", ["# One\n\nIt is {num}`anwser`.", RECORD])
    told = fails(book, "book")
    assert "book/one.md:16" in told
    assert "anwser" in told


def test_a_broken_link_names_file_line_and_target(book):
    (book / "book" / "index.md").write_text("# Tiny\n\n{num}`answer`, see [there](nowhere.md).\n")
    told = fails(book, "book")
    assert "book/index.md:3" in told
    assert "nowhere.md" in told


def test_a_site_that_fails_leaves_the_one_before(book):
    press(book, "book")
    (book / "book" / "index.md").write_text("# Tiny\n\n[there](nowhere.md)\n")
    fails(book, "book")
    assert (book / "_build" / "html" / "book" / "one.html").exists()


def test_a_stale_pair_names_file_line_and_mend(book):
    write_chapter(book, "one", ["# One, edited", RECORD])
    assert fails(book, "pair", "--check") == (
        "book/one.md:14, Markdown: source is not that of book/one.ipynb. Mend: make pair"
    )


def test_a_stored_output_that_does_not_match_fails_nbval_and_names_the_cell(book):
    path = book / "book" / "one.ipynb"
    path.write_text(path.read_text().replace("answer = 42", "answer = 41"))
    outcome = press(book, "test", "-p", "no:cacheprovider")
    assert outcome.returncode == 1
    assert "one.ipynb" in outcome.stdout
    assert "answer = 41" in outcome.stdout
    assert "1 failed" in outcome.stdout.splitlines()[-1]


def test_a_stored_number_that_does_not_match_fails_verify_and_names_key_and_values(book):
    path = book / "book" / "results.json"
    results = json.loads(path.read_text())
    results["answer"]["value"] = 41
    path.write_text(json.dumps(results))
    outcome = press(book, "verify")
    assert outcome.returncode == 1
    assert "MISMATCH answer: stored 41, rerun 42" in outcome.stdout


def test_a_malformed_file_names_chapter_file_and_value(book):
    for path in DATA.iterdir():
        shutil.copy(path, book / "book" / "data" / path.name)
    persons = book / "book" / "data" / "persons-SYNTHETIC.csv"
    persons.write_text(persons.read_text().replace("female", "femal", 1))
    write_chapter(book, "one", ["# One", READ])
    told = fails(book, "book")
    assert told.startswith("book/one.md:17, cell [1] failed at its line 3: persons, visits = records.read()")
    assert "persons-SYNTHETIC.csv" in told
    assert "row 4, column sex: found femal" in told


def test_a_key_recorded_twice_names_both_places(book):
    write_chapter(book, "one", ["# One", RECORD, RECORD + "\nprint()"])
    assert "'answer' is recorded twice: in book/one.md, cell [1] and in book/one.md, cell [2]" in fails(book, "book")


def test_a_page_that_is_listed_but_not_written_is_named(book):
    (book / "book" / "index.md").unlink()
    assert "_toc.yml lists pages that do not exist: book/index." in fails(book, "book")


def test_a_folder_without_a_book_is_told_what_is_missing(tmp_path):
    assert fails(tmp_path, "book") == f"{tmp_path}/_toc.yml does not exist."


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
