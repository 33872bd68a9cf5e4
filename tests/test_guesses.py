"""The first guess of a mapping reads back, applies, and finds the columns of common layouts; what it writes is safe."""

import tomllib
from pathlib import Path

import dense
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import mapping, operations
from helpers.__main__ import main
from helpers.files import Table

DATA = Path(__file__).parents[1] / "book" / "data"
WAVES = [0, 3, 6, 12]
OURS = {"has_sponsor": "Sponsor", "contact_days": "contact", "abstinent_days": "abst", "meetings": "mtgs"}
OURS |= {f"sai_{i}": f"ally{i}" for i in range(1, 11)} | {f"inv_{i}": f"inv{i}" for i in range(1, 9)}


def table(name, frame):
    return Table(name, frame.set_axis(range(2, len(frame) + 2)).rename(columns=str))


@pytest.fixture(scope="module")
def cohort():
    persons, visits = (pd.read_csv(DATA / f"{name}-SYNTHETIC.csv") for name in ("persons", "visits"))
    return persons.head(60), visits[visits["person"] <= 60].drop(columns="observed")


def wide(cohort, name):
    """One row a person, the columns of each wave beside each other, called `name(column, wave)`."""
    persons, visits = cohort
    over = visits.rename(columns=OURS).pivot(index="person", columns="wave").dropna(axis=1, how="all")
    over.columns = [name(column, wave) for column, wave in over.columns]
    return persons.merge(over.reset_index(), on="person").rename(columns={"person": "Study ID", "sex": "Gender"})


def guessed(*tables):
    return mapping.of(mapping.guess(tables), "mapping.toml").apply(tables)


def assert_same_visits(made, cohort):
    """Whatever the layout was, the visits that are made hold the numbers of the cohort."""
    _, visits = cohort
    keys = ["person", "wave"]
    made = made["visits"].cells.apply(pd.to_numeric).astype(float).sort_values(keys, ignore_index=True)
    expected = visits.astype(float).sort_values(keys, ignore_index=True)
    assert sorted(made) == sorted(expected)
    blank = expected.drop(columns=keys).isna().all(axis=1)
    pd.testing.assert_frame_equal(made[expected.columns][~blank], expected[~blank])
    missed = ~made.set_index(keys).index.isin(expected[~blank].set_index(keys).index)
    assert made[missed].drop(columns=keys).isna().all(axis=None)


@pytest.mark.parametrize(
    "name",
    [
        lambda column, wave: f"{column}_{wave}m",
        lambda column, wave: f"{column}_t{WAVES.index(wave) + 1}",
        lambda column, wave: f"T{WAVES.index(wave)}_{column}",
        lambda column, wave: f"{column}.m{wave}" if wave else f"{column}.base",
        lambda column, wave: f"{column}_{wave}",
    ],
    ids=["_3m", "_t2", "T1_", ".m3 and .base", "_3"],
)
def test_a_wide_file_is_recognised_however_its_waves_are_told(cohort, name):
    made = guessed(table("wide.csv", wide(cohort, name)))
    assert_same_visits(made, cohort)
    persons = made["persons"].cells
    assert persons["sex"].tolist() == cohort[0]["sex"].tolist()
    assert persons["age"].tolist() == cohort[0]["age"].tolist()


def test_columns_that_pandas_counted_are_waves_too(cohort):
    _, visits = cohort
    first = visits[["person", "wave", "abstinent_days", "meetings"]].pivot(index="person", columns="wave")
    frame = pd.DataFrame({"person": first.index})
    for column, name in (("abstinent_days", "days_abstinent"), ("meetings", "meetings")):
        for i, wave in enumerate(WAVES):
            frame[name + (f".{i}" if i else "")] = first[column][wave].to_numpy()
    made = guessed(table("wide.csv", frame))["visits"].cells
    cells = made.set_index(["person", "wave"]).sort_index()
    for column in ("abstinent_days", "meetings"):
        np.testing.assert_array_equal(cells[column], visits.set_index(["person", "wave"]).sort_index()[column])


def test_a_long_file_is_recognised_with_other_words_and_days_of_use(cohort):
    persons, visits = cohort
    frame = (
        visits.merge(persons, on="person").rename(columns=OURS).rename(columns={"person": "subj", "wave": "Timepoint"})
    )
    frame["Timepoint"] = frame["Timepoint"].map({0: "baseline", 3: "month 3", 6: "month 6", 12: "month 12"})
    frame["Sponsor"] = frame["Sponsor"].map({1: "ja", 0: "nein"}).fillna("")
    frame["days_used"] = frame.pop("window_days") - frame.pop("abst")
    frame["sex"] = frame["sex"].map({"female": "F", "male": "M"})
    made = guessed(table("long.csv", frame))
    made["visits"].cells.loc[made["visits"].cells["abstinent_days"].isna(), "window_days"] = np.nan
    assert_same_visits(made, cohort)
    assert made["persons"].cells["sex"].tolist() == persons["sex"].tolist()


def test_two_files_are_recognised_as_persons_and_visits(cohort):
    persons, visits = cohort
    made = guessed(table("visits.csv", visits), table("persons.csv", persons))
    assert_same_visits(made, cohort)
    assert made["persons"].name == "persons.csv"


