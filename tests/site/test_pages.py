"""The pages as a reader on a phone opens them: whole, without complaint, no wider than the screen, images in words."""

import json
import re
from collections import defaultdict

import pytest
from built import ROOT, SITE, built_pages, complain
from conftest import Watch

from press.chapters import pages

LEAST_PAGES, LEAST_NUMBERS = 25, 2500  # fewer means that a part of the book was lost with its entry in the contents
WORDS = 8  # what an image shows and what is seen in it takes that many
UNSAID = r"\{[a-z]+\}|`|\]\(|\$"  # roles, code, links, formulas: what is written in a source, not read

FACTS = r"""() => {
    const text = node => (node?.innerText ?? node?.textContent ?? "").trim().replace(/\s+/g, " ");
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    const beyond = wide <= 0 ? [] : [...document.querySelectorAll("body *")]
        .filter(node => node.getBoundingClientRect().right > innerWidth + 1)
        .slice(0, 5).map(node => node.outerHTML.slice(0, 120));
    return {
        wide, beyond,
        headings: [...document.querySelectorAll("main h1, main h2, main h3, main h4, main h5, main h6")]
            .filter(node => node.checkVisibility()).map(node => [Number(node.tagName[1]), text(node)]),
        words: text(document.querySelector("main")).split(" ").length,
        images: [...document.querySelectorAll("main img")].map(node => ({
            source: node.getAttribute("src"), alt: node.getAttribute("alt"),
            caption: text(node.closest("figure, .cell_output")?.querySelector("figcaption, .caption")),
        })),
        numbers: [...document.querySelectorAll('[id^="num-"]')].map(node => node.id.slice(4)),
    };
}"""


@pytest.fixture(scope="module")
def seen(browser, site) -> dict[str, dict]:
    """What each page shows on a phone, and what it complained of."""
    found = {}
    for name in built_pages():
        if name == "index.html":  # leads on to book/index.html at once
            continue
        watch = Watch(site)
        context = watch.follow(browser.new_context(viewport={"width": 375, "height": 800}, reduced_motion="reduce"))
        page = context.new_page()
        page.goto((site / name).as_uri())
        found[name] = page.evaluate(FACTS) | {"problems": watch.problems()}
        context.close()
    return found


def test_every_page_of_the_contents_was_built_and_says_something(seen):
    listed = [f"{name}.html" for name in pages(ROOT)]
    assert len(listed) >= LEAST_PAGES
    assert sorted({*listed, "search.html"} - set(seen)) == []
    assert [name for name in listed if seen[name]["words"] < 60] == []


def test_every_number_of_the_ledger_has_its_place_on_its_page(seen):
    results = json.loads((ROOT / "book" / "results.json").read_text(encoding="utf-8"))
    assert len(results) >= LEAST_NUMBERS
    placed = {name: set(page["numbers"]) for name, page in seen.items()}
    lost = [key for key, entry in results.items() if key not in placed[f"{entry['page']}.html"]]
    assert lost == []


def test_no_page_complains_or_asks_for_anything_outside(seen):
    found = [f"{name}: {problem}" for name, page in seen.items() for problem in page["problems"]]
    complain("Errors in the console, and requests that leave the site", found)


def test_no_page_scrolls_sideways_on_a_phone(seen):
    wide = [f"{name}: {page['wide']} px too wide, {page['beyond']}" for name, page in seen.items() if page["wide"] > 0]
    complain("Pages wider than a phone", wide)


def test_a_page_has_one_first_heading_and_leaves_out_no_level(seen):
    faults = []
    for name, page in seen.items():
        levels = [level for level, _ in page["headings"]]
        if levels[:1] != [1] or levels.count(1) != 1:
            faults.append(f"{name}: the first heading is to be the only one of level 1: {page['headings'][:3]}")
        steps = zip(page["headings"], page["headings"][1:], strict=False)
        faults += [f"{name}: {b[1]} is {b[0] - a[0]} levels below {a[1]}" for a, b in steps if b[0] > a[0] + 1]
    complain("Headings out of order", faults)


def test_every_image_says_what_is_seen_in_it_in_words_of_its_own(seen):
    faults, said = [], defaultdict(set)
    images = [(name, image) for name, page in seen.items() for image in page["images"]]
    for name, image in images:
        alt = (image["alt"] or "").strip()
        where = f"{name}: {image['source'].split('/')[-1]}"
        said[alt].add(((SITE / name).parent / image["source"]).read_bytes())  # decks of slides show the same
        if len(alt.split()) < WORDS:
            faults.append(f"{where} says too little: {alt!r}")
        if re.search(UNSAID, alt):
            faults.append(f"{where} has markup in its text: {alt!r}")
        if alt and alt == image["caption"]:
            faults.append(f"{where} repeats its caption: {alt!r}")
    faults += [f"{len(images)} images say the same: {alt!r}" for alt, images in said.items() if len(images) > 1]
    complain("Images without good words", faults)
    assert len(images) >= 20, "the book has more figures than that"


def test_every_image_file_is_of_use(seen):
    """An image that no page shows was left behind by the build."""
    shown = {
        ((SITE / name).parent / image["source"]).resolve() for name, page in seen.items() for image in page["images"]
    }
    assert [path.name for path in sorted((SITE / "_images").iterdir()) if path.resolve() not in shown] == []
