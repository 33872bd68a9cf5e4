"""The data behind a figure: what it draws, as numbers. `press.along` puts the blocks of `drawn` into its output."""

import csv
import io
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.colors import to_hex
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation, Text

MARKS = {
    PathCollection: "points", LineCollection: "segments", PolyCollection: "band", ContourSet: "contour",
    Rectangle: "bar", AxesImage: "image",
}  # fmt: skip
CLOUD = 50  # unjoined points beyond so many are rows of data, not means


def drawn(figure: Figure) -> list[dict]:
    """What `figure` draws, a block for each line, band, bar, cloud of points or image.

    A block has `panel` (title, or number), `x` and `y` (the axes' names), `series`, `mark`, `colour`, `line`, `marker`,
    and `rows` under `columns`: x and y, with `y_high` of a band, `x_high` of a bar (from x, up to y) and `value` of an
    image's cells. Places that an axis names are given by name. Six digits. Single points of a figure without the
    SYNTHETIC stamp may be people of a public data set, which is not repeated here: they are counted instead.
    """
    synthetic = any("SYNTHETIC" in text.get_text() for text in figure.texts)
    blocks = []
    for number, ax in enumerate(figure.axes, start=1):
        panel = ax.get_title(loc="left") or ax.get_title() or str(number)
        places = {"panel": panel, "x": ax.get_xlabel(), "y": ax.get_ylabel()}
        for artist in ax.get_children():
            columns, rows = _rows(artist, ax)
            if _is_cloud(artist, rows) and not synthetic:
                columns, rows = ["value"], [[f"{len(rows)} points, not repeated here: the chapter's code draws them"]]
            if rows:
                blocks.append(places | _look(artist) | {"columns": columns, "rows": _named(rows, columns, ax)})
    return blocks


def _rows(artist: object, ax: Axes) -> tuple[list[str], list[list[float]]]:
    if isinstance(artist, Line2D):
        return ["x", "y"], (artist.get_xydata().tolist() if artist.get_transform() == ax.transData else [])
    if isinstance(artist, PathCollection):
        return ["x", "y"], artist.get_offsets().tolist()
    if isinstance(artist, LineCollection):
        return ["x", "y"], [point.tolist() for segment in artist.get_segments() for point in segment]
    if isinstance(artist, PolyCollection):  # a band: its outline goes along below and comes back above
        outline = pd.DataFrame(np.vstack([path.vertices for path in artist.get_paths()])).groupby(0)[1]
        return ["x", "y", "y_high"], outline.agg(["min", "max"]).reset_index().to_numpy().tolist()
    if isinstance(artist, ContourSet):
        paths = zip(artist.levels, artist.get_paths(), strict=True)
        return ["x", "y", "value"], [[*point, level] for level, path in paths for point in path.vertices.tolist()]
    if isinstance(artist, Rectangle) and artist is not ax.patch:
        (x, y), width, height = artist.get_xy(), artist.get_width(), artist.get_height()
        return ["x", "x_high", "y", "y_high"], [[x, x + width, y, y + height]]
    if isinstance(artist, Text) and artist.get_text() and artist not in (ax.title, ax._left_title, ax._right_title):
        return ["x", "y", "value"], [[*_place(artist), artist.get_text()]]
    if isinstance(artist, AxesImage):
        cells = np.ma.filled(artist.get_array().astype(float), np.nan)
        return ["x", "y", "value"], [[x, y, cells[y, x]] for y, x in zip(*np.nonzero(np.isfinite(cells)), strict=True)]
    return [], []


def _is_cloud(artist: object, rows: list) -> bool:
    unjoined = isinstance(artist, Line2D) and artist.get_linestyle() == "None"
    return len(rows) > CLOUD and (unjoined or isinstance(artist, PathCollection))


def _place(text: Text) -> tuple[float, float]:
    """The point a text belongs to: the one an annotation points at."""
    return text.xy if isinstance(text, Annotation) else text.get_position()


def _look(artist: object) -> dict[str, str]:
    label = getattr(artist, "get_label", str)() or ""
    series = artist.get_gid() or ("" if label.startswith("_") else label)
    if isinstance(artist, Text):
        return {"series": "", "mark": "text", "colour": to_hex(artist.get_color()), "line": "None", "marker": "None"}
    if isinstance(artist, Line2D):
        marker = str(artist.get_marker())
        joined = artist.get_linestyle() if len(artist.get_xdata()) > 1 else "None"
        look = {"colour": to_hex(artist.get_color()), "line": joined, "marker": marker}
        return {"series": series, "mark": "line"} | look
    kind = next(name for made, name in MARKS.items() if isinstance(artist, made))
    colours = artist.get_facecolor() if hasattr(artist, "get_facecolor") else []
    edges = artist.get_edgecolor() if hasattr(artist, "get_edgecolor") else []
    first = next((np.atleast_2d(c)[0] for c in (colours, edges) if np.size(c)), "black")
    return {"series": series, "mark": kind, "colour": to_hex(first), "line": "None", "marker": "None"}


def _named(rows: list[list[float]], columns: Sequence[str], ax: Axes) -> list[list[float | str]]:
    """Rows with six digits, less those not drawn; a place that has a name on its axis by that name."""
    names = {column: _ticks(ax.xaxis if column.startswith("x") else ax.yaxis) for column in ("x", "y")}
    finite = (row for row in rows if np.isfinite([value for value in row if not isinstance(value, str)]).all())
    return [
        [names.get(column, {}).get(value, _six(value)) for column, value in zip(columns, row, strict=True)]
        for row in finite
    ]


def _six(value: float | str) -> float | str:
    return value if isinstance(value, str) else float(f"{value:.6g}")


def _ticks(axis: Axis) -> dict[float, str]:
    formatter = axis.get_major_formatter()
    if not isinstance(formatter, ticker.FixedFormatter | ticker.FuncFormatter):
        return {}
    places = axis.get_majorticklocs()
    return dict(zip(places, formatter.format_ticks(places), strict=True))


def table(blocks: Sequence[dict]) -> str:
    """The blocks of a figure as CSV: a row a mark, the names of its panel, axes and series beside its numbers."""
    names = ["panel", "x_axis", "y_axis", "series", "mark", "x", "x_high", "y", "y_high", "value"]
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(names)
    for block in blocks:
        about = [block["panel"], block["x"], block["y"], block["series"], block["mark"]]
        for row in block["rows"]:
            values = dict(zip(block["columns"], row, strict=True))
            lines.writerow([*about, *(values.get(name, "") for name in names[5:])])
    return text.getvalue()
