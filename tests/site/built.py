"""Where the built site is, and what pages it has."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"


def built_pages() -> list[str]:
    """Every page of the site, such as `book/results/average.html`, with the search page and the way in."""
    pages = (path for path in SITE.rglob("*.html") if "_static" not in path.parts)
    return sorted(path.relative_to(SITE).as_posix() for path in pages)


def complain(what: str, found: list[str]) -> None:
    """Fail, if anything was found, with each fault on a line of its own."""
    if found:
        pytest.fail("\n  ".join([f"{what}:", *dict.fromkeys(found)]), pytrace=False)
