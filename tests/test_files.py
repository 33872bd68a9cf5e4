"""Files of every kind: what stands in them comes back as it is, and what could be read in two ways is not guessed."""

import csv
import io
import math
import tracemalloc
import zipfile
from pathlib import Path

import dense
import numpy as np
import openpyxl
import pandas as pd
import pyreadstat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import coded, delimited, files
from helpers.faults import DataError

RANDOM = settings(**dense.profile(60))
FEWER = settings(**dense.profile(15))


def read(path: Path, content: str | bytes) -> pd.DataFrame:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    [table] = files.read(path)
    return table.cells


def fault(path: Path, content: str | bytes) -> str:
    with pytest.raises(DataError) as caught:
        read(path, content)
    return str(caught.value)


# --- text ---


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separator_encoding_and_line_ends_are_found(separator, encoding, end, tmp_path):
    rows = [["person", "town", "x"], ["1", "Köln", "1.5"], ["2", "Orléans", ""]]
    content = end.join(separator.join(row) for row in rows) + end
    cells = read(tmp_path / "a.csv", content.encode(encoding))
    assert cells.index.tolist() == [2, 3]
    assert [list(cells), *cells.to_numpy().tolist()] == rows


def test_rows_are_numbered_as_in_the_file(tmp_path):
    cells = read(tmp_path / "a.csv", '\n\na,b\n1,2\n\n,\n"x\ny",4\n\n')
    assert cells.index.tolist() == [4, 7]
    assert cells["a"].tolist() == ["1", "x\ny"]


def test_a_separator_inside_quotes_or_in_one_row_does_not_mislead(tmp_path):
    cells = read(tmp_path / "a.csv", 'a;b\n"1;2";x,y,z\n3;4\n')
    assert cells.to_numpy().tolist() == [["1;2", "x,y,z"], ["3", "4"]]


def test_two_separators_that_fit_alike_are_not_guessed_between(tmp_path):
    assert "columns separated by ',' or ';'" in fault(tmp_path / "a.csv", "a,b;c\n1,2;3\n")


@pytest.mark.parametrize(
    ("cells", "read_as"),
    [
        (["2,5", "3"], ["2.5", "3"]),
        (["0,250", "1,234"], ["0.250", "1.234"]),  # 0,250 cannot be thousands
        (["1,234", "2,345"], ["1,234", "2,345"]),  # either: left as it is, so that no number column takes it
        (["1,234,567", "2,5"], ["1,234,567", "2,5"]),
        (["2,5", "2.5"], ["2,5", "2.5"]),
        (["2,5", "about 3"], ["2,5", "about 3"]),
        (["-2,5", "", "NA"], ["-2.5", "", "NA"]),
        (["1,5e3", "2"], ["1.5e3", "2"]),
    ],
)
def test_decimal_commas_are_read_where_nothing_else_can_be_meant(cells, read_as, tmp_path):
    got = read(tmp_path / "a.csv", "k;x\n" + "".join(f"1;{cell}\n" for cell in cells))
    assert got["x"].tolist() == read_as
    quoted = read(tmp_path / "b.csv", "k,x\n" + "".join(f'1,"{cell}"\n' for cell in cells))
    assert quoted["x"].tolist() == read_as


def test_every_short_row_is_named_with_its_place(tmp_path):
    said = fault(tmp_path / "a.csv", "a,b,c\n1,2,3\n1,2\n1,2,3\n1,2,3,4\n")
    assert "row 3: found 2 cells; expected 3 cells" in said and "row 5: found 4 cells" in said
    assert said.startswith("2 problems")


CELL = st.text(st.sampled_from('abc 012.,;|\t"\n\r=ä'), max_size=6)


