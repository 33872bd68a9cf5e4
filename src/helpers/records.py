"""The two files of a study: read and checked, or made from whatever a reader has, and plainly told what is wrong.

The definition is `contract`'s datapackage.json. Rules that join columns or files stand in `_rules`, one line each.
`read` and `check` hold the shipped cohort to it strictly; `receive` takes a reader's own files, `deposit` keeps them in
the shape that `read` reads. The truth a synthetic cohort was made from is never read here.
"""

import csv
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from helpers import contract as contracts
from helpers import delimited, faults, files, oddities
from helpers.contract import ANSWERS, KEYS, TABLES, Found, contract, expected, folder, schema
from helpers.faults import COLUMNS, SHOWN, DataError
from helpers.files import Table

__all__ = ["ANSWERS", "COLUMNS", "KEYS", "SHOWN", "TABLES", "DataError", "Received", "analysis", "check", "contract",
           "deposit", "expected", "folder", "problems", "read", "receive", "schema"]  # fmt: skip

COUNTS = ("contact_days", "meetings", "abstinent_days")
MEETINGS_A_DAY = 3  # more meetings than this on every day of the window is taken for a slip
SPONSORED = ("contact", "alliance", "sai_")  # what only those with a sponsor are asked
NEEDED = {"persons": ("person", "sex", "age"), "visits": ("person", "wave")}
KEPT = 1000  # rows that are listed of one problem of a reader's file
WAVES = 50  # more than this many months are no waves but dates or days
GRID = 6_000_000  # people times waves
WORDS = {"1": 1, "yes": 1, "true": 1, "y": 1, "t": 1, "0": 0, "no": 0, "false": 0, "n": 0, "f": 0}
CODEBOOK = {"table", "column", "type", "unit", "values", "required"}  # columns that only a codebook has
IGNORED = {".json", ".toml", ".md", ".py", ".ipynb"}  # in a reader's folder, left aside without a word


@dataclass(frozen=True)
class Received:
    """A reader's study as `receive` found it.

    persons, visits : frames as `read` gives them, with the study's own columns, its ids, and a row for each person at
        each wave; None if there are errors
    package : the data package (as datapackage.json) that describes them; None if there are errors
    errors, warnings : problems: file, row, column, value, expected, mend, and count, the rows that a row stands for (1,
        but for the last that is listed of a long group)
    sources : names of the files
    """

    persons: pd.DataFrame | None
    visits: pd.DataFrame | None
    package: dict | None
    errors: pd.DataFrame
    warnings: pd.DataFrame
    sources: tuple[str, ...]


def analysis(name: str) -> tuple[pd.DataFrame, dict]:
    """A result that `make analyses` computed, as it was committed: its table, and its record (seeds, sizes, versions).

    Raises FileNotFoundError if the data's folder holds no such result.
    """
    place = folder() / "analyses"
    return pd.read_csv(place / f"{name}.csv"), json.loads((place / f"{name}.json").read_text("utf-8"))


