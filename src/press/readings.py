"""Plain sentences in the place of a passage that was true of this book's cohort alone.

A chapter marks such passages: in its text by the directive `reading`, in captions and alt texts by `[...]{.reading}`.
In a book on a reader's data each is replaced by what the ledger has, there, of the numbers it quotes: of an estimate
its direction, size and interval, of any other number its value. No word of the passage itself is kept.
"""

import re
from collections.abc import Iterable, Mapping

from helpers.study import OUTCOMES
from press.markdown import LINK, docname, substituted
from press.quote import COMPARE, NUMBER, READING, ROLE, Results, is_number

KINDS = {"a": "model (a)", "b": "model (b)", "c": "model (c)", "all": "the model called all"}
SAID = {  # keys whose own words would mislead
    "claims.n": "findings of the abstract",
    "claims.recovered": "findings of the abstract of which the whole interval, in your data, lies above zero",
}
INTERVAL = ("estimate", "conf_low", "conf_high")


def sentences(passage: str, results: Results) -> list[str]:
    """One sentence for each number of `results` that `passage` quotes or compares, in its order; MyST with roles."""
    said: dict[str, str] = {}
    for key, shown in quoted(passage):
        base, _, column = key.rpartition(".")
        triple = [f"{base}.{name}" for name in INTERVAL]
        if column in INTERVAL and all(is_number(name, results) for name in triple):
            said.setdefault(base, _estimate(base, results, shown))
        elif key in results:
            said.setdefault(key, f"{label(key)}: {_role(key, shown, results)} {results[key]['unit']}".rstrip())
    return list(said.values())


def quoted(passage: str) -> Iterable[tuple[str, str]]:
    """(key, format) of each number that a passage prints or compares."""
    for role in ROLE.finditer(passage):
        kind, content = role[1], role[2]
        if kind == "num":
            key, _, shown = content.strip().partition("|")
            yield key.strip(), shown
        elif kind == "holds":
            condition = content.rpartition("|")[2]
            for token in re.split(r"\s+", condition.strip()):
                if token not in COMPARE and token != "and" and not NUMBER.fullmatch(token) and ":" not in token:
                    yield token, ""


def label(key: str) -> str:
    """A key in words: `pda_b.contact` as "contact, in model (b) of PDA"; others by their own words."""
    page, *rest = key.split(".")
    outcome, _, kind = page.rpartition("_")
    if outcome in OUTCOMES and kind in KINDS:
        return ", ".join([*map(_words, rest), f"in {KINDS[kind]} of {_words(outcome)}"])
    return SAID.get(key) or ", ".join(map(_words, rest or [page]))


def _words(part: str) -> str:
    part = re.sub(r"^n_", "number of ", part).replace("_x_", " × ").replace("_", " ")
    return re.sub(r"\b(pda|icc|sai|sd)\b", lambda short: short[0].upper(), part)


def _role(key: str, shown: str, results: Results) -> str:
    return f"{{num}}`{key}|{shown}`" if shown and is_number(key, results) else f"{{num}}`{key}`"


def _estimate(base: str, results: Results, shown: str) -> str:
    keys = [f"{base}.{name}" for name in INTERVAL]
    estimate, low, high = (_role(key, shown, results) for key in keys)
    size = f"{estimate} {results[keys[0]]['unit']}".rstrip()
    where = direction(*(results[key]["value"] for key in keys))
    return f"{label(base)}: {size}, 95 % interval {low} to {high}; {where}"


def direction(estimate: float, low: float, high: float) -> str:
    """Where an estimate and its interval lie, in words."""
    if low > 0:
        return "above zero, and so is the whole interval"
    if high < 0:
        return "below zero, and so is the whole interval"
    side = "above" if estimate > 0 else "below" if estimate < 0 else "at"
    return f"{side} zero, with an interval that includes zero"


def replaced(text: str, results: Results) -> str:
    """The text of a Markdown cell with each directive `reading` replaced."""

    def computed(passage: str) -> str:
        said = "\n".join(f"- {one}." for one in sentences(passage, results))
        return f":::{{admonition}} In your data\n:class: press-yours\n{said}\n:::" if said else ""

    return substituted(text, {"reading": computed})


def replaced_inline(text: str, results: Results, rest: str = "") -> str:
    """A caption or an alt text with its marked sentences replaced; `rest` if nothing is left of it."""
    kept = " ".join(READING.sub("", text).split())
    said = "; ".join(one for marked in READING.finditer(text) for one in sentences(marked[1], results))
    return " ".join(filter(None, [kept, f"In your data: {said}." if said else ""])) or rest


def links(text: str, page: str, kept: Mapping[str, frozenset[str]]) -> str:
    """`text` of `page` with the links that lead nowhere turned into their words.

    `kept` has, by page of the book, the anchors of its headings; links to files that are not pages are left alone.
    """

    def link(found: re.Match) -> str:
        if found["code"] or re.match(r"[a-z]+:", found["target"]):
            return found[0]
        path, _, anchor = found["target"].partition("#")
        if path.startswith("/") or (path and not path.endswith((".md", ".ipynb"))):
            return found[0]
        name = docname(path, page) if path else page
        if name not in kept or (not path and anchor not in kept[name]):
            return found["words"]
        return found[0] if not anchor or anchor in kept[name] else f"[{found['words']}]({path})"

    return LINK.sub(link, text)
