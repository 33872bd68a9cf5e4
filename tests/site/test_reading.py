"""Reading in a real browser: the front page, glosses, the margin, folded code, paper, and the search from a folder."""

import csv
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from built import ROOT, SITE

from helpers.study import CLAIMS
from press.chapters import pages

FRONT = "book/index.html"
CHAPTER = "book/results/average.html"
NUMBER = "pda_b.contact.estimate"
TERM = 'a[aria-describedby^="gloss-term-"]'
BOOK = [f"{name}.html" for name in pages(ROOT)]


def soup(page: str) -> BeautifulSoup:
    return BeautifulSoup((SITE / page).read_text(encoding="utf-8"), "html.parser")


# --- the front page ---


def test_the_first_screen_says_what_was_asked_what_was_found_and_that_the_data_are_synthetic(open_page):
    page = open_page(FRONT)
    for words in ("SYNTHETIC data.", "Asked:", "Found:"):
        box = page.get_by_text(words).first.bounding_box()
        assert box["y"] + box["height"] < 900
    assert page.locator("figure.press-picture img").bounding_box()["y"] < 900


def test_the_picture_brings_its_data(open_page):
    page = open_page(FRONT)
    with page.expect_download() as download:
        page.locator("figure.press-picture").get_by_text("Data behind this figure (CSV)").click()
    rows = list(csv.DictReader(download.value.path().read_text().splitlines()))
    assert [row["outcome"] for row in rows] == [claim.outcome for claim in CLAIMS]
    for row in rows:
        assert float(row["conf_low"]) < float(row["estimate"]) < float(row["conf_high"])
        assert float(row["estimate_over_truth"]) == pytest.approx(
            float(row["estimate"]) / float(row["true_effect"]), rel=1e-4
        )


def test_the_map_leads_to_every_page_in_reading_order():
    links = [link["href"] for link in soup(FRONT).select(".press-map li a")]
    assert [f"book/{link}" for link in links] == BOOK[1:]


@pytest.mark.parametrize("page", BOOK)
def test_every_page_says_how_long_it_takes_and_the_map_agrees(page):
    said = soup(page).select_one("p.press-time").text
    assert re.fullmatch(r"\d+ minutes? to read|\d+ h \d+ min to read", said)
    if page != FRONT:
        link = page.removeprefix("book/")
        entry = next(item for item in soup(FRONT).select(".press-map li") if item.a["href"] == link)
        assert said == f"{entry.select_one('.press-minutes').text} to read"


# --- the margin ---


@pytest.mark.parametrize("page", BOOK)
def test_beside_every_number_is_a_link_to_the_cell_that_computed_it(page):
    text = soup(page)
    for quoted in text.select("a > .press-num"):
        block = quoted.find_parent("table") or quoted.find_parent(["p", "dt", "li", "figcaption", "td", "h2", "h3"])
        block = block.find_parent(class_="pst-scrollable-table-container") or block
        place = block.find_next_sibling() if quoted.find_parent("table") else block
        cells = {_cell(page, link["href"]) for link in place.select(".press-margin a")}
        assert _cell(page, quoted.parent["href"]) in cells, f"{page}: {block.text[:80]}"


PLACES: dict[str, dict[str, str]] = {}


def _cell(page: str, href: str) -> tuple[str, str]:
    """The page and the first id of the cell, or of the table, that an address leads to."""
    path, _, anchor = href.partition("#")
    target = ((SITE / page).parent / path).resolve() if path else SITE / page
    if target not in PLACES:
        text = BeautifulSoup(target.read_text(encoding="utf-8"), "html.parser")
        PLACES[target] = {}
        for place in text.select('[id^="num-"]'):
            first = place.find_parent(id=re.compile("^num-")) or place
            if place.name == "span":  # of several ids all but the first stand in front
                first = place.find_parent(class_="cell") or place.find_next("table")
            PLACES[target][place["id"]] = first["id"]
    return target.name, PLACES[target][anchor]


def test_the_margin_is_for_wide_screens_and_the_eye(open_page):
    note = ".press-margin"
    assert open_page(CHAPTER, width=1280).locator(note).first.is_visible()
    assert not open_page(CHAPTER, width=375).locator(note).first.is_visible()
    assert all(link["tabindex"] == "-1" for link in soup(CHAPTER).select(".press-margin a"))


def test_notes_in_the_margin_do_not_lie_on_the_text_or_on_each_other(open_page):
    page = open_page(CHAPTER)
    rectangles = "all => all.filter(n => n.checkVisibility()).map(n => n.getBoundingClientRect().toJSON())"
    boxes = page.eval_on_selector_all(".press-margin", rectangles)
    assert boxes
    texts = page.eval_on_selector_all(".bd-article section > p, .bd-article .cell :is(img, table, pre)", rectangles)
    for i, note in enumerate(boxes):
        for other in boxes[:i] + texts:
            apart = note["left"] >= other["right"] - 1 or note["top"] >= other["bottom"] - 1
            assert apart or note["bottom"] <= other["top"] + 1 or note["right"] <= other["left"] + 1


# --- glosses ---


def test_a_definition_shows_on_hover_and_goes_with_escape(open_page):
    page = open_page(CHAPTER)
    link = page.locator(TERM).first
    gloss = page.locator(f"#{link.get_attribute('aria-describedby')}")
    assert not gloss.is_visible()
    link.hover()
    assert gloss.is_visible()
    gloss.hover()  # one may move onto it
    page.wait_for_timeout(400)
    assert gloss.is_visible()
    page.keyboard.press("Escape")
    assert not gloss.is_visible()


