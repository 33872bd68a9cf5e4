"""What teachers and students are given: lessons, exercises and editions, as the site offers them."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from os.path import relpath
from pathlib import Path

import nbformat
import pytest
import yaml
from altered import altered, answers, probed, solutions, wrong
from built import ROOT
from nbformat import NotebookNode
from taught import CHAPTERS, KINDS, each_chapter, named

from press.chapters import Chapter, computed, read
from press.markdown import raw
from press.run import environment, execute

# --- lessons and exercises -------------------------------------------------------------------------------------------


@each_chapter
def test_a_chapter_has_a_lesson_and_exercises_to_predict_to_change_and_to_interpret(chapter: Chapter) -> None:
    (lesson,) = named(chapter, "lesson")
    assert int(lesson.options["minutes"]) > 0 and "](" in lesson.options["prerequisites"]
    assert lesson.text.count("\n- ") >= 1
    exercises = named(chapter, "exercise-start")
    assert {block.argument.partition(":")[0] for block in exercises} == KINDS
    assert [block.argument for block in named(chapter, "solution-start")] == [e.options["label"] for e in exercises]


@each_chapter
def test_each_solution_states_an_answer_and_compares_it(chapter: Chapter) -> None:
    nb = read(chapter)
    for label, cells in solutions(nb).items():
        whole = "\n".join(nb.cells[index].source for index in cells)
        assert answers(whole), f"{label}: no line `answer = ...`"
        assert re.search(r"^ *assert .*\banswer\b", whole, re.MULTILINE), f"{label}: no assert of the answer"


@each_chapter
def test_a_chapter_ends_with_questions_and_notes_for_the_teacher(chapter: Chapter) -> None:
    text = "\n".join(cell.source for cell in read(chapter).cells if cell.cell_type == "markdown")
    assert re.search(r"^## To discuss\n+- ", text, re.MULTILINE)
    (notes,) = [block for block in named(chapter, "admonition") if "teacher" in block.options.get("class", "")]
    assert len(notes.text.split()) > 20


def test_no_two_exercises_share_a_label() -> None:
    labels = [block.options["label"] for chapter in CHAPTERS for block in named(chapter, "exercise-start")]
    assert len(labels) == len(set(labels)) >= 3 * len(CHAPTERS)


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("answer = 37", "38"),
        ("answer = -29.5", "-29.4"),
        ("answer = 0.899", "0.9"),
        ("answer = True", "False"),
        ("answer = 'always'", "'not always'"),
        ("answer = (0.25, 2)", "(0.26, 2)"),
        ("answer = {'a': 1}", "{'a': 2}"),
    ],
)
def test_an_answer_is_altered_in_its_last_digit_or_turned_round(line: str, other: str) -> None:
    assert wrong(f"x = 1\n{line}\nassert x") == [(f"x = 1\nanswer = {other}\nassert x", other)]


def test_an_answer_that_is_no_literal_cannot_pass() -> None:
    with pytest.raises(ValueError):
        wrong("answer = round(x)")
    with pytest.raises(ValueError):
        altered(None)


def run(notebooks: dict[Chapter, NotebookNode]) -> list[str]:
    """What fails, run in a thread of its own: playwright keeps an event loop running in the one that tests run in."""
    with ThreadPoolExecutor(1) as thread:
        return list(thread.submit(execute, notebooks).result().values())


def test_every_solution_fails_when_its_answer_is_altered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(ROOT).items():
        monkeypatch.setenv(name, value)
    failures = run({chapter: probed(read(chapter)) for chapter in CHAPTERS})
    assert not failures, "\n\n".join(failures)


def test_the_notice_that_an_altered_answer_passed_can_be_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "```{solution-start} ex-loose\n```"
    cells = [nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell("answer = 3\nassert answer > 2")]
    for name, value in environment(ROOT).items():
        monkeypatch.setenv(name, value)
    (tmp_path / "book").mkdir()
    (failure,) = run({Chapter(tmp_path, "book/loose"): probed(nbformat.v4.new_notebook(cells=cells))})
    assert "the solution of ex-loose also accepts the answer 4" in failure


# --- on the page -----------------------------------------------------------------------------------------------------


@each_chapter
def test_a_page_offers_its_lesson_its_notebooks_its_kit_and_the_slides(chapter: Chapter, site: Path) -> None:
    text = (site / f"{chapter.name}.html").read_text(encoding="utf-8")
    part, name = chapter.name.split("/")[1:]
    for target in (f"notebooks/student/{part}/{name}.ipynb", f"notebooks/teacher/{part}/{name}.ipynb"):
        assert text.count(f'href="../../{target}"') == 2 and (site / target).exists()  # in the lesson and in the menu
    assert f'href="../../kits/{name}.zip"' in text and f'href="../../slides/{part}.html"' in text
    assert "_sources" not in text, "the page offers its source, with roles that nothing has resolved"
    prose = re.sub(r"<(pre|code|script|style)\b.*?</\1>", "", text, flags=re.DOTALL)
    assert raw(re.sub(r"<[^>]+>", "", prose)) == []


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_solutions_and_notes_are_shut_until_opened(browser, site: Path, scripts: bool) -> None:
    context = browser.new_context(java_script_enabled=scripts)
    page = context.new_page()
    page.goto((site / f"{CHAPTERS[0].name}.html").as_uri())
    for kind in ("press-solution", "press-teacher"):
        shut = page.locator(f"details.{kind}").first
        inside = shut.locator("p").first
        assert not inside.is_visible()
        shut.locator("summary").first.click()
        assert inside.is_visible()
    context.close()


# --- what is taken away ----------------------------------------------------------------------------------------------


def notebooks(site: Path) -> list[Path]:
    return sorted((site / "notebooks").rglob("*.ipynb"))


def test_no_notebook_shows_a_raw_role_or_directive_and_each_says_what_its_data_are(site: Path) -> None:
    found = notebooks(site)
    assert len(found) == len(computed(ROOT)) + len(CHAPTERS)
    real = yaml.safe_load((ROOT / "_config.yml").read_text())["sphinx"]["config"]["press_real_data"]
    for path in found:
        nb = nbformat.read(path, as_version=4)
        nbformat.validate(nb)
        words = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")
        hidden = json.dumps([cell.metadata for cell in nb.cells], ensure_ascii=False)
        assert raw(words) == [] and not re.search(r"\{[a-z:]+\}`", hidden), path
        name = f"book/{'/'.join(path.with_suffix('').parts[-2:])}"
        assert f"**{real.get(name, ['SYNTHETIC data.'])[0].strip()}**" in nb.cells[0].source
        assert "CC BY 4.0" in nb.cells[-1].source


@each_chapter
def test_the_students_notebook_lacks_what_the_teachers_has(chapter: Chapter, site: Path) -> None:
    source = read(chapter)
    places = solutions(source)
    answered = {source.cells[index].source for cells in places.values() for index in cells}
    code = {}
    for kind in ("student", "teacher"):
        nb = nbformat.read(site / "notebooks" / kind / f"{chapter.name.removeprefix('book/')}.ipynb", as_version=4)
        code[kind] = [cell.source for cell in nb.cells if cell.cell_type == "code"]
        assert ("Notes for the teacher" in "\n".join(cell.source for cell in nb.cells)) == (kind == "teacher")
    assert not answered & set(code["student"]) and answered <= set(code["teacher"])
    assert code["student"].count("# Your answer\n") == len(places) and "# Your answer\n" not in code["teacher"]


# --- plans -----------------------------------------------------------------------------------------------------------


def test_no_plan_gives_a_chapter_more_time_than_its_lesson_takes() -> None:
    minutes = {chapter.name: int(named(chapter, "lesson")[0].options["minutes"]) for chapter in CHAPTERS}
    plans = yaml.safe_load((ROOT / "book/using/lessons.yml").read_text(encoding="utf-8"))
    for sessions in plans.values():
        for step in (step for session in sessions for step in session["steps"] if step["page"] in minutes):
            assert step["minutes"] <= minutes[step["page"]], step


def test_the_page_for_teachers_lists_every_chapter_with_a_lesson(site: Path) -> None:
    text = (site / "book/using/teach.html").read_text(encoding="utf-8")
    for chapter in CHAPTERS:
        assert f'href="{relpath(f"{chapter.name}.html", "book/using")}"' in text
        assert f'href="../../kits/{chapter.name.rpartition("/")[2]}.zip"' in text
    assert 'From "The sponsor study, openly rebuilt", by' in re.sub(r"<[^>]+>", "", text).replace("&quot;", '"')
