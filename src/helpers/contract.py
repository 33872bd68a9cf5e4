"""The definition of the data: `datapackage.json` (Frictionless Table Schema), and whether values keep to it.

The file names the two tables, their columns, types, ranges, allowed values and keys; the pandera schemas are made from
it. Custom properties (`yours`, `optional`, `insteadOf`) widen it for a reader's own study: see `yours`.
"""

import copy
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
from tqdm import tqdm

from helpers import faults, study

TABLES = ("persons", "visits")
YOURS = "YOURS"  # keyword of a data package that describes a reader's study
WHOLE = r"[+-]?[0-9]{1,15}(?:\.0*)?"  # 7, also 7.0 as pandas writes a column with blanks
NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?"
SKIPPED = (
    "-9",
    "-8",
    "-7",
    "-99",
    "-88",
    "-77",
    "-999",
    "99",
    "88",
    "77",
    "999",
    "9999",
    "-9999",
)  # usual missing codes

# What a visit asks, so blank at a missed one
ANSWERS = ("has_sponsor", "contact_days", *study.SAI_ITEMS, *study.INVOLVEMENT_ITEMS)
ANSWERS += ("meetings", "window_days", "abstinent_days")
KEYS = {"persons": ["person"], "visits": ["person", "wave"]}
NEEDED = {"persons": ("person", "sex", "age"), "visits": ("person", "wave", "observed", *ANSWERS)}
NEEDED_OF_YOURS = {"persons": ("person", "sex", "age"), "visits": ("person", "wave", "observed")}
OUTCOMES = {"attendance": ("meetings", "attendance"), "involvement": ("inv_1", "involvement"),
            "pda": ("abstinent_days", "pda")}  # fmt: skip
PREDICTORS = {
    "has_sponsor": ("has_sponsor",),
    "contact": ("contact_days", "contact"),
    "alliance": ("sai_1", "alliance"),
}


def folder() -> Path:
    """The folder that holds the study's files: `HELPERS_DATA`, else the nearest one upward with a data package.

    Looked for in the working directory and each of its parents: `data/datapackage.json`, `book/data/datapackage.json`.
    Raises FileNotFoundError if `HELPERS_DATA` is not a folder, or no data package lies upward.
    """
    if named := os.environ.get("HELPERS_DATA"):
        if not Path(named).is_dir():
            raise FileNotFoundError(f"HELPERS_DATA is {named!r}, which is not a folder: set it to the data's folder")
        return Path(named)
    if found := _upward(Path.cwd()):
        return found
    raise FileNotFoundError(f"no data/datapackage.json in {Path.cwd()} or above: set HELPERS_DATA to the data's folder")


def _upward(here: Path) -> Path | None:
    places = [place / data for place in (here, *here.parents) for data in ("data", "book/data")]
    return next((place for place in places if (place / "datapackage.json").is_file()), None)


def package(place: Path | str | None = None) -> dict:
    """The data package of a folder (default: `folder()`) as its file states it.

    Raises DataError if the file is missing or is not JSON, or lacks a table or a column this package works with.
    """
    path = (folder() if place is None else Path(place)) / "datapackage.json"
    try:
        whole = json.loads(path.read_text("utf-8"))
        resources = {resource["name"]: resource for resource in whole["resources"]}
        fields = {table: {field["name"] for field in resources[table]["schema"]["fields"]} for table in TABLES}
        keys = {table: resources[table]["schema"]["primaryKey"] for table in TABLES}
        files = [path.parent / resources[table]["path"] for table in TABLES]
        needed = NEEDED_OF_YOURS if is_yours(whole) else NEEDED
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise faults.fault(path.name, "", str(error), "a readable JSON file", "restore the data package") from error
    except (KeyError, TypeError) as error:
        words = "resources persons and visits, each with path, schema.fields and schema.primaryKey"
        raise faults.fault(path.name, "", repr(error), words, "restore the data package") from error
    if keys != KEYS:
        raise faults.fault(path.name, "", f"primary keys {keys}", f"primary keys {KEYS}", "mend schema.primaryKey")
    if outside := [file.name for file in files if path.parent.resolve() not in file.resolve().parents]:
        raise faults.fault(path.name, "", ", ".join(outside), "paths inside the folder", "mend the paths")
    for table in TABLES:
        if lacking := [name for name in needed[table] if name not in fields[table]]:
            raise faults.fault(path.name, ", ".join(lacking), "absent", f"fields of {table}", "add them")
    return whole


