"""The data contract: find, read and check the two files of a study, and say plainly what is wrong with them.

`datapackage.json` (Frictionless Table Schema) is the one definition of names, types, ranges, allowed values and keys;
the pandera schemas are made from it. Rules that join columns or files stand in `_rules`, one line each.
The truth a synthetic cohort was made from is never read here.
"""

import csv
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa

from helpers import study

TABLES = ("persons", "visits")
SHOWN = 1000  # problems spelled out in a message; `DataError.problems` holds all of them
MEETINGS_A_DAY = 3  # more meetings than this on every day of the window is taken for a slip
COLUMNS = ["file", "row", "column", "value", "expected", "mend"]  # of a frame of problems
WHOLE = r"[+-]?[0-9]{1,15}(?:\.0*)?"  # 7, also 7.0 as pandas writes a column with blanks
NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?"

# What a visit asks, so blank at a missed one
ANSWERS = ("has_sponsor", "contact_days", *study.SAI_ITEMS, *study.INVOLVEMENT_ITEMS)
ANSWERS += ("meetings", "window_days", "abstinent_days")
KEYS = {"persons": ["person"], "visits": ["person", "wave"]}
NEEDED = {"persons": ("person", "sex", "age"), "visits": ("person", "wave", "observed", *ANSWERS)}


class DataError(ValueError):
    """Files that break the contract; the message lists every problem.

    `problems` holds them as a frame: file, row (as in the file: header 1, first data row 2; 0 if the whole file is
    meant), column, value, expected, mend.
    """

    def __init__(self, problems: pd.DataFrame):
        self.problems = problems
        lines = [f"{len(problems):,} problem{'s' if len(problems) > 1 else ''} in the data:"]
        for file, row, column, value, words, mend in problems.head(SHOWN)[COLUMNS].itertuples(index=False, name=None):
            place = file + (f", row {row}" if row else "") + (f", column {column}" if column else "")
            lines.append(f"{place}: found {value}; expected {words}; {mend}")
        lines += [f"... and {len(problems) - SHOWN:,} more"] if len(problems) > SHOWN else []
        super().__init__("\n".join(lines))


def folder() -> Path:
    """The folder that holds the study's files: `HELPERS_DATA`, else the nearest one upward with a data package.

    Looked for in the working directory and each of its parents: `data/datapackage.json`, `book/data/datapackage.json`.
    Raises FileNotFoundError if `HELPERS_DATA` is not a folder, or no data package lies upward.
    """
    if named := os.environ.get("HELPERS_DATA"):
        if not Path(named).is_dir():
            raise FileNotFoundError(f"HELPERS_DATA is {named!r}, which is not a folder: set it to the data's folder")
        return Path(named)
    here = Path.cwd()
    for place in (here, *here.parents):
        for data in (place / "data", place / "book" / "data"):
            if (data / "datapackage.json").is_file():
                return data
    raise FileNotFoundError(f"no data/datapackage.json in {here} or above: set HELPERS_DATA to the data's folder")


def analysis(name: str) -> tuple[pd.DataFrame, dict]:
    """A result that `make analyses` computed, as it was committed: its table, and its record (seeds, sizes, versions).

    Raises FileNotFoundError if the data's folder holds no such result.
    """
    place = folder() / "analyses"
    return pd.read_csv(place / f"{name}.csv"), json.loads((place / f"{name}.json").read_text("utf-8"))


def contract(folder: Path | str | None = None) -> dict[str, dict]:
    """The resources of the folder's datapackage.json by name ("persons", "visits", ...), as the file states them.

    Raises DataError if the file is missing or is not JSON, or lacks a table or a column this package works with.
    """
    path = _place(folder) / "datapackage.json"
    try:
        resources = {resource["name"]: resource for resource in json.loads(path.read_text("utf-8"))["resources"]}
        fields = {table: {field["name"] for field in resources[table]["schema"]["fields"]} for table in TABLES}
        keys = {table: resources[table]["schema"]["primaryKey"] for table in TABLES}
        files = [path.parent / resources[table]["path"] for table in TABLES]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise _fault(path.name, "", str(error), "a readable JSON file", "restore the data package") from error
    except (KeyError, TypeError) as error:
        words = "resources persons and visits, each with path, schema.fields and schema.primaryKey"
        raise _fault(path.name, "", repr(error), words, "restore the data package") from error
    if keys != KEYS:
        raise _fault(path.name, "", f"primary keys {keys}", f"primary keys {KEYS}", "mend schema.primaryKey")
    if outside := [file.name for file in files if path.parent.resolve() not in file.resolve().parents]:
        raise _fault(path.name, "", ", ".join(outside), "paths inside the folder", "mend the paths")
    for table in TABLES:
        if lacking := [name for name in NEEDED[table] if name not in fields[table]]:
            raise _fault(path.name, ", ".join(lacking), "absent", f"fields of {table}", "add them")
    return resources


