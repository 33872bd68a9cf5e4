"""The data contract: sound files are read, and each way of breaking it is named by file, row and column."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers import records, study

DATA = Path(__file__).parents[1] / "book" / "data"
PACKAGE = json.loads((DATA / "datapackage.json").read_text(encoding="utf-8"))
RESOURCES = {resource["name"]: resource for resource in PACKAGE["resources"]}
PERSONS, VISITS = RESOURCES["persons"]["path"], RESOURCES["visits"]["path"]


@pytest.fixture(autouse=True)
def committed_data(monkeypatch):
    monkeypatch.setenv("HELPERS_DATA", str(DATA))


def frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two people: the first seen throughout (a sponsor at 3 and 6 months), the second missed at 12."""
    persons = pd.DataFrame(
        {
            "person": [1, 2],
            "sex": ["female", "male"],
            "age": [20, 24],
            "race": ["White", "other"],
            "comorbid": [0, 1],
            "residential_days": [25, 30],
        }
    )
    rows = []
    for person in (1, 2):
        for wave in study.WAVES:
            row = dict.fromkeys(field["name"] for field in RESOURCES["visits"]["schema"]["fields"])
            row |= {"person": person, "wave": wave, "observed": 1}
            row |= dict.fromkeys(study.INVOLVEMENT_ITEMS, 1)
            row |= {"meetings": 12, "window_days": 90, "abstinent_days": 80}
            if wave:
                row["has_sponsor"] = 0
            if person == 1 and wave in (3, 6):
                row |= {"has_sponsor": 1, "contact_days": 30} | dict.fromkeys(study.SAI_ITEMS, 6)
            if person == 2 and wave == 12:
                row = dict.fromkeys(row) | {"person": person, "wave": wave, "observed": 0}
            rows.append(row)
    return persons, pd.DataFrame(rows)


def folder_with(tmp_path: Path, persons: pd.DataFrame | bytes, visits: pd.DataFrame | bytes) -> Path:
    for table, name in ((persons, PERSONS), (visits, VISITS)):
        content = table if isinstance(table, bytes) else table.to_csv(index=False).encode()
        (tmp_path / name).write_bytes(content)
    (tmp_path / "datapackage.json").write_text(json.dumps(PACKAGE), encoding="utf-8")
    return tmp_path


def faults(persons: pd.DataFrame, visits: pd.DataFrame) -> list[tuple[str, int, str, str]]:
    found = records.problems(persons, visits)
    return list(found[["file", "row", "column", "value"]].itertuples(index=False, name=None))


def visits_with(row: int, **cells) -> pd.DataFrame:
    """The sound visits with some cells of one row (as in the file) replaced."""
    _, visits = frames()
    visits = visits.astype(object)
    for column, value in cells.items():
        visits.loc[row - 2, column] = value
    return visits


# --- sound files ---


def test_sound_frames_pass():
    records.check(*frames())
    assert records.problems(*frames()).empty


def test_the_committed_cohort_is_sound_and_has_its_full_grain():
    persons, visits = records.read(DATA)
    assert len(persons) == study.FACTS["n_entry"].value
    assert len(visits) == len(persons) * len(study.WAVES)


def test_what_is_read_is_what_stands_in_the_files():
    persons, visits = records.read(DATA)
    for frame, name in ((persons, PERSONS), (visits, VISITS)):
        pd.testing.assert_frame_equal(frame, pd.read_csv(DATA / name), check_dtype=False)
    assert visits["wave"].dtype == "int64"
    assert visits["sai_1"].dtype == "float64"


def test_read_gives_the_same_dtypes_whatever_is_blank(tmp_path):
    persons, visits = records.read(folder_with(tmp_path, *frames()))
    whole_persons, whole_visits = records.read(DATA)
    assert persons.dtypes.to_list() == whole_persons.dtypes.to_list()
    assert visits.dtypes.to_list() == whole_visits.dtypes.to_list()