def contract(place: Path | str | None = None) -> dict[str, dict]:
    """The resources of the folder's datapackage.json by name ("persons", "visits", ...), as the file states them.

    Raises DataError as `package`.
    """
    return {resource["name"]: resource for resource in package(place)["resources"]}


def is_yours(whole: dict) -> bool:
    """Whether a data package describes a reader's study."""
    return YOURS in whole.get("keywords", ())


def definition() -> dict:
    """The book's own data package, which says what a reader's study may hold.

    That of `folder()`, unless it describes a reader's study; then the nearest upward, then the one beside this source.
    Raises FileNotFoundError if there is none.
    """
    here = Path(__file__).resolve().parents[2] / "book" / "data"
    named = Path(os.environ["HELPERS_DATA"]) if os.environ.get("HELPERS_DATA") else None
    for place in (named, _upward(Path.cwd()), here):
        if place and (place / "datapackage.json").is_file() and not is_yours(whole := package(place)):
            return whole
    raise FileNotFoundError(
        f"no data/datapackage.json of the book in {Path.cwd()} or above: set HELPERS_DATA to its folder"
    )


def yours(columns: dict[str, Iterable[str]], about: dict | None = None) -> dict[str, dict]:
    """The definition as a reader's study needs it: resources by table, with those of its columns that the study has.

    columns : the study's columns of each table; others than the definition knows are left aside
    about : of the study, from a mapping: `waves` (months), `sai_range` (lowest and highest answer)
    In the definition a field's `yours` replaces what stands beside it, `optional` fields may be absent, a resource's
    `yours.fields` are scores that stand in for counts or items, and `yours.items` are items in any number.
    """
    about = about or {}
    found = {}
    for resource in definition()["resources"]:
        if resource["name"] not in TABLES:
            continue
        resource = copy.deepcopy(resource)
        table, wide = resource["name"], resource.pop("yours")
        has = list(columns[table])
        known = {field["name"]: field for field in resource["schema"]["fields"]}
        fields = []
        for field in known.values():
            field |= field.pop("yours", {})
            if field["name"] in has and not any(
                field["name"].startswith(item["prefix"]) for item in wide.get("items", ())
            ):
                fields.append(field)
            for item in wide.get("items", ()):
                if field["name"] == item["prefix"] + "1":
                    fields += [_item(item, name, known.get(name, {})) for name in items(has, item["prefix"])]
        fields += [field for field in wide.get("fields", ()) if field["name"] in has and not superseded(field, has)]
        for field in fields:
            if field["name"] == "wave" and about.get("waves"):
                field["constraints"] = {"required": True, "enum": list(about["waves"])}
            if about.get("sai_range") and (field["name"] == "alliance" or field["name"].startswith("sai_")):
                field["constraints"] |= dict(zip(("minimum", "maximum"), about["sai_range"], strict=True))
                field.pop("unit", None)
        resource["schema"] |= {"fields": fields, "missingValues": wide["missingValues"]}
        found[table] = resource | {"title": resource["title"].replace("SYNTHETIC ", ""), "path": f"{table}.csv"}
    return found


def observed() -> dict:
    """The field `observed`, for a study that has none."""
    resource = next(resource for resource in definition()["resources"] if resource["name"] == "visits")
    field = next(field for field in resource["schema"]["fields"] if field["name"] == "observed")
    return {name: value for name, value in field.items() if name != "optional"}


def outcomes(columns: Iterable[str]) -> list[str]:
    """The outcomes that these columns hold or give."""
    return [outcome for outcome, names in OUTCOMES.items() if set(names) & set(columns)]


def predictors(columns: Iterable[str]) -> list[str]:
    """The predictors that these columns hold or give."""
    return [predictor for predictor, names in PREDICTORS.items() if set(names) & set(columns)]


