"""Gathering recorded numbers from the outputs of executed notebooks."""

import json

import pytest
from nbformat import v4

from helpers.ledger import entry
from press import BookError
from press.gather import dumps, gather


def notebook(*keys):
    """A title, then one cell for each of `keys` that records it with the value 1."""
    cells = [v4.new_markdown_cell("# Title")]
    for key in keys:
        output = v4.new_output("display_data", {"text/plain": key}, metadata={"ledger": [entry(key, 1, "d", "points")]})
        cells.append(v4.new_code_cell("record", outputs=[output]))
    return v4.new_notebook(cells=cells)


def test_an_entry_says_what_it_is_and_where_it_was_computed():
    assert gather({"book/one": notebook("a", "b")})["b"] == {
        "value": 1,
        "text": "1",
        "format": "d",
        "unit": "points",
        "status": "computed",
        "page": "book/one",
        "cell": 2,
    }


def test_keys_are_sorted_across_pages():
    assert list(gather({"book/one": notebook("c", "a"), "book/two": notebook("b")})) == ["a", "b", "c"]


def test_a_key_of_two_pages_fails_and_both_places_are_named():
    with pytest.raises(
        BookError, match=r"'a' is recorded twice: in book/one.md, cell \[2\] and in book/two.md, cell \[1\]"
    ):
        gather({"book/one": notebook("b", "a"), "book/two": notebook("a")})


def test_a_key_recorded_twice_on_one_page_fails():
    with pytest.raises(BookError, match=r"in book/one.md, cell \[1\] and in book/one.md, cell \[2\]"):
        gather({"book/one": notebook("a", "a")})


def test_the_file_has_one_line_a_key_and_reads_back():
    results = gather({"book/one": notebook("a", "b")})
    assert [line[:3] for line in dumps(results).splitlines()] == ["{", '"a"', '"b"', "}"]
    assert json.loads(dumps(results)) == results


def test_full_precision_survives_the_file():
    value = 0.1 + 0.2
    output = v4.new_output("display_data", {}, metadata={"ledger": [entry("a", value)]})
    nb = v4.new_notebook(cells=[v4.new_code_cell("", outputs=[output])])
    assert json.loads(dumps(gather({"book/one": nb})))["a"]["value"] == value


def test_a_book_without_numbers_is_an_empty_ledger():
    assert json.loads(dumps(gather({"book/one": notebook()}))) == {}


def test_this_book_may_hold_no_number_without_a_value_and_a_readers_may():
    output = v4.new_output("display_data", {}, metadata={"ledger": [entry("a", float("nan"))]})
    nb = v4.new_notebook(cells=[v4.new_code_cell("", outputs=[output])])
    with pytest.raises(BookError, match=r"'a' is not finite: in book/one.md, cell \[1\]"):
        gather({"book/one": nb})
    assert gather({"book/one": nb}, whole=False)["a"]["text"] == "not available"
