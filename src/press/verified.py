"""What `make verify ARGS=--record` leaves behind: who reran the book last, with which versions, and what they found.

`book/verified.json` holds one record for each platform and Python. A record keeps, chapter by chapter, what the rerun
depended on (`chapters.fingerprint`) and a digest of every stored entry that was matched, so that a page can say of each
number whether it is still the one that was verified.
"""

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from press import BookError
from press.chapters import read_text, write

FILE = Path("book") / "verified.json"
PACKAGES = ("numpy", "scipy", "pandas", "statsmodels", "helpers")
DIGITS = 6  # hexadecimal digits kept of an entry's digest: one in sixteen million is alike by chance

NEVER = "not yet verified"


def environment() -> dict[str, str]:
    """The versions under which this process computes."""
    system = f"{platform.system()} {platform.machine()}"
    return {"system": system, "python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def digest(key: str, entry: Mapping) -> str:
    """Of what a ledger entry says; its cell's place is left out, which every new paragraph shifts."""
    said = [key, *(entry.get(name) for name in ("value", "text", "format", "unit", "status"))]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:DIGITS]


def record(
    results: Mapping[str, Mapping], prints: Mapping[str, str], versions: Mapping[str, str], about: Mapping[str, str]
) -> dict:
    """One record: `versions`, what it is `about` (date and hashes), and each chapter's fingerprint and digests."""
    chapters = {
        page: {
            "depends_on": prints[page],
            "numbers": "".join(digest(key, entry) for key, entry in results.items() if entry["page"] == page),
        }
        for page in sorted({entry["page"] for entry in results.values()})
    }
    return {**about, "versions": dict(versions), "chapters": chapters}


def place(one: Mapping) -> tuple[str, str]:
    """The platform and the series of Python: a new record takes the place of an older one of the same."""
    return one["versions"]["system"], ".".join(one["versions"]["python"].split(".")[:2])


def add(records: list[dict], new: dict) -> list[dict]:
    """`records` with `new` in the place of the one for its platform and Python, in order."""
    return sorted([*(one for one in records if place(one) != place(new)), new], key=place)


def read(root: Path) -> list[dict]:
    """The committed records; none if nobody has verified the book yet. Raises BookError if the file is damaged."""
    if not (root / FILE).exists():
        return []
    try:
        records = json.loads(read_text(root / FILE))
        if all(place(one) and isinstance(one["chapters"], dict) for one in records):
            return records
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    raise BookError(f"{FILE.as_posix()} is not what `make verify ARGS=--record` wrote. Delete it and record anew.")


def save(root: Path, records: list[dict]) -> None:
    write(root / FILE, json.dumps(records, indent=1) + "\n")


def name(one: Mapping) -> str:
    """A record in few words: `Python 3.11.2, Linux x86_64`."""
    return f"Python {one['versions']['python']}, {one['versions']['system']}"


def holds(one: Mapping, key: str, entry: Mapping) -> bool:
    """Whether the stored entry is one that this record's rerun matched."""
    numbers = one["chapters"].get(entry["page"], {}).get("numbers", "")
    return digest(key, entry) in {numbers[i : i + DIGITS] for i in range(0, len(numbers), DIGITS)}


def current(one: Mapping, page: str, fingerprint: str) -> bool:
    """Whether the chapter's code, helpers, data and lock are those of the record's rerun."""
    return one["chapters"].get(page, {}).get("depends_on") == fingerprint


def standing(records: list[dict], key: str, entry: Mapping, fingerprint: str) -> str:
    """Who verified this number last, or since when it has changed, in words."""
    if not records:
        return NEVER
    same = [one for one in records if holds(one, key, entry)]
    if not same:
        return f"changed since {_names(records)}"
    now = [one for one in same if current(one, entry["page"], fingerprint)]
    if not now:
        return f"same value, but its chapter has changed since {_names(same)}"
    return f"verified by {_names(now)}"


def counted(one: Mapping, stored: Mapping[str, Mapping], prints: Mapping[str, str]) -> str:
    """How many of the `stored` numbers this record still vouches for, and what has become of the others."""
    same = [entry["page"] for key, entry in stored.items() if holds(one, key, entry)]
    verified = sum(current(one, page, prints[page]) for page in same)
    counts = {
        "verified": verified,
        "with the same value, but their chapter has changed since": len(same) - verified,
        "changed since": len(stored) - len(same),
    }
    return "; ".join(f"{n} {what}" for what, n in counts.items() if n) or "none"


def _names(records: list[dict]) -> str:
    return "; ".join(map(name, records))