def items(columns: Iterable[str], prefix: str) -> list[str]:
    """The items among the columns, prefix and number, by number."""
    return sorted((c for c in columns if re.fullmatch(prefix + "[1-9][0-9]?", c)), key=lambda c: int(c[len(prefix) :]))


def superseded(field: dict, columns: Iterable[str]) -> bool:
    """Whether a score is left aside, since the columns hold the counts or items it is made from."""
    source = field.get("insteadOf", "")
    return bool(items(columns, source)) if source.endswith("_") else source in columns


def _item(item: dict, name: str, known: dict) -> dict:
    """An item's field: the definition's own where it has one of this number, without its words if scales may differ."""
    number = name.removeprefix(item["prefix"])
    made = {"name": name, "title": f"{item['title']} {number}"} | {
        k: v for k, v in item.items() if k not in ("prefix", "title", "least")
    }
    return copy.deepcopy(made | {k: v for k, v in known.items() if k in ("title", "type")})


def names(resource: dict) -> list[str]:
    return [field["name"] for field in resource["schema"]["fields"]]


def schema(table: str, resources: dict[str, dict] | None = None) -> pa.DataFrameSchema:
    """The pandera schema of `table` ("persons" or "visits"), made from datapackage.json.

    Written out here because pandera's own `from_frictionless_schema` needs the frictionless package, reads whole
    numbers that may be blank as `int` (which cannot be blank), and allowed values as categories.
    """
    about = (resources or contract())[table]["schema"]
    columns = {field["name"]: _column(field) for field in about["fields"]}
    return pa.DataFrameSchema(columns, unique=about.get("primaryKey"), strict=True)


def _column(field: dict) -> pa.Column:
    """One field of a Table Schema as a pandera column."""
    limits = field.get("constraints", {})
    kinds = {"minimum": pa.Check.ge, "maximum": pa.Check.le, "enum": pa.Check.isin}
    checks = [kind(limits[name]) for name, kind in kinds.items() if name in limits]
    if field["type"] == "integer":
        checks.append(pa.Check(lambda values: values % 1 == 0, name="whole"))
    if field["type"] == "number":
        checks.append(pa.Check(np.isfinite, name="finite"))
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


