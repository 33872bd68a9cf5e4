"""The codebook page and the templates say what the data package says, and pass the check they come with."""

import json
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from helpers import contract, mapping, records, templates
from helpers.__main__ import main

ROOT = Path(__file__).parents[1]
PACKAGE = json.loads((ROOT / "book/data/datapackage.json").read_text(encoding="utf-8"))
RESOURCES = {resource["name"]: resource for resource in PACKAGE["resources"]}
CONF = """
extensions = ["myst_nb", "press.codebook"]
html_theme = "basic"
root_doc = "book/appendix/codebook"
nb_execution_mode = "off"
suppress_warnings = ["myst.xref_missing", "myst.domains"]
myst_heading_anchors = 3
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The codebook page alone, built."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    (source / "book/appendix").mkdir(parents=True)
    (source / "conf.py").write_text(CONF)
    text = (ROOT / "book/appendix/codebook.md").read_text(encoding="utf-8")
    (source / "book/appendix/codebook.md").write_text(text, encoding="utf-8")
    with docutils_namespace():  # what it registers ends with it: another test of this process builds too
        Sphinx(source, source, out, out / "trees", "html", status=None, warning=None, parallel=1).build()
    return out


@pytest.fixture(scope="module")
def page(site):
    return BeautifulSoup((site / "book/appendix/codebook.html").read_text(encoding="utf-8"), "html.parser")


def stated(table):
    """The fields of a table as the JSON states them for a reader's own study."""
    resource = RESOURCES[table]
    own = [field | field.get("yours", {}) for field in resource["schema"]["fields"]]
    return own + resource.get("yours", {}).get("fields", [])


@pytest.mark.parametrize("table", ["persons", "visits"])
def test_every_cell_of_the_page_is_what_the_data_package_says(page, table):
    drawn = next(t for t in page.find_all("table") if t.find(class_="caption-text").get_text() == f"Columns of {table}")
    cells = [[cell.get_text().strip() for cell in row.find_all(["td", "th"])] for row in drawn.tbody.find_all("tr")]
    assert [row[0] for row in cells] == [field["name"] for field in stated(table)]
    for row, field in zip(cells, stated(table), strict=True):
        _, title, kind, unit, values, required, description = row
        limits = field.get("constraints", {})
        assert (title, unit, description) == tuple(field.get(key, "") for key in ("title", "unit", "description"))
        assert kind == {"integer": "whole number", "number": "number", "string": "text"}[field["type"]]
        if "enum" in limits:
            assert values.split(", ") == [str(value) for value in limits["enum"]]
        else:
            assert (
                values.split(" to ") == [str(limits[end]) for end in ("minimum", "maximum") if end in limits]
                or not values
            )
            assert bool(values) == ("minimum" in limits)
        if "insteadOf" in field:
            assert required.startswith(f"in place of {field['insteadOf']}")
        elif field.get("optional"):
            assert required == "no"
        else:
            assert required == ("yes" if limits.get("required") else "yes, may be blank")


def test_the_templates_are_files_of_the_site_and_linked(site, page):
    links = [a["href"] for a in page.find_all("a", download=True)]
    assert links == [f"../../templates/{name}" for name in templates.FILES]
    assert all((site / "book/appendix" / link).resolve().is_file() for link in links)


def test_the_page_shows_the_shipped_mapping_in_full(page):
    shown = [block.get_text() for block in page.find_all("pre")]
    assert mapping.shipped("help").read_text(encoding="utf-8").strip() in [text.strip() for text in shown]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT / "book")
    assert main(["template", str(tmp_path / "mine")]) == 0
    return tmp_path / "mine"


def test_the_templates_have_each_column_that_the_data_package_has_and_two_rows(folder):
    for table in contract.TABLES:
        made = pd.read_csv(folder / f"{table}.csv")
        assert list(made) == [field["name"] for field in RESOURCES[table]["schema"]["fields"]]
        assert len(made) == 2


@pytest.mark.parametrize("files", [["persons.csv", "visits.csv"], ["study.xlsx"]])
def test_the_templates_pass_the_check(folder, files):
    received = records.receive([folder / name for name in files])
    assert received.errors.empty
    assert received.persons["person"].tolist() == ["A1", "A2"]
    assert received.visits["observed"].tolist() == [1, 1, 0, 0]


def test_the_workbook_holds_the_tables_and_the_codebook(folder):
    book = openpyxl.load_workbook(folder / "study.xlsx")
    assert book.sheetnames == ["persons", "visits", "codebook"]
    rows = [["" if cell is None else cell for cell in row] for row in book["codebook"].iter_rows(values_only=True)]
    expected = templates.codebook()
    assert rows[0] == list(expected) == templates.CODEBOOK
    assert rows[1:] == expected.to_numpy().tolist()
    for table in contract.TABLES:
        made = pd.read_csv(folder / f"{table}.csv", dtype=str, keep_default_na=False).to_numpy().tolist()
        sheet = list(book[table].iter_rows(values_only=True))[1:]
        assert [["" if cell is None else str(cell) for cell in row] for row in sheet] == made


def test_templates_that_are_there_are_kept_unless_they_may_be_replaced(folder, capsys):
    (folder / "persons.csv").write_text("mine")
    assert main(["template", str(folder)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (folder / "persons.csv").read_text() == "mine"
    assert main(["template", str(folder), "--overwrite"]) == 0
    assert (folder / "persons.csv").read_text() != "mine"
    assert sorted(path.name for path in folder.iterdir()) == sorted(templates.FILES)
