"""The prose audit on small texts, its mutations, and the book itself."""

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from helpers import ledger, study
from press.audit import (
    ALLOWED,
    NEVER,
    audit,
    audit_code,
    audit_marks,
    audit_notebook,
    audit_text,
    check_holds,
    labels,
    passages,
    report,
    sources,
)
from press.quote import load, resolve
from press.yours import NEEDS, needs

ROOT = Path(__file__).parents[1]

PAGE = """---
title: 302 people
---

# What came out

Of {fact}`n_entry` people, {num}`n_seen` were seen.
More contact {holds}`went with more meetings|contact.low > 0`.

```{code-cell} ipython3
---
mystnb:
  figure:
    caption: 'Attendance, by {num}`n_seen` people.'
    name: fig-attendance
  image:
    alt: 'A line that {holds}`rises|contact.low > 0` to {num}`n_seen`.'
tags: [hide-input]
---
ax.set_xlabel("months after discharge")
```
"""
README = "It saw <!--num:n_seen-->280<!--/num--> of <!--fact:n_entry-->302<!--/fact-->.\n"
RESULTS = {
    key: ledger.entry(key, value, format) | {"page": "p", "cell": 1}
    for key, value, format in (("n_seen", 280, "d"), ("contact.low", 0.4, ".1f"))
}


def whats(text: str) -> list[str]:
    """What the audit finds in a text, without places."""
    return [finding.what for finding in audit_text("page.md", text)]


# --- what is prose, and what in it is a fault ---


def test_the_sample_page_is_clean():
    assert audit_text("page.md", PAGE) == []
    assert check_holds({"page.md": PAGE, "README.md": README}, RESULTS) == []


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("We saw 302 people.", "302"),
        ("It rose by {num}`a`, to 4.5 %, {fact}`b`.", "4.5 %"),
        ("It was −3 points {fact}`b`.", "−3"),
        ("We saw two people.", "two"),
        ("Twenty-two were seen.", "Twenty-two"),
        ("Half of them left.", "Half"),
        ("It came twice.", "twice"),
        ("It doubled.", "doubled"),
        ("In most visits.", "most"),
        ("About a third stayed.", "a third"),
        ("Several hundred stayed.", "hundred"),
        ("# Of 5 things", "5"),
        ("- item with 7\n- item", "7"),
        ("| a | 9 |\n|---|---|", "9"),
        (":::{note} Of 6\nbody\n:::", "6"),
        ("::::{grid} 2\n:::{grid-item-card} Title\nBody of 8.\n:::\n::::", "8"),
        ("```{figure} x.png\n:alt: Line at 11\n\ncaption\n```", "11"),
        ("```{figure} x.png\n:name: y\n\nCaption 12.\n```", "12"),
        ("![plot of 13](x14.png)", "13"),
        ('<img src="x15.png" alt="plot of 16">', "16"),
        ("```{glossary}\nterm\n  Of 17 kinds.\n```", "17"),
        ("See [all 18](https://x.org/19).", "18"),
    ],
)
def test_a_typed_number_is_found(text, typed):
    found = whats(text)
    assert len(found) == 1
    assert found[0].endswith(f"'{typed}'")


@pytest.mark.parametrize(
    "text",
    [
        "The 12-step programme, with nine claims, at most.",
        "A 95 % interval, on level 1 and level\n2.",
        "`code 3` and ``code `4` `` and https://x.org/5 and doi 10.1037/h0025105",
        "See {ref}`fig-6`, {numref}`fig-7`, {cite}`kelly2016` and {num}`a.b|.3f`.",
        "```python\nx = 3\n```",
        "```{toctree}\n:maxdepth: 2\n```",
        "<!-- 3 of 4 -->",
        "% 3 of 4",
        "(target-3)=",
        "+++",
        "1. first\n2. second",
        "E9A, H1_30 and lme4 are names; the first of them is one.",
        "<!--num:key-->302<!--/num-->",
        "It was halfway done, or at a quarterly meeting of tenants.",
    ],
)
def test_what_is_no_prose_or_no_number_is_left_alone(text):
    assert whats(text) == []


