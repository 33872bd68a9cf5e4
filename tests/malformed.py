"""A corpus of malformed and odd inputs for `python -m helpers check`: what is written, how it ends, what is said.

`CORPUS` maps a name to a `Case`: a function that writes files into a folder and returns what to check, the exit code
with `--strict`, and a fragment of what is printed. `python tests/malformed.py` prints the corpus as a table.
"""

import contextlib
import datetime
import io
import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyreadstat
from pyarrow import parquet

PEOPLE = 24
WAVES = (0, 3, 6)
SAI = [f"sai_{i}" for i in range(1, 5)]


@dataclass(frozen=True)
class Case:
    write: Callable[[Path], list[Path]]
    code: int
    says: str  # a regular expression


CORPUS: dict[str, Case] = {}


def study(seed: int = 1, people: int = PEOPLE) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A small sound study as text cells, blank as "": four SAI items, uneven waves, every outcome."""
    rng = np.random.default_rng(seed)
    persons = pd.DataFrame({"person": range(1, people + 1)})
    persons["sex"] = np.where(persons["person"] % 3 == 0, "female", "male")
    persons["age"] = rng.integers(18, 60, people)
    rows = []
    for person in persons["person"]:
        for wave in WAVES:
            row = {"person": person, "wave": wave, "has_sponsor": "", "contact_days": "", **dict.fromkeys(SAI, "")}
            if wave:
                row["has_sponsor"] = int(rng.random() < 0.6 or person == 1)
            if row["has_sponsor"] == 1:
                level = int(rng.integers(2, 6))
                row |= {"contact_days": int(rng.integers(0, 90))}
                row |= {item: level + int(rng.integers(-1, 2)) for item in SAI}
            row |= {"meetings": int(rng.integers(0, 60)), "window_days": 90}
            row |= {"abstinent_days": int(rng.integers(0, 91)), "involvement": int(rng.integers(0, 7))}
            rows.append(row)
    return persons.astype(str), pd.DataFrame(rows).astype(str)


def write(folder: Path, persons: pd.DataFrame | bytes, visits: pd.DataFrame | bytes) -> list[Path]:
    for name, table in (("persons", persons), ("visits", visits)):
        content = table if isinstance(table, bytes) else table.to_csv(index=False, lineterminator="\n").encode()
        (folder / f"{name}.csv").write_bytes(content)
    return [folder / "persons.csv", folder / "visits.csv"]


def text_of(visits: pd.DataFrame, **options) -> str:
    return visits.to_csv(index=False, lineterminator="\n", **options)


def case(name: str, code: int, says: str) -> Callable:
    """Register a function that writes an input and returns what to check."""

    def register(function: Callable) -> Callable:
        assert name not in CORPUS
        CORPUS[name] = Case(function, code, says)
        return function

    return register


def cells(name: str, code: int, says: str, row: int, **values: str) -> None:
    """An input that is sound but for some cells of one row (as in the file) of the visits."""

    def write_it(folder: Path) -> list[Path]:
        persons, visits = study()
        for column, value in values.items():
            visits.loc[row - 2, column] = value
        return write(folder, persons, visits)

    CORPUS[name] = Case(write_it, code, says)


def column(name: str, code: int, says: str, change: Callable[[pd.DataFrame], object], table: str = "visits") -> None:
    """An input that is sound but for what `change` does to a table."""

    def write_it(folder: Path) -> list[Path]:
        frames = dict(zip(("persons", "visits"), study(), strict=True))
        frames[table] = new if isinstance(new := change(frames[table]), pd.DataFrame) else frames[table]
        return write(folder, frames["persons"], frames["visits"])

    CORPUS[name] = Case(write_it, code, says)


def spoilt(name: str, code: int, says: str, spoil: Callable[[str], bytes]) -> None:
    """An input whose file of visits is the sound one, spoilt as text."""

    def write_it(folder: Path) -> list[Path]:
        persons, visits = study()
        return write(folder, persons, spoil(text_of(visits)))

    CORPUS[name] = Case(write_it, code, says)


def workbook(folder: Path, change: Callable[[openpyxl.Workbook], object]) -> list[Path]:
    """The study as one Excel file, a sheet a table, numbers as numbers; `change` gets the workbook."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, frame in zip(("persons", "visits"), study(), strict=True):
        sheet = book.create_sheet(title)
        sheet.append(list(frame.columns))
        for row in frame.itertuples(index=False):
            sheet.append([None if v == "" else int(v) if v.lstrip("-").isdigit() else v for v in row])
    change(book)
    book.save(folder / "study.xlsx")
    return [folder / "study.xlsx"]


