"""The verdict: each claim under each check of the part on robustness, drawn from the ledger when the site is built.

A chapter records `verdict.CHECK.CLAIM` with one of the three words below, by a rule that it states. Each cell of the
table is a link to the cell that recorded it; a check that does not apply to a claim says n/a.
"""

from collections.abc import Mapping

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from helpers.study import CLAIMS, Claim
from press.roles import Cell, number_node, table, warn

WORDS = ("holds", "weakens", "falls")
APART = "n/a"  # not the dash that stands for a number nobody recorded
CHECKS = {  # in the order of the chapters, and how the head of the table says them
    "influence": "Anyone left out",
    "robust_errors": "Robust errors",
    "time_coding": "Time recoded",
    "bounded": "Ceiling kept",
    "missing": "Missed visits imputed",
    "within": "Within persons",
    "confounding": "Propensity known",
    "curve": "Every analysis",
    "seen": "Power",
}


def verdicts(results: Mapping[str, Mapping]) -> dict[tuple[str, str], str]:
    """The words recorded, by check and claim.

    Raises
    ------
    ValueError
        A key that names no check or no claim, or a word that is none of the three; the message names the key.
    """
    found = {}
    for key, entry in results.items():
        if not key.startswith("verdict."):
            continue
        _, check, claim = key.split(".")
        if check not in CHECKS or claim not in {claim.key for claim in CLAIMS} or entry["value"] not in WORDS:
            known = f"checks: {', '.join(CHECKS)}; claims as in helpers.study; words: {', '.join(WORDS)}"
            raise ValueError(f"{key} = {entry['value']!r} is no verdict ({known})")
        found[check, claim] = entry["value"]
    return found


def short(claim: Claim) -> str:
    """The claim in as few words as a table of many columns has room for: 'Alliance × time: PDA'."""
    outcome = {"pda": "PDA"}.get(claim.outcome, claim.outcome)
    return f"{claim.term.replace(':', ' × ').capitalize()}: {outcome}"


class VerdictTable(SphinxDirective):
    """Claims by checks, each word a link to its cell; the last column counts."""

    def run(self) -> list[nodes.Node]:
        try:
            found = verdicts(self.env.press_results)
        except ValueError as error:
            warn(str(error), self.env.docname, self.lineno, "verdict")
            return []
        for check in set(CHECKS) - {check for check, _ in found}:
            warn(f"no chapter recorded verdict.{check}.CLAIM", self.env.docname, self.lineno, "verdict")
        head = ("Claim", *CHECKS.values(), "Holds in")
        built = table("The nine claims under each check", head, [self.row(claim, found) for claim in CLAIMS])
        built["classes"].append("press-verdict")
        return [built]

    def row(self, claim: Claim, found: Mapping[tuple[str, str], str]) -> list[Cell]:
        asked = [found[check, claim.key] for check in CHECKS if (check, claim.key) in found]
        cells = [self.word(check, claim, found.get((check, claim.key))) for check in CHECKS]
        return [short(claim), *cells, f"{asked.count('holds')} of {len(asked)}"]

    def word(self, check: str, claim: Claim, word: str | None) -> Cell:
        if word is None:
            return APART
        link = number_node(f"verdict.{check}.{claim.key}", self.env, self.lineno, hover=False)
        return nodes.inline("", "", link, classes=[f"press-{word}"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("verdict", VerdictTable)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