@pytest.mark.parametrize(
    "word",
    [
        *("higher", "lower", "rises", "rose", "fell", "increased", "decreasing", "grew", "shrank", "positive"),
        *("negative", "stronger", "weaker", "larger", "smaller", "greater", "fewer", "significant", "significantly"),
    ],
)
def test_a_direction_without_a_key_is_found(word):
    assert whats(f"The effect was {word} here.") == [f"prose states a direction, '{word}', without a checked key"]


def test_going_with_more_is_a_direction():
    assert len(whats("Contact went with more meetings.")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "It is {holds}`higher|a > 0`.",
        "It is larger, as {cite:t}`kelly2016` say.",
        "It fell to {fact}`any_12`.",
        "Is it higher?",
        "It is a positive control.",
        "It is lower, e.g. among some {cite}`kelly2016`.",
    ],
)
def test_a_direction_with_a_key_or_a_question_is_left_alone(text):
    assert whats(text) == []


def test_a_key_serves_its_own_sentence_only():
    found = audit_text("page.md", "It is {holds}`higher|a > 0`.\nThe other is lower.\n")
    assert [(finding.line, "'lower'" in finding.what) for finding in found] == [(2, True)]


def test_a_sentence_may_run_over_lines():
    assert whats("It is larger,\nas {cite:t}`kelly2016` say.") == []


@pytest.mark.parametrize(
    ("formula", "typed"),
    [
        (r"\gamma_{01} + \beta_{1i} x^2 + 1 - 0", []),
        (r"\gamma_{03} + \beta_5", ["5"]),
        (r"V^{-1} X_{12}", []),
        (r"-2\ell + n\log 2\pi + \tfrac{1}{2}", []),
        (r"t - 7", ["7"]),
        (r"0.35 x", ["0.35"]),
        (r"x_{6}", ["6"]),
        (r"\text{of 302}", []),
    ],
)
def test_maths_holds_indices_and_structural_figures_only(formula, typed):
    expected = [f"maths holds the typed number '{number}'" for number in typed]
    assert whats(f"Here ${formula}$.") == expected
    assert whats(f"$$\n{formula}\n$$") == expected
    assert whats(f"```{{math}}\n:label: eq-9\n{formula}\n```") == expected


def test_words_drawn_on_axes_are_read_and_code_is_not():
    code = 'ax.set_xlabel(f"months {x:.2f} of 12")\nax.plot(x, "k4", color="0.5", label="half")\nd["c5"] = 6'
    assert labels(code) == [(1, "months "), (1, " of 12"), (2, "half")]
    assert [finding.line for finding in audit_code("figures.py", code)] == [1, 2]


def test_axis_titles_of_a_chapter_are_audited_at_their_line():
    found = audit_text("page.md", PAGE.replace("months after discharge", "3 months after discharge"))
    assert [(finding.line, finding.what) for finding in found] == [(20, "label holds the typed number '3'")]


def test_options_in_either_form_are_read():
    short = "```{code-cell} ipython3\n:mystnb: {image: {alt: Line at 5}}\n:tags: [hide-input]\n\nx = 3\n```"
    assert whats(short) == ["alt text holds the typed number '5'"]
    indented = "```{code-cell} ipython3\n:mystnb:\n  image: {alt: Line at 5}\n:tags: [hide-input]\n\nx = 3\n```"
    assert whats(indented) == ["alt text holds the typed number '5'"]


def test_a_cell_that_cannot_be_read_is_a_finding():
    assert whats("```{code-cell} ipython3\nax.set_title(\n```")[0].startswith("cannot be read")


