"""The command line of the book: `python -m press COMMAND`; `--help` lists them."""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from press import BookError


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    options, further = parser.parse_known_args(arguments)
    if further and options.command not in {"test", "test-site"}:
        parser.error(f"unrecognized arguments: {' '.join(further)}")
    options.pytest = further
    try:
        root = (options.root or _root()).resolve()
        if not (root / "_toc.yml").exists():
            raise BookError(f"{root / '_toc.yml'} does not exist.")
        os.environ.update(_environment(root))
        return COMMANDS[options.command](root, options)
    except BookError as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    except OSError as error:  # a folder that cannot be written, a full disk
        if error.filename is None:
            raise
        print(f"\n{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The committed files are as they were.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m press", description=__doc__)
    parser.add_argument("--root", type=Path, help="folder of _toc.yml (default: the nearest, upwards)")
    commands = parser.add_subparsers(dest="command", required=True)
    book = commands.add_parser("book", help="run what changed and build the site into _build/html")
    book.add_argument("--fresh", action="store_true", help="rerun every chapter")
    book.add_argument("--data", type=Path, metavar="DIR", help="the book on your data: a folder of files, or one file")
    book.add_argument("--out", type=Path, metavar="DIR", help="where that book goes (default: DIR-book, beside DIR)")
    book.add_argument("--include-data", action="store_true", help="your rows, and what shows single people, in it too")
    book.add_argument("--suppress", type=int, default=0, metavar="N", help="show counts below N as <N in its tables")
    commands.add_parser("pdf", help="print the whole book to _build/pdf/book.pdf (needs Chromium)")
    commands.add_parser("test", help="unit tests, notebooks against stored outputs, pairs, in one pytest run with ARGS")
    commands.add_parser("test-site", help="the built site in a real browser, in one pytest run with ARGS")
    update = commands.add_parser("update", help="rewrite stored outputs and book/results.json where they changed")
    update.add_argument("--fresh", action="store_true", help="rerun every chapter")
    update.add_argument("chapters", nargs="*", help="only these, such as book/results/average (default: all)")
    verify = commands.add_parser("verify", help="rerun everything and compare every number and figure")
    verify.add_argument("--json", action="store_true", help="print the report as JSON")
    verify.add_argument("--record", action="store_true", help="if all agrees, note versions in book/verified.json")
    pair = commands.add_parser("pair", help="bring text and notebooks in step")
    pair.add_argument("--check", action="store_true", help="only say where they differ, exit 1 if they do")
    for name, what in TAKEAWAYS.items():
        takeaway = commands.add_parser(name, help=what)
        takeaway.add_argument("--out", type=Path, help=f"folder to write (default: _build/{name})")
    return parser


def _root() -> Path:
    for folder in [Path.cwd(), *Path.cwd().parents]:
        if (folder / "_toc.yml").exists():
            return folder
    raise BookError("No _toc.yml here or above: run this in the book's folder, or say --root.")


def _environment(root: Path) -> dict[str, str]:
    from press.run import environment

    given = environment(root)
    Path(given["IPYTHONDIR"]).mkdir(parents=True, exist_ok=True)  # IPython warns if it cannot find its parent
    return given


def book(root: Path, options: argparse.Namespace) -> int:
    from press.build import build
    from press.chapters import chapters, difference, pages, read_results
    from press.gather import dumps, gather
    from press.run import run
    from press.verify import Report, compare

    if options.data is not None:
        return _yours(root, options)
    committed = read_results(root) if (root / "book" / "results.json").exists() else {}
    clock = [time.perf_counter()]
    listed = chapters(root)
    notebooks = run(root, listed, options.fresh)
    clock.append(time.perf_counter())
    results = gather(notebooks)
    index = build(root, notebooks, results, dumps(results))
    clock.append(time.perf_counter())
    behind = [chapter.name for chapter in listed if chapter.notebook.exists() and difference(chapter)]
    if behind:
        print(f"Text and notebook are not in step: {', '.join(behind)}. Before you commit: make pair")
    changes = Report()
    compare(changes, committed, results)
    if changes.mismatches:
        print(f"{len(changes.mismatches)} numbers are not those of book/results.json: see make verify, make update")
    ran, built = clock[1] - clock[0], clock[2] - clock[1]
    print(f"{len(pages(root))} pages, {len(results)} numbers. Chapters {ran:.1f} s, site {built:.1f} s.")
    print(index)
    return 0


