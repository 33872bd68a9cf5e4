"""Rewrite the committed outputs and `results.json`, but keep a stored output that is equivalent to the new one."""

import base64
import io
from pathlib import Path

import numpy as np
from nbformat import NotebookNode
from PIL import Image

from helpers import ledger
from press import BookError
from press.chapters import Chapter, computed, fingerprint, read_text, store, stored, sync, write
from press.gather import dumps, gather
from press.quote import UnresolvedError, load, refresh_readme
from press.run import run

LEVELS = 2  # of 255: how far a pixel may be off
SHARE = 0.005  # of the pixels may be off at all


def update(root: Path, chapters: list[Chapter], fresh: bool = False) -> list[str]:
    """Bring pairs in step, rerun what is stale, rewrite what is not equivalent; the files that changed.

    `chapters` may be some of the book's; `results.json` holds what all its notebooks record.
    """
    files = [path for chapter in chapters for path in (chapter.text, chapter.notebook)]
    files += [root / "book" / "results.json", root / "README.md"]
    executed = run(root, chapters, fresh)
    before = {path: _bytes(path) for path in files}
    try:
        _rewrite(root, chapters, executed)
    except BaseException:  # a key that is recorded twice, Ctrl-C: all files are rewritten, or none
        for path, content in before.items():
            path.write_bytes(content) if content else path.unlink(missing_ok=True)
        raise
    return [str(path.relative_to(root)) for path in files if _bytes(path) != before[path]]


def _rewrite(root: Path, chapters: list[Chapter], executed: dict[str, NotebookNode]) -> None:
    for chapter in chapters:
        sync(chapter)
    for chapter in chapters:
        nb = executed[chapter.name]
        if chapter.notebook.exists():
            keep_equivalent(nb, stored(chapter))
        store(chapter, nb, fingerprint(root, nb))
    notebooks = {chapter.name: stored(chapter) for chapter in computed(root) if chapter.notebook.exists()}
    write(root / "book" / "results.json", dumps(gather(notebooks)))
    _readme(root)


def keep_equivalent(new: NotebookNode, old: NotebookNode) -> None:
    """Put the stored outputs into `new` wherever they are equivalent, cell by cell."""
    kept = {cell.id: cell for cell in old.cells if cell.cell_type == "code"}
    for cell in new.cells:
        if cell.cell_type == "code" and cell.id in kept and equivalent(kept[cell.id].outputs, cell.outputs):
            cell.outputs = kept[cell.id].outputs


def equivalent(stored: list[NotebookNode], rerun: list[NotebookNode]) -> bool:
    """Whether outputs say the same: same text, ledger values that agree, figures that look alike."""
    return len(stored) == len(rerun) and all(map(_same_output, stored, rerun))


def _same_output(stored: NotebookNode, rerun: NotebookNode) -> bool:
    if stored.output_type != rerun.output_type:
        return False
    if stored.output_type == "stream":
        return (stored.name, stored.text) == (rerun.name, rerun.text)
    same_text = _texts(stored) == _texts(rerun)
    return same_text and _same_entries(stored, rerun) and _same_figure(stored, rerun)


def _texts(output: NotebookNode) -> dict:
    return {kind: data for kind, data in output.get("data", {}).items() if kind != "image/png"}


def _same_entries(stored: NotebookNode, rerun: NotebookNode) -> bool:
    ours, theirs = dict(stored.get("metadata", {})), dict(rerun.get("metadata", {}))
    ours_entries, theirs_entries = ours.pop("ledger", []), theirs.pop("ledger", [])
    drawn = [bool(metadata.pop("image/png", {}).get("drawn")) for metadata in (ours, theirs)]  # pixels tell the rest
    return (
        ours == theirs
        and drawn[0] == drawn[1]
        and len(ours_entries) == len(theirs_entries)
        and all(map(_same_entry, ours_entries, theirs_entries))
    )


def _same_entry(stored: dict, rerun: dict) -> bool:
    rest = {key: value for key, value in stored.items() if key != "value"}
    return rest == {key: value for key, value in rerun.items() if key != "value"} and ledger.agree(
        stored["value"], rerun["value"]
    )


def _same_figure(stored: NotebookNode, rerun: NotebookNode) -> bool:
    ours, theirs = (output.get("data", {}).get("image/png") for output in (stored, rerun))
    return ours == theirs or (bool(ours and theirs) and alike(base64.b64decode(ours), base64.b64decode(theirs)))


def alike(stored: bytes, rerun: bytes) -> bool:
    """Whether two PNGs differ by at most 2/255 a channel, in under 0.5 % of the pixels; not if one cannot be read."""
    try:
        ours, theirs = (np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"), dtype=int) for png in (stored, rerun))
    except (OSError, SyntaxError):  # what Pillow says of a damaged file
        return False
    if ours.shape != theirs.shape:
        return False
    off = np.abs(ours - theirs).max(axis=-1)
    return bool(off.max() <= LEVELS and np.mean(off > 0) < SHARE)


def _readme(root: Path) -> None:
    """Print the README's quoted numbers anew."""
    path = root / "README.md"
    if path.exists():
        try:
            write(path, refresh_readme(read_text(path), load(root / "book" / "results.json")))
        except UnresolvedError as error:
            raise BookError(f"README.md: {error}") from None


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
