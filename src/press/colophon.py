"""What the book was made of, in hashes that a reader can recompute: the lock, the data, the stored numbers."""

import hashlib
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from press import verified
from press.chapters import read_text
from press.roles import table

LOCK, DIRECT, RESULTS = "requirements.txt", "requirements.in", "book/results.json"


def sha256(path: Path) -> str:
    """The hash of a file as `sha256sum` prints it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def data_files(root: Path) -> list[str]:
    """The data, as paths from the root, sorted."""
    found = (path for path in (root / "book" / "data").rglob("*") if path.is_file() and path.name[0] != ".")
    return sorted(path.relative_to(root).as_posix() for path in found)


def over_all(root: Path, names: list[str]) -> str:
    """One hash over several files: of the lines that `sha256sum` prints of them."""
    return hashlib.sha256("".join(f"{sha256(root / name)}  {name}\n" for name in names).encode()).hexdigest()


def hashes(root: Path) -> list[tuple[str, str, str]]:
    """(what, hash, the command that recomputes it in the repository's folder)."""
    data = data_files(root)
    files = [
        ("The lock", LOCK),
        ("The stored numbers", RESULTS),
        *((f"Data: {Path(name).name}", name) for name in data),
    ]
    rows = [(what, sha256(root / name), f"sha256sum {name}") for what, name in files if (root / name).exists()]
    return [*rows, ("All the data", over_all(root, data), f"sha256sum {' '.join(data)} | sha256sum")]


def packages(lock: str, direct: str) -> list[tuple[str, str, str]]:
    """(package, version in the lock, why it is there) of what chapters compute with: requirements.in's first group."""
    versions = dict(re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==(\S+)", lock, re.MULTILINE))
    _, group, *_ = re.split(r"^# --- .*$", direct, flags=re.MULTILINE)
    wanted = re.findall(r"^([\w.-]+)[^\s#]*[ \t]+# (.+)$", group, re.MULTILINE)
    return [(name, versions[name], reason) for name, reason in wanted]


def pinned(lock: str) -> int:
    """How many packages the lock pins."""
    return len(re.findall(r"^[\w.-]+(?:\[[^\]]*\])?==", lock, re.MULTILINE))


def about(root: Path) -> dict[str, str]:
    """The hashes that a record of verification keeps."""
    return {"lock": sha256(root / LOCK) if (root / LOCK).exists() else "", "data": over_all(root, data_files(root))}


# --- on the site -----------------------------------------------------------------------------------------------------


class Colophon(SphinxDirective):
    """Hashes with their commands, and the versions of what the chapters compute with."""

    def run(self) -> list[nodes.Node]:
        root = Path(self.config.press_root)
        rows = [
            [what, nodes.literal(text=value, classes=["hash"]), nodes.literal(text=command, classes=["hash"])]
            for what, value, command in hashes(root)
        ]
        lock = read_text(root / LOCK)
        made_of = packages(lock, read_text(root / DIRECT))
        return [
            table("Hashes, and how to recompute each in the repository's folder", ("What", "SHA-256", "Command"), rows),
            table(
                f"What the chapters compute with, of the {pinned(lock)} packages that the lock pins",
                ("Package", "Version", "Why"),
                made_of,
            ),
        ]


class Verifications(SphinxDirective):
    """Who reran the book last: versions, date, and how many numbers still are what they then were."""

    HEAD = ("Environment", "Date", "Packages", "Numbers now", "Lock and data now")

    def run(self) -> list[nodes.Node]:
        root = Path(self.config.press_root)
        records = verified.read(root)
        if not records:
            return [nodes.paragraph("", "Nobody has recorded a verification of this state of the book yet.")]
        return [table("Last verified by", self.HEAD, [self.row(one, about(root)) for one in records])]

    def row(self, one: dict, now: dict[str, str]) -> list[str]:
        versions = {name: value for name, value in one["versions"].items() if name not in ("system", "python")}
        changed = [what for what in ("lock", "data") if one[what] != now[what]]
        return [
            verified.name(one),
            one["date"],
            ", ".join(f"{name} {value}" for name, value in versions.items()),
            verified.counted(one, self.env.press_stored, self.env.press_prints),
            f"{' and '.join(changed)} changed since" if changed else "unchanged",
        ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("colophon", Colophon)
    app.add_directive("verifications", Verifications)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
