"""The decks: all that is tagged is there, and each slide fits the screen."""

from pathlib import Path

import pytest
from taught import DECKS, SHOWN, tagged

from press.chapters import Chapter
from press.markdown import raw

FITS = """() => {
    const slide = Reveal.getCurrentSlide();
    const inside = [...slide.querySelectorAll("*")].map(part => part.getBoundingClientRect());
    const words = slide.innerText.replace(/\\s+/g, " ").trim();
    return {right: Math.max(...inside.map(box => box.right)), bottom: Math.max(...inside.map(box => box.bottom)),
            top: Math.min(...inside.map(box => box.top)), size: parseFloat(getComputedStyle(slide).fontSize),
            words, images: [...slide.querySelectorAll("img")].map(image => image.alt)};
}"""


@pytest.mark.parametrize("part", DECKS)
def test_each_slide_fits_and_is_reached_by_the_keyboard(open_page, part: str) -> None:
    deck = open_page(f"slides/{part}.html", width=1280, height=720)
    deck.wait_for_function("Reveal.isReady()")
    shown = []
    for _ in range(deck.evaluate("Reveal.getTotalSlides()")):
        slide = deck.evaluate(FITS)
        shown.append(slide["words"])
        assert slide["top"] >= 0 and slide["bottom"] <= 720 and slide["right"] <= 1280, slide["words"]
        assert slide["size"] >= 18, f"its letters are too small: {slide['words']}"
        assert all(slide["images"]), f"a figure without alt text: {slide['words']}"
        assert raw(slide["words"]) == []
        deck.keyboard.press("ArrowRight")
    assert "SYNTHETIC data." in shown[0] and "CC BY 4.0" in shown[0]
    assert deck.evaluate("Reveal.isLastSlide()")


@pytest.mark.parametrize("part", DECKS)
def test_a_deck_has_every_tagged_cell_of_its_part(site: Path, part: str) -> None:
    chapters = [chapter for chapter in SHOWN if f"/{part}/" in chapter.name]
    deck = (site / "slides" / f"{part}.html").read_text(encoding="utf-8")
    assert deck.count("<section>") == 1 + len(chapters) + sum(map(tagged, chapters))


@pytest.mark.parametrize("chapter", SHOWN, ids=[chapter.name[5:] for chapter in SHOWN])
def test_a_chapter_has_six_to_twelve_slides(chapter: Chapter) -> None:
    assert 6 <= tagged(chapter) <= 12