def test_read_and_check_agree_on_every_problem(tmp_path):
    persons, visits = frames()[0], visits_with(3, sai_1=8, abstinent_days=91, window_days="often")
    with pytest.raises(records.DataError) as caught:
        records.read(folder_with(tmp_path, persons, visits))
    pd.testing.assert_frame_equal(caught.value.problems, records.problems(persons, visits))


def test_integers_written_with_a_point_a_byte_order_mark_crlf_and_blank_lines_at_the_end_are_read(tmp_path):
    persons, visits = frames()
    text = visits.astype({"meetings": float}).to_csv(index=False, lineterminator="\r\n") + "\r\n\r\n"
    _, read = records.read(folder_with(tmp_path, persons, b"\xef\xbb\xbf" + text.encode()))
    assert read["meetings"].dropna().unique().tolist() == [12]


def test_columns_in_another_order_are_put_into_the_contracts(tmp_path):
    persons, visits = frames()
    read, _ = records.read(folder_with(tmp_path, persons[persons.columns[::-1]], visits))
    assert list(read.columns) == list(persons.columns)


def test_the_truth_is_never_opened(tmp_path):
    place = folder_with(tmp_path, *frames())
    records.read(place)  # no truth file there
    (place / RESOURCES["truth"]["path"]).write_bytes(b"\xff\x00 not a table")
    records.read(place)


# --- values ---


@pytest.mark.parametrize(
    ("row", "cells", "expected"),
    [
        (3, {"sai_4": 8}, "a whole number from 1 to 7, or blank"),
        (3, {"sai_4": 0}, "a whole number from 1 to 7, or blank"),
        (3, {"sai_4": 2.5}, "a whole number from 1 to 7, or blank"),
        (3, {"sai_4": np.inf}, "a whole number from 1 to 7, or blank"),
        (3, {"sai_4": "inf"}, "a whole number from 1 to 7, or blank"),
        (3, {"sai_4": "1e400"}, "a whole number from 1 to 7, or blank"),
        (3, {"sai_4": "nan"}, "a whole number from 1 to 7, or blank"),
        (3, {"sai_4": "2x"}, "a whole number from 1 to 7, or blank"),
        (3, {"sai_4": "=1+1"}, "a whole number from 1 to 7, or blank"),
        (3, {"inv_1": 2}, "one of 0, 1, or blank"),
        (3, {"inv_1": "yes"}, "one of 0, 1, or blank"),
        (2, {"meetings": -1}, "a whole number from 0 to 1098, or blank"),
        (2, {"meetings": 271}, "at most 3 a day of window_days"),
        (2, {"abstinent_days": 91}, "at most window_days"),
        (3, {"contact_days": 91}, "at most window_days"),
        (2, {"has_sponsor": 0}, "blank, as it was not asked at wave 0"),
        (5, {"contact_days": 3}, "blank, as has_sponsor is not 1"),
        (5, {"sai_10": 3}, "blank, as has_sponsor is not 1"),
        (9, {"inv_3": 1}, "blank, as observed is 0"),
        (9, {"window_days": 90}, "blank, as observed is 0"),
        (2, {"window_days": None}, "a value, as days or meetings are given"),
        (2, {"observed": None}, "one of 0, 1"),
        (2, {"observed": "no"}, "one of 0, 1"),
    ],
)
def test_a_bad_cell_is_named_with_what_was_expected(row, cells, expected):
    (column, value), *_ = cells.items()
    found = records.problems(frames()[0], visits_with(row, **cells))
    here = found[(found["file"] == VISITS) & (found["row"] == row) & (found["column"] == column)]
    assert here["expected"].to_list() == [expected]
    assert here["value"].to_list() == ["blank" if value is None else str(value)]


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("sex", "F", "one of female, male"),
        ("age", 17, "a whole number from 18 to 24"),
        ("age", None, "a whole number from 18 to 24"),
        ("race", None, "one of White, other"),
        ("comorbid", 3, "one of 0, 1"),
        ("residential_days", 0, "a whole number from 1 to 366"),
    ],
)
def test_a_bad_cell_of_a_person_is_named(column, value, expected):
    persons, visits = frames()
    persons[column] = persons[column].astype(object)
    persons.loc[1, column] = value
    found = records.problems(persons, visits)
    assert found[["file", "row", "column", "expected"]].to_numpy().tolist() == [[PERSONS, 3, column, expected]]


