"""Accessibility: axe-core by default rules, none excluded, on every page: light and dark, on a phone and a desk."""

from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from built import built_pages, complain
from playwright.sync_api import Browser, Page

from press import chromium

MODES = [(scheme, width) for scheme in ("light", "dark") for width in (375, 1280)]
ADVICE = "Mend it where it is written; what a program wrote, in src/press/tidy.py, with the thread where it is known."

# On the wide screen all that opens is open, so that what a reader unfolds is seen too; the phone shows it as it comes.
OPEN = """() => {
    for (const fold of document.querySelectorAll("details")) fold.open = true;
    for (const hidden of document.querySelectorAll(".toggle-hidden")) hidden.querySelector(".toggle-button")?.click();
}"""

# axe keeps the parts of each colour it meets in WeakMaps, and most of its time goes into them. With a hidden property
# of the same meaning it finds the same in three fifths of the time. The page has run its own scripts by then.
QUICKER = """() => {
    window.WeakMap = window.WeakSet = class {
        #key = Symbol();
        has(object) { return Object.hasOwn(object, this.#key); }
        get(object) { return object[this.#key]; }
        set(object, value) { object[this.#key] = value; return this; }
        add(object) { return this.set(object, true); }
        delete(object) { return this.has(object) && delete object[this.#key]; }
    };
}"""


def violations(page) -> list[str]:
    """What axe finds wrong with the page as it stands: each rule, and the first elements that break it."""
    page.evaluate(QUICKER)
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{rule['id']}: {rule['help']}, {len(rule['nodes'])} times ({rule['helpUrl']})\n"
        + "\n".join(
            f"    {' '.join(map(str, node['target']))}\n      {node['html'][:200]}" for node in rule["nodes"][:5]
        )
        for rule in found
    ]


@pytest.fixture(scope="module")
def examiner(browser: Browser) -> Iterator[Browser]:
    """A browser of its own: axe reads the style sheets itself, which pages opened from a folder may not do."""
    started = browser.browser_type.launch(
        executable_path=chromium.find(), args=[*chromium.FLAGS, "--allow-file-access-from-files"]
    )
    yield started
    started.close()


@pytest.fixture
def examine(examiner: Browser, site) -> Iterator[Callable[..., Page]]:
    """Opens a page of the site: `examine("book/index.html", "dark", 375)`."""
    contexts = []

    def opened(name: str, scheme: str, width: int) -> Page:
        options = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme, "reduced_motion": "reduce"}
        contexts.append(examiner.new_context(**options))
        page = contexts[-1].new_page()
        page.goto((site / name).as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize(("scheme", "width"), MODES)
@pytest.mark.parametrize("name", [name for name in built_pages() if name != "index.html"])  # which leads on at once
def test_a_page_has_no_violation(examine, name, scheme, width):
    page = examine(name, scheme, width)
    if name.startswith("book/"):  # decks of slides have one look
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
    if width == 1280:
        page.evaluate(OPEN)
        page.wait_for_timeout(50)  # boxes that were folded become reachable with the keyboard
    complain(f"{name}, {scheme}, {width} px wide. {ADVICE}", violations(page))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_opens_above_a_page_has_no_violation(examine, scheme):
    page = examine("book/background/question.html", scheme, 375)
    page.locator("button.primary-toggle").click()
    complain(f"The side bar, {scheme}. {ADVICE}", violations(page))
    page.keyboard.press("Escape")
    page.locator(".article-header-buttons .search-button__button").click()
    page.locator("#pst-search-dialog input").fill("alliance")
    complain(f"The search field, {scheme}. {ADVICE}", violations(page))
