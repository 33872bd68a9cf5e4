"""The chapters that teach, and what of them the tests ask for."""

import pytest
from built import ROOT

from press.chapters import Chapter, computed, parts, read
from press.markdown import Block, said

TEACHING = ("Measures", "Models", "Results")  # every chapter of these teaches
KINDS = {"Predict", "Change", "Interpret"}


def named(chapter: Chapter, name: str) -> list[Block]:
    """The directives `name` of a chapter."""
    return [block for block in said(read(chapter)) if block.name == name]


def tagged(chapter: Chapter) -> int:
    """How many of its cells are slides."""
    return sum("slide" in cell.metadata.get("tags", []) for cell in read(chapter).cells)


OBLIGED = {name for part in TEACHING for name in parts(ROOT)[part]}
CHAPTERS = [chapter for chapter in computed(ROOT) if chapter.name in OBLIGED or named(chapter, "lesson")]
SHOWN = [chapter for chapter in computed(ROOT) if chapter.name in OBLIGED or tagged(chapter)]
DECKS = sorted({chapter.name.split("/")[1] for chapter in SHOWN})

each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=[chapter.name[5:] for chapter in CHAPTERS])