def read(folder: Path | str | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The two files of a folder (default: `folder()`), checked, with the contract's columns in its order.

    persons has one row a person; visits one row a person and wave, where a missed visit keeps its row with blank
    answers. Required whole numbers are int64, those that may be blank float64 with NaN.
    Raises DataError, a ValueError that lists every problem of both files.
    """
    place = _place(folder)
    resources = contract(place)
    cells, faults = {}, []
    for table in TABLES:
        try:
            cells[table] = _cells(place / resources[table]["path"], resources[table])
        except DataError as fault:
            faults.append(fault.problems)
    if faults:
        raise DataError(pd.concat(faults, ignore_index=True))
    frames, found = _examine(cells, resources)
    if len(found):
        raise DataError(found)
    persons, visits = (frames[table].astype(_whole(resources[table])).reset_index(drop=True) for table in TABLES)
    return persons, visits


def check(persons: pd.DataFrame, visits: pd.DataFrame) -> None:
    """Raise DataError if the two frames break the contract; rows are counted as in a file (the first data row is 2)."""
    if len(found := problems(persons, visits)):
        raise DataError(found)


def problems(persons: pd.DataFrame, visits: pd.DataFrame) -> pd.DataFrame:
    """Every way in which the two frames break the contract, one row a problem; no rows if they are sound.

    Columns file, row, column, value, expected, mend, as in `DataError`; sorted by file, row and column. Values are
    checked by pandera against datapackage.json; the rules that join columns or files are those of `_rules`.
    """
    resources = contract()
    frames = {"persons": persons, "visits": visits}
    faults = []
    for table, frame in frames.items():
        faults += _header(resources[table]["path"], [str(column) for column in frame], _names(resources[table]))
    faults += [_no_rows(resources[table]["path"]) for table in TABLES if frames[table].empty]
    if faults:
        return _listed(faults)
    numbered = {table: frame.set_axis(range(2, len(frame) + 2)) for table, frame in frames.items()}
    return _examine(numbered, resources)[1]


def schema(table: str, resources: dict[str, dict] | None = None) -> pa.DataFrameSchema:
    """The pandera schema of `table` ("persons" or "visits"), made from datapackage.json.

    Written out here because pandera's own `from_frictionless_schema` needs the frictionless package, reads whole
    numbers that may be blank as `int` (which cannot be blank), and allowed values as categories.
    """
    definition = (resources or contract())[table]["schema"]
    columns = {field["name"]: _column(field) for field in definition["fields"]}
    return pa.DataFrameSchema(columns, unique=definition.get("primaryKey"), strict=True)


def _column(field: dict) -> pa.Column:
    """One field of a Table Schema as a pandera column."""
    limits = field.get("constraints", {})
    kinds = {"minimum": pa.Check.ge, "maximum": pa.Check.le, "enum": pa.Check.isin}
    checks = [kind(limits[name]) for name, kind in kinds.items() if name in limits]
    if field["type"] == "integer":
        checks.append(pa.Check(lambda values: values % 1 == 0, name="whole"))
    return pa.Column(None, checks, nullable=not limits.get("required", False))


def expected(field: dict) -> str:
    """What a field may hold, in words: "a whole number from 1 to 7, or blank"."""
    limits = field.get("constraints", {})
    words = {"integer": "a whole number", "number": "a number"}.get(field["type"], "text")
    if "enum" in limits:
        words = "one of " + ", ".join(map(str, limits["enum"]))
    elif "minimum" in limits and "maximum" in limits:
        words += f" from {limits['minimum']} to {limits['maximum']}"
    elif "minimum" in limits:
        words += f" of {limits['minimum']} or more"
    elif "maximum" in limits:
        words += f" of {limits['maximum']} or less"
    return words if limits.get("required") else f"{words}, or blank"


def _rules(persons: pd.DataFrame, visits: pd.DataFrame) -> Iterator[tuple[str, str, pd.Series, str, str]]:
    """The rules that join columns or files: (table, column, which rows break it, expected, how to mend)."""
    stranger = visits["person"].notna() & ~visits["person"].isin(persons["person"])
    yield "visits", "person", stranger, "a person of the persons file", "add the person there, or correct the number"
    for wave in study.WAVES:
        lacking = persons["person"].notna() & ~persons["person"].isin(visits["person"][visits["wave"] == wave])
        mend = "add it, with observed 0 and blank answers if it was missed"
        yield "persons", "person", lacking, f"a row in the visits file at wave {wave}", mend

    missed = visits["observed"] == 0
    for column in ANSWERS:
        yield "visits", column, missed & visits[column].notna(), "blank, as observed is 0", "clear it, or mend observed"
    unasked = ~missed & (visits["wave"] == 0) & visits["has_sponsor"].notna()
    yield "visits", "has_sponsor", unasked, "blank, as it was not asked at wave 0", "clear it"
    alone = ~missed & (visits["has_sponsor"] != 1)
    for column in ("contact_days", *study.SAI_ITEMS):
        mend = "clear it, or mend has_sponsor"
        yield "visits", column, alone & visits[column].notna(), "blank, as has_sponsor is not 1", mend

    window = visits["window_days"]
    for column, most, words in (
        ("contact_days", window, "at most window_days"),
        ("abstinent_days", window, "at most window_days"),
        ("meetings", MEETINGS_A_DAY * window, f"at most {MEETINGS_A_DAY} a day of window_days"),
    ):
        yield "visits", column, visits[column] > most, words, f"correct {column} or window_days"
    counted = ~missed & visits[["contact_days", "meetings", "abstinent_days"]].notna().any(axis=1)
    mend = "give the length of the window"
    yield "visits", "window_days", counted & window.isna(), "a value, as days or meetings are given", mend


def _examine(cells: dict[str, pd.DataFrame], resources: dict) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Typed frames and their problems. In: a frame of text or numbers a table, indexed by row in the file."""
    frames, found = {}, []
    for table in TABLES:
        frames[table], unreadable = _typed(cells[table], resources[table])
        found += [(table, column, rows, None, "") for column, rows in unreadable]
        found += _violations(frames[table], table, resources)
    for table, column, broken, words, mend in _rules(frames["persons"], frames["visits"]):
        found.append((table, column, frames[table].index[broken], words, mend))

    parts = [_problems(cells[table], resources[table], *rest) for table, *rest in found if len(rest[1])]
    listed = pd.concat([_listed([]), *parts], ignore_index=True)
    # One cell may fail several checks of its field (9.5 where 1 to 7 is allowed): it is listed once for the field.
    listed = listed.drop_duplicates(["file", "row", "column", "expected"])
    place = {column: i for i, column in enumerate(column for table in TABLES for column in _names(resources[table]))}
    rank = listed["column"].str.split(",").str[0].map(place)
    listed = listed.assign(rank=rank).sort_values(["file", "row", "rank"], kind="stable", ignore_index=True)
    return frames, listed[COLUMNS]


def _violations(frame: pd.DataFrame, table: str, resources: dict) -> list[tuple]:
    """What pandera finds: (table, column, rows, expected or None for the field's own words, mend)."""
    try:
        schema(table, resources).validate(frame, lazy=True)
        return []
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases
    repeated = cases["check"] == "multiple_fields_uniqueness"
    key = ", ".join(resources[table]["schema"]["primaryKey"])
    rows = [(table, column, part["index"].astype(int), None, "") for column, part in cases[~repeated].groupby("column")]
    twice = cases.loc[repeated, "index"].astype(int).unique()
    return [*rows, (table, key, twice, f"one row a {key.replace(', ', ' and ')}", "keep one of the rows")]


def _problems(
    cells: pd.DataFrame, resource: dict, column: str, rows: Sequence[int], words: str | None, mend: str
) -> pd.DataFrame:
    """Problems of one column (or of a key, "person, wave") as a frame. `words` None: what the field may hold."""
    if words is None:
        words = expected(next(field for field in resource["schema"]["fields"] if field["name"] == column))
    cell = cells.loc[list(rows), column.split(", ")].map(_text)
    value = cell.iloc[:, 0].str.cat([cell[c] for c in cell.columns[1:]], sep=", ").to_numpy()
    mend = mend or np.where(value == "blank", "give the value", "correct the value")
    return pd.DataFrame(
        {"file": resource["path"], "row": list(rows), "column": column, "value": value, "expected": words, "mend": mend}
    )


def _typed(cells: pd.DataFrame, resource: dict) -> tuple[pd.DataFrame, list[tuple[str, pd.Index]]]:
    """Numbers as float, text as it is, missing codes as NaN; and the rows of each column that cannot be read so."""
    typed, unreadable = {}, []
    missing = resource["schema"].get("missingValues", [""])
    for field in resource["schema"]["fields"]:
        name, column = field["name"], cells[field["name"]]
        if field["type"] not in ("integer", "number"):
            typed[name] = column.astype(object).mask(column.isin(missing), None)
            continue
        if not pd.api.types.is_numeric_dtype(column):
            pattern = WHOLE if field["type"] == "integer" else NUMBER
            # Each distinct cell is read once: a column of a million rows holds few.
            column = column.astype(object)
            read = {cell: _number(cell, missing, pattern) for cell in column.dropna().unique()}
            unreadable.append((name, column.index[column.isin([cell for cell in read if read[cell] is None])]))
            column = column.map(read)
        typed[name] = column.astype("float64")
    return pd.DataFrame(typed, index=cells.index), unreadable


def _number(cell: object, missing: Sequence[str], pattern: str) -> float | None:
    """A cell's number, NaN if it is a missing code, None if it cannot be read."""
    text = str(cell).strip()
    if text in missing:
        return np.nan
    return float(text) if re.fullmatch(pattern, text) else None


def _cells(path: Path, resource: dict) -> pd.DataFrame:
    """The cells of a CSV file as text, with the contract's columns, indexed by row in the file.

    Read with the csv module, since pandas silently fills short rows and turns longer ones into an index.
    """
    name, names = path.name, _names(resource)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file, strict=True))
    except UnicodeDecodeError as error:
        found = f"byte 0x{error.object[error.start]:02x}"
        raise _fault(name, "", found, "text in UTF-8", "save the file as CSV UTF-8") from error
    except OSError as error:
        raise _fault(name, "", error.strerror, "a readable file", f"put it at {path}") from error
    except csv.Error as error:
        raise _fault(name, "", str(error), "comma-separated values", "save the file again as CSV") from error
    while rows and not any(rows[-1]):
        rows.pop()  # blank lines at the end are no rows
    if not rows:
        raise _fault(name, "", "an empty file", "a header and rows", "restore the file")
    header = [cell.strip() for cell in rows.pop(0)]
    if faults := _header(name, header, names):
        raise DataError(_listed(faults))
    if not rows:
        raise DataError(_listed([_no_rows(name)]))
    if ragged := [(row, len(cells)) for row, cells in enumerate(rows, start=2) if len(cells) != len(names)]:
        expects = f"{len(names)} cells", "delete or complete the row"
        raise DataError(_listed([(name, row, "", f"{count} cells", *expects) for row, count in ragged]))
    return pd.DataFrame(rows, index=range(2, len(rows) + 2), columns=header, dtype=object)[names]


