"""Text files of a table: which encoding, which separator, which decimal sign, and cells that are what stands there.

pyarrow splits a file that is in order; the csv module reads what is not, and names the fault. A number is never
guessed: what could be read in two ways stays text, and the column that needs a number says so.
"""

import codecs
import csv
import datetime
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import charset_normalizer
import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow

from helpers import faults

LARGEST = 300_000_000  # bytes of a file
LINE = 1_000_000  # bytes of a line
CELL = 32_767  # letters of a cell, as in Excel
WIDEST = 10_000  # columns
EXACT = 2**53  # whole numbers above cannot be told apart as floats
NAMED = 1000  # rows that are named of one fault
SEPARATORS = {",": "','", ";": "';'", "\t": "a tab", "|": "'|'"}

# Encodings that agree with ASCII on digits and separators, so that a wrong guess spoils letters and never numbers.
LEGACY = ["cp1252", "latin_1", "iso8859_2", "iso8859_5", "iso8859_7", "iso8859_15", "cp1250", "cp1251", "cp1253"]
LEGACY += ["cp1254", "cp1257", "cp437", "cp850", "koi8_r", "mac_roman", "shift_jis", "euc_jp", "gb18030", "big5"]
LEGACY += ["euc_kr"]
MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"))
MARKS += ((codecs.BOM_UTF16_BE, "utf-16"),)
KINDS = {
    b"PK\x03\x04": "an Excel or zip file",
    b"\xd0\xcf\x11\xe0": "an old Excel (.xls) or a password-protected file",
    b"\x1f\x8b": "a gzip file",
    b"%PDF": "a PDF",
    b"PAR1": "a Parquet file",
    b"$FL": "an SPSS file",
    b"<stata_dta>": "a Stata file",
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"<?xml": "an XML file",
    b"{\\rtf": "a text document (RTF)",
}

COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?")  # a number with a decimal comma
THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")  # or is it thousands
POINTS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+")  # the same with points
NUMBERLIKE = re.compile(r"[+-]?[0-9.,]+(?:[eE][+-]?[0-9]+)?")
MISSING = ("", "NA", "N/A", ".", "-", "nan", "NaN", "NAN", "NULL", "null", "na", "n/a")

Column = tuple[np.ndarray, list[str]]  # the code of each row, and the words that codes stand for


def read(path: Path) -> tuple[pd.DataFrame, list[tuple]]:
    """The cells of a text file as stripped text, indexed by row as in the file, and what was odd about the file.

    Rows that are blank throughout are left out. The oddities are problems as `faults.listed` takes them.
    Raises faults.DataError.
    """
    name = path.name
    data, notes = _decoded(name, _bytes(path))
    start, first, header, separator = _header(name, data)
    width = len(header)
    columns = _split(name, data[start:], first, separator, width)
    words = [_stripped(name, first, title, codes, found) for title, (codes, found) in zip(header, columns, strict=True)]
    codes = [codes for codes, _ in columns]
    del columns, data
    return table(name, header, _decimals(name, header, codes, words), first, notes)


def table(
    name: str, header: list[str], columns: list[Column], first: int, notes: list[tuple]
) -> tuple[pd.DataFrame, list[tuple]]:
    """Columns of codes and words as a frame of text without its blank rows; an unnamed column is left out, and said."""
    notes = list(notes)
    rows = len(columns[0][0]) if columns else 0
    blank = np.ones(rows, bool)
    for codes, found in columns:
        blank &= np.array([word == "" for word in found] or [True])[codes] if rows else blank
    check_header(name, header, first)
    index = np.flatnonzero(~blank) + first + 1
    index = pd.RangeIndex(first + 1, first + 1 + rows) if len(index) == rows else pd.Index(index)
    if not len(index):
        raise faults.fault(name, "", "a header only", "at least one row", "add the rows")
    cells = {}
    for place, (title, (codes, found)) in enumerate(zip(header, columns, strict=True), start=1):
        codes = codes if len(index) == rows else codes[~blank]
        if title:
            cells[title] = pd.Series(np.array([*found, ""], dtype=object)[codes], index, dtype=object)
        elif any(found[code] for code in np.unique(codes)):
            notes.append(unnamed(name, first, place))
    return pd.DataFrame(cells, index=index, copy=False), notes


def unnamed(name: str, row: int, place: int) -> tuple:
    return name, row, "", f"column {place} has no name", "a name over each column", "name it, or it is left out"