def test_a_fraction_in_a_column_of_numbers_is_named():
    persons, visits = frames()
    assert faults(persons, visits.astype({"meetings": float}).replace({"meetings": {12: 12.5}}))[0][2:] == (
        "meetings",
        "12.5",
    )


def test_a_window_of_no_days_is_a_problem_and_not_an_infinite_rate():
    found = faults(frames()[0], visits_with(2, window_days=0, meetings=0, abstinent_days=0))
    assert found == [(VISITS, 2, "window_days", "0")]


def test_counts_at_their_limits_are_sound():
    records.check(frames()[0], visits_with(3, contact_days=90, abstinent_days=90, meetings=270))
    records.check(frames()[0], visits_with(3, contact_days=0, abstinent_days=0, meetings=0, window_days=1))


def test_an_observed_visit_may_leave_answers_blank():
    blank = dict.fromkeys(records.ANSWERS)
    records.check(frames()[0], visits_with(3, **blank))


# --- keys ---


def test_a_repeated_visit_is_named_in_both_rows():
    persons, visits = frames()
    visits = pd.concat([visits, visits.iloc[[2]]], ignore_index=True)
    assert faults(persons, visits) == [(VISITS, row, "person, wave", "1, 6") for row in (4, 10)]


def test_a_repeated_person_is_named_in_both_rows():
    persons, visits = frames()
    persons = pd.concat([persons, persons.iloc[[0]]], ignore_index=True)
    assert faults(persons, visits) == [(PERSONS, row, "person", "1") for row in (2, 4)]


def test_a_visit_of_an_unknown_person_is_named():
    persons, visits = frames()
    assert faults(persons[persons["person"] == 1], visits) == [(VISITS, row, "person", "2") for row in (6, 7, 8, 9)]


def test_a_person_without_a_row_at_a_wave_is_named():
    persons, visits = frames()
    found = records.problems(persons, visits.drop(index=7))
    assert found[["file", "row", "column", "value"]].to_numpy().tolist() == [[PERSONS, 3, "person", "2"]]
    assert found["expected"].to_list() == ["a row in the visits file at wave 12"]


def test_a_wave_that_was_not_planned_is_named():
    assert (VISITS, 4, "wave", "7") in faults(frames()[0], visits_with(4, wave=7))


@pytest.mark.parametrize("empty", [0, 1])
def test_a_frame_without_rows_is_named(empty):
    both = list(frames())
    both[empty] = both[empty].head(0)
    with pytest.raises(ValueError, match=r"SYNTHETIC\.csv: found a header only"):
        records.check(*both)


# --- messages ---


def test_every_problem_is_listed_at_once_and_not_the_first_alone():
    visits = visits_with(3, sai_1=9, inv_2=7, abstinent_days=99)
    with pytest.raises(ValueError, match=r"^3 problems in the data:") as caught:
        records.check(frames()[0], visits)
    lines = str(caught.value).splitlines()[1:]
    assert [re.search(r"row 3, column (\w+)", line)[1] for line in lines] == ["sai_1", "inv_2", "abstinent_days"]
    assert lines[0].startswith(
        f"{VISITS}, row 3, column sai_1: found 9; expected a whole number from 1 to 7, or blank;"
    )


def test_a_cell_that_fails_its_field_twice_is_listed_once():
    assert faults(frames()[0], visits_with(3, sai_1=9.5)) == [(VISITS, 3, "sai_1", "9.5")]


def test_problems_of_both_files_are_listed_together(tmp_path):
    persons, visits = frames()
    with pytest.raises(records.DataError) as caught:
        records.read(folder_with(tmp_path, persons.drop(columns="sex"), visits.drop(columns="inv_1")))
    assert caught.value.problems[["file", "column"]].to_numpy().tolist() == [[PERSONS, "sex"], [VISITS, "inv_1"]]