@RANDOM
@given(st.integers(2, 4).flatmap(lambda k: st.lists(st.lists(CELL, min_size=k, max_size=k), min_size=1, max_size=6)))
def test_cells_come_back_as_the_csv_module_wrote_them(tmp_path, rows):
    header = [f"c{i}" for i in range(len(rows[0]))]
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([header, *rows])
    filled = [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]
    if not filled:
        assert "a header only" in fault(tmp_path / "a.csv", written.getvalue())
        return
    try:
        got = read(tmp_path / "a.csv", written.getvalue()).to_numpy().tolist()
    except DataError as error:
        assert "decimal" in str(error)
        return
    for told, cells in zip(got, filled, strict=True):
        for one, cell in zip(told, cells, strict=True):
            assert one == cell.replace("\r\n", "\n") or one == cell or one == cell.replace(",", ".")


@RANDOM
@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=6), st.sampled_from([",", ";", "\t"]))
def test_the_fast_way_and_the_slow_way_split_alike(rows, separator):
    rows = [[cell.replace("\r", "") for cell in row] for row in rows]  # a return without quotes ends a row
    written = io.StringIO()
    csv.writer(written, delimiter=separator, lineterminator="\n").writerows([["a", "b", "c"], *rows])
    data = written.getvalue().encode()
    fast, slow = (way("x", data, 1, separator, 3) for way in (delimited._split, delimited._slowly))
    for one, other in zip(fast, slow, strict=True):
        assert [one[1][code] for code in one[0]] == [other[1][code] for code in other[0]]


# --- numbers, in every format ---

WHOLE = st.one_of(st.none(), st.integers(-(2**53), 2**53))
FLOAT = WHOLE | st.floats(allow_nan=False, allow_infinity=False, width=64)
FLOAT_OF_EXCEL = WHOLE | st.floats(-9.99999999999999e307, 9.99999999999999e307, width=64)


def tables(cell):
    """Rows of two cells, one at least filled."""
    rows = st.lists(st.tuples(cell, cell), min_size=1, max_size=8)
    return rows.filter(lambda rows: any(value is not None for value in sum(rows, ())))


def same(cells: pd.DataFrame, rows: list[tuple]) -> None:
    kept = [row for row in rows if any(value is not None for value in row)]
    for told, values in zip(cells.to_numpy().tolist(), kept, strict=True):
        for one, value in zip(told, values, strict=True):
            if value is None:
                assert one == "" or math.isnan(one)
            else:
                assert float(one) == float(value)


@RANDOM
@given(tables(FLOAT))
def test_numbers_of_text_come_back_to_the_last_digit(tmp_path, rows):
    text = "a;b\n" + "".join(";".join("" if v is None else repr(v) for v in row) + "\n" for row in rows)
    same(read(tmp_path / "a.csv", text), rows)


@FEWER
@given(tables(FLOAT_OF_EXCEL))
def test_numbers_of_excel_come_back_to_the_last_digit(tmp_path, rows):
    book = openpyxl.Workbook()
    # openpyxl writes sixteen digits of a float; Excel itself shows fifteen, and holds none above 9.99999999999999E+307.
    rows = [[float(f"{value:.16g}") if isinstance(value, float) else value for value in row] for row in rows]
    for row in [("a", "b"), *rows]:
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    [table] = files.read(tmp_path / "a.xlsx")
    same(table.cells, rows)


@FEWER
@given(tables(FLOAT))
def test_numbers_of_parquet_come_back_to_the_last_digit(tmp_path, rows):
    frame = pd.DataFrame(rows, columns=["a", "b"], dtype="float64")
    frame.to_parquet(tmp_path / "a.parquet")
    [table] = files.read(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(table.cells, frame.set_axis(range(2, len(rows) + 2)))


@FEWER
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.sampled_from(["x", "", "ü"])), min_size=1, max_size=8))
@pytest.mark.parametrize("ending", ["dta", "sav"])
def test_numbers_and_text_of_stata_and_spss_come_back(tmp_path, ending, rows):
    frame = pd.DataFrame(rows, columns=["a", "b"])
    path = tmp_path / f"a.{ending}"
    (pyreadstat.write_dta if ending == "dta" else pyreadstat.write_sav)(frame, str(path))
    table = coded.arrow(path)  # what the other process does
    assert table.column(0).to_pylist() == frame["a"].tolist()
    assert table.column(1).to_pylist() == frame["b"].tolist()


