"""Counts of few people do not leave a book that was asked to suppress them."""

import re
from html.parser import HTMLParser

import pandas as pd
from nbformat.v4 import new_code_cell, new_output

from helpers import ledger
from press.suppress import suppress_counts, suppress_outputs, suppressed


class Cells(HTMLParser):
    """The texts of a table's body cells, row by row, as a browser would show them."""

    def __init__(self, text: str):
        super().__init__()
        self.rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()


def html(**columns: list) -> str:
    return pd.DataFrame(columns).to_html(index=False)


def shown(**columns: list) -> dict[str, list[str]]:
    table = suppressed(html(**columns), 5, people=200)
    rows = list(filter(None, Cells(table).rows))
    return {name: [row[place] for row in rows] for place, name in enumerate(columns)}


def test_whole_numbers_below_the_limit_are_hidden_and_zero_and_others_stay():
    assert shown(people=[0, 1, 4, 5, 12]) == {"people": ["0", "<5", "<5", "5", "12"]}


def test_a_single_hidden_cell_of_a_column_takes_the_smallest_other_with_it_so_that_a_total_tells_nothing():
    assert shown(people=[3, 40, 7, 50]) == {"people": ["<5", "40", "hidden", "50"]}
    assert shown(people=[3, 197]) == {"people": ["<5", "hidden"]}  # the total may stand elsewhere


def test_a_row_with_its_total_tells_nothing_either():
    # One row down as well, or a column would have a single hidden cell.
    assert shown(all=[79, 30, 60], few=[4, 10, 20], many=[75, 20, 40]) == {
        "all": ["79", "30", "60"],
        "few": ["<5", "hidden", "20"],
        "many": ["hidden", "hidden", "40"],
    }


def test_a_count_with_its_percentage_is_one_cell_of_table_1():
    assert shown(people=["3 (2 %)", "1 (0.5 %)", "0 (0 %)", "120 (60 %)"]) == {
        "people": ["<5", "<5", "0 (0 %)", "120 (60 %)"]
    }
    assert shown(mean=["3.1 (0.7)", "2 (1.4)"]) == {"mean": ["3.1 (0.7)", "2 (1.4)"]}


def test_percentages_of_few_people_are_hidden_and_those_beside_a_hidden_count():
    assert shown(share=["1 %", "50 %", "98.5 %", "0 %", "100 %"])["share"] == [
        "hidden",
        "50 %",
        "hidden",
        "0 %",
        "100 %",
    ]
    assert shown(people=[2, 3, 90], share=["40 %", "60 %", "45 %"]) == {
        "people": ["<5", "<5", "90"],
        "share": ["hidden", "hidden", "45 %"],
    }
    assert shown(bias=["1 % of the estimate"]) == {"bias": ["1 % of the estimate"]}
    assert shown(seen=["1 % of visits seen"]) == {"seen": ["hidden"]}


def test_estimates_and_words_stay():
    assert shown(estimate=["1.25", "3.50"], name=["three", "4th"]) == {
        "estimate": ["1.25", "3.50"],
        "name": ["three", "4th"],
    }


def test_counts_with_thousands_or_a_unit_are_counts():
    assert shown(people=["3 people (2 %)", "40 people (20 %)", "2 people (1 %)"])["people"][0] == "<5 people"
    assert shown(people=["1,234", "3 people", "2 people"]) == {"people": ["1,234", "<5 people", "<5 people"]}


def heads(*sizes: int) -> list[str]:
    table = suppressed(html(**{f"group {i} (n = {size})": ["a"] for i, size in enumerate(sizes)}), 5, people=200)
    return re.findall(r"\((.*?)\)", re.sub("&lt;", "<", table))


def test_a_groups_size_in_a_heading_is_a_count():
    assert heads(4, 3, 40) == ["n = <5", "n = <5", "n = 40"]
    assert heads(0, 40) == ["n = 0", "n = 40"]
    assert heads(4, 43, 4, 43) == ["n = <5", "n hidden"] * 2
    assert heads(47, 4, 43) == ["n = 47", "n = <5", "n hidden"]  # the whole and one part tell the other


def test_the_ledger_hides_counts_and_leaves_measures():
    results = {
        "n": {"value": 3, "text": "3", "format": "d", "unit": "people"},
        "b": {"value": 3.0, "text": "3.00", "format": ".2f", "unit": "points"},
        "share": {"value": 1.5, "text": "1.5", "format": ".1f", "unit": "% of people"},
        "bias": {"value": 1.5, "text": "1.5", "format": ".1f", "unit": "% of the estimate"},
    }
    hidden = suppress_counts(results, 5, people=200)
    assert (hidden["n"]["value"], hidden["n"]["text"]) == ("<5", "<5")
    assert (hidden["share"]["value"], hidden["share"]["text"]) == ("hidden", "hidden")
    assert (hidden["b"], hidden["bias"]) == (results["b"], results["bias"])


def test_no_other_form_of_an_output_keeps_the_count(monkeypatch):
    shown = []
    monkeypatch.setattr(ledger, "display", lambda data, raw, metadata: shown.append((data, metadata)))
    ledger.record("n.few", 3, "d", "people")
    ledger.record("n.models", 3, "d", "models")
    ledger.record("b.contact", 3.0, ".2f", "PDA points")
    cells = new_code_cell(outputs=[new_output("display_data", data, metadata=about) for data, about in shown])
    suppress_outputs(cells, 5, people=200)
    few, models, slope = cells.outputs
    assert "<td>n.few</td><td>&lt;5 people</td>" in few.data["text/html"]
    assert "3" not in few.data["text/html"].replace("h3", "")
    assert (few.data["text/plain"], few.metadata["ledger"][0]["value"]) == ("(a table)", "<5")
    assert "<td>3 models</td>" in models.data["text/html"]
    assert "<td>3.00 PDA points</td>" in slope.data["text/html"]


def test_a_table_has_no_other_form_either():
    output = new_output("display_data", {"text/html": html(people=[3, 2]), "text/plain": "3 2"})
    cell = new_code_cell(outputs=[output])
    suppress_outputs(cell, 5, people=200)
    assert "3" not in str(cell.outputs[0].data["text/html"]).replace("<5", "")
    assert cell.outputs[0].data["text/plain"] == "(a table)"
