"""What prose may quote: numbers of the ledger, published facts, and words that hold only while a condition does.

Pure text in, pure text out, for whatever is not a built page: alt texts, the README, slides, teaching kits. The
Sphinx side, with links and hover texts, is `press.roles`.
"""

import json
import operator
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from helpers.ledger import name
from helpers.study import CLAIMS, FACTS, Claim, Fact
from helpers.tables import show

Results = Mapping[str, Mapping]

ROLE = re.compile(r"\{(num|fact|holds)\}`([^`]+)`")
MARKER = re.compile(r"<!--(num|fact|holds):(.+?)-->(.*?)<!--/\1-->", re.DOTALL)
READING = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])+)\]\{\.reading\}", re.DOTALL)  # in captions and alt texts
NUMBER = re.compile(r"[-+−]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?")
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}


class UnresolvedError(ValueError):
    """A role or marker that cannot be printed; the message names the key or the condition."""


def load(path: Path) -> dict[str, dict]:
    """The gathered results with what follows from them (see `derived`). Raises FileNotFoundError, ValueError."""
    results = json.loads(Path(path).read_text(encoding="utf-8"))
    return {**results, **derived(results)}


def claim_key(claim: Claim, column: str) -> str:
    """The ledger's key of a claim's coefficient: `pda_c.alliance_x_time.conf_low`."""
    return f"{claim.model}.{name(claim.term)}.{column}"


def recovered(claim: Claim, results: Results) -> bool:
    """Whether the cohort recovers the claim: all nine are positive, so the interval must lie above zero."""
    return results[claim_key(claim, "conf_low")]["value"] > 0


def covered(claim: Claim, results: Results) -> bool:
    """Whether the claim's interval holds its true effect."""
    low, high = (results[claim_key(claim, column)]["value"] for column in ("conf_low", "conf_high"))
    return low <= results[f"truth.{claim.key}.causal"]["value"] <= high


def derived(results: Results) -> dict[str, dict]:
    """What follows from the results: `numbers.n`, and once all claims are fitted `claims.n`, `claims.recovered`
    and, with their truth, `claims.covered`."""
    counts = {"numbers.n": (len(results), "numbers in the ledger", "book/appendix/numbers")}
    if all(is_number(claim_key(claim, "conf_low"), results) for claim in CLAIMS):
        counts["claims.n"] = (len(CLAIMS), "claims", "book/results/claims")
        counts["claims.recovered"] = (
            sum(recovered(claim, results) for claim in CLAIMS),
            "claims",
            "book/results/claims",
        )
        if all(f"truth.{claim.key}.causal" in results for claim in CLAIMS):
            holding = sum(covered(claim, results) for claim in CLAIMS)
            counts["claims.covered"] = (holding, "claims", "book/results/claims")
    return {
        key: {"value": n, "text": str(n), "format": "d", "unit": unit, "status": "computed", "page": page, "cell": None}
        for key, (n, unit, page) in counts.items()
    }


def is_number(key: str, results: Results) -> bool:
    """Whether the ledger has the key with a number, and not with a word such as "not available"."""
    return key in results and not isinstance(results[key]["value"], str)


def number(content: str, results: Results) -> tuple[str, Mapping]:
    """`KEY` or `KEY|format` as (text, ledger entry)."""
    key, _, format = content.strip().partition("|")
    if key not in results:
        raise UnresolvedError(
            f"unknown number '{key}': no cell records it (ledger.record), or the results are out of date"
        )
    entry = results[key]
    if not format:
        return entry["text"], entry
    try:
        return show(entry["value"], format), entry
    except (ValueError, TypeError):
        raise UnresolvedError(f"number '{key}': {entry['value']!r} cannot be shown as '{format}'") from None


def fact(key: str, facts: Mapping[str, Fact] = FACTS) -> Fact:
    """The published fact `key`."""
    if key.strip() not in facts:
        raise UnresolvedError(f"unknown fact '{key}': it is not in helpers.study.FACTS")
    return facts[key.strip()]


def holds(condition: str, results: Results, facts: Mapping[str, Fact] = FACTS) -> bool:
    """Whether `A op B [and C op D ...]` holds; a side is a ledger key, `fact:KEY` or a number."""
    return all([_comparison(part, results, facts) for part in re.split(r"\s+and\s+", condition.strip())])


def _comparison(text: str, results: Results, facts: Mapping[str, Fact]) -> bool:
    match = re.fullmatch(r"(\S+)\s*(<=|>=|==|<|>)\s*(\S+)", text.strip())
    if not match:
        raise UnresolvedError(f"condition '{text}': write KEY < KEY, with <, <=, >, >= or == between two values")
    left, sign, right = match.groups()
    try:
        return COMPARE[sign](_value(left, results, facts), _value(right, results, facts))
    except TypeError:
        raise UnresolvedError(f"condition '{text}' compares a text with a number") from None


def _value(token: str, results: Results, facts: Mapping[str, Fact]) -> float | str:
    if NUMBER.fullmatch(token):
        return float(token.replace("−", "-"))
    if token.startswith("fact:"):
        return fact(token.removeprefix("fact:"), facts).value
    return number(token, results)[1]["value"]


def words(content: str, results: Results, facts: Mapping[str, Fact] = FACTS) -> str:
    """The words of `words|CONDITION`, if the condition holds."""
    text, bar, condition = content.rpartition("|")
    if not bar:
        raise UnresolvedError(f"'{content}' states no condition: write words|KEY > KEY")
    if not holds(condition, results, facts):
        raise UnresolvedError(f"'{text}' is no longer true: {condition} does not hold")
    return text


def quote(role: str, content: str, results: Results, facts: Mapping[str, Fact] = FACTS) -> str:
    """What a role prints, as plain text. In a row of a Markdown table its bar is escaped."""
    content = content.replace(r"\|", "|")
    printers: dict[str, Callable[[], str]] = {
        "num": lambda: number(content, results)[0],
        "fact": lambda: str(fact(content, facts)),
        "holds": lambda: words(content, results, facts),
    }
    return printers[role]()


def resolve(text: str, results: Results, facts: Mapping[str, Fact] = FACTS) -> str:
    """`text` with every {num}, {fact} and {holds} role turned into what it prints. Raises UnresolvedError."""
    return ROLE.sub(lambda role: quote(role[1], role[2], results, facts), text)


def unmarked(text: str) -> str:
    """A caption or an alt text without the marks around what is true of these data alone."""
    return READING.sub(lambda marked: marked[1], text)


def refresh_readme(text: str, results: Results, facts: Mapping[str, Fact] = FACTS) -> str:
    """`text` with what stands between its markers printed anew.

    The markers are `<!--num:KEY-->..<!--/num-->`, `<!--fact:KEY-->..<!--/fact-->` and
    `<!--holds:words|CONDITION-->..<!--/holds-->`. Raises UnresolvedError.
    """
    return MARKER.sub(lambda m: f"<!--{m[1]}:{m[2]}-->{quote(m[1], m[2], results, facts)}<!--/{m[1]}-->", text)


def stale_readme(text: str, results: Results, facts: Mapping[str, Fact] = FACTS) -> list[tuple[int, str]]:
    """(line, what is wrong) of each marker whose text is not what its key prints today."""
    problems = []
    for marker in MARKER.finditer(text):
        line = text.count("\n", 0, marker.start()) + 1
        try:
            printed = quote(marker[1], marker[2], results, facts)
        except UnresolvedError as error:
            problems.append((line, str(error)))
            continue
        if printed != marker[3]:
            problems.append((line, f"{marker[1]} '{marker[2]}' prints '{printed}', the README says '{marker[3]}'"))
    return problems
