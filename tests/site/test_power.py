"""The planning panel in a browser: its figures are the surface's, or plain straight lines between them."""

import csv
import json
import math
import re

import numpy as np
import pytest
from built import ROOT
from scipy import stats

PAGE = "book/using/explorer.html"
RECORD = json.loads((ROOT / "book" / "data" / "analyses" / "power_surface.json").read_text(encoding="utf-8"))
ROWS = list(csv.DictReader((ROOT / "book" / "data" / "analyses" / "power_surface.csv").open(encoding="utf-8")))
PERSONS = sorted({int(row["persons"]) for row in ROWS})
Z = stats.norm.isf(0.025)


def column(outcome, term, waves, kept, name):
    """A figure over the computed numbers of people."""
    keys = (outcome, term, waves, kept)
    rows = [row for row in ROWS if (row["outcome"], row["term"], row["waves"], float(row["kept"])) == keys]
    return np.array([float(row[name]) for row in sorted(rows, key=lambda row: int(row["persons"]))])


def between(people, values):
    return float(np.interp(math.sqrt(people), np.sqrt(PERSONS), values))


def wilson(share, n):
    centre, half = share + Z**2 / (2 * n), Z * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return (centre - half) / (1 + Z**2 / n), (centre + half) / (1 + Z**2 / n)


def address(outcome, term, effect, people, waves, kept):
    return f"plan={outcome}~{term}~{effect:g}~{people}~{waves.replace(' ', '-')}~{kept:g}"


def shown(page):
    """The panel's table: {figure: (value, interval)}."""
    rows = page.locator("#power-panel tbody tr").all()
    cells = [[cell.inner_text() for cell in row.locator("th, td").all()] for row in rows]
    return {name.partition(":")[0]: (value, interval) for name, value, interval in cells}


def numbers(text):
    return [float(found) for found in re.findall(r"-?\d+\.?\d*", text.replace("−", "-").replace(",", ""))]


def status(page):
    return page.get_by_role("status").and_(page.locator(".power-status")).inner_text()


PLANS = [
    ("pda", "alliance:time", 0.5, 302, "3 6 12", 0.0),
    ("attendance", "contact", 0.1, 50, "3 6 9 12", 0.5),
    ("involvement", "alliance", 0.05, 1000, "6 12", 1.0),
    ("pda", "alliance:time", 0.25, 170, "3 6 12", 0.5),
    ("attendance", "contact:time", 0.3, 333, "6 12", 0.0),
    ("involvement", "contact", 0.15, 999, "3 6 9 12", 1.0),
]


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: "-".join(map(str, plan)))
def test_the_figures_are_the_surface_s_or_lie_on_straight_lines_between(open_page, plan):
    outcome, term, effect, people, waves, kept = plan
    of = lambda name: column(outcome, term, waves, kept, name)
    table = shown(open_page(f"{PAGE}#{address(*plan)}"))
    if people in PERSONS:
        [row] = [r for r in ROWS if (r["outcome"], r["term"], r["waves"]) == (outcome, term, waves)
                 and float(r["kept"]) == kept and int(r["persons"]) == people]  # fmt: skip
        assert numbers(table["Power"][0]) == [float(row[f"power_{effect:g}"])]
        assert numbers(table["Type M"][0]) == [float(row[f"type_m_{effect:g}"])]
        assert numbers(table["Coverage"][0]) == [float(row["coverage"])]
    half = {2: 0.00501, 3: 0.000501}  # of the last figure shown
    failed, power = between(people, of("failed")), between(people, of(f"power_{effect:g}"))
    n = RECORD["replicates"] * (1 - failed)
    error, width = (1 / between(people, 1 / of(name)) for name in ("std_error", "width"))
    mcse = {name: between(people, of(name)) for name in ("std_error_mcse", "bias_mcse", f"type_m_mcse_{effect:g}")}
    type_s, type_m, bias, coverage = (
        between(people, of(name)) for name in (f"type_s_{effect:g}", f"type_m_{effect:g}", "bias", "coverage")
    )
    around = lambda value, spread: (value - Z * spread, value + Z * spread)
    expected = {
        "Power": (power, wilson(power, n)),
        "Type S": (type_s, wilson(type_s, n * power)),
        "Type M": (type_m, around(type_m, mcse[f"type_m_mcse_{effect:g}"])),
        "Width of the 95 % interval": (width, around(width, mcse["std_error_mcse"] / error * width)),
        "Standard error": (error, around(error, mcse["std_error_mcse"])),
        "Bias": (bias, around(bias, mcse["bias_mcse"])),
        "Coverage": (coverage, wilson(coverage, n)),
        "Fits that failed": (failed, wilson(failed, RECORD["replicates"])),
    }
    for name, (value, interval) in expected.items():
        close = half[2 if name == "Type M" else 3]
        assert numbers(table[name][0]) == pytest.approx([value], abs=close), name
        assert numbers(table[name][1]) == pytest.approx(list(interval), abs=close), name