def check_header(name: str, header: list[str], row: int) -> None:
    """Raise faults.DataError for a header that cannot name columns: none, too many, or one twice."""
    named = [title for title in header if title]
    if not named:
        raise faults.fault(name, "", "no names of columns", "a header", "give each column its name", row)
    if len(header) > WIDEST:
        found = f"{len(header):,} columns"
        raise faults.fault(name, "", found, f"at most {WIDEST:,}", "keep the columns of the study only", row)
    seen, twice = set(), []
    for title in named:
        if title in seen:
            twice.append(title)
        seen.add(title)
    if twice:
        found = [(name, row, faults.clean(title), f"{header.count(title)} times") for title in dict.fromkeys(twice)]
        raise faults.DataError(faults.listed([(*f, "each column once", "rename or remove one of them") for f in found]))


def check_size(path: Path, size: int) -> None:
    if size > LARGEST:
        found, words = f"a file of {size / 1e6:,.0f} MB", f"at most {LARGEST / 1e6:,.0f} MB"
        raise faults.fault(path.name, "", found, words, "keep the rows and columns of the study only")


def as_text(value: object) -> str:
    """A value as the text of a cell: whole numbers without decimals, dates as 2016-05-01, truth as true and false."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        return (
            "" if value != value else repr(int(value)) if value % 1 == 0 and abs(value) < EXACT else repr(float(value))
        )
    if isinstance(value, datetime.datetime):  # before date, of which it is a kind
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value)


def _bytes(path: Path) -> bytes:
    """The file, read in blocks, so that a line that does not end is met before it is in memory."""
    name, parts, size, since, rows = path.name, [], 0, 0, 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            size += len(block)
            check_size(path, size)
            letters = np.frombuffer(block, np.uint8)
            ends = np.flatnonzero((letters == 10) | (letters == 13))
            gaps = np.diff(ends, prepend=-1 - since, append=len(block))
            if gaps.max() > LINE:
                row = rows + block.count(b"\n", 0, int(ends[np.argmax(gaps) - 1]) + 1 if np.argmax(gaps) else 0) + 1
                words, mend = f"lines of at most {LINE:,} bytes", "is it a table? save it as CSV again"
                raise faults.fault(name, "", f"a line of more than {LINE:,} bytes", words, mend, row)
            since = int(gaps[-1]) - 1
            rows += block.count(b"\n")
            parts.append(block)
    return b"".join(parts)


def _decoded(name: str, data: bytes) -> tuple[bytes, list[tuple]]:
    """The file as UTF-8 without a byte order mark, and a note if its encoding was guessed."""
    mend = "save the file as CSV UTF-8"
    head = data[:4096].lstrip().lower()
    for mark, kind in KINDS.items():
        if head.startswith(mark.lower()):
            raise faults.fault(name, "", kind, "a table as text", "give it its proper ending, or save it as CSV")
    notes = []
    encoding = next((encoding for mark, encoding in MARKS if data.startswith(mark)), "")
    if not encoding and len(head) > 3:
        # UTF-16 without its mark: every second byte of Latin text is NUL.
        odd, even = data[1:4096:2], data[:4096:2]
        for half, other, guess in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
            if half.count(0) > 0.8 * len(half) and other.count(0) < 0.2 * len(other):
                encoding, notes = guess, [_taken(name, guess)]
    if encoding:
        try:
            return data.decode(encoding).encode("utf-8"), notes
        except (UnicodeDecodeError, UnicodeEncodeError) as error:
            raise faults.fault(name, "", f"broken {encoding.upper()}", "text in UTF-8", mend) from error
    data = data.removeprefix(codecs.BOM_UTF8)
    controls = set(range(32)) - {0, 9, 10, 12, 13}
    if len(controls & set(data[: 1 << 16])) > 4 or data[: 1 << 16].count(0) > 0.1 * len(data[: 1 << 16]):
        raise faults.fault(name, "", "binary data", "a table as text", "save it as CSV from the program it is from")
    if b"\0" in data:
        found, rows = [], itertools.islice(re.finditer(rb"[^\n]*\0[^\n]*", data), NAMED)
        for match in rows:
            found.append((name, data.count(b"\n", 0, match.start()) + 1, "", "a NUL byte", "text", mend))
        raise faults.DataError(faults.listed(found))
    try:
        data.decode("utf-8")
        return data, notes
    except UnicodeDecodeError as error:
        encoding = _guessed(name, data, error)
    try:
        return data.decode(encoding).encode("utf-8"), [_taken(name, encoding)]
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise faults.fault(name, "", f"byte 0x{data[error.start]:02x}", "text in UTF-8", mend, row) from error


def _guessed(name: str, data: bytes, error: UnicodeDecodeError) -> str:
    """The encoding of a file that is not UTF-8. Lines in UTF-8 beside lines that are not: an error, no guess."""
    lines, sound, size = [], False, 0
    for match in re.finditer(rb"[^\n]*[\x80-\xff][^\n]*", data):
        try:
            match[0].decode("utf-8")
            sound = True
        except UnicodeDecodeError:
            size += len(match[0])
            if size < 50_000:
                lines.append(match[0])
        if sound and lines:
            row = data.count(b"\n", 0, error.start) + 1
            mend = "save the file as CSV UTF-8, and look at letters with accents"
            found = f"byte 0x{data[error.start]:02x}, where other rows are UTF-8"
            raise faults.fault(name, "", found, "one encoding throughout", mend, row)
    best = list(charset_normalizer.from_bytes(b"\n".join(lines)[:50_000], cp_isolation=LEGACY))
    if not best:
        row = data.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{data[error.start]:02x}"
        raise faults.fault(name, "", found, "text in UTF-8", "save the file as CSV UTF-8", row)
    # Encodings of one family read most letters alike; where nothing differs the usual one is taken.
    usual = b"\n".join(lines).decode("cp1252", "replace")
    return "cp1252" if usual == b"\n".join(lines).decode(best[0].encoding, "replace") else best[0].encoding


def _taken(name: str, encoding: str) -> tuple:
    mend = "if letters with accents look wrong, save the file as CSV UTF-8"
    return name, 0, "", f"not UTF-8, taken for {encoding.replace('_', '-')}", "text in UTF-8", mend


def _header(name: str, data: bytes) -> tuple[int, int, list[str], str]:
    """Where the header starts (byte, row), its names, and the separator: from the header, checked on the rows below."""
    start = re.match(rb"(?:[ \t]*\r?\n)*", data).end()
    first = data.count(b"\n", 0, start) + 1
    separators = list(SEPARATORS)
    if told := re.match(rb'"?sep=([,;|\t])"?\r?\n', data[start : start + 20]):  # Excel's own first line
        separators, first, start = [told[1].decode()], first + 1, start + told.end()
    sample = data[start : start + (1 << 21)].decode("utf-8", "ignore")
    if len(data) - start > 1 << 21:
        sample = sample[: sample.rfind("\n") + 1] or sample  # whole lines
    if not sample.strip():
        raise faults.fault(name, "", "an empty file", "a header and rows", "restore the file")
    tried = {}
    for separator in separators:
        rows = _rows(sample, separator)
        tried[separator] = [row for _, row in zip(range(101), rows, strict=False)] or [[""]]
    width = {separator: len(rows[0]) for separator, rows in tried.items()}
    most = max(width.values())
    best = [separator for separator in separators if width[separator] == most]
    fitting = [s for s in best if all(len(row) == most for row in tried[s][1:] if any(row))]
    if most > 1 and len(best) > 1 and len(fitting) != 1:
        words = " or ".join(SEPARATORS[separator] for separator in best)
        raise faults.fault(name, "", f"columns separated by {words}", "one separator", "save it as CSV again", first)
    separator = (fitting or best)[0]
    below = [row for row in tried[separator][1:] if any(row)]
    if most > 1 and below and all(len(row) == 1 for row in below):
        for other in separators:
            if all(len(row) > 1 for row in tried[other][1:] if any(row)):
                found = f"a header separated by {SEPARATORS[separator]}, rows by {SEPARATORS[other]}"
                raise faults.fault(name, "", found, "one separator", "save it as CSV again", first)
    header = [title.strip() for title in tried[separator][0]]
    check_header(name, header, first)
    return start, first, header, separator


def _rows(sample: str, separator: str) -> Iterator[list[str]]:
    """Rows of the csv module, as far as it comes."""
    try:
        yield from csv.reader(io.StringIO(sample, newline=""), delimiter=separator)
    except csv.Error:
        return


def _split(name: str, data: bytes, first: int, separator: str, width: int) -> list[Column]:
    """Columns of the rows below the header. Raises faults.DataError with every row of another width."""
    quoted = b'"' in data
    sign = re.escape(separator.encode())
    astray = rb"[^%s\r\n\"]\"[^%s\r\n\"]" % (sign, sign)  # a quote within a cell: pyarrow would join its parts
    if quoted and (data.count(b'"') % 2 or re.search(astray, data)):
        return _slowly(name, data, first, separator, width)
    ragged, more = [], 0

    def note(row: arrow.InvalidRow) -> str:
        nonlocal more
        if len(ragged) < NAMED:
            ragged.append((row.number + first - 1, row.actual_columns))
        else:
            more += 1
        return "skip"

    names = [str(place) for place in range(width)]
    try:
        read = arrow.read_csv(
            pa.BufferReader(data),
            arrow.ReadOptions(use_threads=False, block_size=1 << 24, column_names=names, skip_rows_after_names=1),
            arrow.ParseOptions(
                delimiter=separator, newlines_in_values=quoted, ignore_empty_lines=False, invalid_row_handler=note
            ),
            arrow.ConvertOptions(
                column_types=dict.fromkeys(names, pa.dictionary(pa.int32(), pa.string())), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        return _slowly(name, data, first, separator, width)
    if ragged:
        raise _ragged(name, ragged, width, more)
    columns = []
    for column in read.unify_dictionaries().itercolumns():
        column = column.combine_chunks()
        column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
        columns.append((column.indices.to_numpy(zero_copy_only=False), column.dictionary.to_pylist()))
    return columns


def _slowly(name: str, data: bytes, first: int, separator: str, width: int) -> list[Column]:
    """The same by the csv module, row by row, which says what is wrong with quotes."""
    text = data.decode("utf-8")
    del data
    codes, words = [[] for _ in range(width)], [{} for _ in range(width)]
    ragged, row = [], first
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        next(reader)
        for row, cells in enumerate(reader, start=first + 1):
            if cells and len(cells) != width:
                ragged.append((row, len(cells)))
                continue
            for code, word, cell in zip(codes, words, cells or [""] * width, strict=True):
                code.append(word.setdefault(cell, len(word)))
    except csv.Error as error:
        mend = "close the quotation mark, or save the file again as CSV"
        raise faults.fault(name, "", f"{error} (from this row on)", "comma-separated values", mend, row + 1) from error
    if ragged:
        raise _ragged(name, ragged[:NAMED], width, max(len(ragged) - NAMED, 0))
    return [(np.array(code, dtype="int32"), list(word)) for code, word in zip(codes, words, strict=True)]


def _ragged(name: str, ragged: Sequence[tuple[int, int]], width: int, more: int) -> faults.DataError:
    words, mend = f"{width} cells, as in the header", "delete or complete the row"
    found = [(name, row, "", f"{count} cell{'s' if count > 1 else ''}", words, mend) for row, count in ragged]
    problems = faults.counted(found)
    problems.loc[len(problems) - 1, "count"] += more
    return faults.DataError(problems)


def _stripped(name: str, first: int, title: str, codes: np.ndarray, words: list[str]) -> list[str]:
    """Words without blanks around them; one that is no cell but a document is a fault."""
    for code, word in enumerate(words):
        if len(word) > CELL:
            row = int(np.argmax(codes == code)) + first + 1
            expected = f"at most {CELL:,} letters"
            raise faults.fault(
                name, faults.clean(title), f"a cell of {len(word):,} letters", expected, "shorten it", row
            )
    return [word.strip() for word in words]


def _decimals(name: str, header: list[str], codes: list[np.ndarray], words: list[list[str]]) -> list[Column]:
    """Decimal commas as points, in each column whose cells leave no doubt.

    A column has them if all its cells are numbers and one of them cannot be thousands (2,5 can not, 1,234 can). Where
    a column has them, another that writes points before three figures (1.234) may mean thousands: that is a fault.
    """
    commas, doubtful = [], []
    for place, found in enumerate(words):
        filled = [word for word in found if word not in MISSING]
        if any("," in word for word in filled):
            numbers = all(COMMA.fullmatch(word) or re.fullmatch(r"[+-]?[0-9]+", word) for word in filled)
            if numbers and any("," in word and not THOUSANDS.fullmatch(word) for word in filled):
                commas.append(place)
        elif any("." in word and POINTS.fullmatch(word) for word in filled) and all(
            NUMBERLIKE.fullmatch(word) for word in filled
        ):
            doubtful.append(place)
    if commas and doubtful:
        expected, mend = "one decimal sign in a file", "write numbers without signs of thousands"
        rows = [(name, 0, faults.clean(header[place]), _first(words[place], POINTS)) for place in doubtful]
        raise faults.DataError(faults.listed([(*row, expected, mend) for row in rows]))
    for place in commas:
        words[place] = [word.replace(",", ".") for word in words[place]]
    return list(zip(codes, words, strict=True))


def _first(words: list[str], pattern: re.Pattern) -> str:
    return next(word for word in words if pattern.fullmatch(word)) + ", while other columns have decimal commas"