def test_a_very_long_list_is_cut_in_the_message_but_kept_in_full():
    persons, visits = records.read(DATA)
    with pytest.raises(records.DataError) as caught:
        records.check(persons, visits.assign(observed=2))
    assert len(caught.value.problems) == len(visits)
    assert len(str(caught.value).splitlines()) == records.SHOWN + 2
    assert str(caught.value).endswith(f"and {len(visits) - records.SHOWN} more")


def test_long_and_unprintable_cells_are_shown_short_and_clean():
    found = records.problems(frames()[0], visits_with(3, sai_1="\x00" + "x" * 500))
    assert found["value"].to_list() == ["\N{REPLACEMENT CHARACTER}" + "x" * 36 + "..."]


# --- files that are no table ---

Spoil = Callable[[str], bytes]
BROKEN: dict[str, tuple[Spoil, str]] = {
    "empty": (lambda text: b"", "found an empty file"),
    "blank lines": (lambda text: b"\n\n\n", "found an empty file"),
    "header only": (lambda text: text.splitlines()[0].encode(), "found a header only"),
    "no header": (lambda text: text.split("\n", 1)[1].encode(), "row 1: .* expected the header person,wave"),
    "semicolons": (lambda text: text.replace(",", ";").encode(), "columns separated by ';'"),
    "bars": (lambda text: text.replace(",", "|").encode(), r"columns separated by '\|'"),
    "tabs": (lambda text: text.replace(",", "\t").encode(), "columns separated by a tab"),
    "a short row": (lambda text: text.replace("\n1,3,", "\n1,3\n1,3,").encode(), "row 3: found 2 cells; expected 26"),
    "a long row": (lambda text: text.replace("\n1,3,", "\n1,3,,,").encode(), "row 3: found 28 cells"),
    "a blank line": (lambda text: text.replace("\n1,3,", "\n\n1,3,").encode(), "row 3: found 0 cells"),
    "a column twice": (lambda text: text.replace("inv_2", "inv_1").encode(), "column inv_1: found 2 times"),
    "an unknown column": (lambda text: text.replace("inv_2", "inv_two").encode(), "column inv_two: found unknown"),
    "an absent column": (lambda text: text.replace("inv_2", "inv_two").encode(), "column inv_2: found absent"),
    "an open quote": (lambda text: b'"' + text.encode(), "expected comma-separated values"),
    "UTF-16": (lambda text: text.encode("utf-16"), "expected text in UTF-8"),
    "Latin-1": (lambda text: text.replace("\n1,3,", "\n\xe9,3,").encode("latin-1"), "found byte 0xe9"),
    "binary": (lambda text: bytes(range(256)), "found byte 0x80"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_gives_one_readable_message(name, tmp_path):
    spoil, message = BROKEN[name]
    persons, visits = frames()
    place = folder_with(tmp_path, persons, spoil(visits.to_csv(index=False)))
    with pytest.raises(ValueError, match=rf"{VISITS}.*{message}"):
        records.read(place)


def test_a_file_that_is_absent_or_a_folder_is_named(tmp_path):
    place = folder_with(tmp_path, *frames())
    (place / VISITS).unlink()
    with pytest.raises(ValueError, match=f"{VISITS}: found No such file"):
        records.read(place)
    (place / VISITS).mkdir()
    with pytest.raises(ValueError, match=f"{VISITS}: found Is a directory"):
        records.read(place)


# --- the data package ---


def test_the_schemas_are_made_from_the_data_package():
    for table in records.TABLES:
        fields = RESOURCES[table]["schema"]["fields"]
        made = records.schema(table)
        assert list(made.columns) == [field["name"] for field in fields]
        assert made.unique == RESOURCES[table]["schema"]["primaryKey"]
        required = [field.get("constraints", {}).get("required", False) for field in fields]
        assert [not column.nullable for column in made.columns.values()] == required


def test_a_change_in_the_data_package_changes_what_is_accepted(tmp_path):
    persons, visits = frames()
    place = folder_with(tmp_path, persons.assign(age=30), visits)
    with pytest.raises(ValueError, match="from 18 to 24"):
        records.read(place)
    package = json.loads((place / "datapackage.json").read_text(encoding="utf-8"))
    next(f for f in package["resources"][0]["schema"]["fields"] if f["name"] == "age")["constraints"]["maximum"] = 30
    (place / "datapackage.json").write_text(json.dumps(package), encoding="utf-8")
    assert records.read(place)[0]["age"].to_list() == [30, 30]


def test_the_data_package_describes_every_column_of_every_file():
    for resource in PACKAGE["resources"]:
        header = (DATA / resource["path"]).read_text(encoding="utf-8").splitlines()[0].split(",")
        assert header == [field["name"] for field in resource["schema"]["fields"]]
        assert "SYNTHETIC" in resource["path"]
        assert "SYNTHETIC" in resource["title"]
    assert "SYNTHETIC" in PACKAGE["title"]
    assert PACKAGE["licenses"][0]["name"] == "CC-BY-4.0"


def test_the_data_package_agrees_with_what_the_study_module_states():
    fields = {field["name"]: field for table in records.TABLES for field in RESOURCES[table]["schema"]["fields"]}
    assert fields["wave"]["constraints"]["enum"] == list(study.WAVES)
    assert fields["age"]["constraints"]["minimum"] == study.FACTS["age_min"].value
    assert fields["age"]["constraints"]["maximum"] == study.FACTS["age_max"].value
    for item, words in study.SAI_ITEMS.items():
        assert fields[item]["description"].startswith(words)
        limits = fields[item]["constraints"]
        assert (limits["minimum"], limits["maximum"]) == study.SAI_RANGE
    for item, words in study.INVOLVEMENT_ITEMS.items():
        assert fields[item]["title"].endswith(words)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "a readable JSON file"),
        ("[]", "resources persons and visits"),
        ('{"resources": [{"name": "persons"}]}', "resources persons and visits"),
        (json.dumps(PACKAGE).replace('"primaryKey": ["person", "wave"]', '"primaryKey": ["person"]'), "primary keys"),
        (json.dumps(PACKAGE).replace('"primaryKey"', '"key"'), "schema.primaryKey"),
        (json.dumps(PACKAGE).replace('"inv_8"', '"inv_9"'), "inv_8"),
        (json.dumps(PACKAGE).replace(VISITS, "../" + VISITS), "inside the folder"),
    ],
)
def test_a_broken_data_package_is_named(text, message, tmp_path):
    (tmp_path / "datapackage.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"datapackage\.json.*{message}"):
        records.read(tmp_path)


def test_a_folder_without_a_data_package_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"datapackage\.json: found .*No such file"):
        records.read(tmp_path)