def read(folder: Path | str | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The two files of a folder (default: `folder()`), checked, with the contract's columns in its order.

    persons has one row a person; visits one row a person and wave, where a missed visit keeps its row with blank
    answers. Required whole numbers are int64, those that may be blank float64 with NaN.
    Raises DataError, a ValueError that lists every problem of both files.
    """
    place = _place(folder)
    resources = contract(place)
    cells, bad = {}, []
    for table in TABLES:
        try:
            cells[table] = _cells(place / resources[table]["path"], resources[table])
        except DataError as fault:
            bad.append(fault.problems)
    if bad:
        raise DataError(pd.concat(bad, ignore_index=True))
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
    bad = []
    for table, frame in frames.items():
        bad += _header(resources[table]["path"], [str(column) for column in frame], contracts.names(resources[table]))
    bad += [_no_rows(resources[table]["path"]) for table in TABLES if frames[table].empty]
    if bad:
        return faults.listed(bad)
    numbered = {table: frame.set_axis(range(2, len(frame) + 2)) for table, frame in frames.items()}
    return _examine(numbered, resources)[1]


def _rules(
    persons: pd.DataFrame, visits: pd.DataFrame, waves: Sequence[int]
) -> Iterator[tuple[str, str, pd.Series, str, str]]:
    """The rules that join columns or files: (table, column, which rows break it, expected, how to mend).

    `waves` are those at which each person must have a row. A rule on a column that the study has not is left out.
    """
    answers = [column for column in visits if column not in ("person", "wave", "observed")]
    stranger = visits["person"].notna() & ~visits["person"].isin(persons["person"])
    yield "visits", "person", stranger, "a person of the persons file", "add the person there, or correct the number"
    for wave in waves:
        lacking = persons["person"].notna() & ~persons["person"].isin(visits["person"][visits["wave"] == wave])
        mend = "add it, with observed 0 and blank answers if it was missed"
        yield "persons", "person", lacking, f"a row in the visits file at wave {wave}", mend

    missed = visits["observed"] == 0
    for column in answers:
        yield "visits", column, missed & visits[column].notna(), "blank, as observed is 0", "clear it, or mend observed"
    if "has_sponsor" in visits:
        unasked = ~missed & (visits["wave"] == 0) & visits["has_sponsor"].notna()
        yield "visits", "has_sponsor", unasked, "blank, as it was not asked at wave 0", "clear it"
        alone = ~missed & (visits["has_sponsor"] != 1)
        for column in answers:
            if column.startswith(SPONSORED):
                mend = "clear it, or mend has_sponsor"
                yield "visits", column, alone & visits[column].notna(), "blank, as has_sponsor is not 1", mend

    if "window_days" in visits:
        window = visits["window_days"]
        for column, most, words in (
            ("contact_days", window, "at most window_days"),
            ("abstinent_days", window, "at most window_days"),
            ("meetings", MEETINGS_A_DAY * window, f"at most {MEETINGS_A_DAY} a day of window_days"),
        ):
            if column in visits:
                yield "visits", column, visits[column] > most, words, f"correct {column} or window_days"
        counted = ~missed & visits[[column for column in COUNTS if column in visits]].notna().any(axis=1)
        mend = "give the length of the window"
        yield "visits", "window_days", counted & window.isna(), "a value, as days or meetings are given", mend


def _examine(cells: dict[str, pd.DataFrame], resources: dict) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Typed frames and their problems. In: a frame of text or numbers a table, indexed by row in the file."""
    frames, found = {}, []
    for table in TABLES:
        frames[table], broken = contracts.values(cells[table], resources[table])
        found += [(table, one) for one in broken]
    wave = next(field for field in resources["visits"]["schema"]["fields"] if field["name"] == "wave")
    found += _broken(frames, wave["constraints"].get("enum", []))
    return frames, _problems(cells, resources, found)[COLUMNS]


def _broken(frames: dict[str, pd.DataFrame], waves: Sequence[int]) -> list[tuple[str, Found]]:
    """The rows that break a rule, by table."""
    rules = _rules(frames["persons"], frames["visits"], waves)
    return [(table, Found(column, np.flatnonzero(rows), *words)) for table, column, rows, *words in rules]


def _problems(cells: dict, resources: dict, found: list[tuple[str, Found]], most: int | None = None) -> pd.DataFrame:
    """What was found, as problems in the order of files, rows and columns."""
    rank = {name: i for i, name in enumerate(name for table in TABLES for name in contracts.names(resources[table]))}
    parts = [faults.counted([]).assign(rank=0)]
    for table, one in found:
        if one.rows is None or len(one.rows):
            part = contracts.problems(cells[table], resources[table], one, most)
            parts.append(part.assign(rank=rank.get(one.column.split(",")[0], len(rank))))
    listed = pd.concat(parts, ignore_index=True)
    listed = listed.sort_values(["file", "row", "rank"], kind="stable", ignore_index=True)
    return listed.drop(columns="rank").astype({"row": "int64", "count": "int64"})


def _cells(path: Path, resource: dict) -> pd.DataFrame:
    """The cells of a CSV file as text, with the contract's columns, indexed by row in the file.

    Read with the csv module, since pandas silently fills short rows and turns longer ones into an index.
    """
    name, names = path.name, contracts.names(resource)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file, strict=True))
    except UnicodeDecodeError as error:
        found = f"byte 0x{error.object[error.start]:02x}"
        raise faults.fault(name, "", found, "text in UTF-8", "save the file as CSV UTF-8") from error
    except OSError as error:
        raise faults.fault(name, "", error.strerror, "a readable file", f"put it at {path}") from error
    except csv.Error as error:
        raise faults.fault(name, "", str(error), "comma-separated values", "save the file again as CSV") from error
    while rows and not any(rows[-1]):
        rows.pop()  # blank lines at the end are no rows
    if not rows:
        raise faults.fault(name, "", "an empty file", "a header and rows", "restore the file")
    header = [cell.strip() for cell in rows.pop(0)]
    if bad := _header(name, header, names):
        raise DataError(faults.listed(bad))
    if not rows:
        raise DataError(faults.listed([_no_rows(name)]))
    if ragged := [(row, len(cells)) for row, cells in enumerate(rows, start=2) if len(cells) != len(names)]:
        expects = f"{len(names)} cells", "delete or complete the row"
        raise DataError(faults.listed([(name, row, "", f"{count} cells", *expects) for row, count in ragged]))
    return pd.DataFrame(rows, index=range(2, len(rows) + 2), columns=header, dtype=object)[names]