def _header(file: str, header: list[str], names: list[str]) -> list[tuple]:
    """Problems of a header: a wrong separator, columns that lack, are unknown or stand twice."""
    for separator, word in ((";", "';'"), ("\t", "a tab"), ("|", "'|'")):
        if len(header) == 1 and separator in header[0]:
            return [(file, 1, "", f"columns separated by {word}", "a comma", "save the file as CSV with commas")]
    if not set(header) & set(names):
        return [(file, 1, "", _text(", ".join(header)), "the header " + ",".join(names), "give the columns' names")]
    found = [(name, "absent", "this column", "add the column") for name in names if name not in header]
    unknown = [name or "(no name)" for name in dict.fromkeys(header) if name not in names]
    twice = [name for name in names if header.count(name) > 1]
    found += [(name, "unknown", "a column of datapackage.json", "rename or remove it") for name in unknown]
    found += [(name, f"{header.count(name)} times", "each column once", "remove one of them") for name in twice]
    return [(file, 1, *fault) for fault in found]


def _place(folder_: Path | str | None) -> Path:
    return folder() if folder_ is None else Path(folder_)


def _names(resource: dict) -> list[str]:
    return [field["name"] for field in resource["schema"]["fields"]]


def _whole(resource: dict) -> dict[str, str]:
    """The dtype of the whole numbers that are required; those that may be blank stay float64."""
    fields = [field for field in resource["schema"]["fields"] if field["type"] == "integer"]
    return {field["name"]: "int64" for field in fields if field.get("constraints", {}).get("required")}


def _text(cell: object) -> str:
    """A cell as a message shows it: blank by name, whole numbers without decimals, long text cut."""
    if pd.isna(cell) or str(cell).strip() == "":
        return "blank"
    text = f"{cell:.15g}" if isinstance(cell, float) else str(cell)
    text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return text if len(text) <= 40 else text[:37] + "..."


def _listed(problems: Sequence[tuple]) -> pd.DataFrame:
    return pd.DataFrame(problems, columns=COLUMNS, dtype=object).astype({"row": "int64"})


def _no_rows(file: str) -> tuple:
    return file, 0, "", "a header only", "at least one row", "add the rows"


def _fault(file: str, column: str, value: str, words: str, mend: str) -> DataError:
    return DataError(_listed([(file, 0, column, value, words, mend)]))
