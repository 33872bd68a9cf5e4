"""The page "Verify": what it lists is what is stored, with and without scripts; its links lead to real files."""

import csv
import io
import json
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from built import ROOT
from playwright.sync_api import Page, expect

sys.path.insert(0, str(ROOT / "tests"))
from tiny import press

from press import citation, colophon
from press.chapters import computed

VERIFY = "book/using/verify.html"
STORED = json.loads((ROOT / "book" / "results.json").read_text(encoding="utf-8"))


@pytest.fixture
def verify(open_page) -> Page:
    return open_page(VERIFY)


def shown(page: Page) -> list[list[str]]:
    """The rows of the table as text: number and key, status, stored value, cell, who verified."""
    return page.evaluate(
        "[...document.querySelectorAll('#ledger tbody tr')].map(r => [...r.cells].map(c => c.innerText))"
    )


def key(row: list[str]) -> str:
    return row[0].split("\n")[-1]


def count(page: Page) -> int:
    return int(re.match(r"\d+", page.locator("#ledger [role=status]").inner_text())[0])


def asked(page: Page, words: str) -> None:
    """Type `words` into the filter and wait until the table has followed."""
    page.get_by_label("Key, unit or value").fill(words)
    page.wait_for_timeout(300)


# --- the table ---


def test_all_numbers_are_counted_and_the_first_hundred_stand_there(verify):
    assert count(verify) == len(STORED)
    assert len(shown(verify)) == 100


def test_paging_through_shows_every_stored_number_once_with_its_value(verify):
    seen = {}
    while True:
        for row in shown(verify):
            assert key(row) not in seen
            seen[key(row)] = row
        if verify.get_by_role("button", name="Next 100").get_attribute("aria-disabled") == "true":
            break
        verify.get_by_role("button", name="Next 100").click()
    assert seen.keys() == STORED.keys()
    for name, row in seen.items():
        entry = STORED[name]
        assert row[0].split("\n")[0] == f"{entry['text']} {entry['unit']}".strip()
        assert row[1] == entry["status"]
        value = row[2] if isinstance(entry["value"], str) else float(row[2])
        assert value == entry["value"]


def test_typing_filters_by_key_and_the_count_is_announced(verify):
    asked(verify, "pda_b contact estimate")
    named = [name for name in STORED if all(word in name for word in ("pda_b", "contact", "estimate"))]
    assert set(named) <= {key(row) for row in shown(verify)}
    assert count(verify) < len(STORED)
    assert verify.locator("#ledger [role=status]").count() == 1


def test_status_and_chapter_filter_together_and_clear_brings_all_back(verify):
    form = verify.get_by_role("search", name="Filter the numbers")
    form.get_by_label("Status").select_option("assumed")
    assert count(verify) == sum(entry["status"] == "assumed" for entry in STORED.values())
    chapter = next(entry["page"] for entry in STORED.values() if entry["status"] == "assumed")
    title = verify.locator(f"#ledger a[href*='{chapter}.html']").first.inner_text().rpartition(",")[0]
    form.get_by_label("Chapter").select_option(title)
    wanted = {name for name, entry in STORED.items() if (entry["status"], entry["page"]) == ("assumed", chapter)}
    assert {key(row) for row in shown(verify)} == wanted
    verify.get_by_role("button", name="Clear").click()
    expect(verify.locator("#ledger [role=status]")).to_contain_text(f"{len(STORED)} numbers")


def test_what_is_not_there_leaves_an_empty_table_and_says_so(verify):
    asked(verify, "no such number anywhere")
    assert verify.locator("#ledger [role=status]").inner_text() == "0 numbers."
    assert shown(verify) == []


def test_the_keyboard_is_enough_to_filter_turn_the_page_and_follow_a_number(verify):
    verify.get_by_label("Key, unit or value").focus()
    verify.keyboard.type("average")
    verify.wait_for_timeout(300)  # the table follows
    for _ in range(4):  # over the three choices to Clear
        verify.keyboard.press("Tab")
    assert verify.evaluate("document.activeElement.textContent") == "Clear"
    verify.keyboard.press("Tab")  # the table, which scrolls
    assert verify.evaluate("document.activeElement.getAttribute('role')") == "region"
    verify.keyboard.press("Tab")
    target = verify.evaluate("document.activeElement.href")
    verify.keyboard.press("Enter")
    verify.wait_for_url(target)
    assert verify.evaluate("document.getElementById(decodeURIComponent(location.hash.slice(1))) !== null")


def test_turning_the_page_keeps_the_focus_on_the_button(verify):
    turn = verify.get_by_role("button", name="Next 100")
    turn.focus()
    verify.keyboard.press("Enter")
    expect(verify.locator("#ledger [role=status]")).to_contain_text("shown are 101 to 200")
    assert verify.evaluate("document.activeElement.textContent") == "Next 100"


def test_an_address_opens_the_table_at_a_number(open_page):
    name = sorted(STORED)[0]
    page = open_page(f"{VERIFY}#ledger={name}")
    assert key(shown(page)[0]) == name
    assert page.get_by_label("Key, unit or value").input_value() == name