def test_a_definition_is_the_glossary_s(open_page):
    page = open_page("book/models/reml.html")
    link = page.locator('a[aria-describedby="gloss-term-hierarchical-linear-model"]').first
    entry = soup("book/appendix/glossary.html").find(id="term-hierarchical-linear-model").find_next("dd")
    link.focus()
    shown = page.locator("#gloss-term-hierarchical-linear-model").inner_text()
    assert entry.text.split(".")[0].split() == shown.partition(":")[2].split(".")[0].split()


def test_a_reference_shows_on_focus(open_page):
    page = open_page(CHAPTER)
    link = page.locator(".bibtex-citation a").first
    link.focus()
    gloss = page.locator(f"#{link.get_attribute('aria-describedby')}")
    assert gloss.is_visible()
    assert "doi:10.1016/j.drugalcdep.2016.02.028" in gloss.inner_text()
    link.blur()
    assert not gloss.is_visible()


def test_the_first_tap_shows_and_the_second_follows(open_page):
    page = open_page(CHAPTER, width=375, has_touch=True, is_mobile=True)
    link = page.locator(TERM).first
    link.tap()
    gloss = page.locator(f"#{link.get_attribute('aria-describedby')}")
    assert gloss.is_visible()
    box = gloss.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 375
    assert page.url.endswith(CHAPTER)
    link.tap()
    page.wait_for_url("**/glossary.html#term-*")


def test_without_scripts_a_term_is_a_link_to_the_glossary(browser):
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto((SITE / CHAPTER).as_uri())
    page.locator(TERM).first.click()
    page.wait_for_url("**/glossary.html#term-*")
    page.context.close()


# --- folded code ---


def test_all_code_is_folded_and_one_switch_opens_it_and_is_remembered(open_page):
    page = open_page(CHAPTER)
    switch = page.get_by_role("switch", name="Show code")
    folds = page.locator("details.press-code")
    assert folds.count() == len(soup(CHAPTER).select("div.cell"))
    assert page.locator("details.press-code[open]").count() == 0
    switch.click()
    assert page.locator("details.press-code[open]").count() == folds.count()
    assert switch.get_attribute("aria-checked") == "true"
    page.goto((SITE / "book/models/time.html").as_uri())
    assert page.locator("details.press-code:not([open])").count() == 0
    page.get_by_role("switch", name="Show code").click()
    page.goto((SITE / CHAPTER).as_uri())
    assert page.locator("details.press-code[open]").count() == 0


def test_a_number_s_link_opens_its_cell_and_marks_its_record(open_page):
    page = open_page("book/results/claims.html")
    page.locator(f'a[href$="#num-{NUMBER}"]').first.click()
    page.wait_for_url(f"**/average.html#num-{NUMBER}")
    row = page.locator("tr.press-found")
    assert row.locator("td").first.inner_text() == NUMBER
    assert row.is_visible()
    assert page.locator(f'.cell:has([id="num-{NUMBER}"]) details.press-code[open]').is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_code_and_glosses_are_accessible_when_they_are_open(open_page, width, scheme):
    page = open_page("book/background/study.html", width=width, scheme=scheme)
    page.get_by_role("switch", name="Show code").click()
    page.locator(TERM).first.focus()
    page.wait_for_timeout(500)  # the theme looks for boxes that scroll
    assert page.locator(".press-gloss:not([hidden])").count() == 1
    # `preload` would fetch the style sheets, which no page from a folder may; no rule is left out.
    violations = Axe().run(page, options={"preload": False}).response["violations"]
    assert not [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in violations]


# --- paper ---


def test_on_paper_there_is_no_navigation_no_code_and_no_dark(open_page):
    page = open_page(CHAPTER, scheme="dark")
    page.get_by_role("switch", name="Show code").click()
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for hidden in (".bd-sidebar-primary", ".bd-header-article", ".prev-next-footer", "div.cell_input", ".press-margin"):
        assert not page.locator(hidden).first.is_visible(), hidden
    assert page.locator("figure img").first.is_visible()
    colours = "e => [getComputedStyle(e).color, getComputedStyle(document.body).backgroundColor]"
    assert page.locator(".bd-article section > p").nth(3).evaluate(colours) == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


# --- search ---


def test_the_search_shows_passages_with_the_words_and_leads_to_their_sections(open_page):
    page = open_page(FRONT)
    page.goto((SITE / "search.html").as_uri() + "?q=propensity")
    results = page.locator("#search-results ul.search > li")
    page.get_by_text("Search finished").wait_for()
    assert results.count() > 3
    passages = page.locator("#search-results p.context").all_inner_texts()
    assert len(passages) == results.count()
    assert sum("propensity" in passage.lower() for passage in passages) > len(passages) / 2
    page.locator("#search-results p.context a").first.click()
    anchor = page.evaluate("decodeURIComponent(location.hash.slice(1))")
    assert "propensity" in page.locator(f'[id="{anchor}"]').inner_text().lower()


def test_the_search_puts_the_glossary_s_word_first(open_page):
    page = open_page(FRONT)
    page.goto((SITE / "search.html").as_uri() + "?q=Degrees+of+freedom")
    assert "independent deviations" in page.locator("#search-results .press-defined").inner_text()


@pytest.mark.parametrize("query", ["<b>x</b>", "a(b", "[", "zzzz", "the", "*"])
def test_any_query_is_only_words(open_page, query):
    page = open_page("search.html")
    page.locator("form.bd-search input").last.fill(query)
    page.keyboard.press("Enter")
    page.get_by_text(re.compile("Search finished|did not match")).wait_for()
    assert page.locator("#search-results b").count() == 0