def _yours(root: Path, options: argparse.Namespace) -> int:
    from press import yours

    beside = options.data.resolve()
    out = options.out or beside.with_name(f"{beside.stem}-book")
    try:
        print(yours.make(root, options.data, out, options.include_data, options.suppress))
    except yours.RefusedError as refused:
        print(refused, file=sys.stderr)
        return 2
    return 0


def pdf(root: Path, options: argparse.Namespace) -> int:
    from press.chapters import chapters
    from press.gather import dumps, gather
    from press.pdf import pdf
    from press.run import run

    notebooks = run(root, chapters(root))
    print(pdf(root, notebooks, dumps(gather(notebooks))))
    return 0


def test(root: Path, options: argparse.Namespace) -> int:
    # The notebooks first: they take longest, and what is begun last leaves the other processes idle.
    workers = ["-n", "auto", "--maxprocesses", "8", "--dist", "loadfile", "--no-loadscope-reorder"]
    notebooks = ["--nbval", "--nbval-current-env"]
    paths = [name for name in ("book", "tests") if (root / name).exists()]
    return subprocess.call([sys.executable, "-m", "pytest", *workers, *notebooks, *paths, *options.pytest], cwd=root)


def test_site(root: Path, options: argparse.Namespace) -> int:
    from press.browsing import is_current, prepare, run

    prepare(root)
    if not is_current(root):
        print("The site is missing or older than its sources: building it.", flush=True)
        book(root, argparse.Namespace(fresh=False, data=None))
    return run(root, options.pytest)


def update(root: Path, options: argparse.Namespace) -> int:
    from press import citation
    from press.chapters import chapters, computed
    from press.update import update

    names = {name.removesuffix(".md").removesuffix(".ipynb") for name in options.chapters}
    unknown = names - {chapter.name for chapter in computed(root)}
    if unknown:
        raise BookError(f"_toc.yml lists no chapter {', '.join(sorted(unknown))}")
    chosen = [chapter for chapter in computed(root) if chapter.name in names] if names else chapters(root)
    changed = update(root, chosen, options.fresh) + citation.update(root)
    print("\n".join(f"rewritten: {name}" for name in changed) or "All stored outputs are up to date.")
    return 0


def verify(root: Path, options: argparse.Namespace) -> int:
    from press.chapters import chapters
    from press.verify import verify

    report = verify(root, chapters(root), options.record)
    print(json.dumps(dataclasses.asdict(report), indent=1) if options.json else report)
    return 1 if report.mismatches else 0


def pair(root: Path, options: argparse.Namespace) -> int:
    from press.chapters import chapters, difference, sync

    if options.check:
        found = [message for chapter in chapters(root) if (message := difference(chapter))]
        print("\n".join(found) or "All pairs are in step.", file=sys.stderr if found else sys.stdout)
        return 1 if found else 0
    for chapter in chapters(root):
        ahead = sync(chapter)
        if ahead:
            print(f"{chapter.name}: taken from the {ahead}")
    return 0


TAKEAWAYS = {
    "student": "the student's edition: notebooks without solutions and notes, with all they need to run",
    "teacher": "the teacher's edition: the same with solutions and notes",
    "kits": "one zip a chapter that runs on its own",
    "slides": "one deck of slides a part, from the cells tagged slide",
}


def takeaway(root: Path, options: argparse.Namespace) -> int:
    from press.chapters import chapters
    from press.gather import gather
    from press.kits import write_edition, write_kits
    from press.markdown import book, lessons
    from press.run import run
    from press.slides import write_slides

    notebooks = run(root, chapters(root), fresh=False)
    of = book(root, gather(notebooks))
    out = (options.out or root / "_build" / options.command).resolve()
    if options.command in ("student", "teacher"):
        written = [write_edition(root, notebooks, of, options.command, out)]
    elif options.command == "kits":
        written = write_kits(root, lessons(notebooks), of, out)
    else:
        written = write_slides(root, notebooks, of, out)
    if not written:
        raise BookError(
            "No chapter has a lesson, so there are no kits."
            if options.command == "kits"
            else "No cell is tagged as a slide."
        )
    print("\n".join(str(path) for path in written))
    return 0


COMMANDS = {
    "book": book,
    "pdf": pdf,
    "test": test,
    "test-site": test_site,
    "update": update,
    "verify": verify,
    "pair": pair,
    **dict.fromkeys(TAKEAWAYS, takeaway),
}

if __name__ == "__main__":
    sys.exit(main())
