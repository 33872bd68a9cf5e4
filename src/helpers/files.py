"""A reader's file as cells: CSV and other text, Excel, Parquet, Stata, SPSS. What is read is never run.

No format that carries code is opened (pickle, R's .rds, macros), no formula is computed, and what would not fit into
memory is refused before it is read.
"""

import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
from openpyxl.utils.exceptions import InvalidFileException
from pyarrow import parquet
from tqdm import tqdm

from helpers import coded, delimited, faults
from helpers.coded import CELLS, MEND
from helpers.delimited import EXACT, as_text
from helpers.faults import DataError

UNZIPPED = 1_000_000_000  # bytes that a workbook or a Parquet file may hold when unpacked

# What the readers of other formats raise for a file that is broken: each is a fault of the file, named as one.
BROKEN = (ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError, OSError, OverflowError, RuntimeError)
BROKEN += (SyntaxError, AssertionError, NotImplementedError, MemoryError, zlib.error, zipfile.BadZipFile)
BROKEN += (InvalidFileException, pa.ArrowException)


@dataclass(frozen=True)
class Table:
    """The cells of one table of a file.

    name : the file's name; with several sheets "file.xlsx, sheet X"
    cells : columns as in the file; the index is the row of the file (header 1, first data row 2). A column holds text
        (dtype object, blank "") or numbers (blank NaN)
    notes : what was odd about the file, as problems: (file, row, column, value, expected, mend)
    labels : of coded columns (Stata, SPSS), column -> {code: label}; the cells keep the codes
    origin : contract's column -> words for the reader's column, where a mapping made this table
    """

    name: str
    cells: pd.DataFrame
    notes: tuple[tuple, ...] = ()
    labels: dict[str, dict] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)


def read(path: Path | str) -> list[Table]:
    """The tables of a file: one, or one a sheet that holds rows.

    By the file's ending: .csv, .tsv, .tab, .txt (text with , ; | or tabs, any encoding), .xlsx, .parquet, .dta, .sav.
    Raises DataError for a file that is none of these, is broken, too large, or has no table in it.
    """
    path = Path(path)
    name = path.name or str(path)
    size = _size(path, name)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        kind = f"a file that ends in {faults.clean(path.suffix)}" if path.suffix else "a file without an ending"
        raise faults.fault(name, "", kind, "one of " + ", ".join(READERS), MEND)
    try:
        delimited.check_size(path, size)
        if not size:
            raise faults.fault(name, "", "an empty file", "a header and rows", "restore the file")
        return reader(path)
    except OSError as error:
        raise faults.fault(name, "", error.strerror or str(error), "a readable file", "see its permissions") from error


def can_read(path: Path) -> bool:
    """Whether the file's ending is one of those that `read` knows."""
    return path.suffix.lower() in READERS


