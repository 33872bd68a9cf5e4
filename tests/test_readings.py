"""In a book on a reader's data a passage about ours is replaced by what their ledger says; no word of it is kept."""

import pytest

from press.readings import direction, label, links, quoted, replaced, replaced_inline, sentences


def entry(value: float | str, unit: str = "", page: str = "book/results/average") -> dict:
    return {
        "value": value,
        "text": f"{value}",
        "format": ".1f",
        "unit": unit,
        "status": "computed",
        "page": page,
        "cell": 1,
    }


def estimated(estimate: float, low: float, high: float) -> dict:
    base = "pda_b.contact"
    return {
        f"{base}.estimate": entry(estimate, "PDA points"),
        f"{base}.conf_low": entry(low, "PDA points"),
        f"{base}.conf_high": entry(high, "PDA points"),
    }


PASSAGE = "Contact {holds}`went with more|pda_b.contact.conf_low > 0` days, {num}`pda_b.contact.estimate|.2f` points."


@pytest.mark.parametrize(
    ("estimate", "low", "high", "words"),
    [
        (2.0, 1.0, 3.0, "above zero, and so is the whole interval"),
        (-2.0, -3.0, -1.0, "below zero, and so is the whole interval"),
        (0.5, -1.0, 2.0, "above zero, with an interval that includes zero"),
        (-0.5, -1.0, 2.0, "below zero, with an interval that includes zero"),
        (0.0, -1.0, 1.0, "at zero, with an interval that includes zero"),
        (1.0, 0.0, 2.0, "above zero, with an interval that includes zero"),
    ],
)
def test_direction_is_read_from_the_estimate_and_its_interval(estimate, low, high, words):
    assert direction(estimate, low, high) == words


def test_an_estimate_that_is_quoted_in_parts_becomes_one_sentence_with_size_interval_and_direction():
    (said,) = sentences(PASSAGE, estimated(-2.0, -3.0, -1.0))
    assert said.startswith("contact, in model (b) of PDA: {num}`pda_b.contact.estimate`")
    assert "interval {num}`pda_b.contact.conf_low` to {num}`pda_b.contact.conf_high`" in said
    assert said.endswith("below zero, and so is the whole interval")
    assert "more" not in said


def test_a_number_without_an_interval_is_named_with_its_unit():
    assert sentences("Of {num}`average.b.n_visits` visits", {"average.b.n_visits": entry(9, "visits")}) == [
        "b, number of visits: {num}`average.b.n_visits` visits"
    ]


def test_a_number_keeps_the_format_in_which_it_was_quoted_unless_it_is_a_text():
    assert "{num}`x.y|.0f`" in sentences("{num}`x.y|.0f`", {"x.y": entry(9.4)})[0]
    assert "{num}`x.y`" in sentences("{num}`x.y|d`", {"x.y": entry("<5")})[0]


def test_a_condition_gives_its_keys_and_neither_its_numbers_nor_published_facts():
    passage = "{holds}`fewer|a.one < b.two and b.two <= -3.5 and a.one > fact:n_entry`"
    assert [key for key, _ in quoted(passage)] == ["a.one", "b.two", "b.two", "a.one"]


def test_what_their_ledger_does_not_have_is_not_mentioned():
    assert sentences(PASSAGE, {}) == []
    assert replaced(f"Before.\n\n:::{{reading}}\n{PASSAGE}\n:::\n\nAfter.", {}) == "Before.\n\n\nAfter."


def test_of_a_replaced_passage_no_word_is_left_and_what_stands_around_it_stays():
    text = f"Before.\n\n:::{{reading}}\n{PASSAGE}\n\nAnd the makers put it there.\n:::\n\nAfter."
    said = replaced(text, estimated(-2.0, -3.0, -1.0))
    assert "went with more" not in said
    assert "makers" not in said
    assert said.startswith("Before.\n\n:::{admonition} In your data\n")
    assert said.endswith(":::\n\nAfter.")


def test_a_caption_keeps_what_is_not_marked():
    caption = (
        "Circles are contact. [At last it comes to {num}`pda_b.contact.estimate|.1f`.]{.reading} Bars are intervals."
    )
    said = replaced_inline(caption, estimated(-2.0, -3.0, -1.0))
    assert said.startswith("Circles are contact. Bars are intervals. In your data: contact, in model (b)")
    assert replaced_inline("[All of it rises.]{.reading}", {}, "Of your data.") == "Of your data."


def test_a_key_is_said_in_words():
    assert label("pda_c.alliance_x_time") == "alliance × time, in model (c) of PDA"
    assert label("flow.n_never_followed") == "number of never followed"


def test_links_that_lead_nowhere_become_words():
    kept = {"book/a/one": frozenset({"here"}), "book/b/two": frozenset({"there"})}
    text = "[gone](../b/three.md), [kept](../b/two.ipynb#there), [part](../b/two.ipynb#lost), [self](#here), [no](#x)"
    assert (
        links(text, "book/a/one", kept)
        == "gone, [kept](../b/two.ipynb#there), [part](../b/two.ipynb), [self](#here), no"
    )
    assert links("[site](https://example.org) `[code](x.md)`", "book/a/one", kept) == (
        "[site](https://example.org) `[code](x.md)`"
    )
