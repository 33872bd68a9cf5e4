"""A reader's own study: what is received, what is said about it, and what is kept, from odd inputs to random ones."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import dense
import malformed
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import contract, faults, records
from helpers.__main__ import main

DATA = Path(__file__).parents[1] / "book" / "data"
RANDOM = settings(**dense.profile(25))


@pytest.fixture(autouse=True)
def committed_data(monkeypatch):
    monkeypatch.setenv("HELPERS_DATA", str(DATA))


@pytest.fixture
def sound(tmp_path) -> list[Path]:
    return malformed.write(tmp_path, *malformed.study())


def received(tmp_path: Path, persons: pd.DataFrame, visits: pd.DataFrame) -> records.Received:
    return records.receive(malformed.write(tmp_path, persons, visits))


# --- the corpus ---


@pytest.mark.parametrize("name", malformed.CORPUS)
def test_an_odd_input_ends_as_expected_and_says_why(name, tmp_path):
    code, said = malformed.check(name, tmp_path)
    expected = malformed.CORPUS[name]
    assert re.search(expected.says, said), said
    assert code == expected.code, said
    assert all(letter.isprintable() or letter == "\n" for letter in said)


def test_the_corpus_is_as_large_as_promised():
    assert len(malformed.CORPUS) >= 60


@pytest.mark.parametrize("name", ["negative days", "a formula", "e-mail addresses", "binary", "mixed encodings"])
def test_the_same_is_told_to_machines(name, tmp_path):
    code, said = malformed.check(name, tmp_path, "--json")
    told = json.loads(said)
    assert list(told) == [
        "files",
        "persons",
        "visits",
        "waves",
        "outcomes",
        "predictors",
        "columns",
        "errors",
        "warnings",
    ]
    assert (code == 2) == bool(told["errors"]) == (told["persons"] is None)
    for problem in told["errors"] + told["warnings"]:
        assert list(problem) == [*faults.COLUMNS, "count"]
        assert all(isinstance(problem[key], int) for key in ("row", "count"))


# --- a sound study ---


def test_a_sound_study_is_received_as_it_stands_in_the_files(sound):
    got = records.receive(sound)
    persons, visits = malformed.study()
    assert got.errors.empty and got.warnings.empty
    assert got.sources == ("persons.csv", "visits.csv")
    for frame, text in ((got.persons, persons), (got.visits.drop(columns="observed"), visits)):
        assert list(frame) == list(text)
        for column in text:
            if column != "sex":
                np.testing.assert_array_equal(frame[column], pd.to_numeric(text[column].replace("", None)))
    assert got.persons["sex"].tolist() == persons["sex"].tolist()
    assert got.visits[["person", "wave", "observed"]].dtypes.astype(str).tolist() == ["int64"] * 3


def test_the_package_says_whose_data_they_are_and_which_columns_there_are(sound):
    package = records.receive(sound).package
    assert package["title"] == "your data: persons.csv, visits.csv, 24 people"
    assert "YOURS" in package["keywords"] and "SYNTHETIC" not in json.dumps(package)
    persons, visits = package["resources"]
    assert [persons["path"], visits["path"]] == ["persons.csv", "visits.csv"]
    fields = {field["name"]: field for field in visits["schema"]["fields"]}
    assert list(fields) == ["person", "wave", "observed", "has_sponsor", "contact_days", *malformed.SAI, "meetings",
                            "window_days", "abstinent_days", "involvement"]  # fmt: skip
    assert fields["wave"]["constraints"]["enum"] == [0, 3, 6]
    assert not any({"yours", "optional"} & set(field) for field in fields.values())


def test_what_is_kept_is_read_back_like_the_shipped_cohort(sound, tmp_path, monkeypatch):
    got = records.receive(sound)
    records.deposit(got, tmp_path / "study")
    assert sorted(path.name for path in (tmp_path / "study").iterdir()) == [
        "datapackage.json",
        "persons.csv",
        "visits.csv",
    ]
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path / "study"))
    persons, visits = records.read()
    pd.testing.assert_frame_equal(persons, got.persons)
    pd.testing.assert_frame_equal(visits, got.visits)
    records.check(persons, visits)
    # The book's own definition is found still, to receive the next.
    assert records.receive(tmp_path / "study").errors.empty


def test_no_id_of_theirs_is_kept(tmp_path):
    persons, visits = malformed.study()
    for frame in (persons, visits):
        frame["person"] = "secret-" + frame["person"]
    got = received(tmp_path, persons.iloc[::-1], visits)
    assert got.persons["person"].iloc[0] == "secret-24"
    records.deposit(got, tmp_path / "study")
    assert all(b"secret" not in path.read_bytes() for path in (tmp_path / "study").iterdir())
    kept, rows = records.read(tmp_path / "study")
    assert kept["person"].tolist() == list(range(1, 25))
    first = rows.loc[rows["person"] == 1, "meetings"].astype(int).astype(str).tolist()
    assert first == visits.loc[visits["person"] == "secret-24", "meetings"].tolist()


def test_a_folder_that_holds_anything_is_not_written_into(sound, tmp_path):
    got = records.receive(sound)
    with pytest.raises(FileExistsError, match="not empty"):
        records.deposit(got, tmp_path)
    (tmp_path / "empty").mkdir()
    records.deposit(got, tmp_path / "empty")
    assert len(list((tmp_path / "empty").iterdir())) == 3


def test_a_deposit_that_fails_half_way_leaves_nothing(sound, tmp_path):
    got = records.receive(sound)
    got.package["study"] = {"waves": float("nan")}  # no JSON: the last of the three files cannot be written
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match="JSON"):
        records.deposit(got, tmp_path / "study")
    assert sorted(tmp_path.iterdir()) == before


def test_what_has_errors_is_not_kept(tmp_path):
    got = records.receive(malformed.CORPUS["negative days"].write(tmp_path))
    assert got.persons is None and got.visits is None and got.package is None
    with pytest.raises(records.DataError, match="found -3"):
        records.deposit(got, tmp_path / "study")


def test_the_shipped_cohort_is_received_as_it_is_read():
    persons, visits = records.read(DATA)
    got = records.receive(DATA)
    assert got.errors.empty
    pd.testing.assert_frame_equal(got.persons, persons, check_dtype=False)
    pd.testing.assert_frame_equal(got.visits, visits)


# --- what is widened for a reader ---


def test_missing_rows_are_added_as_missed_visits_and_rows_are_put_in_order(tmp_path):
    persons, visits = malformed.study()
    got = received(tmp_path, persons, visits.drop(index=[2, 40]).sample(frac=1, random_state=3))
    assert got.errors.empty
    assert got.visits["person"].tolist() == [n for n in range(1, 25) for _ in range(3)]
    assert got.visits["wave"].tolist() == [0, 3, 6] * 24
    missed = got.visits[got.visits["observed"] == 0]
    assert missed.index.tolist() == [2, 40]
    assert missed.drop(columns=["person", "wave", "observed"]).isna().all(axis=None)


def test_a_row_without_answers_counts_as_missed_unless_the_file_says_it_was_observed(tmp_path):
    persons, visits = malformed.study()
    visits.loc[4, visits.columns[2:]] = ""
    assert received(tmp_path, persons, visits).visits["observed"].tolist().count(0) == 1
    got = received(tmp_path, persons, visits.assign(observed="1"))
    assert got.errors.empty and (got.visits["observed"] == 1).all()


@pytest.mark.parametrize(
    "scores",
    [
        {"contact": "3.5", "alliance": "5.25", "attendance": "2.5", "involvement": "3", "pda": "66.7"},
        {"pda": "66.7"},
        {"inv_1": "1", "inv_2": "0", "inv_3": "1"},
    ],
)
def test_a_study_of_scores_or_of_one_outcome_alone_is_received(scores, tmp_path):
    persons, visits = malformed.study()
    visits = visits[["person", "wave"]].assign(**scores)
    visits["wave"] = visits["wave"].map({"0": "1", "3": "6", "6": "24"})
    got = received(tmp_path, persons, visits)
    assert got.errors.empty
    assert list(got.visits) == ["person", "wave", "observed", *scores]
    for column, value in scores.items():
        assert (got.visits[column] == float(value)).all()
    records.deposit(got, tmp_path / "study")
    pd.testing.assert_frame_equal(records.read(tmp_path / "study")[1], got.visits)


def test_a_score_out_of_its_range_is_named(tmp_path):
    persons, visits = malformed.study()
    visits = visits[["person", "wave"]].assign(contact="7.5", alliance="7.5", attendance="22", pda="100.5")
    found = received(tmp_path, persons, visits).errors
    assert found.groupby("column")["count"].sum().to_dict() == dict.fromkeys(
        ("alliance", "attendance", "contact", "pda"), 72
    )


def test_answers_about_a_sponsor_at_entry_are_left_out_and_said(tmp_path):
    persons, visits = malformed.study()
    visits.loc[visits["wave"] == "0", "has_sponsor"] = "0"
    got = received(tmp_path, persons, visits)
    assert got.errors.empty
    assert got.warnings.loc[got.warnings["column"] == "has_sponsor", "count"].sum() == 24
    assert got.visits.loc[got.visits["wave"] == 0, "has_sponsor"].isna().all()


def test_no_days_of_contact_without_a_sponsor_are_blank_and_said(tmp_path):
    persons, visits = malformed.study()
    none = visits["has_sponsor"] == "0"
    visits.loc[none, "contact_days"] = "0"
    got = received(tmp_path, persons, visits)
    assert got.errors.empty and none.any()
    assert got.visits.loc[none.to_numpy(), "contact_days"].isna().all()
    assert got.warnings.loc[got.warnings["column"] == "contact_days", "count"].sum() == none.sum()


def test_words_for_yes_and_no_are_read_alike_in_any_spelling(tmp_path, sound):
    plain = records.receive(sound)
    (tmp_path / "words").mkdir()
    got = records.receive(malformed.CORPUS["true and false in five spellings"].write(tmp_path / "words"))
    pd.testing.assert_frame_equal(got.visits, plain.visits)


# --- problems ---


def test_every_problem_of_both_files_is_told_at_once(tmp_path):
    persons, visits = malformed.study()
    persons.loc[0, "age"] = "old"
    visits.loc[1, ["meetings", "abstinent_days"]] = ["-1", "91"]
    visits.loc[5, "person"] = "900"
    found = received(tmp_path, persons, visits).errors
    assert found[["file", "row", "column"]].to_numpy().tolist() == [
        ["persons.csv", 2, "age"],
        ["visits.csv", 3, "meetings"],
        ["visits.csv", 3, "abstinent_days"],
        ["visits.csv", 7, "person"],
    ]


def test_a_fault_of_each_of_several_files_is_told(tmp_path):
    paths = malformed.write(tmp_path, b"", b"\0")
    assert records.receive([*paths, tmp_path / "no.csv"]).errors["file"].tolist() == [
        "persons.csv",
        "visits.csv",
        "no.csv",
    ]


def test_a_problem_of_very_many_rows_is_one_group_with_its_count(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(records, "KEPT", 10)
    persons, visits = malformed.study()
    paths = malformed.write(tmp_path, persons, visits.assign(meetings="-1"))
    found = records.receive(paths).errors
    assert len(found) == 10 and found["count"].sum() == 72
    assert main(["check", *map(str, paths)]) == 2
    said = capsys.readouterr().out
    assert "found -1 in rows 2, 3, 4, 5, 6, and 67 more" in said
    assert said.startswith("1 error:")


def test_warnings_end_with_zero_unless_strict(tmp_path):
    paths = [str(path) for path in malformed.CORPUS["one wave"].write(tmp_path)]
    assert main(["check", *paths]) == 0
    assert main(["check", *paths, "--strict"]) == 1


def test_a_bar_or_a_broken_letter_never_ends_the_check(tmp_path):
    paths = malformed.CORPUS["figures of another script"].write(tmp_path)
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-m", "helpers", "check", *paths], capture_output=True, env=environment)
    assert done.returncode == 2 and b"row 3: ?" in done.stdout and b"Traceback" not in done.stderr


# --- random inputs ---


@RANDOM
@given(st.binary(max_size=400), st.binary(max_size=400), st.sampled_from([".csv", ".txt", ".tsv", ".xlsx", ".parquet"]))
def test_random_bytes_never_end_in_a_traceback(tmp_path, first, second, ending):
    paths = [tmp_path / f"a{ending}", tmp_path / f"b{ending}"]
    for path, content in zip(paths, (first, second), strict=True):
        path.write_bytes(content)
    assert main(["check", *map(str, paths), "--json"]) in (0, 2)


ODD = [
    "",
    "0",
    "1",
    "7",
    "90",
    "-1",
    "1e9",
    "NA",
    "yes",
    "=1",
    "x",
    "1,5",
    "\N{SNOWMAN}",
    "1e400",
    "nan",
    "inf",
    " 3 ",
    '"',
    "a\nb",
]


@RANDOM
@given(st.data())
def test_random_cells_are_kept_exactly_or_refused(tmp_path, data):
    persons, visits = malformed.study(people=4)
    columns = data.draw(st.lists(st.sampled_from(list(visits)), max_size=3, unique=True))
    for column in columns:
        visits[column] = data.draw(st.lists(st.sampled_from(ODD), min_size=len(visits), max_size=len(visits)))
    got = received(tmp_path, persons, visits)
    assert (got.persons is None) == bool(len(got.errors))
    if got.visits is None:
        return
    for column in visits.columns[4:]:
        text = visits.set_index([visits["person"].astype(int), visits["wave"].astype(float).astype(int)])[column]
        kept = got.visits.set_index(["person", "wave"])[column].reindex(text.index)
        for told, value in zip(text.str.strip(), kept, strict=True):
            if np.isnan(value):
                assert told in ("", "NA", "nan") or column.startswith(("contact", "sai_"))
            else:
                assert float(told) == value


def test_a_definition_that_describes_a_readers_study_is_not_taken_for_the_books(sound, tmp_path, monkeypatch):
    records.deposit(records.receive(sound), tmp_path / "study")
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path / "study"))
    monkeypatch.chdir(tmp_path)
    assert contract.definition()["name"] == "helpers-synthetic-cohort"


def test_personal_data_are_told_of_though_a_mapping_leaves_their_column_aside(tmp_path):
    rows = [f"{person};{wave};{50 + person};f;20;{'ann@example.org' if person == 2 else ''}" for person in (1, 2, 3)
            for wave in (0, 3)]  # fmt: skip
    (tmp_path / "all.csv").write_text("\n".join(["who;when;dry;sex;age;note", *rows]))
    (tmp_path / "mapping.toml").write_text(
        '[persons]\nperson = "who"\nsex = { column = "sex", values = { f = "female" } }\nage = "age"\n'
        '[visits]\nwave = "when"\npda = "dry"\n'
    )
    received = records.receive(tmp_path)
    assert not len(received.errors), received.errors
    told = received.warnings[received.warnings["column"] == "note"]
    assert told[["file", "row", "value"]].to_numpy().tolist() == [["all.csv", 4, "what looks like an e-mail address"]]
