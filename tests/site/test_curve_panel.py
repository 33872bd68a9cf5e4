"""The panel of the specification curve in a browser: a fit's place is where the stored estimates say, in plain words.

The curve was computed by `helpers.curve` from rows; the page fits from sums, in its own code. So every specification
that the page can make must have the estimate that is stored for it: each of the two checks the other.
"""

import csv
import itertools
import json
import re

import numpy as np
import pytest
from built import ROOT

from helpers import curve, measures, records, reml, study

PAGE = "book/using/explorer.html"
FOLDER = ROOT / "book" / "data" / "analyses"
RECORD = json.loads((FOLDER / "curve.json").read_text(encoding="utf-8"))
ROWS = [row for row in csv.DictReader((FOLDER / "curve.csv").open(encoding="utf-8")) if row["gee"] == "0"]
SPECS = curve.specifications()
OWN = curve.own(SPECS)
PLACES = """specs => specs.map(spec => ExplorerCurve.places(spec, ExplorerREML.fit(EXPLORER_DATA, spec)).map(
    ({claim, form, value, low, high, row, apart}) => ({claim: claim.key, form, value, low, high, row, apart})))"""
LOG = "log" if "log" in RECORD["choices"]["time"] else "wave"  # the same coding at 3, 6 and 12 months
TIMES = {"months": "months", "centred": "months", "wave": "wave", "log": LOG, "categorical": "categorical"}
COVARIATES = {"none": [], "entry": ["entry"], "entry, sex, age": ["entry", "age", "female"]}
SPLIT = (["mean", "within"], ["observed", "mean"], ["observed", "within"], ["observed", "mean", "within"])


def specification(**choices):
    usual = {"sample": "sponsored", "outcome": "pda", "products": [], "covariates": ["entry", "age", "female"]}
    usual |= {"terms": {"contact": ["observed"], "alliance": ["observed"]}, "time": "centred", "bend": False}
    usual |= {"drift": False, "centre": "mean", "scale": "units", "random": "slope", "method": "reml", "compare": ""}
    return usual | choices


def stored(claim, rows=None):
    chosen = ROWS if rows is None else [ROWS[row] for row in rows]
    return np.array([int(row[claim]) for row in chosen])


def told(claim, rows=None):
    chosen = ROWS if rows is None else [ROWS[row] for row in rows]
    return 100 * np.mean([row[f"sig_{claim}"] == "1" for row in chosen])


def family(form):
    return SPECS.index[(SPECS["predictor"] == form) & (SPECS["scale"] == "raw")]


def words(page):
    return page.locator(".curve-status").inner_text()