def mend(value: str, field: dict) -> str:
    """How to mend a value that its field may not hold, by what the value looks like."""
    if value == "blank":
        return "give the value"
    if re.match(r"[=@+]", value) and not re.fullmatch(NUMBER, value):
        return "put the value in place of the formula"
    if re.match(r"#(?:N/A|REF!|VALUE!|DIV/0!|NAME\?|NUM!|NULL!)", value):
        return "an error of the spreadsheet: mend its formula, or clear the cell"
    if field["type"] == "string":
        return "correct the value, or recode the column in a mapping"
    if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2}[./][0-9]{1,2}[./][0-9]{2,4}$", value):
        return "a date: format the column as numbers in the spreadsheet, or name the right column"
    if re.fullmatch(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+", value):
        plain = value.replace(",", "")
        return f"write {plain} or {value.replace(',', '.', 1)}: a comma can mean either"
    if "," in value and re.fullmatch(r"[+-]?[0-9.,]+", value):
        return "write numbers with a decimal point, without signs of thousands"
    if value in SKIPPED:
        return "correct the value; if it stands for a missing one, name it in a mapping's `missing`"
    if re.search(r"[^\W\d]", value) and not re.fullmatch(NUMBER, value):
        return "write the number, or recode the column in a mapping"
    return "correct the value"


@dataclass(frozen=True)
class Found:
    """What is wrong with a column (or with a key, "person, wave") of a table.

    rows : positions of the rows; None if the whole file is meant
    expected, mend : in words; None and "" for what the field says
    value : shown instead of the cell
    """

    column: str
    rows: np.ndarray | None
    expected: str | None = None
    mend: str = ""
    value: str = ""


def values(cells: pd.DataFrame, resource: dict, spelled: Callable | None = None) -> tuple[pd.DataFrame, list[Found]]:
    """Typed columns of a table, and where its cells are not what their field allows.

    Numbers become float with NaN for missing codes, text stays. Each distinct cell is read and checked once: a column
    of a million rows holds few. pandera checks them; the primary key is checked on the rows.
    `spelled(field, words)` may give the distinct words of a text column in the contract's spelling first.
    """
    missing = resource["schema"].get("missingValues", [""])
    rules = schema(resource["name"], {resource["name"]: resource})
    typed, found = {}, []
    fields = resource["schema"]["fields"]
    for field in tqdm(fields, f"checking {resource['path']}", delay=2, leave=False, disable=None, unit=" columns"):
        name, column = field["name"], cells[field["name"]]
        numeric = pd.api.types.is_numeric_dtype(column)
        codes, distinct = pd.factorize(column if numeric else column.astype(object))
        if spelled and not numeric:
            distinct = spelled(field, list(distinct))
        read, bad = _read(distinct, field, missing)
        blank = np.nan if read.dtype == float else None
        places = np.flatnonzero(~bad)
        kept = [*read[~bad], blank] if (codes == -1).any() else read[~bad]
        bad = np.r_[bad, False]  # the last stands for cells that hold nothing, whose code is -1
        try:
            frame = pd.DataFrame({name: pd.Series(kept, dtype=read.dtype)})
            pa.DataFrameSchema({name: rules.columns[name]}).validate(frame, lazy=True)
        except pa.errors.SchemaErrors as errors:
            wrong = errors.failure_cases["index"].dropna().astype(int).unique()
            bad[np.r_[places, len(distinct)][wrong]] = True
        if bad.any():
            found.append(Found(name, np.flatnonzero(bad[codes])))
        typed[name] = pd.Series(np.r_[read, [blank]][codes], cells.index, dtype=read.dtype)
    frame = pd.DataFrame(typed, index=cells.index, copy=False)
    key = resource["schema"]["primaryKey"]
    if all(column in frame for column in key):
        twice = (frame.duplicated(key, keep=False) & frame[key].notna().all(axis=1)).to_numpy()
        words = f"one row a {' and '.join(key)}"
        found.append(Found(", ".join(key), np.flatnonzero(twice), words, "keep one of the rows"))
    return frame, found


def _read(distinct: Sequence, field: dict, missing: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Distinct cells as numbers (NaN if missing or unreadable) or text (None if missing), and which are unreadable."""
    if field["type"] not in ("integer", "number"):
        codes = set(missing)
        text = np.array([None if cell in codes else cell for cell in distinct], dtype=object)
        return text, np.zeros(len(distinct), bool)
    if isinstance(distinct, np.ndarray) and distinct.dtype.kind in "iufb":
        return distinct.astype("float64"), np.zeros(len(distinct), bool)
    pattern = re.compile(WHOLE if field["type"] == "integer" else NUMBER)
    read, bad = np.full(len(distinct), np.nan), np.zeros(len(distinct), bool)
    for place, cell in enumerate(distinct):
        words = str(cell).strip()
        if pattern.fullmatch(words):
            read[place] = float(words)
        else:
            bad[place] = words not in missing
    return read, bad


def problems(cells: pd.DataFrame, resource: dict, found: Found, most: int | None = None) -> pd.DataFrame:
    """What `values` or a rule found as problems, with a column `count`: the rows one row stands for.

    With `most`, no more rows than that are listed, and the last one counts for those that follow too.
    """
    field = next((field for field in resource["schema"]["fields"] if field["name"] == found.column), {"type": "string"})
    words = expected(field) if found.expected is None else found.expected
    if found.rows is None:
        return faults.counted([(resource["path"], 0, found.column, found.value, words, found.mend)])
    rows = found.rows[:most]
    if found.value:
        value = np.full(len(rows), found.value, dtype=object)
    else:
        cell = cells.iloc[rows][found.column.split(", ")].map(faults.text)
        value = cell.iloc[:, 0].str.cat([cell[c] for c in cell.columns[1:]], sep=", ").to_numpy()
    said = {one: found.mend or mend(one, field) for one in set(value)}
    count = np.ones(len(rows), dtype="int64")
    count[-1:] += len(found.rows) - len(rows)
    frame = {"file": resource["path"], "row": cells.index[rows].astype("int64"), "column": found.column, "value": value}
    return pd.DataFrame(frame | {"expected": words, "mend": [said[one] for one in value], "count": count})
