"""One visual grammar: tidy frame in, axes out; no fitting, no printing.

Contact is blue, solid, round; alliance is vermilion, dashed, square; no sponsor is grey (Okabe & Ito's palette, told
apart in grey print by line and marker too). Lines are labelled where they end, so that there is no legend to hunt.
Every figure made from the cohort carries SYNTHETIC inside the image, one made from a reader's data says so.
"""

import json
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from helpers import records

COLOURS = {"contact": "#0072B2", "alliance": "#D55E00", "sponsor": "#00785A", "none": "#6B6B6B"}
LINES = {"contact": "-", "alliance": "--", "sponsor": "-", "none": ":"}
MARKERS = {"contact": "o", "alliance": "s", "sponsor": "D", "none": "^"}
LEVELS = {"low": 0.45, "mean": 0.7, "high": 1.0}  # how strong the colour is: low, mean, high of a predictor

STYLE = {
    "figure.dpi": 100,
    "savefig.dpi": 100,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "figure.constrained_layout.use": True,
}


def axes(
    columns: int = 1, rows: int = 1, height: float = 3.4, synthetic: bool = True, **subplots: object
) -> Axes | np.ndarray:
    """Axes in the book's style, 7.6 inches wide; `synthetic=False` only where no value comes from the cohort."""
    plt.rcParams.update(STYLE)
    figure, made = plt.subplots(rows, columns, figsize=(7.6, height), **subplots)
    if synthetic:
        strip = 0.17 / height  # of the figure's height: a line of small print, however low the figure
        figure.get_layout_engine().set(rect=(0, strip, 1, 1 - strip))
        _ = figure.text(0.995, 0.008, stamp(), ha="right", va="bottom", fontsize=8, color="#8A1C1C")
    return made


def stamp() -> str:
    """What a figure says of its data: "SYNTHETIC cohort", or "your data" if their data package does not say so."""
    try:
        package = json.loads((records.folder() / "datapackage.json").read_text("utf-8"))
    except FileNotFoundError:  # no data lie here: what is drawn was simulated, as by `python -m helpers plan`
        return "SYNTHETIC cohort"
    return "SYNTHETIC cohort" if "SYNTHETIC" in package.get("keywords", []) else "your data"


def lines(
    ax: Axes, frame: pd.DataFrame, x: str, y: str, kind: str = "none", label: str | None = None, **shade: float
) -> Axes:
    """One line of `frame[y]` over `frame[x]`, with its band if `conf_low` and `conf_high` are there.

    `kind` gives colour, line and marker; `label` stands at the line's end; `alpha` (0 to 1) is the colour's strength.
    """
    alpha = shade.pop("alpha", 1.0)
    style = {"color": COLOURS[kind], "gid": label or kind}
    _ = ax.plot(frame[x], frame[y], linestyle=LINES[kind], marker=MARKERS[kind], alpha=alpha, **style, **shade)
    if {"conf_low", "conf_high"} <= set(frame.columns):
        _ = ax.fill_between(frame[x], frame["conf_low"], frame["conf_high"], alpha=0.12, lw=0, **style)
    if label:
        _ = end_label(ax, frame[x].iloc[-1], frame[y].iloc[-1], label, kind)
    return ax


def end_label(ax: Axes, x: float, y: float, text: str, kind: str = "none") -> Axes:
    """`text` to the right of the point (x, y), in the colour of its kind."""
    _ = ax.annotate(
        text, (x, y), xytext=(6, 0), textcoords="offset points", va="center", color=COLOURS[kind], annotation_clip=False
    )
    return ax


