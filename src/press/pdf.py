"""The whole book as one PDF: Sphinx writes it as a single page, Chromium prints that page with bookmarks and tags.

Solutions of exercises and notes for teachers are left out: a PDF cannot fold them away. The site and the editions
have them. The tables of all numbers are left out too, since they are there to follow their links to the cells.
"""

import html
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from nbformat import NotebookNode

from press import BookError, chromium
from press.build import sphinx, stage
from press.chapters import pages, parts
from press.registry import TABLES

MISSING = (
    "The PDF is printed by Chromium, which is not here.\n"
    "  Debian and Ubuntu: sudo apt install chromium. Elsewhere: any Chrome, or its path in CHROMIUM."
)
TIMEOUT = 300  # seconds for the printing
LEFT_OUT = (
    r"<script\b.*?</script>",
    r"</?noscript>",  # what it holds is for those without scripts: paper has none
    r'<a class="headerlink".*?</a>',
    r'<div role="tooltip".*?</div>',
    rf'<span id="document-{TABLES}-\w+"></span><section.*?</section>',
)
# A heading whose margin a page break cuts has its words twice in Chromium's bookmarks: hence the padding above it.
STYLE = """<style>
  @page { @bottom-center { content: counter(page); font-size: 9pt; } }
  div.press-part, span[id^="document-"] + section { break-before: page; }
  div.press-part { padding-top: 1px; }
  div.press-part h1 { margin-top: 0; }
  div.press-part + span[id^="document-"] + section { break-before: avoid; }
</style>
"""


def pdf(root: Path, notebooks: dict[str, NotebookNode], json_text: str) -> Path:
    """Print the book of executed `notebooks` to `_build/pdf/book.pdf`; the path of it.

    Raises
    ------
    BookError
        Chromium is not installed or fails; Sphinx warns.
    """
    command = browser()
    source, folder = root / "_build" / "source", root / "_build" / "pdf"
    single, made = folder / "single", folder / "book.pdf"
    results = root / "_build" / "results.json"
    results.write_text(json_text, encoding="utf-8")
    stage(root, notebooks, source)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sphinx(root, source, single, results, builder="singlehtml")
    written = (single / f"{pages(root)[0]}.html").read_text(encoding="utf-8")
    page = single / "print.html"  # its addresses begin here, wherever Sphinx puts the page itself
    page.write_text(bare(written, begins(root)), encoding="utf-8")
    _print(command, page, made)
    return made


def begins(root: Path) -> dict[str, str]:
    """The caption of each part of the table of contents, by the page that the part begins with."""
    return {names[0]: caption for caption, names in parts(root).items()}


def bare(page: str, parts: Mapping[str, str]) -> str:
    """The book's text alone: no navigation, no scripts, light, with a heading where each of `parts` begins.

    Hidden headings and the signs of headings' links would otherwise stand among the bookmarks.
    """
    head = re.sub(r"<script\b.*?</script>", "", page[: page.index("<body")], flags=re.DOTALL)
    head = head.replace('data-theme="auto"', 'data-theme="light"').replace("</head>", f"{STYLE}</head>")
    text = re.search(r'<article class="bd-article">(.*)</article>', page, re.DOTALL)[1]
    for left_out in LEFT_OUT:
        text = re.sub(left_out, "", text, flags=re.DOTALL)
    for first, caption in parts.items():
        start = f'<span id="document-{first}"></span>'
        text = text.replace(start, f'<div class="press-part"><h1>{html.escape(caption)}</h1></div>{start}')
    return f'{head}<body><main><article class="bd-article">{text}</article></main></body></html>\n'


def browser() -> str:
    """The command of an installed Chromium, or the one named in CHROMIUM. Raises BookError."""
    if not (found := chromium.installed()):
        raise BookError(MISSING)
    return found


def _print(browser: str, page: Path, made: Path) -> None:
    printing = ("--headless", "--no-pdf-header-footer", "--generate-pdf-document-outline", f"--print-to-pdf={made}")
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, *chromium.FLAGS, *printing, f"--user-data-dir={profile}", page.as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            raise BookError(f"{browser} did not print {page} within {TIMEOUT} s") from None
    if done.returncode or not made.exists():
        raise BookError(f"{browser} did not print {page}:\n{done.stderr.strip()}")
