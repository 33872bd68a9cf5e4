"""The registry: rows in reading order, and files that say what `results.json` says."""

import csv
import io
import json

import pytest
from nbformat import v4

from press import registry, verified
from press.registry import as_csv, as_json, as_script, link, rows, stored


def entry(value, page, cell, unit="", text=None):
    said = {"value": value, "text": text or str(value), "format": "", "unit": unit, "status": "computed"}
    return said | {"page": page, "cell": cell}


COMMITTED = {
    "b.late": entry(2.0000000000000004, "book/one/z", 3, "points", "2.00"),
    "b.early": entry(7, "book/one/z", 1),
    "a.word": entry("many, \"or\" few", "book/two/a", 1),
}  # fmt: skip
CELLS = [v4.new_markdown_cell("# Z"), v4.new_code_cell("1"), v4.new_markdown_cell("x"), v4.new_code_cell("2")]
NOTEBOOKS = {page: v4.new_notebook(cells=CELLS) for page in ("book/one/z", "book/two/a")}
TITLES = {"book/one/z": "Zeta", "book/two/a": "Alpha"}
PRINTS = dict.fromkeys(NOTEBOOKS, "code")


@pytest.fixture
def ledger():
    return rows(COMMITTED, [], NOTEBOOKS, PRINTS)


def test_rows_stand_in_reading_order_and_count_code_cells(ledger):
    assert [(row.key, row.cell) for row in ledger] == [("b.early", 1), ("b.late", 2), ("a.word", 1)]


def test_a_row_says_who_verified_it():
    record = verified.record(COMMITTED, PRINTS, {"system": "Linux", "python": "3.11.2"}, {})
    changed = COMMITTED | {"b.early": entry(8, "book/one/z", 1)}
    said = {row.key: row.verified for row in rows(changed, [record], NOTEBOOKS, PRINTS)}
    assert said["b.late"] == "verified by Python 3.11.2, Linux"
    assert said["b.early"] == "changed since Python 3.11.2, Linux"


def test_the_value_is_the_stored_one_and_the_cell_that_of_this_build():
    moved = {key: one | {"cell": 3, "value": one["value"] * 1} for key, one in COMMITTED.items()}
    moved["b.late"]["value"] = 2.0000000000000009  # within the tolerance, on another processor
    moved["new"] = entry(1, "book/one/z", 1)
    moved["derived"] = entry(3, "book/one/z", None)
    kept = stored(moved, COMMITTED)
    assert kept["b.late"] == COMMITTED["b.late"] | {"cell": 3}
    assert kept["new"] == moved["new"]
    assert "derived" not in kept


def test_the_link_leads_from_the_page_to_the_cell(ledger):
    assert link(ledger[0]) == "../../book/one/z.html#num-b.early"


def test_the_json_says_what_results_json_says_and_more(ledger):
    read = json.loads(as_json(ledger, COMMITTED, TITLES))
    assert {key: {name: one[name] for name in COMMITTED[key]} for key, one in read.items()} == COMMITTED
    assert read["b.late"]["chapter"] == "Zeta"
    assert read["b.late"]["code_cell"] == 2
    assert read["b.late"]["verified"] == "not yet verified"


def test_the_csv_keeps_every_digit_and_quotes_what_needs_it(ledger):
    read = {row["key"]: row for row in csv.DictReader(io.StringIO(as_csv(ledger, TITLES)))}
    assert float(read["b.late"]["value"]) == COMMITTED["b.late"]["value"]
    assert read["a.word"]["value"] == COMMITTED["a.word"]["value"]
    said = [read["b.late"][name] for name in ("text", "unit", "chapter", "code_cell")]
    assert said == ["2.00", "points", "Zeta", "2"]


def unpacked(script):
    """The rows of `ledger.js` read as its comment says."""
    data = json.loads(script.removeprefix("window.LEDGER=").removesuffix(";\n"))
    key = ""
    for common, rest, text, value, unit, status, page, cell, standing in data["rows"]:
        key = key[:common] + rest
        address, title = data["pages"][page]
        words = data["units"][unit], data["statuses"][status], data["verified"][standing]
        yield key, text, text if value is None else value, *words, title, cell, f"{address}#num-{key}"


def test_the_script_holds_the_same_rows(ledger):
    script = as_script(ledger, TITLES)
    values = {"b.early": "7", "b.late": 2.0000000000000004, "a.word": "many, \"or\" few"}  # fmt: skip
    assert list(unpacked(script)) == [
        (row.key, row.text, values[row.key], row.unit, row.status, row.verified, TITLES[row.page], row.cell, link(row))
        for row in ledger
    ]
    assert '[2,"late",' in script  # "b." is not said twice


def test_files_are_the_same_from_the_same_ledger(ledger):
    again = rows(dict(reversed(COMMITTED.items())), [], NOTEBOOKS, PRINTS)
    assert as_script(again, TITLES) == as_script(ledger, TITLES)
    assert as_csv(again, TITLES) == as_csv(ledger, TITLES)
    assert as_json(again, COMMITTED, TITLES) == as_json(ledger, COMMITTED, TITLES)


def test_a_static_table_has_a_row_a_number_under_a_row_a_cell(ledger):
    made = registry._chapter_table("book/one/z", "Zeta", "../one/z.html", ledger[:2])
    assert made.count('<tr class="ledger-cell">') == 2
    assert '<a href="../one/z.html#num-b.late">cell 2</a>' in made
    assert '<th scope="row">b.late</th><td>2.00 points</td><td>computed</td><td>2.0000000000000004</td>' in made
    assert "<strong>Zeta</strong> · 2 numbers; 2 not yet verified</summary>" in made