def forest(ax: Axes, frame: pd.DataFrame, kinds: Sequence[str] | str = "none", truth: str | None = None) -> Axes:
    """Estimates with intervals, a row each, top down: index (label), `estimate`, `conf_low`, `conf_high`.

    `kinds` colours the rows; `truth` names a column drawn as an open diamond.
    """
    kinds = [kinds] * len(frame) if isinstance(kinds, str) else kinds
    _ = ax.axvline(0, color="#444444", linewidth=0.8)
    for place, (kind, (_, row)) in enumerate(zip(kinds, frame.iterrows(), strict=True)):
        ends = [row["conf_low"], row["conf_high"]]
        _ = ax.plot(ends, [place, place], color=COLOURS[kind], linestyle="-", gid=f"{kind}, interval")
        _ = ax.plot(row["estimate"], place, color=COLOURS[kind], marker=MARKERS[kind], gid=f"{kind}, estimate")
        if truth:
            _ = ax.plot(row[truth], place, marker="d", color="black", markerfacecolor="none", markersize=8, gid=truth)
    _ = ax.set_yticks(range(len(frame)), frame.index)
    ax.set_ylim(len(frame) - 0.5, -0.5)
    return ax


def power(ax: Axes, summary: pd.DataFrame, target: float = 0.8) -> Axes:
    """Power of each term, a row each, top down, with its Monte Carlo 95 % interval: index (label), `power`,
    `power_mcse`; a dashed line at `target`."""
    half = 1.96 * summary["power_mcse"]
    rows = pd.DataFrame({"estimate": summary["power"], "conf_low": summary["power"] - half}, summary.index)
    _ = ax.axvline(target, color="#444444", linewidth=0.8, linestyle="--")
    ax = forest(ax, rows.assign(conf_high=summary["power"] + half).clip(0, 1), "contact")
    _ = ax.set_xlim(-0.02, 1.02)
    _ = ax.set_xlabel("power: share of replicates in which the test finds the effect")
    return ax


def dots(
    ax: Axes, x: Sequence[float], y: Sequence[float], kind: str = "none", width: float = 0.0, **style: object
) -> Axes:
    """Raw values as small dots; `width` spreads equal x by a fixed pattern, so that a rerun draws the same picture."""
    golden = (np.arange(len(x)) * 0.6180339887498949) % 1 - 0.5
    style = {"s": 9, "alpha": 0.35, "linewidths": 0, "gid": kind} | style
    _ = ax.scatter(np.asarray(x) + width * golden, y, color=COLOURS[kind], marker=MARKERS[kind], **style)
    return ax


def months(ax: Axes, waves: Sequence[int], title: str, unit: str) -> Axes:
    """A time axis in months since discharge, titled, with the outcome's unit on the other axis."""
    _ = ax.set_xticks(list(waves))
    _ = ax.set_xlabel("months after discharge")
    _ = ax.set_ylabel(unit)
    _ = ax.set_title(title)
    return ax


def flow(ax: Axes, boxes: Sequence[str], asides: Mapping[int, str]) -> Axes:
    """A flow diagram: `boxes` from top to bottom, `asides` (by the box they leave) to the right."""
    ax.set_axis_off()
    ax.set_xlim(0, 10)
    ax.set_ylim(-len(boxes) * 2 + 0.8, 1.0)
    for place, text in enumerate(boxes):
        _box(ax, 2.6, -2 * place, text, COLOURS["contact"])
        if place + 1 < len(boxes):
            arrow = {"arrowstyle": "-|>", "color": "#444444"}
            _ = ax.annotate("", (2.6, -2 * place - 1.35), (2.6, -2 * place - 0.65), arrowprops=arrow)
        if place in asides:
            _ = ax.annotate("", (5.3, -2 * place - 1), (2.6, -2 * place - 1), arrowprops=arrow)
            _box(ax, 7.6, -2 * place - 1, asides[place], COLOURS["none"])
    return ax


def _box(ax: Axes, x: float, y: float, text: str, colour: str) -> None:
    style = {"boxstyle": "round,pad=0.08", "facecolor": "white", "edgecolor": colour, "linewidth": 1.4}
    _ = ax.add_patch(FancyBboxPatch((x - 2.2, y - 0.55), 4.4, 1.1, **style))
    _ = ax.text(x, y, text, ha="center", va="center", fontsize=9.5)