def people_for(values, target):
    """Where straight lines between the computed numbers first reach the target, by bisection."""
    if values[0] >= target or max(values) < target:
        return None
    first = int(np.argmax(values >= target))
    low, high = PERSONS[first - 1], PERSONS[first]
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if between(middle, values) >= target else (middle, high)
    return math.ceil(high - 1e-6)


def test_the_people_needed_are_where_the_curve_and_its_interval_reach_the_target(open_page):
    plan = ("pda", "alliance:time", 0.4, 302, "3 6 12", 0.0)
    page = open_page(f"{PAGE}#{address(*plan)}")
    power, failed = (column("pda", "alliance:time", "3 6 12", 0.0, name) for name in ("power_0.4", "failed"))
    bounds = [wilson(p, RECORD["replicates"] * (1 - f)) for p, f in zip(power, failed, strict=True)]
    curves = [power, np.array([high for _, high in bounds]), np.array([low for low, _ in bounds])]
    needed = [people_for(curve, RECORD["target"]) for curve in curves]
    value, interval = shown(page)[f"People for a power of {RECORD['target']}"]
    assert numbers(value) + numbers(interval) == needed
    assert f"takes {needed[0]} people" in status(page)
    assert page.locator("#power-panel svg").get_attribute("aria-label").endswith(status(page))


def test_nothing_is_said_beyond_the_computed_numbers_of_people(open_page):
    weak = open_page(f"{PAGE}#{address('pda', 'alliance:time', 0.05, 302, '3 6 12', 0.0)}")
    assert f"takes more than {PERSONS[-1]:,} people" in status(weak)
    strong = open_page(f"{PAGE}#{address('attendance', 'contact', 0.5, 302, '3 6 9 12', 1.0)}")
    assert f"takes {PERSONS[0]} or fewer people" in status(strong)
    box = weak.get_by_label("People who enter")
    for people in (PERSONS[0] - 1, PERSONS[-1] + 1, ""):
        box.fill(str(people))
        assert status(weak).startswith("No figures")
        assert list(shown(weak)) == [f"People for a power of {RECORD['target']}"]
        assert box.get_attribute("aria-invalid") == "true"
        assert weak.locator(".power-chosen").count() == 0
    box.fill(str(PERSONS[-1]))
    assert status(weak).startswith(f"{PERSONS[-1]:,} people: power")


def test_without_an_effect_the_power_is_called_false_alarms(open_page):
    table = shown(open_page(f"{PAGE}#{address('pda', 'alliance:time', 0, 302, '3 6 12', 0.0)}"))
    [held] = [column("pda", "alliance:time", "3 6 12", 0.0, "power_0")[PERSONS.index(302)]]
    assert numbers(table["Power, without an effect"][0]) == [held]
    assert table["Type S"][0] == table["Type M"][0] == "—"


