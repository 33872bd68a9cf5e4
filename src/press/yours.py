"""The book on a reader's data: the same chapters, their file, a folder of its own.

`make` checks the data, writes them in the contract's shape into a private folder that goes when it is done, runs there
the chapters whose needs the data meet, puts computed sentences in the place of every passage that was true of this
book's cohort (`press.readings`), and builds a site of what is left. The repository is only read. The site holds no
row of the data unless that is asked for; it appears whole or not at all.
"""

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import yaml
from nbformat import NotebookNode

from helpers import faults, measures, records
from press import BookError, figuredata, readings
from press.build import INDEX, check, sphinx, stage
from press.chapters import Chapter, chapters, pages, read, read_text, read_yaml, write
from press.gather import dumps, gather
from press.markdown import HEADING, blocks, substituted
from press.quote import derived
from press.run import environment, execute, images
from press.suppress import suppress_counts, suppress_outputs

MARK = "your-book.json"  # in a built folder: that it is one, and so may be replaced
FRONT, ASIDE = "book/index", "book/yours/aside"
EXERCISES = re.compile(r"^## Exercises\s*$", re.MULTILINE)
SYNTHETIC, ROWS, COUNTS = "synthetic", "rows", "counts"  # tags of cells
LEFT_OUT = "Left out of this book, as it would show single people's values: build it with `--include-data` to see it."
SMALL = "Left out of this book, as it prints counts of few people."
NOT_FOR_DATA = "it is about this project's own book, not about data"
OWN_PAGES = (
    "book/using/", "book/appendix/numbers", "book/appendix/built", "book/appendix/codebook", "book/robustness/verdict",
)  # fmt: skip
DROPPED = ("lesson", "needs")  # directives


class RefusedError(BookError):
    """The reader's files break the contract, or what was asked cannot be done; nothing was written."""


@dataclass(frozen=True)
class Study:
    """A reader's data, as the chapters will read them."""

    persons: pd.DataFrame
    visits: pd.DataFrame
    sources: tuple[str, ...]

    @cached_property
    def scores(self) -> pd.DataFrame:
        return measures.score(self.persons, self.visits)

    @property
    def later(self) -> pd.DataFrame:
        return self.scores[self.scores["wave"] > 0]

    def scored(self, *columns: str) -> bool:
        """Whether each of the scores has a value at a follow-up."""
        return bool(self.later[list(columns)].notna().any().all())

    def follow_ups(self) -> int:
        return len(measures.follow_ups(self.visits))

    def name(self) -> str:
        return f"your data: {', '.join(self.sources)}, {len(self.persons):,} people"


# What a chapter may need of the data: each word with its test, and what to say where it fails.
NEEDS: dict[str, tuple[Callable[[Study], bool], str]] = {
    "truth": (lambda study: False, "it compares with a truth that is known only for a simulated cohort"),
    "analyses": (lambda study: False, "it reads long simulations that were made for the synthetic cohort"),
    "another cohort": (lambda study: False, "it is about other data than yours"),
    "SAI items": (lambda study: bool(measures.sai(study.visits)), "there are no answers to the items of the inventory"),
    "alliance": (lambda study: study.scored("alliance"), "there is no alliance"),
    "contact": (lambda study: study.scored("contact"), "there is no contact with a sponsor"),
    "sponsor": (lambda study: study.scored("has_sponsor"), "nobody was asked about a sponsor"),
    "attendance": (lambda study: study.scored("attendance"), "there is no attendance of meetings"),
    "involvement": (lambda study: study.scored("involvement"), "there is no involvement"),
    "activities": (lambda study: bool(measures.activity_items(study.visits)), "there are no items of involvement"),
    "PDA": (lambda study: study.scored("pda"), "there are no days abstinent"),
    "all outcomes": (
        lambda study: study.scored("attendance", "involvement", "pda"),
        "attendance, involvement and days abstinent are not all there",
    ),
    "entry": (lambda study: bool((study.visits["wave"] == 0).any()), "there is no assessment at entry (wave 0)"),
    "sex": (lambda study: study.persons["sex"].nunique() > 1, "sex is blank or the same for everyone"),
    "age": (lambda study: study.persons["age"].nunique() > 1, "age is blank or the same for everyone"),
    "days": (
        lambda study: {"window_days", "meetings", "abstinent_days"} <= set(study.visits),
        "there are scores, but no counts of days and meetings in a window",
    ),
    "two follow-ups": (lambda study: study.follow_ups() >= 2, "there are fewer than two follow-ups"),
    "three follow-ups": (lambda study: study.follow_ups() >= 3, "there are fewer than three follow-ups"),
    "exactly three follow-ups": (lambda study: study.follow_ups() == 3, "there are not three follow-ups"),
    "table of people": (
        lambda study: {"race", "comorbid", "residential_days"} <= set(study.persons),
        "race, comorbidity and the length of stay are not all there",
    ),
}