# --- where the data are ---


def test_the_folder_named_by_the_environment_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path))
    assert records.folder() == tmp_path
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="HELPERS_DATA"):
        records.folder()


@pytest.mark.parametrize(
    ("data", "start"), [("data", "."), ("data", "notes/deep"), ("book/data", "."), ("book/data", "book/measures")]
)
def test_the_nearest_folder_upward_is_found(data, start, tmp_path, monkeypatch):
    monkeypatch.delenv("HELPERS_DATA")
    (tmp_path / data).mkdir(parents=True)
    (tmp_path / data / "datapackage.json").write_text("{}", encoding="utf-8")
    (tmp_path / start).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path / start)
    assert records.folder() == tmp_path / data


def test_no_data_upward_is_an_error_that_says_what_to_set(tmp_path, monkeypatch):
    monkeypatch.delenv("HELPERS_DATA")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="set HELPERS_DATA"):
        records.folder()


def test_an_analysis_is_read_with_its_record_from_the_folder_of_the_data(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path))
    (tmp_path / "analyses").mkdir()
    (tmp_path / "analyses" / "curve.csv").write_text("claim,p\ncontact_pda_average,0.25\n")
    (tmp_path / "analyses" / "curve.json").write_text('{"seed": 3}')
    table, about = records.analysis("curve")
    assert table.to_dict("list") == {"claim": ["contact_pda_average"], "p": [0.25]} and about == {"seed": 3}
    with pytest.raises(FileNotFoundError, match=r"nothing\.csv"):
        records.analysis("nothing")