def test_findings_name_file_line_fault_and_mend():
    line = str(audit_text("book/x.md", "One.\n\nWe saw two.")[0])
    assert line == (
        "book/x.md:3: prose holds the typed number word 'two'; "
        "record it and quote {num}`KEY`, or quote a published {fact}`KEY`"
    )


# --- mutations: one value, one fact, one number word, one alt text, one direction ---


def mutate(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)


def test_a_mutated_value_fails_by_name():
    mutated = {**RESULTS, "n_seen": RESULTS["n_seen"] | {"value": 281, "text": "281"}}
    assert [f.what for f in check_holds({"README.md": README}, mutated)] == [
        "num 'n_seen' prints '281', the README says '280'"
    ]


def test_a_value_that_turns_a_direction_fails_by_name():
    mutated = {**RESULTS, "contact.low": RESULTS["contact.low"] | {"value": -0.4}}
    assert [f.what for f in check_holds({"page.md": PAGE}, mutated)] == [
        "'went with more meetings' is no longer true: contact.low > 0 does not hold",
        "'rises' is no longer true: contact.low > 0 does not hold",
    ]


def test_a_mutated_fact_fails_by_name():
    mutated = {**study.FACTS, "n_entry": replace(study.FACTS["n_entry"], value=303)}
    assert [f.what for f in check_holds({"README.md": README}, RESULTS, mutated)] == [
        "fact 'n_entry' prints '303', the README says '302'"
    ]


def test_a_mutated_number_word_fails_by_name():
    assert whats(mutate(PAGE, "{num}`n_seen` were", "Eighty were")) == ["prose holds the typed number word 'Eighty'"]


def test_a_mutated_alt_text_fails_by_name():
    assert whats(mutate(PAGE, "to {num}`n_seen`.", "to 280.")) == ["alt text holds the typed number '280'"]
    misspelt = mutate(PAGE, "to {num}`n_seen`.", "to {num}`n_sean`.")
    assert "unknown number 'n_sean'" in report(check_holds({"page.md": misspelt}, RESULTS))


def test_a_mutated_direction_fails_by_name():
    turned = mutate(PAGE, "went with more meetings|contact.low > 0", "went with fewer meetings|contact.low < 0")
    assert [f.what for f in check_holds({"page.md": turned}, RESULTS)] == [
        "'went with fewer meetings' is no longer true: contact.low < 0 does not hold"
    ]
    typed = mutate(PAGE, "{holds}`went with more meetings|contact.low > 0`", "went with more meetings")
    assert whats(typed) == ["prose states a direction, 'went with more', without a checked key"]


def test_a_quotation_shown_as_code_is_not_evaluated():
    assert check_holds({"page.md": "Write `` {num}`no.key` `` or\n\n```text\n{num}`no.key`\n```\n"}, {}) == []


def test_a_quotation_with_an_unknown_key_is_placed():
    found = check_holds({"page.md": "# A\n\nb {num}`no.key`\n"}, {})
    assert [(finding.file, finding.line) for finding in found] == [("page.md", 3)]


# --- figures ---


def figure_cell(options: dict) -> nbformat.NotebookNode:
    drawn = nbformat.v4.new_output("display_data", {"image/png": "aa"})
    return nbformat.v4.new_code_cell("draw()", metadata={"mystnb": options}, outputs=[drawn])


FULL = {"figure": {"caption": "c", "name": "fig-c"}, "image": {"alt": "a"}}


def test_a_figure_needs_caption_name_and_alt_text():
    assert audit_notebook("x", nbformat.v4.new_notebook(cells=[figure_cell(FULL)])) == []
    lacking = [f.what for f in audit_notebook("x", nbformat.v4.new_notebook(cells=[figure_cell({})]))]
    assert [re.search(r"has no (.*)", what)[1] for what in lacking] == [
        "caption",
        "name",
        "alt text",
    ]


# --- the allowlist ---


def test_the_allowlist_is_short_and_gives_reasons():
    assert len(ALLOWED) <= 15
    assert all(len(reason.split()) >= 3 for reason in ALLOWED.values())