CLAIMED = ("sponsor", "contact", "alliance", "attendance", "involvement", "PDA")  # what the claims are about


def needs(nb: NotebookNode | str) -> list[str]:
    """What a chapter says that it needs. Raises BookError for a word that is not in NEEDS."""
    texts = [nb] if isinstance(nb, str) else [cell.source for cell in nb.cells if cell.cell_type == "markdown"]
    said = [block.argument for text in texts for block in blocks(text) if block.name == "needs"]
    words = [word.strip() for argument in said for word in argument.split(",") if word.strip()]
    if unknown := [word for word in words if word not in NEEDS]:
        raise BookError(f"needs: {', '.join(unknown)}; there are {', '.join(NEEDS)}")
    return words


def unmet(words: Iterable[str], study: Study) -> str:
    """Why the data do not meet the needs, as the end of a sentence; empty if they do."""
    return "; ".join(reason for met, reason in (NEEDS[word] for word in words) if not met(study))


# --- the whole -------------------------------------------------------------------------------------------------------


def make(root: Path, data: Path, out: Path, include_data: bool = False, suppress: int = 0) -> Path:
    """Build the book on the files of the folder `data` (or one file) into the folder `out`; its index.html.

    Raises
    ------
    RefusedError
        The data break the contract; or `out` is in the repository, is the data's own folder, or holds other files.
    BookError
        The site was not whole. In every case `out` is as it was.
    """
    data, out = data.resolve(), out.resolve()
    _check_place(root, data, out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as made:  # readable by its owner alone
        work = Path(made)
        received = records.receive([data])
        if len(received.errors):
            raise RefusedError("\n".join([*told(received.errors), "Nothing was built."]))
        if len(received.warnings):
            print("\n".join(told(received.warnings)), file=sys.stderr)
        records.deposit(received, work / "data")
        study = Study(received.persons, received.visits, tuple(received.sources))
        site = _build(root, work, study, include_data, suppress)
        if include_data:
            shutil.copytree(work / "data", site / "data")
        (site / MARK).write_text(json.dumps({"made by": "python -m press book --data"}) + "\n", encoding="utf-8")
        _put(site, out)
    return out / "index.html"


def told(problems: pd.DataFrame) -> list[str]:
    """Problems of the reader's files as `python -m helpers check` says them, each kind once."""
    return [text for text, _ in faults.grouped(problems)]


def _check_place(root: Path, data: Path, out: Path) -> None:
    if not data.exists():
        raise RefusedError(f"{data} does not exist: name the folder that holds your files.")
    inside = root.resolve()
    if inside in (out, *out.parents) and inside / "_build" not in out.parents:
        raise RefusedError(f"{out} is in the book's own folder: name another, outside of it.")
    if out == data or out in data.parents:
        raise RefusedError(f"{out} holds your data: name another folder for the book.")
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / MARK).exists()):
        raise RefusedError(f"{out} holds other files: name an empty or a new folder.")


def _put(site: Path, out: Path) -> None:
    """The new site in the place of an older one, which is kept until the new one is there."""
    old = site.parent / "old"
    if out.exists():
        out.rename(old)
    try:
        site.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise
    out.chmod(0o755)


