"""Files of Stata and SPSS: codes stay numbers, what their owner declared missing is blank, labels stand beside.

They are read in a process of their own, of bounded memory and time: the C library that reads them can crash on a broken
file, and a crash there is then a fault of the file and not the end of the check.
"""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyreadstat

from helpers import delimited, faults

CELLS = 60_000_000  # of a table
MEMORY = 6_000_000_000  # bytes of the other process
SECONDS = 300
KINDS = {".dta": (pyreadstat.read_dta, "a Stata file (.dta)"), ".sav": (pyreadstat.read_sav, "an SPSS file (.sav)")}
MEND = "save it as CSV UTF-8 or as Excel (.xlsx)"
CHILD = "import sys; sys.path.insert(0, sys.argv[1]); from helpers import coded; coded.child(sys.argv[2])"
BROKEN = (ValueError, KeyError, IndexError, TypeError, AttributeError, OSError, OverflowError, MemoryError)
BROKEN += (pyreadstat.ReadstatError, pyreadstat.PyreadstatError)


def read(path: Path) -> tuple[pd.DataFrame, dict[str, dict]]:
    """The cells of a file and the labels of its codes, column -> {code: label}. Raises faults.DataError."""
    name, words = path.name, KINDS[path.suffix.lower()][1]
    command = [sys.executable, "-c", CHILD, str(Path(__file__).resolve().parents[1]), str(path.absolute())]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise faults.fault(name, "", f"no end of it in {SECONDS} seconds", words, MEND) from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() if done.returncode == 3 else []
        raise faults.fault(name, "", f"a broken file ({faults.clean(said[-1] if said else 'its reader crashed', 120)})",
                           words, MEND)  # fmt: skip
    table = pa.ipc.open_stream(done.stdout).read_all()
    about = json.loads(table.schema.metadata[b"about"])
    if about["too large"]:
        raise too_large(name)
    delimited.check_header(name, about["names"], 1)
    if not table.num_rows:
        raise faults.fault(name, "", "a header only", "at least one row", "add the rows")
    index, cells = pd.RangeIndex(2, 2 + table.num_rows), {}
    for title, column in zip(about["names"], table.itercolumns(), strict=True):
        text = pa.types.is_string(column.type)
        values = column.to_numpy(zero_copy_only=False)
        cells[title] = pd.Series(values, index, dtype=object if text else "float64")
    labels = {column: {code: label for code, label in pairs} for column, pairs in about["labels"].items()}
    return pd.DataFrame(cells, index=index, copy=False), labels


def too_large(name: str) -> faults.DataError:
    words = f"at most {CELLS / 1e6:,.0f} million cells"
    return faults.fault(name, "", "more than can be read at once", words, "keep the rows and columns of the study only")


def child(path: str) -> None:
    """What the other process does: read the file, and write it to stdout as an Arrow stream."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        table = arrow(Path(path))
    except BROKEN as error:
        print(f"{type(error).__name__}: {error}".splitlines()[0], file=sys.stderr)
        raise SystemExit(3) from None
    with pa.ipc.new_stream(sys.stdout.buffer, table.schema) as stream:
        stream.write_table(table)


def arrow(path: Path) -> pa.Table:
    """The file as numbers and text; its names, labels and whether it is too large stand in the schema's metadata."""
    reader = KINDS[path.suffix.lower()][0]
    _, about = reader(str(path), metadataonly=True)
    names = [title.strip() for title in about.column_names]
    most = CELLS // max(len(names), 1)
    large = (about.number_rows or 0) > most or len(names) > delimited.WIDEST
    frame, about = reader(str(path), apply_value_formats=False, user_missing=False, row_limit=1 if large else most)
    columns = []
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            columns.append(pa.array(column.to_numpy(dtype="float64")))
        else:
            values = ["" if pd.isna(value) else delimited.as_text(value).strip() for value in column.astype(object)]
            columns.append(pa.array(values, pa.string()))
    labels = {column.strip(): list(codes.items()) for column, codes in about.variable_value_labels.items()}
    said = {"names": names, "labels": labels, "too large": large or len(frame) == most}
    table = pa.table(columns, names=[str(place) for place in range(len(columns))])
    return table.replace_schema_metadata({"about": json.dumps(said)})
