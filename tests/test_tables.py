"""Tables print what they are given, with few digits and true minus signs."""

import pandas as pd

from helpers import tables


def test_a_negative_number_has_a_true_minus_sign_and_zero_has_none():
    assert tables.show(-1.26, ".1f") == "−1.3"
    assert tables.show(-0.004, ".2f") == "0.00"


def test_a_small_p_is_printed_as_a_bound_and_others_without_the_leading_zero():
    assert tables.show(0.0004, "p") == "< .001"
    assert tables.show(0.0312, "p") == ".031"
    assert tables.show(1.0, "p") == "1.000"


def test_a_table_shows_at_most_four_significant_digits():
    frame = pd.DataFrame({"x": [14.716, 2557.7, 0.2341, -208.0, 1.0]})
    assert tables.printed(frame, {"x": ".3f"})["x"].tolist() == ["14.72", "2558", "0.234", "−208.0", "1.000"]


def test_missing_cells_are_blank_and_columns_are_renamed():
    frame = pd.DataFrame({"mean": [1.234, None]}, index=["a", "b"])
    assert tables.printed(frame, {"mean": ".1f"}, {"mean": "Mean"}).to_dict() == {"Mean": {"a": "1.2", "b": ""}}


def test_estimates_come_with_their_interval_in_brackets():
    row = {"estimate": 1.5, "std_error": 0.5, "df": 160.41, "conf_low": -0.52, "conf_high": 2.48, "p": 0.2}
    assert tables.estimates(pd.DataFrame([row]), ".1f").to_dict("records") == [
        {"estimate": "1.5", "standard error": "0.5", "df": "160.4", "95 % interval": "[−0.5, 2.5]", "p": ".200"}
    ]


def test_degrees_of_freedom_without_end_are_printed_as_such():
    frame = pd.DataFrame({"df": [float("inf"), 1234.5]})
    assert tables.printed(frame, {"df": ".1f"})["df"].tolist() == ["∞", "1234"]