def test_codes_stay_numbers_and_their_labels_stand_beside(tmp_path):
    frame = pd.DataFrame({"sex": [1.0, 2.0, np.nan], "n": [1.0, -99.0, 3.0]})
    labels = {"sex": {1: "Female", 2: "Male"}}
    pyreadstat.write_sav(frame, str(tmp_path / "a.sav"), variable_value_labels=labels, missing_ranges={"n": [-99]})
    [table] = files.read(tmp_path / "a.sav")
    assert table.labels == labels
    np.testing.assert_array_equal(table.cells["sex"], [1, 2, np.nan])
    np.testing.assert_array_equal(table.cells["n"], [1, np.nan, 3])
    assert table.cells.index.tolist() == [2, 3, 4]


def test_sheets_are_tables_and_keep_the_rows_of_the_sheet(tmp_path):
    book = openpyxl.Workbook()
    book.active.title = "one"
    for row in ([], ["a", "b"], [1, "x"], [], [2, True]):
        book.active.append(row)
    book.create_sheet("two").append(["c"])
    book["two"].append([3])
    book.create_sheet("blank")
    book.save(tmp_path / "a.xlsx")
    one, two = files.read(tmp_path / "a.xlsx")
    assert [one.name, two.name] == ["a.xlsx, sheet one", "a.xlsx, sheet two"]
    assert one.cells.index.tolist() == [3, 5]
    assert one.cells["a"].tolist() == [1, 2] and one.cells["b"].tolist() == ["x", "true"]


def test_a_formula_counts_by_its_stored_value_and_without_one_is_named(tmp_path):
    book = openpyxl.Workbook()
    for row in (["a", "b"], [1, "=A2+1"]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")  # openpyxl stores no value with a formula
    with pytest.raises(DataError, match=r"row 2, column b: found '=A2\+1; expected a value"):
        files.read(tmp_path / "a.xlsx")
    with zipfile.ZipFile(tmp_path / "a.xlsx") as old, zipfile.ZipFile(tmp_path / "b.xlsx", "w") as new:
        for member in old.infolist():
            part = old.read(member).replace(b"<f>A2+1</f><v></v>", b"<f>A2+1</f><v>2</v>")
            new.writestr(member, part.replace(b"<f>A2+1</f><v />", b"<f>A2+1</f><v>2</v>"))
    [table] = files.read(tmp_path / "b.xlsx")
    assert table.cells["b"].tolist() == [2]


# --- bounds ---


def test_a_line_without_an_end_is_refused_before_it_is_in_memory(tmp_path):
    with (tmp_path / "a.csv").open("wb") as file:
        file.write(b"a,b\n")
        file.truncate(290_000_000)
    tracemalloc.start()
    with pytest.raises(DataError, match=r"row 2: found a line of more than 1,000,000 bytes"):
        files.read(tmp_path / "a.csv")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


def test_a_reader_that_crashes_or_never_ends_is_a_fault_of_the_file(tmp_path, monkeypatch):
    path = tmp_path / "a.sav"
    pyreadstat.write_sav(pd.DataFrame({"a": [1.0]}), str(path))
    monkeypatch.setattr(coded, "CHILD", "import os; os.abort()")
    with pytest.raises(DataError, match="its reader crashed"):
        files.read(path)
    monkeypatch.setattr(coded, "CHILD", "import time; time.sleep(60)")
    monkeypatch.setattr(coded, "SECONDS", 0.2)
    with pytest.raises(DataError, match="no end of it"):
        files.read(path)


def test_only_files_without_code_in_them_are_known():
    assert set(files.READERS) == {".csv", ".tsv", ".tab", ".txt", ".xlsx", ".parquet", ".dta", ".sav"}
    for module in ("files", "coded", "delimited", "records", "contract", "oddities", "faults"):
        source = (Path(files.__file__).parent / f"{module}.py").read_text(encoding="utf-8")
        assert not any(word in source for word in ("import pickle", "read_pickle", "eval(", "exec(", "joblib"))
