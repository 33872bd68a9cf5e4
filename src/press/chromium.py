"""The browser: where it is, how to get it, and how it is started so that nothing leaves the machine."""

import os
import shutil

from press import BookError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = """No Chromium was found, and the site is tested in a real browser.
  Debian, Ubuntu:  sudo apt install chromium
  elsewhere:       .venv/bin/python -m playwright install chromium
                   (downloads a browser of about 170 MB into your home folder, for playwright alone)"""

# Without these it asks its maker for updates and lists, and writes about the missing graphics card.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # no name is found: what a page asks for outside the site, it does not get
)


def installed() -> str | None:
    """The path of the Chromium named in CHROMIUM, else of the system's; None if there is none."""
    return next(filter(None, map(shutil.which, filter(None, (os.environ.get("CHROMIUM"), *NAMES)))), None)


def find() -> str:
    """The path of Chromium: an installed one, else the one that playwright has installed.

    Raises
    ------
    BookError
        There is none; the message says how to install it.
    """
    if path := installed():
        return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    if not shutil.which(path):
        raise BookError(MISSING)
    return path