def test_on_a_phone_the_table_scrolls_and_the_page_does_not(open_page):
    page = open_page(VERIFY, width=375)
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    region = page.get_by_role("region", name="Numbers of the ledger")
    assert region.evaluate("r => r.scrollWidth > r.clientWidth && r.tabIndex === 0")


# --- the files ---


def linked(page: Page, site: Path, name: str) -> str:
    """The file that the link leads to. From a disk Chromium shows JSON instead of saving it, so the file is read."""
    link = page.get_by_role("link", name=name, exact=True)
    assert link.get_attribute("download") is not None
    return (site / VERIFY).parent.joinpath(link.get_attribute("href")).read_text(encoding="utf-8")


def test_the_json_is_what_results_json_says(verify, site):
    read = json.loads(linked(verify, site, "JSON"))
    fields = ("value", "text", "format", "unit", "status", "page")
    assert read.keys() == STORED.keys()
    for name, entry in read.items():
        assert [entry[field] for field in fields] == [STORED[name][field] for field in fields]


def test_the_csv_can_be_saved_and_is_what_results_json_says(verify, site):
    with verify.expect_download() as download:
        verify.get_by_role("link", name="CSV", exact=True).click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    assert text == linked(verify, site, "CSV")
    read = {row["key"]: row for row in csv.DictReader(io.StringIO(text))}
    assert read.keys() == STORED.keys()
    for name, row in read.items():
        entry = STORED[name]
        assert (row["text"], row["unit"], row["status"]) == (entry["text"], entry["unit"], entry["status"])
        assert (row["value"] if isinstance(entry["value"], str) else float(row["value"])) == entry["value"]
        address, _, target = row["link"].partition("#")
        assert (site / VERIFY).parent.joinpath(address).exists()
        assert target == f"num-{name}"


# --- without scripts ---


def test_with_scripts_off_the_files_and_the_static_tables_hold_every_number(browser, site):
    page = browser.new_page(java_script_enabled=False)
    page.goto((site / VERIFY).as_uri())
    expect(page.get_by_text("The table that filters needs scripts")).to_be_visible()
    expect(page.get_by_role("link", name="CSV", exact=True)).to_be_visible()
    listed = []
    for link in page.locator(".ledger-files a:not([download])").all():
        text = (site / VERIFY).parent.joinpath(link.get_attribute("href")).read_text(encoding="utf-8")
        listed += re.findall(r'<tr><th scope="row">([^<]+)</th>', text)
    page.close()
    assert sorted(listed) == sorted(STORED)


def test_a_link_to_a_chapters_table_opens_it(open_page):
    page = open_page("book/appendix/numbers.html", width=375)
    page.get_by_role("link", name="table of study", exact=True).click()
    region = page.get_by_role("region", name="The study at a glance")
    expect(region).to_be_visible()
    assert region.evaluate("r => r.tabIndex") == 0
    assert page.evaluate("document.documentElement.scrollWidth") == 375


# --- colophon and citation ---


def test_the_printed_hashes_are_those_of_the_files(verify):
    printed = verify.locator("code.hash").all_inner_texts()
    for _, value, command in colophon.hashes(ROOT):
        assert value in printed
        assert command in printed


def test_the_citation_can_be_copied(new_context, site):
    context = new_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto((site / VERIFY).as_uri())
    assert page.locator(".citation button.copybtn").count() == 2
    entry = citation.bibtex(citation.read(ROOT))
    assert page.locator("div.citation pre").nth(1).inner_text().strip() == entry.strip()


# --- Binder ---


@pytest.fixture(scope="module")
def launched(tmp_path_factory) -> Path:
    """A copy of the book that knows of a repository, built, with the notebooks that .binder/postBuild makes."""
    root = tmp_path_factory.mktemp("launched") / "book"
    left_out = shutil.ignore_patterns(".git", ".venv", "_build", "__pycache__", "benchmarks", "notebooks", "tests")
    shutil.copytree(ROOT, root, ignore=left_out)
    shutil.copytree(ROOT / "_build" / "run", root / "_build" / "run")  # chapters as they ran for the site
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    (root / "CITATION.cff").write_text(f"{text}repository-code: https://github.com/someone/book\n", encoding="utf-8")
    for command in (["book"], ["student", "--out", str(root / citation.NOTEBOOKS / "book")]):
        outcome = press(root, *command, timeout=600)  # a whole book, perhaps beside other tests
        assert outcome.returncode == 0, outcome.stderr
    return root


def test_every_launch_link_opens_a_notebook_that_the_student_edition_holds(launched):
    for chapter in computed(launched):
        html = (launched / "_build" / "html" / f"{chapter.name}.html").read_text(encoding="utf-8")
        (address,) = set(re.findall(r'href="(https://mybinder\.org/[^"]+)"', html))
        assert address.startswith("https://mybinder.org/v2/gh/someone/book/HEAD?urlpath=lab/tree/")
        notebook = launched / unquote(urlsplit(address).query.removeprefix("urlpath=lab/tree/"))
        assert notebook.exists(), notebook
        assert "{num}`" not in notebook.read_text(encoding="utf-8")


def test_without_a_repository_no_page_launches_anything_or_links_to_one(site):
    assert "repository-code" not in citation.read(ROOT)
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "mybinder.org" not in text
        assert "source-buttons" not in text