def test_allowed_counts_are_those_of_the_study():
    kinds = Counter(claim.kind for claim in study.CLAIMS)
    assert (len(study.CLAIMS), kinds["average"], kinds["interaction"]) == (9, 6, 3)
    assert study.CONFIDENCE == 0.95


# --- what would be said of a reader's data ---

MARKED = """---
jupytext: {}
---

# Title

```{needs} sponsor
```

:::{reading}
It is {num}`n_seen`.
:::

+++ {"tags": ["synthetic"]}

Made were {num}`n_seen`.

```{code-cell} ipython3
---
mystnb:
  figure:
    caption: 'Dots. [{num}`n_seen` of them.]{.reading}'
    name: fig-dots
  image:
    alt: 'Dots.'
tags: [hide-input]
---
draw()
```

As published, {fact}`n_entry`.

## Exercises

How many more than {num}`n_seen`?
"""


def test_marked_numbers_are_in_order():
    assert audit_marks("page.md", MARKED) == []


@pytest.mark.parametrize(
    ("marked", "unmarked", "line"),
    [
        (":::{reading}\nIt is {num}`n_seen`.\n:::", "It is\n{num}`n_seen`.", 11),
        ('+++ {"tags": ["synthetic"]}', '+++ {"tags": ["slide"]}', 16),
        ("[{num}`n_seen` of them.]{.reading}", "{num}`n_seen` of them.", 18),
        ("alt: 'Dots.'", "alt: '{holds}`Many|n_seen > 2` dots.'", 18),
        ("As published, {fact}`n_entry`", "As said, {num}`n_seen`", 31),
        (":::\n", ":::\n{num}`n_seen`\n", 13),
    ],
)
def test_an_unmarked_number_is_found(marked, unmarked, line):
    assert MARKED.count(marked) >= 1
    found = audit_marks("page.md", MARKED.replace(marked, unmarked, 1))
    assert [finding.line for finding in found] == [line]


def test_what_no_readers_data_can_fill_needs_no_marks():
    unmarked = MARKED.replace(":::{reading}", "").replace(":::", "")
    assert audit_marks("page.md", unmarked)
    assert audit_marks("page.md", unmarked.replace("{needs} sponsor", "{needs} sponsor, truth")) == []
    assert audit_marks("page.md", unmarked.replace("```{code-cell} ipython3", "```python")) == []
    assert all(word in NEEDS and not NEEDS[word][0](None) for word in NEVER)


# --- the book ---


def test_every_chapter_names_known_needs():
    pages = {file: text for file, text in sources(ROOT).items() if "```{code-cell}" in text}
    assert all(needs(text) for file, text in pages.items() if file != "book/results/claims.md")


def committed() -> dict[str, dict]:
    """The committed results."""
    path = ROOT / "book/results.json"
    assert path.exists(), "book/results.json is missing: run `make update`"
    return load(path)


def test_the_book_types_no_number_and_states_no_unkeyed_direction():
    found = audit(ROOT)
    assert not found, "\n" + report(found)


def test_every_quotation_in_the_book_prints_from_the_committed_results():
    found = check_holds(sources(ROOT), committed())
    assert not found, "\n" + report(found)


def test_every_figure_in_the_book_has_caption_name_and_alt_text():
    found = [
        finding
        for path in sorted((ROOT / "book").rglob("*.ipynb"))
        for finding in audit_notebook(path.relative_to(ROOT).as_posix(), json.loads(path.read_text(encoding="utf-8")))
    ]
    assert not found, "\n" + report(found)


def test_every_alt_text_in_the_book_is_its_own():
    results = committed()
    alts = Counter(
        resolve(passage.text, results)
        for text in sources(ROOT).values()
        for passage in passages(text)
        if passage.kind == "alt text"
    )
    assert [alt for alt, count in alts.items() if count > 1] == []