def _size(path: Path, name: str) -> int:
    """The file's size. Raises DataError unless it is a file that ends: no folder, device, pipe or loop of links."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise faults.fault(
            faults.clean(name), "", reason, "a readable file", f"put it at {faults.clean(str(path), 200)}"
        ) from error
    if stat.S_ISDIR(status.st_mode):
        raise faults.fault(name, "", "a folder", "a file", "name the files in it")
    if not stat.S_ISREG(status.st_mode):
        raise faults.fault(name, "", "a device or a pipe", "a file", "save the data as a file first")
    if not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        raise faults.fault(name, "", "a file that may not be read", "a readable file", "see its permissions")
    return status.st_size


def _text(path: Path) -> list[Table]:
    cells, notes = delimited.read(path)
    return [Table(path.name, cells, tuple(notes))]


def _excel(path: Path) -> list[Table]:
    """Sheets that hold rows. Values only: a formula counts by the value that was saved with it."""
    name = path.name
    with path.open("rb") as file:
        head = file.read(8)
    if not head.startswith(b"PK"):
        kind = next((kind for mark, kind in delimited.KINDS.items() if head.startswith(mark)), "no workbook")
        raise faults.fault(name, "", kind, "an Excel workbook (.xlsx)", "open it in Excel and save it as .xlsx")
    with _broken_is_a_fault(name, "an Excel workbook (.xlsx)"), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > UNZIPPED or len(members) > 10_000:
            words = f"at most {UNZIPPED / 1e6:,.0f} MB unpacked"
            raise faults.fault(name, "", "a workbook that unpacks to more", words, "save the table as CSV UTF-8")
        for member in members:
            with archive.open(member) as part:
                if b"<!DOCTYPE" in part.read(1 << 16):
                    raise faults.fault(name, "", "a document type in its XML", "a plain workbook", MEND)
        marks = _marks(archive)
    with _broken_is_a_fault(name, "an Excel workbook (.xlsx)"):
        return _workbook(path, marks)


def _marks(archive: zipfile.ZipFile) -> tuple[bool, bool]:
    """Whether any sheet holds a formula, and whether any joins cells; looked for block by block."""
    formula = merged = False
    for member in archive.infolist():
        if not member.filename.startswith("xl/worksheets/"):
            continue
        with archive.open(member) as part:
            before = b""
            while block := part.read(1 << 20):
                formula |= bool(re.search(rb"<(?:\w+:)?f[ >/]", before + block))
                merged |= b"mergeCell " in before + block
                before = block[-20:]
    return formula, merged


def _workbook(path: Path, marks: tuple[bool, bool]) -> list[Table]:
    formula, merged = marks
    tables, notes = [], []
    if merged:
        mend = "part them, and fill each cell: all but the first of joined cells count as blank"
        notes.append((path.name, 0, "", "joined (merged) cells", "one value a cell", mend))
    values = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    written = openpyxl.load_workbook(path, read_only=True, keep_links=False) if formula else None
    try:
        held = {sheet.title: _sheet(path.name, sheet, written and written[sheet.title]) for sheet in values.worksheets}
    finally:
        values.close()
        if written:
            written.close()
    held = {title: rows for title, rows in held.items() if rows}
    if not held:
        raise faults.fault(path.name, "", "an empty workbook", "a header and rows", "restore the file")
    for title in [title for title, (_, rows) in held.items() if len(rows) == 1][: len(held) - 1]:
        _, mend = held.pop(title), "nothing, if it is no data"
        notes.append((path.name, 0, "", f"one row in sheet {faults.clean(title)}", "a header and rows", mend))
    for title, (first, rows) in held.items():
        name = path.name if len(held) == 1 else f"{path.name}, sheet {faults.clean(title)}"
        tables.append(_rows_as_table(name, first, rows, notes))
        notes = []
    return tables


def _sheet(name: str, sheet: object, written: object) -> tuple[int, list[tuple]] | None:
    """The first row that holds anything (its number), and all rows from there on. None if the sheet is blank."""
    sheet.reset_dimensions()  # what the file says of its size need not be true
    rows, first, cells, bare = [], 0, 0, []
    formulas = iter(())
    if written is not None:
        written.reset_dimensions()
        formulas = written.iter_rows(values_only=True)
    for number, row in enumerate(_shown(sheet.iter_rows(values_only=True), f"{name}, {sheet.title}"), start=1):
        told = next(formulas, ())
        for place, value in enumerate(told):
            if isinstance(value, str) and value.startswith("=") and (place >= len(row) or row[place] is None):
                bare.append((name, number, "", faults.escaped(faults.text(value)), place))
        if first == 0 and all(value is None or value == "" for value in row):
            continue
        first = first or number
        cells += len(row)
        if cells > CELLS or len(row) > 16_384:
            raise coded.too_large(name)
        rows.append(row)
    if bare:
        header = rows[0] if rows else ()
        mend = "open it in Excel and save it, or paste the values"
        found = [
            (file, row, faults.text(header[place]) if place < len(header) else "", value, "a value", mend)
            for file, row, _, value, place in bare[: delimited.NAMED]
        ]
        raise DataError(faults.listed(found))
    return (first, rows) if rows else None


def _rows_as_table(name: str, first: int, rows: list[tuple], notes: list[tuple]) -> Table:
    """Rows of Python values as a table: a column of numbers alone as numbers, any other as text."""
    header = ["" if title is None else as_text(title).strip() for title in rows[0]]
    width = max(len(row) for row in rows)
    header += [""] * (width - len(header))
    delimited.check_header(name, [title for title in header if title] or header, first)
    kept = [number for number, row in enumerate(rows[1:], start=first + 1) if any(v not in (None, "") for v in row)]
    if not kept:
        raise faults.fault(name, "", "a header only", "at least one row", "add the rows")
    rows = [rows[number - first] for number in kept]
    index, cells, notes = pd.Index(kept), {}, list(notes)
    for place, title in enumerate(header):
        column = [row[place] if place < len(row) else None for row in rows]
        if title:
            cells[title] = _column(column, index)
        elif any(value not in (None, "") for value in column):
            notes.append(delimited.unnamed(name, first, place + 1))
    return Table(name, pd.DataFrame(cells, index=index), tuple(notes))


def _column(values: list, index: pd.Index) -> pd.Series:
    numbers = [value for value in values if value is not None]
    if all(type(value) in (int, float) for value in numbers) and all(abs(value) <= EXACT for value in numbers):
        return pd.Series([np.nan if value is None else value for value in values], index, dtype="float64")
    return pd.Series(["" if value is None else as_text(value).strip() for value in values], index, dtype=object)


def _parquet(path: Path) -> list[Table]:
    name, words = path.name, "a Parquet file of plain columns"
    with _broken_is_a_fault(name, words), parquet.ParquetFile(path, pre_buffer=False) as file:
        about, schema = file.metadata, file.schema_arrow
        unpacked = sum(about.row_group(group).total_byte_size for group in range(about.num_row_groups))
        if unpacked > UNZIPPED or about.num_rows * len(schema) > CELLS or len(schema) > delimited.WIDEST:
            raise coded.too_large(name)
        titles = [title.strip() for title in schema.names]
        delimited.check_header(name, titles, 1)
        odd = [(faults.clean(field_.name), faults.clean(str(field_.type))) for field_ in schema if not _plain(field_)]
        words, mend = "numbers or text", "leave it out, or save it as text"
        bad = [(name, 0, column, kind, words, mend) for column, kind in odd]
        if bad:
            raise DataError(faults.listed(bad))
        if not about.num_rows:
            raise faults.fault(name, "", "a header only", "at least one row", "add the rows")
        read, cells = file.read(), {}
        index = pd.RangeIndex(2, 2 + read.num_rows)
        for title, kind, column in zip(titles, schema.types, read.itercolumns(), strict=True):
            if not title.startswith("__index_level_"):  # pandas keeps its row labels there
                cells[title] = _arrow_column(column, kind, index)
    return [Table(name, pd.DataFrame(cells, index=index))]


def _plain(field_: pa.Field) -> bool:
    kind = field_.type.value_type if pa.types.is_dictionary(field_.type) else field_.type
    extension = isinstance(kind, pa.BaseExtensionType) or b"ARROW:extension:name" in (field_.metadata or {})
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string, pa.types.is_decimal)
    tests += (pa.types.is_large_string, pa.types.is_string_view, pa.types.is_temporal, pa.types.is_null)
    return not extension and any(test(kind) for test in tests)


def _arrow_column(column: pa.ChunkedArray, kind: pa.DataType, index: pd.Index) -> pd.Series:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        column = column.cast(kind)
    whole = pa.types.is_integer(kind)
    if whole and not column.null_count:
        return pd.Series(column.to_numpy(), index)
    if pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return pd.Series(column.cast(pa.float64()).to_numpy(), index, dtype="float64")
    values = column.to_pylist()
    if whole and all(value is None or abs(value) <= EXACT for value in values):
        return pd.Series([np.nan if value is None else value for value in values], index, dtype="float64")
    if pa.types.is_decimal(kind):
        return pd.Series([np.nan if value is None else float(value) for value in values], index, dtype="float64")
    return pd.Series(["" if value is None else as_text(value).strip() for value in values], index, dtype=object)


def _coded(path: Path) -> list[Table]:
    cells, labels = coded.read(path)
    return [Table(path.name, cells, labels=labels)]


class _broken_is_a_fault:  # noqa: N801 - reads as the sentence it is
    """What another library raises for a broken file, as a fault of that file."""

    def __init__(self, name: str, words: str):
        self.name, self.words = name, words

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, BROKEN) and not isinstance(error, DataError):
            said = faults.clean(f"{type(error).__name__}: {error}".splitlines()[0], 120)
            raise faults.fault(self.name, "", f"a broken file ({said})", self.words, MEND) from error


def _shown(rows: Iterable, words: str) -> Iterator:
    """The rows, with a bar on the terminal's stderr if they take more than two seconds."""
    return tqdm(rows, words, delay=2, leave=False, disable=None, unit=" rows")


READERS = {".csv": _text, ".tsv": _text, ".tab": _text, ".txt": _text, ".xlsx": _excel, ".parquet": _parquet}
READERS |= {".dta": _coded, ".sav": _coded}