def test_a_plan_is_made_by_keyboard_alone_and_shared_as_a_link(open_page, site):
    page = open_page(PAGE)
    before = status(page)
    page.get_by_label("What is tested").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    page.keyboard.press("Home")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("430")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")  # the slider of the same
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    plan = address("pda", "alliance", 0.2, 429, "3 6 9 12", 0.5)
    assert page.evaluate("location.hash").endswith(plan)
    assert status(page) != before
    link = page.get_by_role("link", name="Link to this plan")
    assert link.get_attribute("href").endswith(plan)
    again = open_page(f"{PAGE}{link.get_attribute('href')}")
    assert shown(again) == shown(page)
    assert again.get_by_label("People who enter").input_value() == "429"


@pytest.mark.parametrize(
    "garbled",
    [
        "plan=", "plan=pda~alliance:time~0.3~302~3-6-12", "plan=pda~alliance:time~0.33~302~3-6-12~0",
        "plan=pda~alliance:time~0.3~3~3-6-12~0", "plan=pda~alliance:time~0.3~1e2~3-6-12~0",
        "plan=toString~x~0.3~302~3-6-12~0", "plan=pda~alliance:time~0.3~302~3-6-12~0~more",
    ],
)  # fmt: skip
def test_a_garbled_link_is_said_to_be_one_and_opens_the_study_s_own_plan(open_page, garbled):
    own = open_page(PAGE)
    page = open_page(f"{PAGE}#{garbled}")
    assert "names no plan" in page.locator("#power-panel [role=alert]").inner_text()
    assert shown(page) == shown(own)
    assert own.locator("#power-panel [role=alert]").is_hidden()
    assert own.get_by_label("People who enter").input_value() == str(RECORD["study"]["persons"])


def test_the_other_part_of_the_link_is_let_alone(open_page):
    plan = address("pda", "alliance", 0.2, 430, "3 6 9 12", 0.5)
    page = open_page(f"{PAGE}#{plan}")
    page.evaluate("history.replaceState(null, '', '#spec=x.y%20z&' + location.hash.slice(1))")
    page.get_by_label("People who enter").fill("500")
    assert page.evaluate("location.hash") == f"#spec=x.y%20z&{plan.replace('430', '500')}"


def test_without_scripts_a_table_says_what_the_study_s_own_plan_would_see(browser, site):
    context = browser.new_context(java_script_enabled=False)  # not watched: it counts each script as one that failed
    page = context.new_page()
    page.goto((site / PAGE).as_uri())
    assert "not running" in page.locator("#power-panel").inner_text()
    row = page.locator("tr", has_text="PDA: alliance × time").first
    own = [column("pda", "alliance:time", "3 6 12", 0.0, f"power_{e}")[PERSONS.index(302)] for e in (0.1, 0.2, 0.3)]
    assert numbers(" ".join(row.locator("td").all_inner_texts()))[:3] == [float(f"{power:.2f}") for power in own]
    context.close()


def test_on_a_phone_nothing_is_wider_than_the_screen(open_page):
    page = open_page(PAGE, width=375)
    assert page.locator("#power-panel").evaluate("node => node.getBoundingClientRect().right") <= 375
    assert page.evaluate("document.documentElement.scrollWidth") == 375


def test_one_link_holds_a_specification_and_a_plan_and_either_panel_keeps_the_other_s(open_page):
    plan = address("pda", "alliance", 0.2, 430, "3 6 9 12", 0.5)
    page = open_page(f"{PAGE}#{plan}")
    assert page.locator("#explorer .ex-notice").is_hidden(), "a plan alone is no faulty specification"
    page.get_by_label("Estimated by").select_option("ml")
    both = page.evaluate("location.hash")
    assert both.endswith(f"&{plan}")
    assert "method=ml" in both
    page.get_by_label("People who enter").fill("500")
    assert page.evaluate("location.hash") == both.replace("430", "500")
    again = open_page(f"{PAGE}{page.evaluate('location.hash')}")
    assert again.get_by_label("Estimated by").input_value() == "ml"
    assert again.get_by_label("People who enter").input_value() == "500"
    assert again.locator("#explorer .ex-notice").is_hidden()
    assert again.locator("#power-panel [role=alert]").is_hidden()