def _build(root: Path, work: Path, study: Study, include_data: bool, suppress: int) -> Path:
    source = work / "book"
    (source / "book").mkdir(parents=True)
    listed = {chapter.name: chapter for chapter in chapters(root)}
    aside: dict[str, str] = {}
    waiting: dict[str, NotebookNode] = {}
    texts: dict[str, str] = {}
    for name in pages(root):
        if name.startswith(OWN_PAGES):
            aside[name] = NOT_FOR_DATA
            continue
        held = read(listed[name]) if name in listed else read_text(root / f"{name}.md")
        if reason := unmet(needs(held), study):
            aside[name] = reason
        elif name in listed:
            waiting[name] = without(held)
        else:
            texts[name] = held
    settings = environment(source) | {"HELPERS_DATA": str(work / "data")}
    Path(settings["IPYTHONDIR"]).mkdir(parents=True)
    os.environ.update(settings)
    failed = _run(source, waiting)
    aside |= {name: f"it could not be computed with these data ({message})" for name, message in failed.items()}
    notebooks = {name: nb for name, nb in waiting.items() if name not in failed}
    results = gather(notebooks, whole=False)
    results = {key: _of_theirs(entry) for key, entry in results.items()}
    if suppress:
        results = suppress_counts(results, suppress, len(study.persons))
    titles = {name: title(root, name) for name in pages(root)}
    kept = [name for name in pages(root) if name in notebooks or name in texts]
    links = {name: f"/{name}{'.ipynb' if name in notebooks else '.md'}" for name in kept if name != FRONT}
    texts[FRONT], texts[ASIDE] = front(study, links, aside, titles, suppress), aside_page(aside, titles)
    known = {**results, **derived(results)}
    for nb in notebooks.values():
        reread(nb, known, include_data, suppress, len(study.persons))
    _write(root, source, kept, texts, notebooks, known, study)
    return _site(source, [*kept, ASIDE], notebooks, results)


def _run(source: Path, waiting: dict[str, NotebookNode]) -> dict[str, str]:
    """Run the notebooks, outputs into them; of those that failed the error, in a line."""
    order = {Chapter(source, name): nb for name, nb in waiting.items()}
    for chapter in order:
        chapter.notebook.parent.mkdir(parents=True, exist_ok=True)
    failures = execute(dict(reversed(order.items())))
    return {chapter.name: _in_a_line(message) for chapter, message in failures.items()}


def _in_a_line(message: str) -> str:
    """A chapter's failure: its cell, and the error's own words."""
    cell = re.search(r"cell \[\d+\]", message)
    return ": ".join(filter(None, [cell and cell[0], " ".join(message.splitlines()[-1].split())[:200]]))


def _of_theirs(entry: dict) -> dict:
    """An entry whose status speaks of this book's cohort: nothing was assumed or calibrated in a reader's data."""
    return {**entry, "status": "computed"} if entry["status"] in ("assumed", "calibrated") else entry


# --- what becomes of a chapter ---------------------------------------------------------------------------------------


def without(nb: NotebookNode) -> NotebookNode:
    """The chapter as it will run: without exercises and cells about the synthetic cohort."""
    cells = []
    for cell in nb.cells:
        if SYNTHETIC in cell.metadata.get("tags", []):
            continue
        found = EXERCISES.search(cell.source) if cell.cell_type == "markdown" else None
        if found:
            cell.source = cell.source[: found.start()].rstrip()
        if cell.cell_type == "markdown":
            cell.source = _without_directives(cell.source)
        if cell.cell_type == "code" or cell.source.strip():
            cells.append(cell)
        if found:
            break
    nb.cells = cells
    return nb


def _without_directives(text: str) -> str:
    return substituted(text, dict.fromkeys(DROPPED, lambda body: "")).strip("\n")


def reread(nb: NotebookNode, results: dict, include_data: bool, suppress: int, people: int) -> None:
    """Put computed sentences in the place of readings, and take out what shows single people."""
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = readings.replaced(cell.source, results)
            continue
        tags = cell.metadata.get("tags", [])
        if ROWS in tags and not include_data:
            _leave_out(cell, LEFT_OUT)
        elif COUNTS in tags and suppress:
            _leave_out(cell, SMALL)
        for output in cell.get("outputs", []):
            if "ledger" in output.get("metadata", {}):
                html = "".join(output.data["text/html"])
                output.data["text/html"] = re.sub(r"<td>(assumed|calibrated)</td>", "<td>computed</td>", html)
        if suppress:
            suppress_outputs(cell, suppress, people)
        figure, image = (cell.metadata.get("mystnb", {}).get(part, {}) for part in ("figure", "image"))
        if "caption" in figure:
            figure["caption"] = readings.replaced_inline(figure["caption"], results, "Of your data.")
        if "alt" in image:
            image["alt"] = readings.replaced_inline(image["alt"], results, "Drawn from your data, as its caption says.")
    _drop_empty_headings(nb)


