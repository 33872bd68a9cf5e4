"""The built site in a real browser: run by `python -m press test-site`.

Every page is opened from disk (`file://`), as a reader without a network opens it. A test that opens pages through
`page`, `open_page` or `new_context` fails at its end if a page wrote an error to the console, threw one, or asked for
anything outside the site.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from built import SITE
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from xdist.scheduler import LoadScopeScheduling

from press import BookError, chromium


class ByFile(LoadScopeScheduling):
    """The tests of a file run one after the other, since they share what they open or make; those of axe share nothing.

    Files with more tests come first, single ones last, so that no process is left alone with a long file.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        return nodeid if file.endswith("test_axe.py") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log) -> ByFile:
    return ByFile(config, log)


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site."""
    assert (SITE / "index.html").exists(), f"{SITE} holds no site. Build it: make book (or python -m press book)"
    return SITE


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of a process."""
    try:
        path = chromium.find()
    except BookError as missing:
        pytest.fail(str(missing), pytrace=False)  # never a skip: a site nobody looked at is not known to work
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(chromium.FLAGS))
        yield started
        started.close()


class Watch:
    """What pages did that they must not do: errors, and requests that leave the site."""

    def __init__(self, site: Path) -> None:
        self.inside = (site.as_uri() + "/", "data:", "blob:", "about:")
        self.errors: list[str] = []
        self.requests: list[str] = []

    def follow(self, context: BrowserContext) -> BrowserContext:
        context.on("page", self._page)
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("requestfailed", lambda request: self._failed(request.url, request.failure))
        return context

    def _page(self, page: Page) -> None:
        page.on("console", lambda message: self._said(page.url, message))
        page.on("pageerror", lambda error: self.errors.append(f"{page.url} threw: {error}"))

    def _said(self, url: str, message) -> None:
        if message.type == "error":
            self.errors.append(f"{url} says in the console: {message.text} ({message.location['url']})")

    def _failed(self, url: str, reason: str | None) -> None:
        if reason != "net::ERR_ABORTED":  # the page was left while it loaded, or a download began
            self.errors.append(f"{url} could not be loaded: {reason}")

    def problems(self) -> list[str]:
        outside = [url for url in self.requests if not url.startswith(self.inside)]
        return self.errors + [f"a request outside the site: {url}" for url in dict.fromkeys(outside)]


@pytest.fixture
def new_context(browser: Browser, site: Path) -> Iterator[Callable[..., BrowserContext]]:
    """Opens a watched context, a reader of their own: `new_context(width=375, scheme="dark")`.

    Further arguments are those of playwright's `new_context`.
    """
    watch = Watch(site)
    contexts: list[BrowserContext] = []

    def new(width: int = 1280, height: int = 900, scheme: str = "light", **options) -> BrowserContext:
        options = {"reduced_motion": "reduce", "color_scheme": scheme} | options
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        return watch.follow(contexts[-1])

    yield new
    for context in contexts:
        context.close()
    if problems := watch.problems():
        pytest.fail("\n".join(problems), pytrace=False)


@pytest.fixture
def page(new_context: Callable[..., BrowserContext]) -> Page:
    """An empty page, 1280 px wide and light."""
    return new_context().new_page()


@pytest.fixture
def open_page(new_context: Callable[..., BrowserContext], site: Path) -> Callable[..., Page]:
    """Opens a page of the site: `open_page("book/index.html", width=375, scheme="dark")`."""

    def opened(name: str, **options) -> Page:
        address, _, fragment = name.partition("#")
        page = new_context(**options).new_page()
        page.goto((site / address).as_uri() + (f"#{fragment}" if fragment else ""))
        return page

    return opened