def _header(file: str, header: list[str], names: list[str]) -> list[tuple]:
    """Problems of a header: a wrong separator, columns that lack, are unknown or stand twice."""
    for separator, word in ((";", "';'"), ("\t", "a tab"), ("|", "'|'")):
        if len(header) == 1 and separator in header[0]:
            return [(file, 1, "", f"columns separated by {word}", "a comma", "save the file as CSV with commas")]
    if not set(header) & set(names):
        return [
            (file, 1, "", faults.text(", ".join(header)), "the header " + ",".join(names), "give the columns' names")
        ]
    found = [(name, "absent", "this column", "add the column") for name in names if name not in header]
    unknown = [name or "(no name)" for name in dict.fromkeys(header) if name not in names]
    twice = [name for name in names if header.count(name) > 1]
    found += [(name, "unknown", "a column of datapackage.json", "rename or remove it") for name in unknown]
    found += [(name, f"{header.count(name)} times", "each column once", "remove one of them") for name in twice]
    return [(file, 1, *fault) for fault in found]


def _place(folder_: Path | str | None) -> Path:
    return folder() if folder_ is None else Path(folder_)


def _whole(resource: dict) -> dict[str, str]:
    """The dtype of the whole numbers that are required; those that may be blank stay float64."""
    fields = [field for field in resource["schema"]["fields"] if field["type"] == "integer"]
    return {field["name"]: "int64" for field in fields if field.get("constraints", {}).get("required")}


def _no_rows(file: str) -> tuple:
    return file, 0, "", "a header only", "at least one row", "add the rows"


# --- a reader's own files ---


