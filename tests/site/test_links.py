"""Every link within the site, read by a parser: pages, places on them, images, downloads, styles, scripts."""

from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest
from built import SITE, built_pages, complain

ADDRESSES = {"href", "src", "action", "poster", "data"}


@dataclass
class Page(HTMLParser):
    """What of a page links can leave from and lead to."""

    ids: Counter = field(default_factory=Counter)
    links: list[str] = field(default_factory=list)

    def __post_init__(self):
        super().__init__()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids.update([given["id"]] if given.get("id") else [])
        self.ids.update([given["name"]] if tag == "a" and given.get("name") else [])
        self.links += [given[name] for name in ADDRESSES & set(given) if given[name] is not None]
        self.links += [part.split()[0] for part in (given.get("srcset") or "").split(",") if part.split()]

    @classmethod
    def read(cls, name: str) -> "Page":
        page = cls()
        page.feed((SITE / name).read_text(encoding="utf-8"))
        return page


@pytest.fixture(scope="module")
def pages(site) -> dict[str, Page]:
    return {name: Page.read(name) for name in built_pages()}


def broken(name: str, link: str, pages: dict[str, Page]) -> str:
    """Why `link` on the page `name` leads nowhere; empty if it leads somewhere, or out of the site."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return ""
    target = ((SITE / name).parent / unquote(parts.path)).resolve() if parts.path else SITE / name
    if not target.is_relative_to(SITE):
        return "leads out of the site's folder"
    if not target.is_file():
        return "leads to no file"
    there = target.relative_to(SITE).as_posix()
    if parts.fragment in {"", "top"} or there not in pages or unquote(parts.fragment) in pages[there].ids:
        return ""
    return f"leads to a place that {there} does not have"


def test_every_link_leads_to_a_file_and_a_place_that_are_there(pages):
    checked = [(name, link) for name, page in pages.items() for link in page.links]
    found = [f"{name}: {link} {reason}" for name, link in checked if (reason := broken(name, link, pages))]
    complain("Links that lead nowhere", found)
    assert len(checked) > 1000, "a site of this many pages has more links"


def test_no_page_names_two_places_alike(pages):
    twice = [f"{name}: {place}" for name, page in pages.items() for place, number in page.ids.items() if number > 1]
    complain("Ids that stand twice on a page", twice)


def test_every_page_is_linked_from_another(pages):
    reached = {
        ((SITE / name).parent / unquote(urlsplit(link).path)).resolve()
        for name, page in pages.items()
        for link in page.links
        if not urlsplit(link).scheme and urlsplit(link).path
    }
    assert [name for name in pages if (SITE / name).resolve() not in reached] in ([], ["index.html"])


def test_the_way_in_leads_to_the_front_page(open_page):
    page = open_page("index.html")
    page.wait_for_url("**/book/index.html")
    assert page.locator("article h1").is_visible()
