"""Build the site: stage a clean Sphinx source under `_build/source`, build it, check what came out."""

import contextlib
import copy
import gc
import io
import os
import re
import shutil
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

from nbformat import NotebookNode

from press import BookError, figuredata
from press.chapters import Chapter, dump, lines, pages, read_text, read_yaml
from press.kits import publish
from press.quote import unmarked

INDEX = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>The book</title>
<meta http-equiv="refresh" content="0; url={page}.html"></head><body><a href="{page}.html">The book</a></body></html>
"""


def build(root: Path, notebooks: dict[str, NotebookNode], results: dict[str, dict], json_text: str) -> Path:
    """Build the site of executed `notebooks` into `_build/html`; the path of its index.html.

    The site that was there before is replaced only if the new one has no warning and is whole.

    Raises
    ------
    BookError
        Sphinx's warnings, each with file and line; pages, numbers or link targets that are missing from the site.
    """
    source, new, html = (root / "_build" / name for name in ("source", "html.new", "html"))
    results_path = root / "_build" / "results.json"
    results_path.write_text(json_text, encoding="utf-8")
    stage(root, notebooks, source)
    shutil.rmtree(new, ignore_errors=True)
    sphinx(root, source, new, results_path)
    figuredata.write(notebooks, new)
    publish(root, notebooks, results, new)
    names = pages(root)
    if not (new / "index.html").exists():
        (new / "index.html").write_text(INDEX.format(page=names[0]), encoding="utf-8")
    problems = check(new, names, results)
    if problems:
        raise BookError("The site is not whole:\n" + "\n".join(f"  {problem}" for problem in problems))
    shutil.rmtree(html, ignore_errors=True)
    new.rename(html)
    return html / "index.html"


def stage(root: Path, notebooks: dict[str, NotebookNode], source: Path) -> None:
    """Copy what Sphinx reads: configuration, pages, data, results, and `notebooks` in the place of their pairs."""
    shutil.rmtree(source, ignore_errors=True)
    paired = {f"{name}{ending}" for name in notebooks for ending in (".md", ".ipynb")} | {"book/results.json"}

    def skip(folder: str, names: list[str]) -> list[str]:
        inside = Path(folder).relative_to(root).as_posix()
        return [name for name in names if name.startswith(".") or f"{inside}/{name}" in paired]

    shutil.copytree(root / "book", source / "book", ignore=skip)
    for name in ("_config.yml", "_toc.yml"):
        read_yaml(root / name)  # a fault in it has one message
        shutil.copy(root / name, source / name)
    for name, nb in notebooks.items():
        text = Chapter(root, name).text
        nb = unmarked_figures(nb)
        if text.exists():  # so that Sphinx's warnings name the line of the text
            before = [line - 1 for line in lines(nb, read_text(text))]  # myst-nb adds one to what it is given
            nb.metadata = nb.metadata | {"source_map": before}
        (source / f"{name}.ipynb").write_text(dump(nb), encoding="utf-8")


def unmarked_figures(nb: NotebookNode) -> NotebookNode:
    """A copy whose captions and alt texts are without the marks of `quote.READING`, which Sphinx does not know."""
    nb = copy.deepcopy(nb)
    for cell in nb.cells:
        for part, key in (("figure", "caption"), ("image", "alt")):
            said = cell.metadata.get("mystnb", {}).get(part, {})
            if key in said:
                said[key] = unmarked(said[key])
    return nb


def sphinx(root: Path, source: Path, outdir: Path, results: Path, builder: str = "html") -> None:
    """Build the staged `source`. Raises BookError with every warning, by file and line."""
    from jupyter_book.sphinx import build_sphinx  # a second to import, and only needed here

    doctrees = root / "_build" / "doctrees"
    shutil.rmtree(doctrees, ignore_errors=True)
    overrides = {"press_results": str(results), "nb_execution_mode": "off", "nitpicky": True}
    overrides |= {"press_root": str(root), "press_order": pages(root)}
    overrides["latex_individualpages"] = False  # jupyter-book asks for it
    status, warning = io.StringIO(), io.StringIO()
    gc.disable()  # millions of small nodes, all of them in use: to look for garbage takes a fifth of the time
    with contextlib.redirect_stdout(status), contextlib.redirect_stderr(warning):
        outcome = build_sphinx(
            source,
            outdir,
            path_config=source / "_config.yml",
            noconfig=True,
            confoverrides=overrides,
            doctreedir=doctrees,
            builder=builder,
            freshenv=True,
            force_all=True,
            warningiserror=True,
            keep_going=True,
        )
    gc.enable()
    if isinstance(outcome, KeyboardInterrupt):
        raise outcome
    warnings = _readable(warning.getvalue(), root, source)
    if warnings or outcome:
        reason = "\n".join(f"  {line}" for line in warnings) or f"  {outcome}"
        raise BookError(f"The site was not built:\n{reason}")


def _readable(log: str, root: Path, source: Path) -> list[str]:
    """Sphinx's warnings, once each, with the path of the file to mend instead of that of the staged copy."""
    found = []
    for line in re.sub(r"\x1b\[[0-9;]*m", "", log).replace(f"{source}{os.sep}", "").splitlines():
        name = re.match(r"(.+)\.ipynb(?=:)", line)
        if name and (root / f"{name[1]}.md").exists():
            line = line.replace(".ipynb", ".md", 1)
        if line.strip() and line not in found:
            found.append(line)
    return found


# --- what came out ---------------------------------------------------------------------------------------------------


def check(html: Path, names: list[str], results: dict[str, dict]) -> list[str]:
    """What the built site lacks: pages, titles, the cells of recorded numbers, targets of its links. Empty if whole."""
    read = {path.resolve(): _page(path) for path in html.rglob("*.html") if "_static" not in path.parts}
    pages_of = {name: read.get((html / f"{name}.html").resolve()) for name in names}
    problems = [f"{name}: no page was built" for name, page in pages_of.items() if page is None]
    problems += [f"{name}: the page has no title" for name, page in pages_of.items() if page and not page.has_title]
    problems += [
        f"{entry['page']}: the number {key} has no place on its page"
        for key, entry in results.items()
        if pages_of.get(entry["page"]) and f"num-{key}" not in pages_of[entry["page"]].ids
    ]
    for path, page in read.items():
        for link in sorted(page.links):
            if not _reaches(link, path, read):
                problems.append(f"{path.relative_to(html.resolve())}: broken link to {link}")
    return problems


@dataclass(frozen=True)
class _Page:
    """What of a built page is checked: whether it has a title, its ids, its links within the site."""

    has_title: bool
    ids: frozenset[str]
    links: frozenset[str]


def _page(path: Path) -> _Page:
    text = path.read_text(encoding="utf-8")  # patterns, not a parser: it has a site of many large tables to read
    links = map(unescape, re.findall(r'<[^>]*\s(?:href|src)="([^"]*)"', text))
    return _Page(
        has_title="<h1" in text,
        ids=frozenset(map(unescape, re.findall(r'\s(?:id|name)="([^"]*)"', text))),
        links=frozenset(link for link in links if not urlsplit(link).scheme and not urlsplit(link).netloc),
    )


def _reaches(link: str, path: Path, read: dict[Path, _Page]) -> bool:
    parts = urlsplit(link)
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    target = target / "index.html" if target.is_dir() else target
    if target not in read:
        return target.exists()
    return parts.fragment in {"", "top"} or unquote(parts.fragment) in read[target].ids