def receive(paths: Path | str | Sequence[Path | str], mapping: object = None) -> Received:
    """A reader's study from their files, or from one folder of them, with every problem at once.

    paths : files as `files.read` reads them, or one folder: its data files, and its `mapping.toml` if none is named
    mapping : None if tables and columns have the contract's names; else a `mapping.Mapping`, or the path of its TOML
    What is left out or taken otherwise than it stands is a warning.
    """
    notes, sources, tables = [], (), []
    try:
        places, mapping, left = _gather([paths] if isinstance(paths, str | Path) else list(paths), mapping)
        sources = tuple(dict.fromkeys(faults.clean(place.name, 80) for place in places))
        notes += left
        tables = _tables(places)
        both, about, left = _mapped(tables, mapping) if mapping is not None else _recognised(tables)
        notes += left
        resources = _resources(both, about)
    except DataError as error:
        notes += [note for table in tables for note in table.notes]
        return Received(None, None, None, _shown(error.problems), _shown(notes), sources)

    notes += [note for table in tables for note in table.notes]
    cells, taken, frames, broken = {}, [], {}, []
    for table in TABLES:
        taken += [(table, one) for one in oddities.columns(both[table].cells, resources[table])]
        cells[table], said = _texts(both[table], resources[table]), []
        frames[table], found = contracts.values(cells[table], resources[table], _spelling(both[table].labels, said))
        broken += [(table, one) for one in found]
        for name, words in said:
            rows = np.flatnonzero(cells[table][name].isin(words))
            told = "0 or 1; yes, true, y, t were read as 1, and no, false, n, f as 0"
            taken.append((table, Found(name, rows, told, "nothing, if they mean that")))
    taken += _completed(frames["visits"], resources["visits"])
    broken += [*_broken(frames, ()), *_unusable(frames, about)]
    errors = _problems(cells, resources, broken, KEPT)
    if not len(errors):
        taken += oddities.answers(frames["persons"], frames["visits"], about.get("waves", ()))
    warnings = pd.concat([_shown(notes), _problems(cells, resources, taken, KEPT)], ignore_index=True)
    if len(errors):
        return Received(None, None, None, _shown(errors, both), _shown(warnings, both), sources)
    persons, visits = _gridded(frames, resources, about)
    package = _package(persons, visits, resources, sources, about)
    return Received(persons, visits, package, _shown(errors), _shown(warnings, both), sources)


def deposit(received: Received, place: Path | str) -> None:
    """Write persons.csv, visits.csv and datapackage.json into a folder, all or none; people are 1, 2, 3, ... there.

    With `HELPERS_DATA` set to the folder, `read` and all that follows work on it.
    Raises DataError if what was received has errors, FileExistsError if the folder holds anything.
    """
    if received.persons is None:
        raise DataError(received.errors)
    place = Path(place)
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise FileExistsError(f"{place} is there already and not empty: name another folder")
    place.absolute().parent.mkdir(parents=True, exist_ok=True)
    number = pd.Series(range(1, len(received.persons) + 1), received.persons["person"])
    made = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.absolute().parent))
    try:
        for table, frame in (("persons", received.persons), ("visits", received.visits)):
            fields = next(r for r in received.package["resources"] if r["name"] == table)["schema"]["fields"]
            whole = {field["name"]: "Int64" for field in fields if field["type"] == "integer"}
            frame = frame.assign(person=number.loc[frame["person"]].to_numpy()).astype(whole)
            frame.to_csv(made / f"{table}.csv", index=False, lineterminator="\n", encoding="utf-8")
        words = json.dumps(received.package, indent=2, ensure_ascii=False, allow_nan=False)
        (made / "datapackage.json").write_text(words + "\n", encoding="utf-8")
        made.chmod(0o755)
        made.replace(place)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _gather(paths: list[Path | str], mapping: object) -> tuple[list[Path], object, list[tuple]]:
    """The files that are meant, the mapping, and what lies in a folder and is not read."""
    places = [Path(path) for path in paths]
    if len(places) != 1 or not _is_folder(places[0]):
        return places, mapping, []
    place, found, notes = places[0], [], []
    try:
        inside = sorted(path for path in place.iterdir() if not path.name.startswith((".", "~$")))
    except OSError as error:
        raise faults.fault(place.name, "", str(error.strerror), "a readable folder", "see its permissions") from error
    for path in inside:
        if files.can_read(path):
            found.append(path)
        elif path.suffix.lower() not in IGNORED and not _is_folder(path):
            words, mend = "one of " + ", ".join(files.READERS), "save it as one of them, if it is data"
            notes.append((faults.clean(path.name, 80), 0, "", "a file that is not read", words, mend))
    if not found:
        mend = "name the files, or the folder they are in"
        raise faults.fault(place.name or str(place), "", "a folder without data files", "files of data", mend)
    if mapping is None and place / "mapping.toml" in inside:
        mapping = place / "mapping.toml"
    return found, mapping, notes


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a loop of links, a NUL in the name: `files.read` says so
        return False


