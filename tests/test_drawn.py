"""The data behind a figure: what is drawn comes out as numbers, with the names on the axes, and tells series apart."""

import csv
import io
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from test_figures import closed  # noqa: F401, a fixture: each test begins without figures

from helpers import figures
from press.chapters import computed, stored
from press.drawn import drawn, table

ROOT = Path(__file__).resolve().parents[1]


def test_a_line_and_its_band_come_out_with_the_names_of_their_axes():
    frame = pd.DataFrame({"month": [3, 6, 12], "pda": [70.0, 65.0, 60.0], "conf_low": 50.0, "conf_high": 80.0})
    ax = figures.lines(figures.axes(), frame, "month", "pda", "contact")
    _ = figures.months(ax, [3, 6, 12], "PDA", "percent")
    line, band = sorted(drawn(ax.figure), key=lambda block: block["mark"], reverse=True)
    assert (line["panel"], line["x"], line["y"]) == ("PDA", "months after discharge", "percent")
    assert (line["series"], line["line"], line["marker"]) == ("contact", "-", "o")
    assert line["rows"] == [[3, 70], [6, 65], [12, 60]]
    assert band["rows"] == [[3, 50, 80], [6, 50, 80], [12, 50, 80]]


def test_rows_of_a_forest_have_the_names_that_stand_on_the_axis_also_beside_a_shared_one():
    frame = pd.DataFrame({"estimate": [1.0, 2.0], "conf_low": [0.5, 1.0], "conf_high": [1.5, 3.0]}, index=["a", "b"])
    left, right = figures.axes(2, sharey=True)
    for ax in (left, right):
        _ = figures.forest(ax, frame, "contact")
    rows = [row for block in drawn(right.figure) if "estimate" in block["series"] for row in block["rows"]]
    assert rows == [[1, "a"], [2, "b"]] * 2


def test_bars_points_and_the_cells_of_an_image_come_out():
    bars, points, image = figures.axes(3)
    _ = bars.bar([1, 2], [3, 4], width=1)
    _ = points.scatter([1, 2], [5, 6])
    _ = image.imshow(np.array([[1.0, np.nan], [2.0, 3.0]]))
    rows = {(block["mark"]): block["rows"] for block in reversed(drawn(bars.figure))}
    assert rows["bar"] == [[0.5, 1.5, 0, 3]]
    assert rows["points"] == [[1, 5], [2, 6]]
    assert rows["image"] == [[0, 0, 1], [0, 1, 2], [1, 1, 3]]


def test_a_cloud_of_real_people_is_counted_and_not_repeated():
    ax = figures.axes(synthetic=False)
    _ = ax.plot(np.arange(60), np.arange(60), ".")
    _ = ax.plot([1, 2], [3, 4], "o")
    cloud, means = drawn(ax.figure)
    assert cloud["rows"] == [["60 points, not repeated here: the chapter's code draws them"]]
    assert means["rows"] == [[1, 3], [2, 4]]


def test_the_table_has_a_row_a_mark():
    ax = figures.axes()
    _ = ax.plot([1, 2], [3, 4], gid="mean, all")
    read = list(csv.DictReader(io.StringIO(table(drawn(ax.figure)))))
    assert [(row["series"], row["x"], row["y"], row["y_high"]) for row in read] == [
        ("mean, all", "1.0", "3.0", ""),
        ("mean, all", "2.0", "4.0", ""),
    ]


# --- the book's figures ----------------------------------------------------------------------------------------------

BOOK = [
    pytest.param(output, id=cell.metadata["mystnb"]["figure"]["name"])
    for chapter in computed(ROOT)
    for cell in stored(chapter).cells
    if "figure" in cell.metadata.get("mystnb", {})
    for output in cell.outputs
]


@pytest.mark.parametrize("output", BOOK)
def test_every_figure_of_the_book_takes_its_data_along(output):
    assert json.loads(output.metadata["image/png"]["drawn"])


def brightness(colour: str) -> float:
    return float(np.dot(to_rgb(colour), (0.299, 0.587, 0.114)))


@pytest.mark.parametrize("output", BOOK)
def test_series_that_differ_in_colour_are_told_apart_in_grey(output):
    blocks = [block for block in json.loads(output.metadata["image/png"]["drawn"]) if block["mark"] == "line"]
    marked = [block for block in blocks if not block["series"].endswith(", interval")]  # its estimate has the marker
    for one, other in combinations(marked, 2):
        if one["panel"] == other["panel"] and one["colour"] != other["colour"]:
            same_shape = (one["line"], one["marker"]) == (other["line"], other["marker"])
            alike = same_shape and abs(brightness(one["colour"]) - brightness(other["colour"])) < 0.1
            assert not alike, f"{one['colour']} and {other['colour']} are the same grey: give one another marker"
