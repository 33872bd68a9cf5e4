"""Rerun everything in fresh kernels and compare with what is committed: every number, every figure, lme4's fits."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from nbformat import NotebookNode

from helpers import ledger
from press import BookError, verified
from press.chapters import Chapter, fingerprint, read_results, read_text, stored
from press.colophon import about
from press.gather import gather
from press.run import images, run
from press.update import alike

REFERENCE = Path("tests") / "reference" / "lme4_study.json"
# What is compared, the reference's name for it, its unit, and by how many of these units it may differ: lme4 stops by
# a tolerance of its own, and lmerTest, which gives no df on the boundary, takes its derivatives numerically.
REFERENCE_COLUMNS = (
    ("estimate", "estimate", "std_error", 1e-4),
    ("std_error", "std_error", "std_error", 1e-4),
    ("df", "satterthwaite", "satterthwaite", 1e-3),
)


@dataclass
class Report:
    """What was compared, and what did not agree (one line each: key, stored and rerun value)."""

    numbers: int = 0
    matched: int = 0
    worst: float = 0.0  # relative difference
    worst_key: str = ""
    figures: int = 0
    figures_matched: int = 0
    lme4: int = 0  # coefficients, standard errors and df compared with lme4's and lmerTest's
    lme4_worst: float = 0.0  # difference in units of lme4's standard error, or of lmerTest's df
    lme4_worst_key: str = ""
    mismatches: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        rows = [
            ("numbers checked", f"{self.numbers}"),
            ("numbers matched", f"{self.matched}"),
            ("worst relative difference", f"{self.worst:.1e}" + (f"  ({self.worst_key})" if self.worst_key else "")),
            ("figures checked", f"{self.figures}"),
            ("figures matched", f"{self.figures_matched}"),
        ]
        if self.lme4:
            worst = f"{self.lme4_worst:.1e} of its standard error or df  ({self.lme4_worst_key})"
            rows += [("lme4: values compared", f"{self.lme4}"), ("lme4: worst difference", worst)]
        return "\n".join(
            [f"{name:<28}{value}" for name, value in rows] + [f"MISMATCH {line}" for line in self.mismatches]
        )


def verify(root: Path, chapters: list[Chapter], record: bool = False) -> Report:
    """Rerun all chapters and compare. The committed files are only read.

    With `record`, a rerun without a mismatch is noted in `book/verified.json` under its platform and Python.

    Raises
    ------
    BookError
        A chapter does not run, or nothing is committed to compare with.
    """
    committed = read_results(root)
    for chapter in chapters:
        if not chapter.notebook.exists():
            raise BookError(
                f"{chapter.name}.ipynb is not committed: there is nothing to compare with. Mend: make update"
            )
    rerun = run(root, chapters, fresh=True)
    report = Report()
    results = gather(rerun)
    compare(report, committed, results)
    for chapter in chapters:
        compare_figures(report, chapter, stored(chapter), rerun[chapter.name])
    if (root / REFERENCE).exists():
        compare_lme4(report, json.loads(read_text(root / REFERENCE)), results)
    if record and not report.mismatches:
        note(root, committed, {name: fingerprint(root, nb) for name, nb in rerun.items()})
    return report


def note(root: Path, committed: Mapping[str, Mapping], prints: Mapping[str, str]) -> None:
    """Put a record of this rerun, which matched `committed`, in the place of an older one from here."""
    today = {"date": datetime.now(UTC).date().isoformat(), **about(root)}
    new = verified.record(committed, prints, verified.environment(), today)
    verified.save(root, verified.add(verified.read(root), new))


def compare(report: Report, stored: dict[str, dict], rerun: dict[str, dict]) -> None:
    """Every number, on its raw value. A key that only one side has is a mismatch."""
    for key in sorted(stored.keys() | rerun.keys()):
        report.numbers += 1
        if key not in rerun:
            report.mismatches.append(f"{key}: stored {stored[key]['value']!r}, not recorded in the rerun")
        elif key not in stored:
            report.mismatches.append(f"{key}: not stored, rerun {rerun[key]['value']!r}")
        else:
            ours, theirs = stored[key]["value"], rerun[key]["value"]
            difference = _relative(ours, theirs)
            if difference > report.worst:
                report.worst, report.worst_key = difference, key
            if ledger.agree(ours, theirs):
                report.matched += 1
            else:
                report.mismatches.append(f"{key}: stored {ours!r}, rerun {theirs!r}")


def _relative(ours: float | str, theirs: float | str) -> float:
    if isinstance(ours, str) or isinstance(theirs, str):
        return 0.0 if ours == theirs else float("inf")
    return abs(ours - theirs) / max(abs(ours), ledger.ABSOLUTE)


def compare_figures(report: Report, chapter: Chapter, stored: NotebookNode, rerun: NotebookNode) -> None:
    """Every figure, pixel by pixel, within the tolerance of `make update`."""
    ours, theirs = (
        [png for cell in nb.cells for output in cell.get("outputs", []) for png in images(output)]
        for nb in (stored, rerun)
    )
    report.figures += max(len(ours), len(theirs))
    if len(ours) != len(theirs):
        report.mismatches.append(f"{chapter.name}: {len(ours)} figures stored, {len(theirs)} in the rerun")
    for number, (one, other) in enumerate(zip(ours, theirs, strict=False), start=1):
        if alike(one, other):
            report.figures_matched += 1
        else:
            report.mismatches.append(f"{chapter.name}: figure {number} does not look like the stored one")


def compare_lme4(report: Report, reference: dict[str, dict], results: dict[str, dict]) -> None:
    """The study's models beside lme4's: estimates and errors in its standard errors, df in shares of lmerTest's."""
    for model, fit in reference.items():  # beside the models the file says `about` itself: R's and lme4's versions
        for term, theirs in fit.get("fixed", {}).items():
            for column, name, unit, tolerance in REFERENCE_COLUMNS:
                if theirs.get(name) is None:
                    continue
                key = f"{model}.{ledger.name(term)}.{column}"
                report.lme4 += 1
                if key not in results:
                    report.mismatches.append(f"{key}: lme4 {theirs[name]!r}, not recorded in the rerun")
                    continue
                difference = abs(results[key]["value"] - theirs[name]) / theirs[unit]
                if difference > report.lme4_worst:
                    report.lme4_worst, report.lme4_worst_key = difference, key
                if difference > tolerance:
                    report.mismatches.append(f"{key}: lme4 {theirs[name]!r}, rerun {results[key]['value']!r}")