def excel(name: str, code: int, says: str, change: Callable[[openpyxl.Workbook], object]) -> None:
    CORPUS[name] = Case(lambda folder: workbook(folder, change), code, says)


def numbers(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.apply(lambda c: c if c.name == "sex" else pd.to_numeric(c.replace("", None)))


# --- the file ---

spoilt("empty file", 2, "an empty file", lambda t: b"")
spoilt("blank lines alone", 2, "an empty file", lambda t: b"\n\n \n")
spoilt("header only", 2, "a header only", lambda t: t.split("\n")[0].encode())
spoilt("no header", 2, "no table of visits", lambda t: t.split("\n", 1)[1].encode())
spoilt("binary", 2, "binary data", lambda t: bytes(range(256)) * 20)
spoilt("an Excel file named .csv", 2, "an Excel or zip file", lambda t: b"PK\x03\x04" + t.encode())
spoilt("a gzip file named .csv", 2, "a gzip file", lambda t: b"\x1f\x8b\x08\x00" + t.encode())
spoilt("a web page named .csv", 2, "a web page", lambda t: b"<!DOCTYPE html><p>Please log in</p>")
spoilt("NUL bytes", 2, "row 4: a NUL byte", lambda t: t.replace("\n1,6", "\n1\0,6").encode())
spoilt("semicolons", 0, "Found 24 people", lambda t: t.replace(",", ";").encode())
spoilt("bars", 0, "Found 24 people", lambda t: t.replace(",", "|").encode())
spoilt("Excel's line sep=", 0, "Found 24 people", lambda t: ("sep=;\n" + t.replace(",", ";")).encode())
spoilt("spaces between columns", 2, "no table of visits", lambda t: t.replace(",", " ").encode())
spoilt(
    "commas in the header, semicolons below",
    2,
    "a header separated by ',', rows by ';'",
    lambda t: (t.split("\n", 1)[0] + "\n" + t.split("\n", 1)[1].replace(",", ";")).encode(),
)
spoilt("duplicate header", 2, "meetings: found row 1: 2 times", lambda t: t.replace("window_days", "meetings").encode())
spoilt(
    "headers that differ in capitals",
    2,
    "found row 1: 2 times",
    lambda t: t.replace("window_days", "MEETINGS").encode(),
)
spoilt(
    "an unnamed column",
    1,
    "column 2 has no name",
    lambda t: re.sub(r"(?m)^(\w+),", r"\1,x,", t).replace("n,x", "n,").encode(),
)
spoilt("a short row", 2, r"row 4: 2 cells", lambda t: re.sub(r"\n1,6,.*", "\n1,6", t).encode())
spoilt("a long row", 2, r"row 4: 1\d cells", lambda t: re.sub(r"\n1,6,(.*)", r"\n1,6,\1,9", t).encode())
spoilt(
    "a decimal comma between commas", 2, r"row 4: 1\d cells", lambda t: re.sub(r"\n1,6,(.*)", r"\n1,6,\1,5", t).encode()
)
spoilt("blank lines between rows", 0, "Found 24 people", lambda t: t.replace("\n", "\n\n").encode())
spoilt("an open quote", 2, "close the quotation mark", lambda t: t.replace("\n1,3", '\n"1,3').encode())
spoilt(
    "a quote inside a cell",
    2,
    "close the quotation mark|person of the persons",
    lambda t: t.replace("\n1,3", '\n"1"2,3').encode(),
)
spoilt("old Mac line ends", 0, "Found 24 people", lambda t: t.replace("\n", "\r").encode())
spoilt("a line of two million letters", 2, "row 4: a line of more than 1,000,000 bytes",
       lambda t: t.replace("\n1,6", "\n" + "x" * 2_000_000 + ",6").encode())  # fmt: skip
spoilt("a cell of a hundred thousand letters", 2, "row 4: a cell of 100,001 letters",
       lambda t: t.replace("\n1,6", "\n1" + "0" * 100_000 + ",6").encode())  # fmt: skip
spoilt(
    "100,000 columns", 2, "100,012 columns", lambda t: (",".join(f"c{i}" for i in range(100_000)) + "," + t).encode()
)
spoilt("1,000 columns that nobody asked for", 1, "980 more columns that are not used",
       lambda t: "\n".join(line + ("".join(f",c{i}" for i in range(1000)) if not n else "," * 1000)
                           for n, line in enumerate(t.splitlines())).encode())  # fmt: skip

# --- encodings ---

spoilt("UTF-8 with a byte order mark", 0, "Found 24 people", lambda t: b"\xef\xbb\xbf" + t.encode())
spoilt("UTF-16", 0, "Found 24 people", lambda t: t.encode("utf-16"))
spoilt("UTF-16 without a mark", 1, "taken for utf-16-le", lambda t: t.encode("utf-16-le"))
spoilt("UTF-16 cut off", 2, "broken UTF-16", lambda t: t.encode("utf-16")[:-1])


def _with_notes(words: list[str]) -> str:
    _, visits = study()
    return text_of(visits.assign(town=[words[i % len(words)] for i in range(len(visits))]))


spoilt(
    "Latin-1", 1, "not UTF-8, taken for cp1252", lambda t: _with_notes(["Zürich", "Malmö", "Orléans"]).encode("latin-1")
)
spoilt(
    "mixed encodings",
    2,
    "row 3: byte 0xfc, where other rows are UTF-8",
    lambda t: _with_notes(["Malmö", "Z#rich"]).encode().replace(b"#", b"\xfc"),
)

# --- values ---

cells("inf", 2, "meetings: found row 3: inf\n.*a whole number", 3, meetings="inf")
cells("1e400", 2, "row 3: 1e400", 3, meetings="1e400")
cells("a number of twenty digits", 2, "row 3: 10{19}\n", 3, meetings="1" + "0" * 19)
cells("negative days", 2, "row 3: -3\n.*a whole number from 0", 3, abstinent_days="-3")
cells("days over the window", 2, "row 3: 91\n.*at most window_days", 3, abstinent_days="91")
cells("more meetings than days allow", 2, "row 3: 271\n.*at most 3 a day", 3, meetings="271")
cells("a window of no days", 2, "row 3: 0\n.*a whole number from 1", 3, window_days="0")
cells("days without a window", 2, "row 3: blank\n.*a value, as days", 3, window_days="")
cells("a negative wave", 2, "wave: found row 3: -1", 3, wave="-1")
cells("a wave and a half", 2, "wave: found row 3: 1.5", 3, wave="1.5")
cells("a wave in words", 2, "wave: found row 2: baseline\n.*\n.*write the number", 2, wave="baseline")
cells(
    "a repeated visit",
    2,
    r"column person, wave: found row 3: 1, 3; row 4: 1, 3\n.*one row a person and wave",
    4,
    wave="3",
)
cells("an unknown person", 2, "row 4: 999\n.*a person of the persons file", 4, person="999")
cells("a visit of nobody", 2, "person: found row 4: blank", 4, person="")
cells("a fraction of an item", 2, "sai_1: found row 3: 3.5", 3, sai_1="3.5", has_sponsor="1")
cells("an item off its scale", 2, "row 3: 8\n.*1 to 7", 3, sai_1="8", has_sponsor="1")
cells("a code for missing", 2, "row 3: -99\n.*\n.*mapping's `missing`", 3, meetings="-99")
cells("words for missing", 0, "Found 24 people", 3, involvement="NA")
cells("a formula", 2, r"row 3: '=cmd\(\)\n.*\n.*in place of the formula", 3, meetings="=cmd()")
cells("a formula with @", 2, r"row 3: '@SUM\(A1\)", 3, meetings="@SUM(A1)")
cells("an error of a spreadsheet", 2, "row 3: #N/A\n.*\n.*an error of the spreadsheet", 3, meetings="#N/A")
cells("a date for a number", 2, "row 3: 2016-05-01\n.*\n.*a date", 3, meetings="2016-05-01")
cells("thousands or decimals", 2, "row 3: 1,234\n.*\n.*write 1234 or 1.234", 3, meetings="1,234")
cells("a script", 2, "row 3: <script>alert", 3, meetings="<script>alert(1)</script>")
cells("a terminal's control code", 2, "row 3: \N{REPLACEMENT CHARACTER}\\[31m", 3, meetings="\x1b[31m")
cells("figures of another script", 2, "row 3: ٣", 3, meetings="٣")
cells("contact without a sponsor", 2, "blank, as has_sponsor is not 1", 3, has_sponsor="0", contact_days="5")
cells("yes in another language", 2, "has_sponsor: found row 3: ja\n.*one of 0, 1", 3, has_sponsor="ja")


def _words(visits: pd.DataFrame) -> None:
    spelled = {"1": ["yes", "TRUE", "Y", "t", "1"], "0": ["No", "false", "n", "F", "0"], "": [""]}
    visits["has_sponsor"] = [spelled[v][i % len(spelled[v])] for i, v in enumerate(visits["has_sponsor"])]


column("true and false in five spellings", 1, "were read as 1", _words)
column("a sex in capitals", 0, "Found 24", lambda p: p.assign(sex=p["sex"].str.upper()), "persons")
column("a sex in one letter", 2, "one of female, male\n.*recode", lambda p: p.assign(sex="F"), "persons")
column("an age of 130", 2, "from 0 to 120", lambda p: p.assign(age="130"), "persons")
column("no age column", 2, "column age: found row 1: absent", lambda p: p.drop(columns="age"), "persons")
column("no sex and no age", 2, "no table of persons", lambda p: p[["person"]], "persons")
column(
    "a person twice",
    2,
    "row 2: 1; row 3: 1\n.*one row a person",
    lambda p: p.assign(person=["1", "1", *p["person"][2:]]),
    "persons",
)

# --- the study ---

column("one person", 2, "one person\n.*two people or more", lambda p: p.head(1), "persons")
column("one wave", 1, "found one follow-up", lambda v: v[v["wave"] == "3"])
column("entry alone", 2, "wave 0 alone", lambda v: v[v["wave"] == "0"])
column("as many waves as rows", 2, "72 different waves", lambda v: v.assign(wave=[str(i) for i in range(len(v))]))
column("all missing", 2, "no value of any outcome", lambda v: v.assign(**dict.fromkeys(v.columns[2:], "")))
column("no outcome", 2, "no outcome", lambda v: v[["person", "wave", "has_sponsor"]])
column("counts without a window column", 2, "window_days: found row 1: absent", lambda v: v.drop(columns="window_days"))
column("items with a gap", 2, "without a gap", lambda v: v.drop(columns="sai_2"))
column("a constant outcome", 1, "pda is 100 at every follow-up", lambda v: v.assign(abstinent_days="90"))
column(
    "a constant predictor",
    1,
    "sai_1 is 4 at every follow-up",
    lambda v: v.assign(sai_1=v["sai_1"].where(v["sai_1"] == "", "4")),
)
column(
    "a sponsor column that is all zero",
    1,
    "nobody has a sponsor",
    lambda v: v.assign(
        has_sponsor=v["wave"].map(lambda w: "" if w == "0" else "0"), **dict.fromkeys(["contact_days", *SAI], "")
    ),
)
column(
    "an item scored the other way",
    1,
    "sai_4: found correlation -0",
    lambda v: v.assign(sai_4=v["sai_4"].map(lambda x: x and str(7 - int(x)))),
)
column(
    "a wave with nobody",
    1,
    "nobody at wave 6",
    lambda v: v.assign(
        observed=np.where(v["wave"] == "6", "0", "1"), **{c: v[c].where(v["wave"] != "6", "") for c in v.columns[2:]}
    ),
)
column(
    "a person without follow-ups", 1, "row 3: 2\n.*a follow-up", lambda v: v[(v["person"] != "2") | (v["wave"] == "0")]
)
column(
    "shares for percent",
    1,
    "no value above 1",
    lambda v: v.assign(pda=[str(i % 10 / 9) for i in range(len(v))]).drop(columns="abstinent_days"),
)
column("both counts and a score", 1, "column pda: found a column that is not used", lambda v: v.assign(pda="50"))
column(
    "e-mail addresses",
    1,
    "what looks like an e-mail address",
    lambda p: p.assign(note=[f"p{i}@example.org" for i in range(len(p))]),
    "persons",
)
column(
    "a column of names",
    1,
    "looks like people's names",
    lambda p: p.assign(who=["Anna Smith", "Joe B. Miller"] * (len(p) // 2)),
    "persons",
)
column("a date of birth", 1, "personal data", lambda p: p.assign(dob="1990-02-03"), "persons")
column(
    "dates under another name",
    1,
    "full dates",
    lambda p: p.assign(x=[f"19{70 + i}-02-03" for i in range(len(p))]),
    "persons",
)


@case("a person under two numbers", 1, "row 2: 1; row 3: 2\n.*answers unlike")
def _(folder: Path) -> list[Path]:
    persons, visits = study()
    persons.loc[1, ["sex", "age"]] = persons.loc[0, ["sex", "age"]]
    visits.loc[3:5, visits.columns[1:]] = visits.loc[0:2, visits.columns[1:]].to_numpy()
    return write(folder, persons, visits)


@case("text for ids", 0, "Found 24 people")
def _(folder: Path) -> list[Path]:
    persons, visits = study()
    return write(folder, *(frame.assign(person="P" + frame["person"].str.zfill(3)) for frame in (persons, visits)))


@case("decimal commas and semicolons", 0, "Found 24 people")
def _(folder: Path) -> list[Path]:
    persons, visits = study()
    visits["involvement"] = [f"{i % 13 / 2}".replace(".", ",") for i in range(len(visits))]
    return write(folder, persons, text_of(visits, sep=";").encode())


@case("decimal points that may be thousands", 2, "1.500, while other columns have decimal commas")
def _(folder: Path) -> list[Path]:
    persons, visits = study()
    visits["involvement"] = "2,5"
    visits["attendance_note"] = "1.500"
    return write(folder, persons, text_of(visits, sep=";").encode())


# --- where it lies ---


@case("a file that is not there", 2, "No such file")
def _(folder: Path) -> list[Path]:
    return [folder / "nothing.csv"]


@case("a link to itself", 2, "symbolic links")
def _(folder: Path) -> list[Path]:
    (folder / "loop.csv").symlink_to(folder / "loop.csv")
    return [folder / "loop.csv"]


@case("a folder among files", 2, "found a folder")
def _(folder: Path) -> list[Path]:
    (folder / "inside").mkdir()
    return [*write(folder, *study()), folder / "inside"]


@case("an empty folder", 2, "a folder without data files")
def _(folder: Path) -> list[Path]:
    return [folder]


@case("a folder named .csv", 2, "a folder without data files")
def _(folder: Path) -> list[Path]:
    (folder / "x.csv").mkdir()
    return [folder / "x.csv"]


@case("a pipe", 2, "a device or a pipe")
def _(folder: Path) -> list[Path]:
    os.mkfifo(folder / "pipe.csv")
    return [folder / "pipe.csv"]


@case("a device", 2, "a device or a pipe")
def _(folder: Path) -> list[Path]:
    (folder / "zero.csv").symlink_to("/dev/zero")
    return [folder / "zero.csv"]


@case("no permission", 2, "may not be read|Permission denied")
def _(folder: Path) -> list[Path]:
    files = write(folder, *study())
    files[1].chmod(0)
    return files


@case("a file of three gigabytes", 2, "a file of 3,000 MB")
def _(folder: Path) -> list[Path]:
    with (folder / "visits.csv").open("wb") as file:
        file.truncate(3_000_000_000)  # sparse: it takes no room
    return [folder / "visits.csv"]


@case("a name with a line break", 2, "No such file")
def _(folder: Path) -> list[Path]:
    return [folder / "a\nb\x1b[31m.csv"]


@case("a pickle", 2, "ends in .pkl")
def _(folder: Path) -> list[Path]:
    pd.DataFrame({"a": [1]}).to_pickle(folder / "visits.pkl")
    return [folder / "visits.pkl"]


@case("R's own format", 2, "ends in .rds")
def _(folder: Path) -> list[Path]:
    (folder / "visits.rds").write_bytes(b"\x1f\x8b")
    return [folder / "visits.rds"]


@case("two files of visits", 2, "a second table of visits")
def _(folder: Path) -> list[Path]:
    files = write(folder, *study())
    (folder / "visits2.csv").write_bytes(files[1].read_bytes())
    return [*files, folder / "visits2.csv"]


# --- Excel ---

excel("an Excel file", 0, "Found 24 people", lambda book: None)
excel(
    "Excel with blank rows and columns",
    0,
    "Found 24",
    lambda b: (b["visits"].insert_rows(1), b["visits"].insert_cols(3)),
)
excel(
    "Excel with a date for a number",
    2,
    "2016-05-01\n.*\n.*a date",
    lambda b: b["visits"].cell(4, 9, datetime.datetime(2016, 5, 1)),
)
excel(
    "Excel with a formula that was never computed",
    2,
    "row 4: '=1\\+1\n.*a value",
    lambda b: b["visits"].cell(4, 9, "=1+1"),
)
excel("Excel with an error", 2, "row 4: #N/A", lambda b: b["visits"].cell(4, 9, "#N/A"))
excel("Excel with text for a number", 2, "row 4: often", lambda b: b["visits"].cell(4, 9, "often"))
excel("Excel with joined cells", 1, r"joined \(merged\) cells", lambda b: b["visits"].merge_cells("L3:L4"))
excel(
    "Excel with a notes sheet",
    1,
    "a table that is neither",
    lambda b: (b.create_sheet("notes").append(["by"]), b["notes"].append(["me"])),
)
excel(
    "an empty workbook",
    2,
    "an empty workbook",
    lambda b: (b.create_sheet("x"), b.remove(b["persons"]), b.remove(b["visits"])),
)


@case("Excel that unpacks to two gigabytes", 2, "a workbook that unpacks to more")
def _(folder: Path) -> list[Path]:
    with zipfile.ZipFile(folder / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", bytes(1_000_000))
        archive.filelist[0].file_size = 2_000_000_000  # what it says of itself, which is read first
    return [folder / "bomb.xlsx"]


@case("Excel with entities in its XML", 2, "a document type")
def _(folder: Path) -> list[Path]:
    with zipfile.ZipFile(folder / "laughs.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><x>&b;</x>')
    return [folder / "laughs.xlsx"]


@case("a zip named .xlsx", 2, "a broken file")
def _(folder: Path) -> list[Path]:
    with zipfile.ZipFile(folder / "x.xlsx", "w") as archive:
        archive.writestr("hello.txt", "hello")
    return [folder / "x.xlsx"]


@case("Excel cut off", 2, "a broken file")
def _(folder: Path) -> list[Path]:
    [path] = workbook(folder, lambda book: None)
    path.write_bytes(path.read_bytes()[:2000])
    return [path]


@case("an old .xls named .xlsx", 2, r"an old Excel \(.xls\) or a password")
def _(folder: Path) -> list[Path]:
    (folder / "x.xlsx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    return [folder / "x.xlsx"]


# --- Parquet, Stata, SPSS ---


def _stored(folder: Path, ending: str, writer: Callable[[pd.DataFrame, Path], object]) -> list[Path]:
    places = [folder / f"persons.{ending}", folder / f"visits.{ending}"]
    for frame, place in zip(study(), places, strict=True):
        writer(numbers(frame), place)
    return places


@case("Parquet", 0, "Found 24 people")
def _(folder: Path) -> list[Path]:
    return _stored(folder, "parquet", lambda frame, place: frame.to_parquet(place))


@case("Stata", 0, "Found 24 people")
def _(folder: Path) -> list[Path]:
    return _stored(folder, "dta", lambda frame, place: pyreadstat.write_dta(frame, str(place)))


@case("SPSS", 0, "Found 24 people")
def _(folder: Path) -> list[Path]:
    return _stored(folder, "sav", lambda frame, place: pyreadstat.write_sav(frame, str(place)))


@case("SPSS with codes and labels for sex", 0, "Found 24 people")
def _(folder: Path) -> list[Path]:
    def store(frame: pd.DataFrame, place: Path) -> None:
        if "sex" in frame:
            frame = frame.assign(sex=frame["sex"].map({"female": 1, "male": 2}))
        labels = {"sex": {1: "Female", 2: "Male"}} if "sex" in frame else {}
        pyreadstat.write_sav(frame, str(place), variable_value_labels=labels)

    return _stored(folder, "sav", store)


@case("SPSS with a code declared missing", 0, "Found 24 people")
def _(folder: Path) -> list[Path]:
    def store(frame: pd.DataFrame, place: Path) -> None:
        missing = {}
        if "meetings" in frame:
            frame.loc[3, "meetings"], missing = -99, {"meetings": [-99]}
        pyreadstat.write_sav(frame, str(place), missing_ranges=missing)

    return _stored(folder, "sav", store)


@case("Parquet with lists in a column", 2, "column tags: found list")
def _(folder: Path) -> list[Path]:
    parquet.write_table(pa.table({"person": [1], "tags": [[1, 2]]}), folder / "x.parquet")
    return [folder / "x.parquet"]


@case("Parquet with objects in a column", 2, "column blob: found binary")
def _(folder: Path) -> list[Path]:
    parquet.write_table(pa.table({"person": [1], "blob": [b"\x80\x04."]}), folder / "x.parquet")
    return [folder / "x.parquet"]


for _ending, _head in (("parquet", b"PAR1"), ("dta", b"<stata_dta>"), ("sav", b"$FL2@(#)")):

    def _broken(folder: Path, ending: str = _ending, head: bytes = _head) -> list[Path]:
        (folder / f"x.{ending}").write_bytes(head + bytes(range(256)) * 4)
        return [folder / f"x.{ending}"]

    CORPUS[f"a broken .{_ending}"] = Case(_broken, 2, "a broken file")


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Permissions bind root only once it has stepped down."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def check(name: str, folder: Path, *options: str) -> tuple[int, str]:
    """How the check of an input ends, and all it says."""
    from helpers.__main__ import main

    files = CORPUS[name].write(folder)
    said = io.StringIO()
    step_down = as_nobody() if name == "no permission" else contextlib.nullcontext()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), step_down:
        code = main(["check", *map(str, files), "--strict", *options])
    return code, said.getvalue()


def _table() -> None:
    print("| input | exit | message |\n|---|---|---|")
    for name, expected in CORPUS.items():
        with tempfile.TemporaryDirectory() as folder:
            code, said = check(name, Path(folder))
        lines = [line.strip() for line in said.splitlines()]
        message = lines[1] if len(lines) > 1 and lines[1].count("found") else lines[0].split(". Outcomes")[0]
        match = next((line for line in lines if re.search(expected.says.split("\n")[0].split("\\n")[0], line)), message)
        print(f"| {name} | {code} | {match[:150].replace('|', chr(92) + '|')} |")


if __name__ == "__main__":
    sys.exit(_table())