def _tables(places: Sequence[Path]) -> list[Table]:
    tables, bad = [], []
    for place in tqdm(places, "reading", delay=2, leave=False, disable=None):
        try:
            tables += files.read(place)
        except DataError as error:
            bad.append(faults.counted(error.problems))
    if bad:
        raise DataError(pd.concat(bad, ignore_index=True))
    return tables


def _mapped(tables: list[Table], mapping: object) -> tuple[dict[str, Table], dict, list[tuple]]:
    from helpers import mapping as mappings  # read only by who maps

    mapping = mappings.read(mapping) if isinstance(mapping, str | Path) else mapping
    telling = [  # in the file as it is: what the mapping leaves aside is not seen later
        (table.name, 0 if found.rows is None else int(table.cells.index[found.rows[0]]), found.column, found.value,
         found.expected, found.mend)
        for table in tables for found in oddities.personal(table.cells)
    ]  # fmt: skip
    return mapping.apply(tables), dict(mapping.study or {}), telling


def _recognised(tables: list[Table]) -> tuple[dict[str, Table], dict, list[tuple]]:
    """The tables of persons and of visits, by their columns; capitals in a column's name do not matter."""
    mend = "rename the columns, or write a mapping: python -m helpers map FILES"
    named = [replace(table, cells=table.cells.rename(columns=str.lower)) for table in tables]
    named = [table for table in named if not set(table.cells) >= CODEBOOK]  # the sheet of a template
    for table in named:
        delimited.check_header(table.name, list(table.cells), 1)
    visits = [table for table in named if "wave" in table.cells]
    persons = [table for table in named if "wave" not in table.cells and {"sex", "age"} & set(table.cells)]
    both, bad = {}, []
    for kind, found, words in (
        ("persons", persons, "one table with the columns person, sex, age (one row a person)"),
        ("visits", visits, "one table with the columns person, wave (one row a person and wave)"),
    ):
        if len(found) == 1:
            both[kind] = found[0]
        elif found:
            bad += [(table.name, 0, "", f"a second table of {kind}", words, "put them into one") for table in found[1:]]
        else:
            file = ", ".join(dict.fromkeys(table.name for table in tables)) or "the files"
            header = faults.clean(", ".join(str(column) for table in tables[:1] for column in table.cells), 60)
            bad.append((file, 0, "", f"no table of {kind}; there are the columns {header}", words, mend))
    if bad:
        raise DataError(faults.listed(bad))
    left = [table for table in named if not any(table is one for one in both.values())]
    words = "persons or visits"
    return (
        both,
        {},
        [(t.name, 0, "", "a table that is neither", words, "left out; nothing to do if so meant") for t in left],
    )


def _resources(both: dict[str, Table], about: dict) -> dict[str, dict]:
    """The contract of this study by its columns. Raises DataError for columns that lack or do not go together."""
    resources = contracts.yours({table: list(both[table].cells) for table in TABLES}, about)
    bad = []
    for table in TABLES:
        resources[table]["path"] = name = both[table].name
        lacking = [column for column in NEEDED[table] if column not in both[table].cells]
        mend = "add the column, or name yours in a mapping: python -m helpers map FILES"
        bad += [(name, 1, column, "absent", "this column", mend) for column in lacking]
    has, name = contracts.names(resources["visits"]), both["visits"].name
    for prefix in ("sai_", "inv_"):
        found = contracts.items(has, prefix)
        if (found and found != [f"{prefix}{i}" for i in range(1, len(found) + 1)]) or len(found) == 1:
            words = f"items {prefix}1, {prefix}2, ... without a gap, two or more"
            bad.append((name, 1, ", ".join(found), f"{len(found)} of them", words, "number them so, or give a score"))
    if "window_days" not in has and (counts := [column for column in COUNTS if column in has]):
        words = "the length of the window, as " + ", ".join(counts) + " are counts"
        bad.append((name, 1, "window_days", "absent", words, "add the column, or set its days in a mapping"))
    if not contracts.outcomes(has):
        words = "at least one of meetings, attendance, inv_1 ..., involvement, abstinent_days, pda"
        bad.append((name, 1, "", "no outcome", words, "add the column, or name yours in a mapping"))
    if bad:
        raise DataError(faults.listed(bad))
    return resources


