"""Records of verification: what is kept, one a platform and Python, and what a page may then say of a number."""

import json

import pytest

from press import BookError, verified

HERE = {"system": "Linux x86_64", "python": "3.11.2", "numpy": "2.4.6"}
ABOUT = {"date": "2026-11-25", "lock": "l", "data": "d"}
SAID = {"value": 1.5, "text": "1.50", "format": ".2f", "unit": "points", "status": "computed"}
ENTRY = SAID | {"page": "one", "cell": 3}


def recorded(entry=ENTRY, depends_on="code", **versions):
    return verified.record({"a.b": entry}, {"one": depends_on}, HERE | versions, ABOUT)


def standing(*records, entry=ENTRY, depends_on="code"):
    return verified.standing(list(records), "a.b", entry, depends_on)


def test_a_number_that_was_matched_is_verified_by_its_versions():
    assert standing(recorded()) == "verified by Python 3.11.2, Linux x86_64"


def test_all_environments_that_verified_it_are_named():
    other = recorded(system="Darwin arm64", python="3.13.1")
    assert standing(recorded(), other) == "verified by Python 3.11.2, Linux x86_64; Python 3.13.1, Darwin arm64"


@pytest.mark.parametrize("change", [{"value": 1.6}, {"text": "1.5"}, {"unit": "days"}, {"status": "assumed"}])
def test_a_number_whose_stored_entry_has_changed_says_so(change):
    assert standing(recorded(), entry=ENTRY | change) == "changed since Python 3.11.2, Linux x86_64"


def test_a_number_that_was_not_there_has_changed_too():
    assert verified.standing([recorded()], "a.c", ENTRY, "code").startswith("changed since")


def test_the_same_value_from_other_code_is_not_called_verified():
    said = "same value, but its chapter has changed since Python 3.11.2, Linux x86_64"
    assert standing(recorded(), depends_on="other code") == said


def test_a_record_is_told_in_counts():
    stored = {"a.b": ENTRY, "a.c": ENTRY | {"value": 2.5}, "z": ENTRY | {"page": "two"}}
    one = verified.record(stored, {"one": "code", "two": "code"}, HERE, ABOUT)
    assert verified.counted(one, stored, {"one": "code", "two": "code"}) == "3 verified"
    stored["a.c"] = ENTRY | {"value": 2.6}
    said = "1 verified; 1 with the same value, but their chapter has changed since; 1 changed since"
    assert verified.counted(one, stored, {"one": "code", "two": "other code"}) == said


def test_one_environment_that_is_up_to_date_is_enough():
    late = recorded(python="3.13.1")
    assert standing(recorded(depends_on="old code"), late) == "verified by Python 3.13.1, Linux x86_64"


def test_a_paragraph_above_the_cell_changes_nothing():
    assert standing(recorded(), entry=ENTRY | {"cell": 4}).startswith("verified by")


def test_without_a_record_nothing_is_verified():
    assert standing() == "not yet verified"


def test_a_new_record_replaces_that_of_the_same_platform_and_python_series():
    first, second, other = recorded(), recorded(python="3.11.9"), recorded(python="3.13.1")
    records = verified.add(verified.add(verified.add([], other), first), second)
    assert [one["versions"]["python"] for one in records] == ["3.11.9", "3.13.1"]


def test_records_survive_being_written_and_read(tmp_path):
    (tmp_path / "book").mkdir()
    assert verified.read(tmp_path) == []
    verified.save(tmp_path, [recorded()])
    assert verified.read(tmp_path) == [recorded()]


@pytest.mark.parametrize("damage", ["{", "{}x", '[{"date": "2026"}]', "[1]"])
def test_a_damaged_file_is_named(tmp_path, damage):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "verified.json").write_text(damage)
    with pytest.raises(BookError, match=r"book/verified.json is not what .* wrote"):
        verified.read(tmp_path)


def test_the_environment_names_what_numbers_depend_on():
    versions = verified.environment()
    assert {"system", "python", "numpy", "scipy", "pandas", "statsmodels", "helpers"} == versions.keys()
    assert json.dumps(versions)
