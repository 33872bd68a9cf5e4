"""A page and all that it loads, in bytes as they lie on the disk, stays under one megabyte."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from built import built_pages, complain

LIMIT = 1_000_000
HEAVIER = {"book/using/explorer.html"}  # brings the sums that it computes with


@pytest.fixture(scope="module")
def weights(browser, site) -> dict[str, dict[Path, int]]:
    """The files that each page loads, with their sizes; images below the fold too."""
    found = {}
    for name in built_pages():
        if name == "index.html":  # leads on to book/index.html at once
            continue
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        asked: set[str] = set()
        context.on("request", lambda request, asked=asked: asked.add(request.url))
        page = context.new_page()
        page.goto((site / name).as_uri())
        asked |= set(page.eval_on_selector_all("img", "all => all.map(image => image.src)"))
        context.close()
        files = {Path(unquote(urlsplit(url).path)) for url in asked if urlsplit(url).scheme == "file"}
        found[name] = {path: path.stat().st_size for path in files}
    return found


def test_a_page_with_all_it_loads_stays_under_one_megabyte(weights, site):
    faults = []
    for name in sorted(set(weights) - HEAVIER):
        heaviest = sorted(weights[name].items(), key=lambda item: -item[1])[:5]
        if sum(weights[name].values()) >= LIMIT:
            listed = ", ".join(f"{path.relative_to(site)} {size:,}" for path, size in heaviest)
            faults.append(f"{name}: {sum(weights[name].values()):,} bytes, most in {listed}")
    complain(f"Pages of {LIMIT:,} bytes and more, with all they load", faults)


def test_only_the_search_page_loads_the_search_index(weights):
    loading = [name for name, files in weights.items() if any(path.name == "searchindex.js" for path in files)]
    assert loading == ["search.html"]


def test_no_page_loads_a_file_that_is_not_used_on_it_for_icons(weights, site):
    """The icons are a few letters inside the style sheet: neither the theme's script of all icons nor its fonts."""
    loaded = {path.relative_to(site).as_posix() for files in weights.values() for path in files}
    assert [path for path in loaded if "fontawesome" in path] == []