def _leave_out(cell: NotebookNode, words: str) -> None:
    """A sentence in the place of a cell's outputs; what it recorded in the ledger stays."""
    shown = [output for output in cell.outputs if "ledger" not in output.get("metadata", {})]
    kept = [output for output in cell.outputs if "ledger" in output.get("metadata", {})]
    if shown:
        said = {"output_type": "display_data", "data": {"text/markdown": words, "text/plain": words}, "metadata": {}}
        cell.outputs = [NotebookNode(said | {"data": NotebookNode(said["data"]), "metadata": NotebookNode()}), *kept]
        cell.metadata.pop("mystnb", None)


def _drop_empty_headings(nb: NotebookNode) -> None:
    """Take out headings under which nothing stands any more."""
    below = 1  # level of the next heading, if nothing stands before it; at the end of the page that of its title
    for cell in reversed(nb.cells):
        if cell.cell_type == "code":
            below = 7
            continue
        lines = []
        for line in reversed(cell.source.splitlines()):
            heading = re.match(r"(#{1,6})\s", line)
            level = len(heading[1]) if heading else 0
            if level > 1 and level >= below:
                continue
            if heading:
                below = level
            elif line.strip() and not re.match(r"^\(\S+\)=\s*$", line):
                below = 7
            lines.append(line)
        cell.source = "\n".join(reversed(lines)).strip("\n")


# --- what is written for Sphinx --------------------------------------------------------------------------------------


