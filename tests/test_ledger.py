"""The ledger: what a recorded number is, how it prints, when two runs agree."""

import numpy as np
import pandas as pd
import pytest

from helpers import ledger


@pytest.fixture
def shown(monkeypatch):
    """What `record` displays: a list of (data, metadata)."""
    calls = []
    monkeypatch.setattr(ledger, "display", lambda data, raw, metadata: calls.append((data, metadata)))
    return calls


def test_an_entry_keeps_the_raw_value_and_prints_the_rounded_one():
    made = ledger.entry("pda_b.contact.estimate", 2 / 3, ".2f", "PDA points")
    assert made == {
        "key": "pda_b.contact.estimate",
        "value": 2 / 3,
        "format": ".2f",
        "unit": "PDA points",
        "status": "computed",
        "text": "0.67",
    }


@pytest.mark.parametrize(
    ("value", "format", "text"),
    [
        (-1.25, ".1f", "−1.2"),
        (-0.001, ".2f", "0.00"),
        (302, "d", "302"),
        (0.0004, "p", "< .001"),
        (0.0123, "p", ".012"),
        (1743.6283, ".1f", "1744"),
        (0.26, ".0%", "26%"),
    ],
)
def test_a_number_prints_in_its_format(value, format, text):
    assert ledger.entry("k", value, format)["text"] == text


def test_what_is_recorded_loses_the_decimals_that_its_size_does_not_allow(capsys):
    ledger.record("k", 1743.6283, ".1f")
    ledger.record_table(pd.DataFrame({"df": [12.34567]}, ["row"]), "t", {"df": ".4f"})
    shown = capsys.readouterr().out
    assert "1744" in shown
    assert "12.35" in shown


def test_a_whole_number_may_show_all_its_digits():
    assert ledger.entry("truth.n", 200_000, "d")["text"] == "200000"


@pytest.mark.parametrize("key", ["", "a b", "contact:time", "a/b"])
def test_a_key_of_other_characters_is_refused(key):
    with pytest.raises(ValueError, match="letters, digits"):
        ledger.entry(key, 1.0)


def test_a_value_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="None is not a number"):
        ledger.entry("k", None)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.nan])
def test_a_value_that_is_not_finite_is_said_to_be_missing(value):
    made = ledger.entry("k", value, ".2f", "points")
    assert (made["value"], made["text"], made["unit"]) == ("not available", "not available", "points")


def test_an_unknown_status_is_refused():
    with pytest.raises(ValueError, match="guessed"):
        ledger.entry("k", 1.0, status="guessed")


def test_numpy_numbers_become_plain_ones():
    assert type(ledger.entry("k", np.float64(1.5))["value"]) is float
    assert type(ledger.entry("k", np.int64(3), "d")["value"]) is int


def test_recording_shows_the_value_and_carries_the_entry_in_the_metadata(shown):
    ledger.record("pda_b.contact.p", 0.031, "p")
    data, metadata = shown[0]
    assert data["text/plain"] == "pda_b.contact.p = .031 (computed)"
    assert metadata["ledger"] == [ledger.entry("pda_b.contact.p", 0.031, "p")]


def test_a_shown_key_cannot_break_the_page(shown):
    ledger.record("k", "<script>", unit="a & b")
    assert "&lt;script&gt; a &amp; b" in shown[0][0]["text/html"]


def test_a_table_is_recorded_row_by_row_with_units_only_where_they_belong(shown):
    frame = pd.DataFrame({"estimate": [1.0, 2.0], "p": [0.2, 0.01]}, index=["contact", "contact:time"])
    ledger.record_table(frame, "pda_c", {"estimate": ".1f", "p": "p"}, unit="PDA points")
    entries = {e["key"]: e for e in shown[0][1]["ledger"]}
    assert list(entries) == [
        "pda_c.contact.estimate",
        "pda_c.contact.p",
        "pda_c.contact_x_time.estimate",
        "pda_c.contact_x_time.p",
    ]
    assert entries["pda_c.contact_x_time.estimate"]["unit"] == "PDA points"
    assert entries["pda_c.contact_x_time.p"]["unit"] == ""


def test_runs_agree_within_the_tolerance_and_not_beyond_it():
    assert ledger.agree(1000.0, 1000.0009)
    assert not ledger.agree(1000.0, 1000.0011)
    assert ledger.agree(0.0, 5e-10)
    assert not ledger.agree(0.0, 5e-9)
    assert ledger.agree("a", "a")
    assert not ledger.agree("1.0", 1.0)