def _spelling(labels: dict[str, dict], said: list[tuple[str, list[str]]]) -> Callable[[dict, list], list]:
    """How `contract.values` is to take a reader's words: ids in one spelling, words for 0 and 1, capitals, labels.

    What was read as 0 or 1 goes into `said`: the column and its words.
    """

    def spelled(field: dict, words: list) -> list:
        name, allowed = field["name"], field.get("constraints", {}).get("enum", [])
        if name == "person":
            return [one.split(".")[0] if "." in one and re.fullmatch(r"[0-9]+\.0+", one) else one for one in words]
        if allowed == [0, 1]:
            new = [WORDS.get(one.strip().lower(), one) for one in words]
            if read := [one for one in words if one.strip().lower() in WORDS and not one.strip().isdigit()]:
                said.append((name, read))
            return new
        if allowed and field["type"] == "string":
            usual = {str(one).lower(): one for one in allowed}
            coded = {files.as_text(code): str(label) for code, label in labels.get(name, {}).items()}
            return [usual.get(coded.get(one, one).strip().lower(), one) for one in words]
        return words

    return spelled


def _texts(table: Table, resource: dict) -> pd.DataFrame:
    """The columns of the contract, those of text as text in a table of numbers too."""
    cells = {}
    for field in resource["schema"]["fields"]:
        column = table.cells[field["name"]]
        if field["type"] == "string" and pd.api.types.is_numeric_dtype(column):
            column = pd.Series([files.as_text(value) for value in column], column.index, dtype=object)
        cells[field["name"]] = column
    return pd.DataFrame(cells, index=table.cells.index, copy=False)


def _completed(visits: pd.DataFrame, resource: dict) -> list[tuple[str, Found]]:
    """Add `observed` where the study has none, and blank in place what was not to be asked; the latter is said."""
    answers = [name for name in visits if name not in ("person", "wave", "observed")]
    said = []
    if "observed" not in visits:
        visits.insert(2, "observed", visits[answers].notna().any(axis=1).astype("float64"))
        resource["schema"]["fields"].insert(2, contracts.observed())
    entry = visits["wave"] == 0
    for column in answers:
        if column == "has_sponsor" or column.startswith(SPONSORED):
            early = entry & visits[column].notna()
            if early.any():
                words = "blank at wave 0 (treatment entry), where sponsors are not asked about"
                said.append(
                    ("visits", Found(column, np.flatnonzero(early), words, "left out; nothing to do if so meant"))
                )
                visits.loc[early.to_numpy(), column] = np.nan
        if column in ("contact_days", "contact") and "has_sponsor" in visits:
            none = (visits["has_sponsor"] == 0) & (visits[column] == 0)
            if none.any():
                words = "blank, as has_sponsor is 0: contact is that of people who have a sponsor"
                said.append(("visits", Found(column, np.flatnonzero(none), words, "read as blank")))
                visits.loc[none.to_numpy(), column] = np.nan
    return said