def numbers(text):
    return [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?", text.replace("−", "-").replace(",", ""))]


# --- the same estimates by other code ---


def reachable():
    """Specifications of the page that are on the curve: (specification, {(claim, form): row})."""
    ways = itertools.cycle(itertools.product(SPLIT, ("units", "sd"), ("mean", "raw")))
    rows = {tuple(levels): row for row, levels in zip(SPECS.index, SPECS.to_numpy(), strict=True)}
    others = [
        (time, *rest)
        for time in TIMES
        for rest in itertools.product(COVARIATES, ("intercept", "slope"), ("reml", "ml"))
    ]
    contexts = [
        ("sponsored", "complete, both", ("contact", "alliance")),
        ("repeated", "repeated, both", ("contact", "alliance")),
        ("sponsored", "complete, alone", ("contact",)),
        ("sponsored", "complete, alone", ("alliance",)),
    ]
    for kind, outcome, (sample, visits, names) in itertools.product(
        ("average", "interaction"), study.OUTCOMES, contexts
    ):
        claims = [c for c in study.CLAIMS if c.kind == kind and c.outcome == outcome and c.predictor in names]
        if not claims:
            continue
        for split, (time, covariates, random, method) in itertools.product((False, True), others):
            forms, scale, centre = next(ways)
            late = ["time"] if kind == "interaction" else []
            spec = specification(
                sample=sample,
                outcome=outcome,
                terms={name: (forms if split else ["observed"]) + late for name in names},
                covariates=COVARIATES[covariates],
                time=time,
                random=random,
                method=method,
                scale=scale,
                centre=centre,
            )
            rest = (covariates, TIMES[time], "intercept and slope" if random == "slope" else random, method.upper())
            told_forms = ("between", "within") if split else ("overall",)
            yield spec, {(claim.key, form): rows[form, "raw", visits, *rest] for claim in claims for form in told_forms}


def test_every_specification_of_the_curve_that_the_page_can_make_has_the_estimate_stored_for_it(open_page):
    page, made = open_page(PAGE), list(reachable())
    found = page.evaluate(PLACES, [spec for spec, _ in made])
    checked, wrong = set(), []
    for (spec, expected), places in zip(made, found, strict=True):
        here = {(place["claim"], place["form"]): place for place in places}
        for (claim, form), row in expected.items():
            place = here[claim, form]
            checked.add((claim, row))
            if place["row"] != row or abs(place["value"] - stored(claim, [row])[0]) > 0.501:
                wrong.append((claim, form, spec, row, place))
    counted = len(checked)
    print(f"\n{len(made)} fits agree with {counted:,} stored estimates of {len(ROWS) * len(study.CLAIMS):,}")
    assert not wrong, f"{len(wrong)} of {counted}, the first: {wrong[0]}"
    levels = len(set(TIMES.values()))
    assert counted == len(study.CLAIMS) * 3 * 3 * len(COVARIATES) * levels * 2 * 2


# --- what is not on the curve ---

BESIDE = [
    ({"covariates": ["entry", "others", "age", "female"]}, "exactly these covariates"),
    ({"covariates": ["age"]}, "exactly these covariates"),
    ({"bend": True}, "the square of time"),
    ({"drift": True}, "covariates × time"),
    ({"products": ["contact:alliance"]}, "a product of two answers"),
    ({"terms": {"contact": ["observed", "time"], "alliance": ["observed"]}}, "× time for contact alone"),
    ({"terms": {"contact": ["observed"], "alliance": ["mean", "within"]}}, "in different forms"),
    ({"terms": {"contact": ["mean"], "alliance": ["mean"]}}, "without the departure"),
    ({"terms": {"contact": ["observed"]}, "sample": "repeated"}, "with contact alone"),
]


@pytest.mark.parametrize(("choices", "reason"), BESIDE, ids=[reason for _, reason in BESIDE])
def test_a_fit_that_is_not_on_the_list_is_beside_the_curve_for_a_reason_in_words(open_page, choices, reason):
    [places] = open_page(PAGE).evaluate(PLACES, [specification(outcome="attendance", **choices)])
    assert places
    assert {place["row"] for place in places} == {None}
    assert reason in "; ".join(places[0]["apart"])


def test_covariates_times_time_are_nothing_without_covariates(open_page):
    [places] = open_page(PAGE).evaluate(PLACES, [specification(covariates=[], drift=True)])
    assert all(place["row"] is not None for place in places)


@pytest.mark.parametrize(("time", "scale"), [("centred", "units"), ("log", "sd"), ("categorical", "units")])
def test_beside_the_curve_too_an_estimate_is_in_sds_and_over_the_follow_ups(open_page, time, scale):
    """Contact and attendance, averaged and changing, with a product and more covariates than the curve has."""
    products, covariates = ["contact:alliance"], ["entry", "others", "age", "female"]
    terms = {name: ["observed", "time"] for name in ("contact", "alliance")}
    spec = specification(
        outcome="attendance", terms=terms, products=products, covariates=covariates, time=time, scale=scale
    )
    [places] = open_page(PAGE).evaluate(PLACES, [spec])
    scores = measures.score(*records.read())
    rows = scores[(scores["wave"] > 0) & (scores["has_sponsor"] == 1)].dropna(subset=["contact", "alliance"])
    z = lambda name: (rows[name] - rows[name].mean()) / rows[name].std()
    rows = rows.assign(
        **{name: z(name) for name in ("contact", "alliance", "attendance")}, both=z("contact") * z("alliance")
    )
    rows = rows.assign(six=1.0 * (rows["wave"] == 6), twelve=1.0 * (rows["wave"] == 12), t=rows["wave"] - 7.0)
    rows = rows.assign(female=rows["female"].astype(float), log=np.log(rows["wave"].astype(float)))
    late = {"centred": ["t"], "log": ["log"], "categorical": ["six", "twelve"]}[time]
    columns = ["contact", "alliance", "both", *late, "attendance_0", "involvement_0", "pda_0", "age", "female"]
    columns += [f"{name}:{one}" for name in ("contact", "alliance") for one in late]
    fit = reml.fit(
        f"attendance ~ {' + '.join(columns)}", rows, "person", f"1 + {'log' if time == 'log' else 't'}", ddf="none"
    )
    at = {"t": [-4, -1, 5], "log": np.log([3, 6, 12]), "six": [0, 1, 0], "twelve": [0, 0, 1]}
    slope = [sum(fit.fixed.loc[f"contact:{one}", "estimate"] * at[one][wave] for one in late) for wave in range(3)]
    expected = {"contact_attendance_interaction": slope[2] - slope[0]}
    expected["contact_attendance_average"] = fit.fixed.loc["contact", "estimate"] + np.mean(slope)
    found = {place["claim"]: place["value"] / 1000 for place in places}
    assert next(iter(found)) == "contact_attendance_interaction", "a model with × time is made for change"
    for claim, value in expected.items():
        assert found[claim] == pytest.approx(value, abs=1e-5), claim
    if time == "centred" and scale == "units":
        weight = np.array([1.0 if name == "contact:t" else 0.0 for name in fit.fixed.index]) * 9
        error = np.sqrt(weight @ np.asarray(fit.covariance) @ weight)
        [change] = [place for place in places if place["claim"] == "contact_attendance_interaction"]
        half = (change["high"] - change["low"]) / 2000
        assert half == pytest.approx(1.959963984540054 * error, rel=1e-4)


# --- the page ---


def test_the_page_opens_with_the_study_s_own_specification_and_says_its_rank(open_page):
    page = open_page(PAGE)
    claim, rows = "contact_pda_average", family("overall")
    own = stored(claim)[OWN]
    estimate, rank, place = words(page).split("\n\n")
    assert numbers(estimate)[0] == own / 1000
    shares = [round(told(claim)), round(told(claim, rows))]
    below = [int((stored(claim) < own).sum()), int((stored(claim, rows) < own).sum())]
    assert numbers(rank) == [below[0], len(ROWS), below[1], len(rows), *shares]
    assert "is the study’s own specification" in place
    assert numbers(place) == [own / 1000]


def test_the_table_has_every_family_with_its_rank(open_page):
    page = open_page(PAGE)
    page.get_by_role("button", name="(c) change with time").click()
    claim, own = "alliance_pda_interaction", stored("alliance_pda_interaction")[OWN]
    cells = [row.locator("th, td").all_inner_texts() for row in page.locator(".curve-table tbody tr").all()]
    assert len(cells) == len(RECORD["choices"]["predictor"]) * len(RECORD["choices"]["scale"])
    for name, *values in cells:
        form, _, scale = name.partition(", ")
        rows = SPECS.index[(SPECS["predictor"] == form) & (SPECS["scale"] == ("bounded" if scale else "raw"))]
        found = stored(claim, rows)
        expected = [found.min() / 1000, np.median(found) / 1000, found.max() / 1000, (found < own).sum()]
        assert numbers(" ".join(values))[:4] == pytest.approx(expected, abs=0.000501), name
        assert numbers(values[4]) == [round(told(claim, rows))], name


def test_a_change_above_shows_at_once(open_page):
    page = open_page(PAGE)
    read = (
        "() => ['.curve-status', '.curve-drawing', '.curve-table tbody'].map(s => document.querySelector(s).innerHTML)"
    )
    before = page.evaluate(read)
    page.get_by_label("entry values of the other outcomes").check()
    after = page.evaluate(read)
    assert all(one != other for one, other in zip(before, after, strict=True))
    assert "beside the curve" in words(page)
    assert "exactly these covariates" in words(page)


def test_a_claim_is_chosen_by_keyboard_alone_and_stays_chosen_while_it_applies(open_page):
    page = open_page(PAGE)
    select = page.get_by_label("Claim, and what of the predictor")
    assert select.locator("option").all_inner_texts() == ["Contact for PDA, average", "Alliance for PDA, average"]
    select.focus()
    page.keyboard.press("ArrowDown")
    assert words(page).startswith("Alliance for PDA, average: ")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "curve-scroll"
    page.get_by_label("Estimated by").select_option("ml")
    assert words(page).startswith("Alliance for PDA, average: ")
    page.get_by_label("Attendance", exact=True).check()
    assert words(page).startswith("Contact for attendance, average: ")


def test_a_predictor_in_two_parts_has_a_place_between_people_and_one_within_a_person(open_page):
    page = open_page(PAGE)
    for name in ("contact", "alliance"):
        page.locator(f"#ex-{name}-mean").check()
        page.locator(f"#ex-{name}-observed").uncheck()
        page.locator(f"#ex-{name}-within").check()
    select = page.get_by_label("Claim, and what of the predictor")
    options = select.locator("option").all_inner_texts()
    assert options[:2] == ["Contact for PDA, average, between people", "Contact for PDA, average, within a person"]
    select.select_option(label=options[1])
    levels = list((SPECS.loc[OWN].to_dict() | {"predictor": "within"}).values())
    row = SPECS.to_numpy().tolist().index(levels)
    value = stored("contact_pda_average", [row])[0]
    assert "itself on the curve" in words(page)
    assert numbers(words(page))[0] == numbers(words(page))[-1] == value / 1000
    assert "(within)" in words(page)


def test_where_no_claim_applies_a_sentence_says_why_and_nothing_is_drawn(open_page):
    page = open_page(PAGE)
    for choose, why in (
        (lambda: page.get_by_role("button", name="(a) having a sponsor").click(), "does not have"),
        (lambda: (page.locator("#ex-sample-sponsored").check(), page.locator("#ex-contact-observed").uncheck(),
                  page.locator("#ex-alliance-observed").uncheck()), "No claim is about"),
    ):  # fmt: skip
        choose()
        assert why in words(page)
        for part in (".curve-field", ".curve-drawing", ".curve-key", ".curve-scroll"):
            assert page.locator(part).is_hidden()
    page.locator("#ex-contact-observed").check()
    assert page.locator(".curve-drawing svg").is_visible()


def test_the_figure_draws_every_specification_of_the_claim_and_says_in_words_what_it_shows(open_page):
    page = open_page(PAGE)
    picture = page.locator(".curve-drawing svg")
    assert picture.get_attribute("role") == "img"
    said = words(page).replace("\n\n", " ").replace("\xa0", " ")
    assert said in picture.get_attribute("aria-label").replace("\xa0", " ")
    assert "SYNTHETIC cohort" in picture.text_content()
    paths = [path.get_attribute("d") for path in page.locator(".curve-family, .curve-strong").all()]
    assert sum(len(re.findall("[ML]", path)) for path in paths) == len(ROWS)


def test_its_strong_line_is_thick_exactly_where_the_interval_excludes_zero(open_page):
    page = open_page(PAGE)
    page.get_by_role("button", name="(c) change with time").click()
    claim = "alliance_pda_interaction"
    order = sorted(family("overall"), key=lambda row: (stored(claim, [row])[0], row))
    thin, thick = (page.locator(f".curve-{name}").get_attribute("d") for name in ("strong", "told"))
    at = [float(x) for x, _ in re.findall(r"[ML]([\d.]+) ([\d.]+)", thin)]
    segments = re.findall(r"M([\d.]+) [\d.]+h([\d.]+)", thick)
    middles = [float(x) + float(length) / 2 for x, length in segments]
    expected = [x for x, row in zip(at, order, strict=True) if told(claim, [row])]
    assert 0 < len(expected) < len(order)
    assert middles == pytest.approx(expected, abs=0.1)  # of a pixel


def test_its_lines_are_told_apart_without_colour(open_page):
    page = open_page(PAGE)
    look = lambda part: page.locator(part).first.evaluate(
        "node => [getComputedStyle(node).strokeDasharray, parseFloat(getComputedStyle(node).strokeWidth)]"
    )
    strong, told_apart, *thin = (look(f".curve-{name}") for name in ("strong", "told", "overall", "between", "within"))
    assert len({dash for dash, _ in thin}) == 3
    assert strong[1] > max(width for _, width in thin)
    assert told_apart[1] > 2 * strong[1]


def test_without_scripts_a_table_says_where_the_study_s_own_falls(browser, site, open_page):
    context = browser.new_context(java_script_enabled=False)  # not watched: it counts each script as one that failed
    page = context.new_page()
    page.goto((site / PAGE).as_uri())
    assert "not running" in page.locator("#explorer-curve").inner_text()
    row = page.locator("#explorer-curve tr", has_text="Alliance × time: PDA").first
    own = stored("alliance_pda_interaction")[OWN]
    assert f"{own / 1000:.2f}" in row.locator("td").all_inner_texts()
    context.close()
    assert open_page(PAGE).locator(".curve-static").is_hidden()


@pytest.mark.parametrize("preset", ["(b) averages over follow-up", "(c) change with time"])
def test_on_a_phone_nothing_is_wider_than_the_screen(open_page, preset):
    page = open_page(PAGE, width=375)
    page.get_by_role("button", name=preset).click()
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    edges = page.locator(".curve-drawing text").evaluate_all("all => all.map(e => e.getBoundingClientRect())")
    assert min(edge["left"] for edge in edges) >= 0
    assert max(edge["right"] for edge in edges) <= 375
