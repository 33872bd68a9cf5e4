"""Getting about: the search from a folder of files, the choice of light or dark, the keyboard."""

from urllib.parse import unquote, urlsplit

import pytest
from built import complain

PAGE = "book/background/question.html"
NEXT = "book/background/study.html"

# What marks the element with the focus, or what is in it: an outline, a shadow, a border or a colour it else has not.
FOCUS = """() => {
    const node = document.activeElement;
    if (!node || node === document.body) return null;
    const look = () => [node, ...node.querySelectorAll("*")].map(each => {
        const style = getComputedStyle(each);
        const outline = style.outlineStyle !== "none" && style.outlineWidth !== "0px" ? style.outline : "";
        return [outline, style.boxShadow, style.borderColor, style.backgroundColor, style.textDecorationLine];
    }).join();
    const {width, height} = node.getBoundingClientRect();
    const name = node.getAttribute("aria-label") || node.title || node.innerText?.trim() || node.outerHTML.slice(0, 80);
    const focused = look();
    node.blur();
    const marked = focused !== look();
    node.focus({focusVisible: true});
    return {name, marked, area: width * height};
}"""


def test_the_search_finds_a_page_from_a_folder_of_files(open_page):
    page = open_page("search.html")
    page.goto(f"{page.url}?q=alliance")
    results = page.locator("#search-results li a")
    results.first.wait_for(timeout=10_000)
    found = [
        unquote(urlsplit(link).path).split("/html/")[-1] for link in results.evaluate_all("a => a.map(a => a.href)")
    ]
    assert "book/measures/sponsor.html" in found


def test_the_search_field_of_a_page_leads_to_what_it_finds(open_page, site):
    page = open_page(PAGE)
    page.keyboard.press("Control+k")
    page.locator("#pst-search-dialog input").fill("glossary")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=glossary*")
    page.locator("#search-results li a").first.wait_for(timeout=10_000)
    page.locator("#search-results li a", has_text="Glossary").first.click()
    page.wait_for_url("**/book/appendix/glossary.html*")


def test_a_search_for_nothing_that_is_there_says_so(open_page):
    page = open_page("search.html")
    page.goto(f"{page.url}?q=xylophone")
    page.get_by_text("did not match any documents").wait_for(timeout=10_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_reader_who_chose_nothing_sees_what_the_machine_is_set_to(open_page, scheme):
    assert open_page(PAGE, scheme=scheme).evaluate("document.documentElement.dataset.theme") == scheme


def test_the_choice_of_light_or_dark_is_kept_from_page_to_page(open_page, site):
    page = open_page(PAGE, scheme="light")
    theme = "document.documentElement.dataset.theme"
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    for _ in range(3):  # light, dark and the machine's own take turns
        if page.evaluate(theme) == "dark":
            break
        page.locator(".theme-switch-button").click()
    assert page.evaluate(theme) == "dark"
    page.goto((site / NEXT).as_uri())
    assert page.evaluate(theme) == "dark"
    assert page.evaluate(background) != light


def test_the_first_tab_is_the_way_past_the_side_bar(open_page):
    page = open_page(PAGE)
    page.keyboard.press("Tab")
    skip = page.locator("#pst-skip-link a")
    assert page.evaluate("document.activeElement.closest('#pst-skip-link') !== null")
    page.wait_for_function(
        "document.querySelector('#pst-skip-link a').getBoundingClientRect().top >= 0"
    )  # it slides in
    box = skip.bounding_box()
    assert box["height"] > 0
    page.keyboard.press("Enter")
    assert page.url.endswith("#main-content")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_whatever_the_keyboard_reaches_is_marked(open_page, scheme):
    page = open_page(PAGE, scheme=scheme)
    unmarked, names = [], []
    for _ in range(40):
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUS)
        if at is None:
            break
        names.append(at["name"])
        if not at["marked"] or at["area"] < 1:
            unmarked.append(at["name"])
    assert len(names) > 20
    complain(f"{PAGE}, {scheme}: nothing shows that the keyboard is on", unmarked)