def _unusable(frames: dict[str, pd.DataFrame], about: dict) -> Iterator[tuple[str, Found]]:
    """Why a study that keeps to every rule still has nothing to compute."""
    persons, visits = frames["persons"], frames["visits"]
    waves = visits["wave"].dropna().unique()
    people = persons["person"].nunique()
    if people == 1:
        yield (
            "persons",
            Found("person", None, "two people or more", "one person has no differences to study", "one person"),
        )
    if len(waves) > WAVES:
        words, mend = f"at most {WAVES} different waves", "give the month that was scheduled, not the day it took place"
        yield "visits", Found("wave", None, words, mend, f"{len(waves):,} different waves")
    elif people * len(waves) > GRID:
        words, mend = f"at most {GRID:,} (people times waves)", "leave out waves that few people have"
        yield "visits", Found("wave", None, words, mend, f"{people:,} people at {len(waves)} waves")
    if len(waves) and not (waves > 0).any():
        yield "visits", Found("wave", None, "a wave after 0", "number follow-ups by their months", "wave 0 alone")
    outcomes = [name for names in contracts.OUTCOMES.values() for name in names if name in visits]
    if len(waves) and visits[outcomes].isna().to_numpy().all():
        mend = "add the answers; is every visit missed?"
        yield "visits", Found("", None, "values of one outcome or more", mend, "no value of any outcome")


def _gridded(frames: dict[str, pd.DataFrame], resources: dict, about: dict) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sound frames with a row for each person at each wave, sorted by the persons' order and the wave."""
    persons, visits = (frames[table] for table in TABLES)
    waves = np.unique(np.r_[visits["wave"].to_numpy(dtype="int64"), np.array(about.get("waves") or [], dtype="int64")])
    ids = persons["person"]
    place = pd.Index(ids).get_indexer(visits["person"]) * len(waves) + np.searchsorted(waves, visits["wave"])
    figures = "".join(ids)  # at once, since there may be a million
    if figures.isdecimal() and figures.isascii() and ids.str.len().max() < 16 and not ids.str.match("0.").any():
        ids = ids.astype("int64")
    full = visits.drop(columns=["person", "wave"]).set_axis(place).reindex(range(len(ids) * len(waves)))
    full.insert(0, "person", np.repeat(ids.to_numpy(), len(waves)))
    full.insert(1, "wave", np.tile(waves, len(ids)))
    full["observed"] = full["observed"].fillna(0).astype("int64")
    persons = persons.assign(person=ids).astype({k: v for k, v in _whole(resources["persons"]).items()})
    return persons.reset_index(drop=True), full[contracts.names(resources["visits"])]


def _package(persons: pd.DataFrame, visits: pd.DataFrame, resources: dict, sources: Sequence[str], about: dict) -> dict:
    """The data package of a reader's study, as `deposit` writes it."""
    words = f"your data: {', '.join(sources)}, {len(persons):,} people"
    kept = json.loads(json.dumps([resources[table] for table in TABLES]))
    for table, resource in zip(TABLES, kept, strict=True):
        resource["path"] = f"{table}.csv"
        resource["schema"]["missingValues"] = [""]
        for field in resource["schema"]["fields"]:
            field.pop("optional", None)
            if field["name"] == "person":
                field |= {"type": "integer", "constraints": {"required": True, "minimum": 1}}
                field["description"] = "1, 2, 3 and so on, in the order of the files"
            if field["name"] == "wave":
                field["constraints"] = {"required": True, "enum": visits["wave"].unique().tolist()}
    description = "A reader's own study, as python -m helpers received it. Nothing of it leaves the machine it is on."
    about = json.loads(json.dumps(about, default=str))
    about = {"name": "yours", "title": words, "description": description, "study": about}
    return about | {"keywords": [contracts.YOURS, "12-step", "sponsor"], "resources": kept}


def _shown(problems: Sequence[tuple] | pd.DataFrame, both: dict[str, Table] | None = None) -> pd.DataFrame:
    """Problems as they may be printed or opened in a spreadsheet, with the reader's own words for mapped columns."""
    frame = faults.counted(problems).reset_index(drop=True)
    frame["value"] = [faults.escaped(value) for value in frame["value"]]
    for table in (both or {}).values():
        origin = {name: words for name, words in table.origin.items() if words != name}
        here = (frame["file"] == table.name) & frame["column"].isin(list(origin))
        frame.loc[here, "column"] = [f"{name} (yours: {origin[name]})" for name in frame.loc[here, "column"]]
    return frame
