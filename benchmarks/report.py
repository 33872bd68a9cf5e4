"""RESULTS.md from results.json: the bars, then a table each comparison. `python benchmarks/report.py` rewrites it."""

import json
import math
from itertools import pairwise
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
OURS = "helpers.reml"
REACHED = 1e-4  # of the criterion: a fit that stands higher above the best of all engines has missed the optimum


def later(seconds: list[float]) -> list[float]:
    """The repeats without the first, which pays for loading and warming up; the first where there is no other."""
    return seconds[1:] or seconds


def time(seconds: float) -> str:
    """Three digits in the unit that suits: 1.23 s, 45.6 ms, 78.9 µs."""
    for size, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= size or unit == "µs":
            value = seconds / size
            return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f} {unit}"
    raise AssertionError


def spread(seconds: list[float]) -> str:
    return f"{time(min(seconds))} to {time(max(seconds))}"


def ratio(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def short(value: float) -> str:
    """How far above the best; what rounding leaves is none."""
    if value < 1e-6:
        return "0"
    return f"**{value:.2g}**" if value > REACHED else f"{value:.1g}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, all columns but the first to the right."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def at(results: dict, persons: int) -> dict:
    """By engine, what was measured at so many people; empty if they were not."""
    return next((fits["engines"] for fits in results["fits"] if fits["persons"] == persons), {})


def middle(measured: dict) -> float | None:
    """The median of an engine's repeats, if it has any."""
    return median(later(measured["seconds"])) if measured.get("seconds") else None


def bars(results: dict) -> list[dict]:
    """The bars of the issue: what was asked, what was achieved (value None: not measured), whether that meets it."""
    found = []

    def bar(what: str, asked: str, value: float | None, shown: str, met: bool) -> None:
        unknown = value is None
        found.append({"bar": what, "asked": asked, "achieved": "not measured" if unknown else shown.format(value)})
        found[-1] |= {"value": value, "met": None if unknown else met}

    def divided(above: float | None, below: float | None) -> float | None:
        return above / below if above and below else None

    refits = results.get("refits", {}).get("engines", {})
    value = divided(*(middle(refits.get(name, {})) for name in ("lme4", f"{OURS}, at once")))
    bar("one refit at study size beside lme4's `refit`, one core", "≥ 100 x", value, "{:.0f} x", (value or 0) >= 100)
    large = at(results, 100_000)
    value = divided(middle(large.get("lme4", {})), middle(large.get(OURS, {})))
    bar("100,000 people beside `lmer`, formula included, one core", "≥ 50 x", value, "{:.0f} x", (value or 0) >= 50)
    value = middle(at(results, 1_000_000).get(OURS, {}))
    bar("one million people from a data frame, one core", "< 3 s", value, "{:.2f} s", (value or 9) < 3)
    sizes = [(fits["persons"], middle(fits["engines"].get(OURS, {}))) for fits in results["fits"]]
    sizes = [(people, seconds) for people, seconds in sizes if seconds and people >= 10_000]
    steps = [math.log(s1 / s0) / math.log(n1 / n0) for (n0, s0), (n1, s1) in pairwise(sizes)]
    value = max(steps, default=None)
    bar("time grows as people to the power of (steepest step)", "≤ 1.1", value, "{:.2f}", (value or 9) <= 1.1)
    costs = [fits["parts"]["criterion"] for fits in results["fits"] if "parts" in fits]
    value = costs[-1] / costs[0] if len(costs) > 1 else None
    bar("one criterion: most people beside fewest", "≤ 1.25 x", value, "{:.2f} x", (value or 9) <= 1.25)
    planned = results.get("planning", {}).get("rows", {}).get("helpers.design", {})
    value = median(planned["seconds"]) * 10_000 / planned["replicates"] if planned.get("seconds") else None
    bar("10,000 replicates of the study's PDA model, two cores", "≤ 10 s", value, "{:.1f} s", (value or 99) <= 10)
    ours = [fits["engines"].get(OURS, {}).get("short", 0) for fits in results["fits"]]
    ours += [of["furthest"] for name, of in refits.items() if name.startswith(OURS)]
    value = max(ours, default=None)
    bar("criterion above the best of all engines, in any fit here", "≤ 1e-6", value, "{:.0e}", (value or 0) <= 1e-6)
    return found


def fits(measured: dict) -> str:
    """One size: the engines' times beside ours, whether they reached the optimum, their memory."""
    engines, rows = measured["engines"], []
    ours = middle(engines.get(OURS, {}))
    for name, of in engines.items():
        if not of.get("seconds"):
            rows.append([name, of["error"], *[""] * 7])
            continue
        seconds = later(of["seconds"])
        rows.append(
            [
                name + (f" (then {of['error']})" if "error" in of else ""),
                time(median(seconds)),
                spread(seconds),
                str(len(seconds)),
                time(of["seconds"][0]),
                ratio(median(seconds) / ours) if ours else "",
                short(of["short"]),
                "yes" if of["found"]["converged"] else "no",
                f"{of['peak'] / 2**20:,.0f} ({of['loaded'] / 2**20:,.0f})",
            ]
        )
    head = ["engine", "median", "spread", "repeats", "first call", f"x {OURS}", "criterion above the best"]
    return table([*head, "says it converged", "peak MB (data alone)"], rows)


def refits(measured: dict) -> str:
    engines, rows = measured["engines"], []
    ours = middle(engines.get(f"{OURS}, at once", {}))
    for name, of in engines.items():
        if not of.get("seconds"):
            rows.append([name, of.get("error", ""), *[""] * 6])
            continue
        seconds = later(of["seconds"])
        rows.append(
            [
                name,
                time(median(seconds)),
                spread(seconds),
                f"{len(seconds)}",
                ratio(median(seconds) / ours) if ours else "",
                f"{of['fits']:,}",
                f"**{of['missed']:,}**" if of["missed"] else "0",
                short(of["furthest"]),
            ]
        )
    head = ["engine", "a fit, median", "spread of blocks", "blocks", f"x {OURS}, at once", "different responses"]
    made = table([*head, f"missed by more than {REACHED:g}", "furthest above the best"], rows)
    return "\n".join([made, *(of["note"] + "\n" for of in engines.values() if of.get("note"))])


def growth(results: dict) -> str:
    rows = []
    for one in results["fits"]:
        seconds = middle(one["engines"].get(OURS, {}))
        if seconds and "parts" in one:
            parts = one["parts"]
            people = one["persons"]
            rows.append([f"{people:,}", f"{one['visits']:,}", time(seconds), time(seconds / people)])
            rows[-1] += [time(parts[name]) for name in ("pass", "criterion", "search")]
    head = ["people", "visits", "whole fit", "a person", "pass over the rows", "one criterion", "search"]
    return table(head, rows)


def planning(measured: dict) -> str:
    """Time a replicate and the power found; whether the processes of a cluster gave the same bits."""
    rows = []
    ours = measured["rows"].get("helpers.design", {})
    mine = median(ours["seconds"]) / ours["replicates"] if ours.get("seconds") else None
    for name, of in measured["rows"].items():
        if not of["seconds"]:
            rows.append([name, of.get("error", ""), *[""] * 7])
            continue
        each = median(of["seconds"]) / of["replicates"]
        power = f"{100 * of['power']:.1f} % ± {100 * of['power_mcse']:.1f}" if "power" in of else ""
        rows.append(
            [name, str(of["cores"]), f"{of['replicates']:,}", time(median(of["seconds"])), spread(of["seconds"])]
        )
        rows[-1] += [str(len(of["seconds"])), time(each), ratio(each / mine) if mine else "", power]
    head = ["", "cores", "replicates", "median", "spread", "repeats", "a replicate", "x helpers.design"]
    made = table([*head, f"power of {measured['term']}"], rows)
    digests = {name: of["digest"] for name, of in measured["rows"].items() if "digest" in of}
    if len(digests) > 1:
        same = "the same bits" if len(set(digests.values())) == 1 else f"**different bits**: {digests}"
        made += f"\nIn threads, on one core and over Dask, `design` gave {same}.\n"
    return made


def render(results: dict) -> str:
    """The whole report."""
    machine, text = results["machine"], ["# Benchmarks\n"]
    text.append(
        f"Written by `make bench` on {machine['date']}, at commit {machine['commit']}: {machine['processor']}, "
        f"{machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}, Python {machine['python']}, "
        f"load {machine['load_at_start']} at the start. Do not edit; `results.json` has the same in full.\n"
    )
    versions = {}
    for of in results["about"].values():
        versions |= of
    text.append("Versions: " + ", ".join(f"{name} {number}" for name, number in versions.items()) + ".\n")
    text.append("## The bars\n")
    met = {True: "yes", False: "**no**", None: "?"}
    rows = [[one["bar"], one["asked"], one["achieved"], met[one["met"]]] for one in bars(results)]
    text.append(table(["bar", "asked", "achieved", "met"], rows))
    text.append("## One fit\n")
    text.append(
        "From formula and data frame to the estimates with their standard errors: 8 coefficients, a random intercept "
        f"and slope, REML, one core, one thread. `{OURS}` and lmerTest give Satterthwaite df too. The criterion is "
        "judged apart from every engine (`referee.py`) at the variances each one found; above the best of all by more "
        f"than {REACHED:g} is bold.\n"
    )
    for one in results["fits"]:
        text.append(f"### {one['persons']:,} people, {one['visits']:,} visits\n")
        text.append(fits(one))
    if "refits" in results:
        one = results["refits"]
        text.append(f"## {one['responses']:,} new responses on one design, {one['persons']} people\n")
        text.append(
            "The design is kept where the engine can: lme4 `refit`, mixedlm `refit`, mixedlm-rs `with_endog`, "
            "lme-python `prepare_lmer`; statsmodels makes a new model from the same arrays. An engine too slow for all "
            "responses takes part with as many as it manages.\n"
        )
        text.append(refits(one))
    text.append("## Growth\n")
    text.append(f"`{OURS}`: the pass grows with people; the criterion and the search see only the sums.\n")
    text.append(growth(results))
    if "planning" in results:
        one = results["planning"]
        text.append("## Planning a study\n")
        text.append(
            f"The study's plan for PDA ({one['persons']} people, 8 coefficients, random intercept and slope). `design` "
            "draws predictors, gaps and outcome anew in each replicate and tests with Satterthwaite df. The others "
            "keep one cohort's predictors and gaps and draw the outcome alone, so their power is that of this cohort, "
            "by z. "
            + ("" if one["simr"] else "simr is not installed here (no CRAN): what it does at heart stands for it, ")
            + ("" if one["simr"] else "a loop in R of lme4's simulate, `refit` and a Wald test. ")
            + "mixedlm's `powerSim` simulates from its own fit to that cohort.\n"
        )
        text.append(planning(one))
    text.append("## Left out\n")
    left = [f"- {name}: {reason}" for name, reason in results["left_out"].items()]
    text.append("\n".join(left or ["Nobody."]) + "\n")
    text.append("## How this was measured\n")
    text.append(
        "Each engine runs in a process of its own, all on the same core, and has read the same doubles. They are "
        "asked in turn, A B C A B C, and each measures itself (`time.perf_counter`, R's `Sys.time`). Figures are "
        "medians over the repeats, the spread is from least to most; the first call of a process stands apart, because "
        "it pays for loading and warming up. An engine that takes longer than its limit for one answer is stopped and "
        "not asked for more people; one that has used its budget for a table is not asked again there, hence fewer "
        "repeats. Peak memory is that of the engine's own process after its first fit.\n"
    )
    return "\n".join(text)


if __name__ == "__main__":
    (HERE / "RESULTS.md").write_text(render(json.loads((HERE / "results.json").read_text())))
