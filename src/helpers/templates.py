"""The codebook of a reader's study, and empty tables to fill in, all made from the data package."""

import io
import tempfile
from collections.abc import Mapping
from pathlib import Path

import openpyxl
import pandas as pd
from openpyxl.styles import Font

from helpers import contract

FILES = ("persons.csv", "visits.csv", "study.xlsx")
CODEBOOK = ["table", "column", "title", "type", "unit", "values", "required", "description"]
KINDS = {"integer": "whole number", "number": "number", "string": "text"}
EXAMPLES = {"persons": ({"person": "A1"}, {"person": "A2"}), "visits": ({"wave": 0}, {"wave": 3})}
STAYS = {"observed": 1, "has_sponsor": 1, "window_days": 90, "contact_days": 40, "meetings": 30, "abstinent_days": 80,
         "age": 21, "sex": "female", "race": "White", "comorbid": 0, "residential_days": 28}  # fmt: skip
SPONSOR = ("has_sponsor", "contact", "alliance", "sai_")  # not asked at entry


def codebook(package: Mapping | None = None) -> pd.DataFrame:
    """Every column that a reader's two tables may have, one row a column, in the order of the data package.

    package : as datapackage.json; the book's own by default
    Columns: table; column (its name); title; type (in words); unit; values (range or allowed values); required ("yes",
    "yes, may be blank", "no", or for a score "in place of" what it stands in for); description. All are text, ""
    where there is nothing.
    """
    rows = []
    for resource in (package or contract.definition())["resources"]:
        if resource["name"] not in contract.TABLES:
            continue
        for field in fields(resource):
            required = "yes" if field.get("constraints", {}).get("required") else "yes, may be blank"
            if source := field.get("insteadOf"):
                required = f"in place of {source}" + ("1, ..." if source.endswith("_") else "")
            elif field.get("optional"):
                required = "no"
            rows.append(
                {
                    "table": resource["name"],
                    "column": field["name"],
                    "title": field.get("title", ""),
                    "type": KINDS.get(field["type"], field["type"]),
                    "unit": field.get("unit", ""),
                    "values": values(field),
                    "required": required,
                    "description": field.get("description", ""),
                }
            )
    return pd.DataFrame(rows, columns=CODEBOOK)


def fields(resource: Mapping) -> list[dict]:
    """The fields of a resource as they are for a reader's own study, then the scores that may stand in for some."""
    own = [{**field, **field.get("yours", {})} for field in resource["schema"]["fields"]]
    return own + list(resource.get("yours", {}).get("fields", []))


def values(field: Mapping) -> str:
    """The range of a field, or the values it may have, in words; "" if any."""
    limits = field.get("constraints", {})
    if "enum" in limits:
        return ", ".join(map(str, limits["enum"]))
    low, high = limits.get("minimum"), limits.get("maximum")
    if low is not None and high is not None:
        return f"{low} to {high}"
    return f"{low} or more" if low is not None else f"{high} or less" if high is not None else ""


def tables(package: Mapping | None = None) -> dict[str, pd.DataFrame]:
    """Two example rows of each table, "persons" and "visits": one person at entry and at three months, and another.

    Counts and items, and none of the scores that could stand in for them; what was not asked at entry is blank there.
    """
    made = {}
    for resource in (package or contract.definition())["resources"]:
        if resource["name"] not in contract.TABLES:
            continue
        own = [field for field in fields(resource) if "insteadOf" not in field]
        made[resource["name"]] = pd.DataFrame(
            [{field["name"]: _example(field, row) for field in own} for row in EXAMPLES[resource["name"]]], dtype=object
        )
    return made


def _example(field: Mapping, row: Mapping) -> object:
    name = field["name"]
    if name in row:
        return row[name]
    if name == "person":
        return "A1"
    if row.get("wave") == 0 and name.startswith(SPONSOR):
        return ""
    if name in STAYS:
        return STAYS[name]
    limits = field.get("constraints", {})
    return limits["enum"][-1] if "enum" in limits else limits["maximum"] - 1


def write(folder: Path) -> list[Path]:
    """Write `FILES` into a folder (made if missing), each whole or not at all; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    made = tables()
    contents = {f"{name}.csv": frame.to_csv(index=False, lineterminator="\n").encode() for name, frame in made.items()}
    contents["study.xlsx"] = workbook(made, codebook())
    with tempfile.TemporaryDirectory(dir=folder) as place:
        for name, content in contents.items():
            (Path(place) / name).write_bytes(content)
        for name in FILES:
            (Path(place) / name).replace(folder / name)
    return [folder / name for name in FILES]


def workbook(made: Mapping[str, pd.DataFrame], codes: pd.DataFrame) -> bytes:
    """An Excel workbook with a sheet a table and the codebook on the last."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, frame in {**made, "codebook": codes}.items():
        sheet = book.create_sheet(name)
        sheet.append(list(frame))
        for row in frame.itertuples(index=False):
            sheet.append([None if cell == "" else cell for cell in row])
        for cell in sheet[1]:
            cell.font = Font(bold=True)
        sheet.freeze_panes = "A2"
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()
