"""`make verify`: what counts as a match, and what it says of a mismatch."""

import json

import pytest
from nbformat import v4
from test_update import figure, number, shifted
from tiny import write_book

from press import __main__ as command_line
from press import verified
from press import verify as module
from press.chapters import Chapter, fingerprint, read, store
from press.gather import dumps, gather
from press.verify import Report, compare, compare_figures, compare_lme4


def ledger(**values):
    return {key: {"value": value} for key, value in values.items()}


def compared(stored, rerun):
    report = Report()
    compare(report, stored, rerun)
    return report


def test_equal_numbers_match():
    report = compared(ledger(a=1.5, b="text"), ledger(a=1.5, b="text"))
    assert (report.numbers, report.matched, report.worst, report.mismatches) == (2, 2, 0.0, [])


def test_the_worst_relative_difference_is_named():
    report = compared(ledger(a=2.0, b=2.0), ledger(a=2.0 + 1e-7, b=2.0 - 1e-6))
    assert report.matched == 2
    assert report.worst == pytest.approx(5e-7)
    assert report.worst_key == "b"


def test_a_difference_beyond_the_tolerance_is_a_mismatch_with_both_values():
    assert compared(ledger(a=2.0), ledger(a=2.00001)).mismatches == ["a: stored 2.0, rerun 2.00001"]


def test_tiny_numbers_match_within_the_absolute_tolerance():
    assert compared(ledger(a=0.0, b=1e-12), ledger(a=9e-10, b=3e-12)).mismatches == []


@pytest.mark.parametrize(
    ("stored", "rerun", "said"),
    [
        ({"a": 1}, {}, "a: stored 1, not recorded in the rerun"),
        ({}, {"a": 1}, "a: not stored, rerun 1"),
        ({"a": "yes"}, {"a": "no"}, "a: stored 'yes', rerun 'no'"),
    ],
    ids=["gone", "new", "other text"],
)
def test_a_key_or_text_of_one_side_only_is_a_mismatch(stored, rerun, said):
    assert compared(ledger(**stored), ledger(**rerun)).mismatches == [said]


def test_figures_are_compared_pixel_by_pixel(tmp_path):
    chapter, report = Chapter(tmp_path, "book/one"), Report()
    nbs = [
        v4.new_notebook(cells=[v4.new_code_cell("", outputs=figure(shifted(0, 0)) + figure(shifted(count, 2)))])
        for count in (0, 4000)
    ]
    compare_figures(report, chapter, *nbs)
    assert (report.figures, report.figures_matched) == (2, 1)
    assert report.mismatches == ["book/one: figure 2 does not look like the stored one"]


def lme4(estimate, std_error=2.0, df=None):
    about = {"R": "4", "lme4": "1"}
    term = {"estimate": estimate, "std_error": std_error, "satterthwaite": df}
    return {"about": about, "pda_c": {"criterion": 1.0, "fixed": {"contact:time": term}}}


def test_lme4_is_compared_in_units_of_its_standard_error():
    report = Report()
    results = ledger(**{"pda_c.contact_x_time.estimate": 10.0001, "pda_c.contact_x_time.std_error": 2.0})
    compare_lme4(report, lme4(10.0), results)
    assert report.lme4 == 2
    assert report.lme4_worst == pytest.approx(0.00005)
    assert report.lme4_worst_key == "pda_c.contact_x_time.estimate"
    assert report.mismatches == []


def test_degrees_of_freedom_are_compared_as_shares_where_lmertest_gives_them():
    report = Report()
    results = ledger(**{f"pda_c.contact_x_time.{name}": 50.1 for name in ("estimate", "std_error", "df")})
    compare_lme4(report, lme4(50.1, 50.1, df=50.0), results)
    assert report.lme4 == 3
    assert report.lme4_worst == pytest.approx(0.002)
    assert report.mismatches == ["pda_c.contact_x_time.df: lme4 50.0, rerun 50.1"]


def test_a_fit_that_is_not_lme4s_is_a_mismatch():
    report = Report()
    compare_lme4(report, lme4(10.0), ledger(**{"pda_c.contact_x_time.estimate": 10.01}))
    assert report.mismatches == [
        "pda_c.contact_x_time.estimate: lme4 10.0, rerun 10.01",
        "pda_c.contact_x_time.std_error: lme4 2.0, not recorded in the rerun",
    ]


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A tiny book that records 42.0, whose rerun records what it is told to."""
    write_book(tmp_path, one=["# One", "record"])
    chapter = Chapter(tmp_path, "book/one")

    def executed(value):
        nb = read(chapter)
        nb.cells[1].outputs = number(value)
        return nb

    store(chapter, executed(42.0), "")
    (tmp_path / "book" / "results.json").write_text(dumps(gather({chapter.name: executed(42.0)})))

    def verify(value, *arguments):
        monkeypatch.setattr(module, "run", lambda root, chapters, fresh: {chapter.name: executed(value)})
        monkeypatch.setattr(command_line, "_environment", lambda root: {})
        return command_line.main(["--root", str(tmp_path), "verify", *arguments])

    return verify


def test_a_book_that_reruns_alike_is_verified(book, capsys):
    assert book(42.0) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "numbers checked             1",
        "numbers matched             1",
    ]


def test_a_mismatch_exits_1_and_names_key_stored_and_rerun_value(book, capsys):
    assert book(42.5) == 1
    assert "MISMATCH answer: stored 42.0, rerun 42.5" in capsys.readouterr().out


def test_the_report_can_be_had_as_json(book, capsys):
    book(42.5, "--json")
    assert json.loads(capsys.readouterr().out)["mismatches"] == ["answer: stored 42.0, rerun 42.5"]


# --- records of who verified ---


def standing(root):
    """What a page of the book at `root` says of its one number."""
    entry = json.loads((root / "book" / "results.json").read_text())["answer"]
    return verified.standing(verified.read(root), "answer", entry, fingerprint(root, read(Chapter(root, "book/one"))))


def test_a_rerun_that_agrees_is_recorded_if_asked_for(book, tmp_path):
    book(42.0)
    assert not (tmp_path / "book" / "verified.json").exists()
    assert book(42.0, "--record") == 0
    assert standing(tmp_path) == f"verified by {verified.name({'versions': verified.environment()})}"


def test_a_rerun_that_does_not_agree_records_nothing(book, tmp_path):
    assert book(42.5, "--record") == 1
    assert not (tmp_path / "book" / "verified.json").exists()


def test_a_failed_rerun_leaves_the_record_before_it(book, tmp_path):
    book(42.0, "--record")
    before = (tmp_path / "book" / "verified.json").read_bytes()
    book(42.5, "--record")
    assert (tmp_path / "book" / "verified.json").read_bytes() == before


def test_a_record_is_out_of_date_once_the_stored_number_changes(book, tmp_path):
    book(42.0, "--record")
    path = tmp_path / "book" / "results.json"
    path.write_text(path.read_text().replace("42.0", "43.0"))
    assert standing(tmp_path).startswith("changed since")


@pytest.mark.parametrize("changed", ["book/one.md", "book/data/persons.csv", "requirements.txt"])
def test_a_record_is_out_of_date_once_code_data_or_lock_change(book, tmp_path, changed):
    book(42.0, "--record")
    path = tmp_path / changed
    path.write_text((path.read_text() if path.exists() else "").replace("\nrecord\n", "\nrecord + 1\n") + "\n3\n")
    assert standing(tmp_path).startswith("same value, but its chapter has changed since")
