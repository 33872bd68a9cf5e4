"""Figures: what goes in comes out on the axes, the stamp is inside the image, a rerun draws the same picture."""

from io import BytesIO

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers import figures


@pytest.fixture(autouse=True)
def closed():
    with mpl.rc_context():
        plt.switch_backend("agg")
        yield
        plt.close("all")


def stamps(figure) -> list[str]:
    return [text.get_text() for text in figure.texts if "SYNTHETIC" in text.get_text()]


def test_a_figure_of_the_cohort_carries_synthetic_inside_the_image():
    assert stamps(figures.axes().figure) == ["SYNTHETIC cohort"]


def test_a_figure_of_real_data_does_not():
    assert stamps(figures.axes(synthetic=False).figure) == []


def test_a_line_ends_in_its_label_and_has_its_band():
    frame = pd.DataFrame({"month": [3, 6, 12], "pda": [70.0, 65.0, 60.0], "conf_low": 50.0, "conf_high": 80.0})
    ax = figures.lines(figures.axes(), frame, "month", "pda", "contact", label="high contact")
    assert ax.lines[0].get_xydata().tolist() == [[3, 70], [6, 65], [12, 60]]
    assert [(text.get_text(), text.xy) for text in ax.texts] == [("high contact", (12, 60.0))]
    assert len(ax.collections) == 1


def test_contact_and_alliance_differ_in_line_and_marker_as_well_as_colour():
    for look in (figures.COLOURS, figures.LINES, figures.MARKERS):
        assert look["contact"] != look["alliance"]


def test_a_forest_draws_each_row_at_its_place_from_the_top():
    frame = pd.DataFrame(
        {"estimate": [1.0, 2.0], "conf_low": [0.5, 1.0], "conf_high": [1.5, 3.0], "truth": [0.9, 2.2]}, index=["a", "b"]
    )
    ax = figures.forest(figures.axes(), frame, ["contact", "alliance"], truth="truth")
    drawn = [line.get_xydata().tolist() for line in ax.lines[1:]]
    assert drawn == [[[0.5, 0], [1.5, 0]], [[1, 0]], [[0.9, 0]], [[1, 1], [3, 1]], [[2, 1]], [[2.2, 1]]]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_spread_dots_keep_their_heights_and_draw_the_same_twice():
    x, y = np.repeat(3.0, 50), np.linspace(0, 100, 50)
    first, second = (figures.dots(figures.axes(), x, y, width=1.0).collections[0].get_offsets() for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(first[:, 1], y)
    assert np.abs(first[:, 0] - 3).max() <= 0.5


def test_a_flow_shows_every_box_and_aside():
    ax = figures.flow(
        figures.axes(), ["302 people", "208 sponsored", "153 complete"], {0: "94 without", 1: "55 skipped"}
    )
    texts = {text.get_text() for text in ax.texts} - {""}
    assert texts == {"302 people", "208 sponsored", "153 complete", "94 without", "55 skipped"}


def test_the_same_figure_saved_twice_is_the_same_file():
    def saved() -> bytes:
        ax = figures.axes(height=2)
        figures.lines(ax, pd.DataFrame({"x": [1, 2], "y": [3, 4]}), "x", "y", "alliance", "end")
        buffer = BytesIO()
        ax.figure.savefig(buffer, metadata={"Software": None})
        return buffer.getvalue()

    assert saved() == saved()
