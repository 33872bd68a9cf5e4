"""The whole book on a reader's data that say the opposite of ours: no page claims what we found.

The reader's cohort is a sibling of ours whose outcomes are turned round: days abstinent become days used, few meetings
many, an activity done an activity not done. So what went with more goes with less, and every sentence that still says
more is a sentence about somebody else.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from test_axe import violations

from helpers import cohort, measures, models, records, study
from press import chromium
from press.audit import DIRECTION, SENTENCE_END
from press.chapters import Chapter, read
from press.markdown import blocks
from press.quote import READING
from press.yours import EXERCISES, without

ROOT = Path(__file__).parents[2]
CHAPTERS = (
    "background/study", "measures/sponsor", "measures/participation", "measures/missed", "models/regression",
    "models/time", "results/trajectories", "results/average", "results/interactions", "results/claims",
    "robustness/picture", "robustness/bounded", "robustness/within",
)  # fmt: skip
LOOKED_AT = ("index", "results/average", "results/claims", "yours/aside")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """The turned cohort as a reader's folder of two CSV files."""
    persons, visits, _ = cohort.simulate(cohort.Parameters(), np.random.default_rng(11))
    visits["abstinent_days"] = visits["window_days"] - visits["abstinent_days"]
    visits["meetings"] = visits["meetings"].max() - visits["meetings"]
    visits[list(study.INVOLVEMENT_ITEMS)] = 1 - visits[list(study.INVOLVEMENT_ITEMS)]
    folder = tmp_path_factory.mktemp("turned")
    persons.to_csv(folder / "persons.csv", index=False)
    visits.to_csv(folder / "visits.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def turned(data, tmp_path_factory) -> Path:
    """The site built on it."""
    out = tmp_path_factory.mktemp("site") / "book"
    command = [sys.executable, "-m", "press", "book", "--data", str(data), "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def fits(data) -> dict[str, pd.DataFrame]:
    """The models of the claims, fitted to the reader's data without the book."""
    received = records.receive([data])
    scores = measures.score(received.persons, received.visits)
    return {name: models.fit(name, scores, optimisers=()).table for name in {claim.model for claim in study.CLAIMS}}


def article(site: Path, page: str) -> BeautifulSoup:
    return BeautifulSoup((site / "book" / f"{page}.html").read_text("utf-8"), "html.parser").find("article")


def said(text: str) -> str:
    """Words alone, for comparing what was written with what was built."""
    return re.sub(r"[^a-z]+", " ", text.lower()).strip()


def test_every_chapter_that_the_data_can_fill_is_there(turned):
    assert [name for name in CHAPTERS if not (turned / "book" / f"{name}.html").exists()] == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_no_passage_about_our_cohort_is_left(turned, name):
    nb = without(read(Chapter(ROOT, f"book/{name}")))
    passages = [block.text for cell in nb.cells if cell.cell_type == "markdown" for block in blocks(cell.source)
                if block.name == "reading"]  # fmt: skip
    for cell in nb.cells:
        shown = cell.metadata.get("mystnb", {})
        for text in (shown.get("figure", {}).get("caption", ""), shown.get("image", {}).get("alt", "")):
            passages += [marked[1] for marked in READING.finditer(text)]
    assert passages
    page = article(turned, name)
    built = said(page.get_text(" ") + " ".join(image.get("alt", "") for image in page.find_all("img")))
    runs = [said(run) for passage in passages for run in re.split(r"\{[\w:]+\}`[^`]*`|[.:;]\s", passage)]
    assert [run for run in runs if len(run) > 40 and run in built] == []


def sentences(page: BeautifulSoup) -> Iterator[tuple[str, bool]]:
    """(sentence, whether its block cites a publication), but for what was computed from the reader's data."""
    for computed in page.select(".press-yours, .press-table, .press-notice, pre, .cell_output, script, math"):
        computed.decompose()
    for block in page.find_all(["p", "li", "figcaption", "h1", "h2", "h3"]):
        cites = bool(block.select('a[href*="references"], .press-fact'))
        text = block.get_text(" ").partition("In your data:")[0]
        yield from ((sentence, cites) for sentence in SENTENCE_END.split(" ".join(text.split())))
    for image in page.find_all("img"):
        yield image.get("alt", "").partition("In your data:")[0], False


@pytest.mark.parametrize("name", CHAPTERS)
def test_no_sentence_states_a_direction_but_one_that_cites_a_publication(turned, name):
    page = article(turned, name)
    stated = [sentence for sentence, cites in sentences(page) if not cites and not sentence.endswith("?")]
    assert [sentence for sentence in stated if DIRECTION.search(sentence)] == []


def test_every_claim_is_said_as_the_readers_own_estimates_lie(turned, fits):
    rows = article(turned, "results/claims").select(".press-table tbody tr")
    assert len(rows) == len(study.CLAIMS)
    turned_round = 0
    for row, claim in zip(rows, study.CLAIMS, strict=True):
        cells = [" ".join(cell.get_text(" ").split()) for cell in row.find_all(["th", "td"])]
        found = fits[claim.model].loc[claim.term]
        if found["conf_low"] > 0:
            assert cells[-1].startswith("as the abstract reports"), claim.key
        elif found["conf_high"] < 0:
            assert cells[-1].startswith("the other way round: below zero"), claim.key
            turned_round += 1
        else:
            assert cells[-1].startswith("cannot tell"), claim.key
        shown = float(re.match(r"[−\d.]+", cells[2])[0].replace("−", "-"))
        assert shown == pytest.approx(found["estimate"], abs=0.006)
    assert turned_round >= 6  # all averages, or the test would have nothing to find


def test_no_page_with_numbers_calls_them_synthetic(turned):
    for name in CHAPTERS:
        words = article(turned, name).get_text(" ")
        assert not re.search("synthetic", words, re.IGNORECASE), name


def test_no_person_and_no_visit_is_shown(turned, data):
    """No row of a table is a stretch of a visit's row, and no file holds as many rows as there are people."""
    visits = pd.read_csv(data / "visits.csv")
    theirs = ["|" + "|".join("" if pd.isna(cell) else f"{cell:g}" for cell in row) + "|" for row in visits.to_numpy()]
    for path in (turned / "book").rglob("*.html"):
        tables = BeautifulSoup(path.read_text("utf-8"), "html.parser").find_all("table")
        for row in (row for table in tables for row in table.find_all("tr")):
            cells = [cell.get_text().strip() for cell in row.find_all("td")]
            if len(cells) >= 6 and not set(cells) <= {"", "0", "1"}:
                assert not [one for one in theirs if "|" + "|".join(cells) + "|" in one], (path.name, cells)
    assert not [path for path in turned.rglob("*") if path.suffix in (".ipynb", ".parquet", ".xlsx")]
    for path in turned.rglob("*.csv"):
        assert len(path.read_text("utf-8").splitlines()) < 200, path.name


def test_exercises_are_not_in_it(turned):
    for name in CHAPTERS:
        assert not article(turned, name).select(".exercise, .press-lesson")
        assert not EXERCISES.search(article(turned, name).get_text())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", LOOKED_AT)
def test_a_page_has_no_violation_and_asks_for_nothing_outside(turned, browser, name, scheme):
    started = browser.browser_type.launch(
        executable_path=chromium.find(), args=[*chromium.FLAGS, "--allow-file-access-from-files"]
    )
    page = started.new_context(color_scheme=scheme, reduced_motion="reduce").new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((turned / "book" / f"{name}.html").as_uri())
    found = violations(page)
    started.close()
    assert found == []
    assert [url for url in asked if not url.startswith((turned.as_uri(), "data:", "blob:"))] == []