def test_a_file_a_wave_is_recognised_by_the_names(cohort):
    persons, visits = cohort
    its = [table(f"month{w}.csv", visits[visits["wave"] == w].drop(columns="wave").merge(persons)) for w in WAVES]
    assert_same_visits(guessed(*its), cohort)


def test_an_item_that_runs_against_the_others_is_turned_round(cohort):
    persons, visits = cohort
    turned = visits.assign(sai_4=8 - visits["sai_4"])
    text = mapping.guess([table("persons.csv", persons), table("visits.csv", turned)])
    assert 'sai_4 = { column = "sai_4", op = "reverse", low = 1, high = 7 }  # ?' in text
    assert text.count("reverse") == 1
    assert_same_visits(guessed(table("persons.csv", persons), table("visits.csv", turned)), cohort)


def test_codes_of_no_answer_are_named_and_asked_about(cohort):
    persons, visits = cohort
    coded = visits.fillna({"meetings": -9, "sai_2": 99})
    text = mapping.guess([table("persons.csv", persons), table("visits.csv", coded)])
    lines = {line.split(" = ")[0]: line for line in text.splitlines()}
    assert "missing = [-9]" in lines["meetings"] and "# ?" in lines["meetings"]
    assert "missing = [99]" in lines['"sai_{item}"']


def test_categories_of_contact_are_recoded_and_unknown_words_left_to_decide():
    frame = pd.DataFrame(
        {
            "id": ["1", "2", "3"],
            "wave": ["3"] * 3,
            "contact": ["daily", "Weekly", "now and then"],
            "pda": ["0.5", "1", "0"],
        }
    )
    frame = pd.concat([frame, frame.assign(wave="6")], ignore_index=True)
    text = mapping.guess([table("long.csv", frame)])
    assert '"daily" = 7' in text and '"now and then" = ""' in text
    made = mapping.of(text, "m").apply([table("long.csv", frame)])["visits"].cells
    np.testing.assert_array_equal(made["contact"], [7, 1, np.nan] * 2)
    np.testing.assert_array_equal(made["pda"], [50, 100, 0] * 2)


def test_labels_of_a_coded_file_say_what_codes_mean():
    frame = pd.DataFrame(
        {"id": ["1", "2"] * 2, "wave": [3, 3, 6, 6], "sex": [1.0, 2.0] * 2, "pda": [5.0, 6.0, 7.0, 8.0]}
    )
    its = Table("study.sav", frame.set_axis(range(2, 6)), labels={"sex": {1.0: "Female", 2.0: "Male"}})
    assert 'values = { "1" = "female", "2" = "male" } }  # by its name' in mapping.guess([its])


def test_what_was_not_recognised_is_said():
    text = mapping.guess([table("odd.csv", pd.DataFrame({"q17": ["a", "b"], "q18": ["c", "c"]}))])
    assert '# sex = "..."  # ? no column looks like it' in text
    assert "no outcome was recognised" in text
    assert "# Not used: q18" in text
    tomllib.loads(text)


def test_waves_that_no_study_has_are_still_written_as_toml():
    frame = pd.DataFrame({"id": ["1", "1"], "wave": [1e308, 0.0], "pda": [5.0, 6.0]})
    tomllib.loads(mapping.guess([table("odd.csv", frame)]))


NAME = st.text(min_size=1, max_size=12) | st.sampled_from(
    ["id", "wave", "x_t1", "x_t2", "y_t1", "y_t2", "sai_1", "sai_2", "{wave}", '"', "a\\"]
)
CELL = st.text(max_size=6) | st.sampled_from(["0", "1", "99", "-9", "", "yes", "3,5"])


@settings(**dense.profile(60))
@given(st.lists(NAME, min_size=1, max_size=6, unique=True), st.data())
def test_any_table_gives_toml_and_no_comment_breaks_its_line(names, data):
    rows = data.draw(st.integers(0, 4))
    frame = pd.DataFrame(
        {n: pd.Series(data.draw(st.lists(CELL, min_size=rows, max_size=rows)), dtype=object) for n in names}
    )
    text = mapping.guess([table("any.csv", frame)])
    assert set(tomllib.loads(text)) <= {"study", "files", "persons", "visits"}


def test_the_command_prints_or_writes_and_never_overwrites_unasked(tmp_path, capsys, cohort):
    persons, visits = cohort
    paths = [tmp_path / "persons.csv", tmp_path / "visits.csv"]
    persons.to_csv(paths[0], index=False)
    visits.to_csv(paths[1], index=False)
    arguments = ["map", *map(str, paths)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    out = tmp_path / "mapping.toml"
    assert main([*arguments, "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8") == printed
    out.write_text("mine")
    assert main([*arguments, "--out", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert main([*arguments, "--out", str(out), "--overwrite"]) == 0
    assert out.read_text(encoding="utf-8") == printed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mapping.toml", "persons.csv", "visits.csv"]


def test_the_command_says_what_is_wrong_with_a_file_in_words(tmp_path, capsys):
    (tmp_path / "bad.csv").write_text("")
    assert main(["map", str(tmp_path / "bad.csv")]) == 2
    assert "bad.csv: found an empty file" in capsys.readouterr().err


def test_a_number_is_read_as_the_head_of_operations_says():
    assert [operations.same(cell) for cell in ("1", "1.0", 1, " Yes ", "yes", None, "NA")] == ["1"] * 3 + [
        "yes"
    ] * 2 + [""] * 2