def _write(
    root: Path,
    source: Path,
    kept: list[str],
    texts: dict[str, str],
    notebooks: dict[str, NotebookNode],
    known: dict[str, dict],
    study: Study,
) -> None:
    """Pages, configuration and what a build reads beside them; the notebooks' links are mended in place."""
    texts |= {name: readings.replaced(_without_directives(text), known) for name, text in texts.items()}
    places = {name: anchors(texts.get(name) or notebooks[name]) for name in [*kept, ASIDE]}
    for name, nb in notebooks.items():
        drawn = {figure_name(cell) for cell in nb.cells if figure_name(cell)}
        for cell in nb.cells:
            if cell.cell_type == "markdown":
                cell.source = _unlabelled(readings.links(cell.source, name, places), drawn)
            elif "caption" in cell.metadata.get("mystnb", {}).get("figure", {}):
                figure = cell.metadata["mystnb"]["figure"]
                figure["caption"] = _unlabelled(readings.links(figure["caption"], name, places), drawn)
    for name, text in texts.items():
        write(source / f"{name}.md", _unlabelled(readings.links(text, name, places), set()) + "\n")
    shutil.copytree(root / "book" / "_static", source / "book" / "_static")
    shutil.copy(root / "book" / "references.bib", source / "book" / "references.bib")
    settings = read_yaml(root / "_config.yml")
    config = settings["sphinx"]["config"]
    settings["title"] = config["project"] = config["html_title"] = "The sponsor study, with your data"
    config["press_real_data"] = {}
    config["press_lacking"] = {word.lower(): reason for word in CLAIMED if (reason := unmet([word], study))}
    config["html_copy_source"] = False
    config["press_yours"] = ["Your data: ", f"{_sentence(study.name())} The text was written for another cohort; "
                             "every statement about the data in it was computed from yours."]  # fmt: skip
    footer = "<p>Made on this computer from a reader's data.</p>"
    config["html_theme_options"] |= {"extra_footer": footer, "use_download_button": False}
    write(source / "_config.yml", yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
    write(source / "_toc.yml", yaml.safe_dump(contents(root, kept, set(notebooks)), sort_keys=False))


def _sentence(words: str) -> str:
    return words.removeprefix("your data: ") + "."


def contents(root: Path, kept: list[str], computed: set[str]) -> dict:
    """The table of contents with the pages that are kept, and the page of those that stand aside."""
    toc = read_yaml(root / "_toc.yml")
    bare = lambda entry: entry["file"].removesuffix(".ipynb").removesuffix(".md")
    parts = [
        {"caption": part["caption"], "chapters": chosen}
        for part in toc["parts"]
        if (chosen := [entry for entry in part["chapters"] if bare(entry) in kept])
    ]
    parts.append({"caption": "Your data", "chapters": [{"file": ASIDE}]})
    return {"format": "jb-book", "root": FRONT, "parts": parts}


def anchors(page: str | NotebookNode) -> frozenset[str]:
    """The anchors of a page's headings, and its labels."""
    cells = [page] if isinstance(page, str) else [cell.source for cell in page.cells if cell.cell_type == "markdown"]
    lines = [line for text in cells for line in text.splitlines()]
    slugs = {
        re.sub(r"[^\w\- ]", "", found[1].lower()).replace(" ", "-") for found in map(HEADING.match, lines) if found
    }
    labels = {found[1] for line in lines if (found := re.match(r"^\((\S+)\)=\s*$", line))}
    return frozenset(slugs | labels)


def figure_name(cell: NotebookNode) -> str:
    """The label of a figure that is there, or empty."""
    drawn = any(images(output) for output in cell.get("outputs", []))
    return cell.metadata.get("mystnb", {}).get("figure", {}).get("name", "") if drawn else ""


def _unlabelled(text: str, drawn: set[str]) -> str:
    """`text` without references to figures that are not there."""
    gone = lambda found: found[0] if found[1] in drawn else "a figure that is left out"
    return re.sub(r"\{numref\}`([^`<>]+)`", gone, text)


def title(root: Path, page: str) -> str:
    """The first heading of a page."""
    lines = read_text(root / f"{page}.md").splitlines()
    return next((found[1] for line in lines if (found := HEADING.match(line))), page)


def front(study: Study, links: dict[str, str], aside: dict[str, str], titles: dict[str, str], suppress: int) -> str:
    """The first page: whose data, what is in the book, and what is not."""
    waves = ", ".join(map(str, sorted(int(wave) for wave in study.visits["wave"].unique())))
    seen = int((study.visits["observed"] == 1).sum())
    lines = [
        "# The sponsor study, with your data",
        "",
        f"This book was made from {escaped(study.name().removeprefix('your data: '))}: {seen:,} visits that took "
        f"place, at months {waves}.",
        "Its chapters are those of the open companion to Kelly, Greene & Bergman (2016); models and code are the same, "
        "the numbers are yours.",
        "What a chapter said of its own cohort was taken out, and plain sentences from your estimates stand there.",
        "They say in which direction an estimate lies, how large it is and how far its interval reaches; what it means "
        "is for you to say. All of them are associations.",
        "",
        *([f"Counts below {suppress} are shown as <{suppress}; what tells them is hidden.", ""] if suppress else []),
        *(["## The abstract's findings, and yours", "", "```{claims}", "```", ""]),
        "## The chapters",
        "",
        *(f"- [{titles[name]}]({link})" for name, link in links.items()),
        "",
        f"[{len(aside)} pages stand aside](yours/aside.md), each with its reason.",
    ]
    return "\n".join(lines)


def aside_page(aside: dict[str, str], titles: dict[str, str]) -> str:
    """The page of all that was left out, with the reasons."""
    rows = [f"| {titles[name]} | {escaped(reason)} |" for name, reason in aside.items()]
    return "\n".join(
        [
            "# What stands aside",
            "",
            "These pages of the book are not here, because your data, or any data of which the truth is not known, "
            "cannot fill them.",
            "",
            "| Page | Why |",
            "|---|---|",
            *rows,
        ]
    )


def escaped(words: str) -> str:
    """Somebody's words as text of a page: nothing in them is markup, in Markdown or in HTML."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>&~$^:@\"'])", lambda mark: f"&#{ord(mark[0])};", words.replace("\n", " "))


def _site(source: Path, names: list[str], notebooks: dict[str, NotebookNode], results: dict[str, dict]) -> Path:
    """The built site of what `_write` wrote."""
    build = source / "_build"
    build.mkdir(exist_ok=True)
    (build / "results.json").write_text(dumps(results), encoding="utf-8")
    staged, html = build / "source", build / "html"
    stage(source, notebooks, staged)
    sphinx(source, staged, html, build / "results.json")
    figuredata.write(notebooks, html)
    if not (html / "index.html").exists():
        (html / "index.html").write_text(INDEX.format(page=FRONT), encoding="utf-8")
    if problems := check(html, [FRONT, *(name for name in names if name != FRONT)], results):
        raise BookError("The site is not whole:\n" + "\n".join(f"  {problem}" for problem in problems))
    return html
