"""The explorer in a real browser: it fits what `helpers.reml` fits, and it can be used, shared and read by everyone.

The oracle never sees the sums that the page carries: it builds the columns of a specification from the rows of the
cohort, one data-frame column a term, and gives `helpers.reml.fit` a formula of them.
"""

import itertools
import json
import re

import numpy as np
import pandas as pd
import pytest

from helpers import measures, records, reml, study

PAGE = "book/using/explorer.html"
FITS = "specs => specs.map(spec => { const fit = ExplorerREML.fit(EXPLORER_DATA, spec); return fit; })"
OUTCOMES = ("attendance", "involvement", "pda")
PREDICTORS = {"followed": ("has_sponsor",), "sponsored": ("contact", "alliance"), "repeated": ("contact", "alliance")}
PRODUCTS = {
    "followed": ("has_sponsor:female",),
    "sponsored": ("contact:alliance", "contact:female", "alliance:female"),
}
PRODUCTS["repeated"] = PRODUCTS["sponsored"]
FORMS = ("observed", "mean", "within")


# --- specifications ---


def specification(**choices):
    usual = {"sample": "sponsored", "outcome": "pda", "terms": {}, "products": [], "covariates": ["entry"]}
    usual |= {"time": "centred", "bend": False, "drift": False, "centre": "mean", "scale": "units"}
    return usual | {"random": "slope", "method": "reml"} | choices


def drawn(number):
    """Specifications drawn at random from everything the page offers, with a fixed seed."""
    rng = np.random.default_rng(4)
    for _ in range(number):
        sample = str(rng.choice(list(PREDICTORS)))
        terms = {}
        for name in PREDICTORS[sample]:
            forms = [form for form in FORMS if rng.random() < (0.6 if form == "observed" else 0.3)]
            if forms:
                terms[name] = forms + (["time"] if rng.random() < 0.4 else [])
        covariates = [key for key in ("entry", "others", "age", "female") if rng.random() < 0.6]
        products = [
            product for product in PRODUCTS[sample] if rng.random() < 0.4 and allowed(product, terms, covariates)
        ]
        yield specification(
            sample=sample,
            outcome=str(rng.choice(OUTCOMES)),
            terms=terms,
            products=products,
            covariates=covariates,
            time=str(rng.choice(["months", "centred", "wave", "log", "categorical"])),
            bend=bool(rng.random() < 0.25),
            drift=bool(rng.random() < 0.25),
            centre=str(rng.choice(["raw", "mean"])),
            scale=str(rng.choice(["units", "sd"])),
            random=str(rng.choice(["intercept", "slope"], p=[0.35, 0.65])),
            method=str(rng.choice(["reml", "ml"], p=[0.85, 0.15])),
        )


def allowed(product, terms, covariates):
    a, b = product.split(":")
    if b == "female":
        return a in terms and b in covariates
    return "observed" in terms.get(a, ()) and "observed" in terms.get(b, ())


def studied():
    """The study's own models, for every outcome and both random structures."""
    for outcome, random in itertools.product(OUTCOMES, ("intercept", "slope")):
        common = {"outcome": outcome, "random": random, "covariates": ["entry", "age", "female"]}
        both = ("contact", "alliance")
        yield specification(sample="followed", terms={"has_sponsor": ["observed"]}, **common)
        yield specification(terms={name: ["observed"] for name in both}, **common)
        yield specification(terms={name: ["observed", "time"] for name in both}, **common)


SPECIFICATIONS = [*studied(), *drawn(230)]


# --- the oracle: columns from rows ---


@pytest.fixture(scope="module")
def scores():
    return measures.score(*records.read())


def visits_of(sample, scores):
    rows = scores[scores["wave"].isin(study.FOLLOW_UPS) & (scores["observed"] == 1)].copy()
    if sample != "followed":
        rows = rows[(rows["has_sponsor"] == 1) & rows["contact"].notna() & rows["alliance"].notna()]
    if sample == "repeated":
        rows = rows[rows["person"].map(rows["person"].value_counts()) > 1]
    return rows.reset_index(drop=True)


CODED = {
    "months": lambda wave: wave,
    "centred": lambda wave: wave - (3 + 6 + 12) / 3,
    "wave": lambda wave: wave.map({3: 1, 6: 2, 12: 3}),
    "log": np.log,
    "categorical": lambda wave: wave - (3 + 6 + 12) / 3,
}


def columns_of(spec, scores):
    """The frame that a specification is fitted to, its columns after `person`, `y` and `time` in the page's order."""
    rows = visits_of(spec["sample"], scores)
    person = rows["person"]

    def put(values, name, shift=True):
        if name in ("female", "has_sponsor"):
            return values.astype(float)
        middle = rows[name].mean() if shift and spec["centre"] == "mean" else 0
        return (values - middle) / (rows[name].std() if spec["scale"] == "sd" else 1)

    def form_of(name, form):
        mean = rows.groupby(person)[name].transform("mean")
        made = {"observed": rows[name], "mean": mean, "within": rows[name] - mean}[form]
        return put(made, name, shift=form != "within")

    time = CODED[spec["time"]](rows["wave"]).astype(float)
    times = {"time": time}
    if spec["time"] == "categorical":
        times = {f"wave_{wave}": (rows["wave"] == wave).astype(float) for wave in (6, 12)}
    made, late = {}, {}
    for name in PREDICTORS[spec["sample"]]:
        for form in FORMS:
            if form in spec["terms"].get(name, []):
                term = name if form == "observed" else f"{name}_{form}"
                made[term] = form_of(name, form)
                if "time" in spec["terms"][name]:
                    late |= {f"{term}:{key}": made[term] * value for key, value in times.items()}
    for product in spec["products"]:
        a, b = product.split(":")
        if b != "female":
            made[product] = form_of(a, "observed") * form_of(b, "observed")
            continue
        for form in FORMS:
            if form in spec["terms"][a]:
                made[f"{a if form == 'observed' else f'{a}_{form}'}:{b}"] = form_of(a, form) * rows[b]
    made |= times | ({"time2": time**2} if spec["bend"] else {})
    entry = f"{spec['outcome']}_0"
    keys = {"entry": [entry], "others": [f"{one}_0" for one in OUTCOMES if f"{one}_0" != entry]}
    for name in [name for key in spec["covariates"] for name in keys.get(key, [key])]:
        made[name] = put(rows[name], name)
        if spec["drift"]:
            late |= {f"{name}:{key}": made[name] * value for key, value in times.items()}
    frame = pd.DataFrame({"person": person, "y": rows[spec["outcome"]], "slope_in": time})
    return frame, pd.DataFrame(made | late)


def independent(X):
    """The columns that those before them (and the intercept) do not give, by least squares on columns of length one."""
    kept, names = [np.ones(len(X)) / np.sqrt(len(X))], []
    for name in X:
        column = X[name].to_numpy(float)
        basis = np.column_stack(kept)
        rest = column - basis @ np.linalg.lstsq(basis, column, rcond=None)[0]
        if np.linalg.norm(rest) > 1e-7 * np.linalg.norm(column):
            names.append(name)
            kept.append(rest / np.linalg.norm(rest))
    return names


def oracle(spec, scores):
    """The fit of the rows by `helpers.reml.fit`, and the columns it was asked for that others give."""
    frame, X = columns_of(spec, scores)
    names = independent(X)
    plain = {name: f"x{number}" for number, name in enumerate(X)}  # formulas know no colons in names
    data = pd.concat([frame, X.rename(columns=plain)], axis=1)
    random, reml_ = ("1 + slope_in" if spec["random"] == "slope" else "1"), spec["method"] == "reml"

    def fitted(chosen):
        formula = "y ~ " + " + ".join([plain[name] for name in chosen] or ["1"])
        return reml.fit(formula, data, "person", random, reml=reml_, ddf="none")

    repeats = [name for name in X if name not in names]
    if repeats:
        with pytest.raises(ValueError, match="fixed columns") as refusal:
            fitted(list(X))
        assert re.findall(r"'(x\d+)'", str(refusal.value)) == [plain[name] for name in repeats]
    fit = fitted(names)
    return fit, fit.fixed.set_axis(["Intercept", *names]), repeats


# --- agreement ---


@pytest.fixture(scope="module")
def compared(browser, site, scores):
    """Each specification with what the browser and what the rows say of it."""
    page = browser.new_page()
    page.goto((site / PAGE).as_uri())
    page.wait_for_function("Explorer.warm")
    found = page.evaluate(FITS, SPECIFICATIONS)
    times = sorted(fit["ms"] for fit in found)
    page.close()
    print(f"\n{len(found)} refits in Chromium: median {np.median(times):.1f} ms, longest {times[-1]:.1f} ms")
    return [(spec, fit, *oracle(spec, scores)) for spec, fit in zip(SPECIFICATIONS, found, strict=True)]


def test_every_specification_of_the_browser_is_that_of_the_rows(compared):
    assert len(compared) >= 200
    wrong = []
    for spec, fit, rows, table, repeats in compared:
        terms = pd.DataFrame(fit["terms"]).set_index("name")
        assert list(terms.index) == list(table.index), spec
        assert sorted(fit["dropped"]) == sorted(repeats), spec
        apart = {
            "estimate": ((terms["estimate"] - table["estimate"]) / table["std_error"]).abs().max(),
            "error": (terms["se"] / table["std_error"] - 1).abs().max(),
            "limits": ((terms[["low", "high"]].to_numpy() - table[["conf_low", "conf_high"]]).abs().T
                       / table["std_error"]).max().max(),
            "criterion": abs(fit["criterion"] - rows.criterion),
        }  # fmt: skip
        counts = (fit["n_visits"], fit["n_persons"]) == (rows.n_obs, rows.n_groups)
        if max(apart.values()) > 1e-6 or not counts or fit["singular"] != rows.singular or not fit["certified"]:
            wrong.append((spec, apart, fit["singular"], rows.singular, fit["certified"]))
    assert not wrong


def test_variances_are_those_of_the_rows(compared):
    for spec, fit, rows, _, _ in compared:
        found, expected = np.array(fit["variances"]["random"]), rows.random_cov.to_numpy().ravel()
        assert fit["variances"]["residual"] == pytest.approx(rows.residual_var, rel=1e-5), spec
        assert np.abs(found - expected).max() <= 1e-4 * rows.residual_var, spec


def test_singular_and_rank_deficient_specifications_are_among_them(compared):
    assert sum(fit["singular"] for _, fit, *_ in compared) >= 20
    assert sum(fit["rank"] == 0 for _, fit, *_ in compared) >= 1
    assert sum(not fit["singular"] for _, fit, *_ in compared) >= 20
    assert sum(bool(fit["dropped"]) for _, fit, *_ in compared) >= 20


def test_a_prediction_at_a_visits_own_values_is_that_visits_row_times_the_coefficients(
    compared, site, open_page, scores
):
    page = open_page(PAGE)
    some = [one for one in compared if not one[4]][::9]
    assert len(some) > 15
    for spec, fit, _, table, _ in some:
        rows, (_, X) = visits_of(spec["sample"], scores), columns_of(spec, scores)
        expected = table["estimate"].iloc[0] + X.to_numpy(float)[7] @ table["estimate"].to_numpy()[1:]
        row = rows.iloc[7]
        values = {name: float(row[name]) for name in ("age", "female", *(f"{one}_0" for one in OUTCOMES))}
        for name in PREDICTORS[spec["sample"]]:
            values[name] = float(row[name])
            values[f"{name}_mean"] = float(rows.loc[rows["person"] == row["person"], name].mean())
        ask = "([spec, fit, values, month]) => ExplorerREML.predict(EXPLORER_DATA, spec, fit, values, month)"
        found = page.evaluate(ask, [spec, fit, values, int(row["wave"])])
        assert found["estimate"] == pytest.approx(expected, rel=1e-6), spec


# --- the page ---

CURRENT = "Explorer.current.spec"
MOVE = "hash => new Promise(done => { addEventListener('hashchange', done, {once: true}); location.hash = hash; })"
LISTEN = (
    "window.said = []; const spoken = document.querySelector('.ex-spoken');"
    "new MutationObserver(() => said.push(spoken.textContent)).observe(spoken, {childList: true})"
)
RIGHTMOST = (
    "Math.max(...[...document.querySelectorAll('.ex-panel *')].filter(e => !e.closest('.ex-spoken'))"
    ".map(e => e.getBoundingClientRect().right))"
)


def shown(page):
    """The coefficients as the page shows them: label -> (estimate, error, interval)."""
    rows = page.locator(".ex-table").first.locator("tbody tr")
    cells = [[cell.inner_text() for cell in row.locator("th, td").all()] for row in rows.all()]
    return {label.split("\n")[0]: tuple(rest) for label, *rest in cells}


def boxes(page, which):
    """The ids of the check boxes `e` of which that is true."""
    return page.evaluate(
        f"[...document.querySelectorAll('.ex-controls [type=checkbox]')].filter(e => {which}).map(e => e.id)"
    )


def number(text):
    return float(text.replace("−", "-"))


def test_the_page_opens_with_the_numbers_that_stand_there_without_scripts(browser, site, open_page):
    context = browser.new_context(java_script_enabled=False)  # not watched: it counts each script as one that failed
    still = context.new_page()
    still.goto((site / PAGE).as_uri())
    image = still.locator("#explorer img")
    assert image.is_visible() and "Coefficients with intervals" in image.get_attribute("alt")
    rows = [row.locator("th, td").all_inner_texts() for row in still.locator("#explorer table tbody tr").all()]
    assert still.locator("#explorer table").is_visible() and len(rows) == 7
    context.close()
    live = open_page(PAGE)
    assert not live.locator(".explorer-static").is_visible()
    found = shown(live)
    for label, estimate, error, _ in rows:
        assert round(number(found[label][0]), 2) == number(estimate), label
        assert round(number(found[label][1]), 2) == number(error), label


def test_a_change_shows_at_once_in_table_figures_and_sentence(open_page):
    page = open_page(PAGE)
    read = "() => ['.ex-summary', '.ex-tables'].map(s => document.querySelector(s).innerText).concat(" \
        "[...document.querySelectorAll('.ex-figure')].map(f => f.outerHTML))"  # fmt: skip
    before = page.evaluate(read)
    page.get_by_label("Involvement", exact=True).check()
    after = page.evaluate(read)
    assert len(before) == 4 and all(one != other for one, other in zip(before, after, strict=True))


def test_every_figure_says_that_it_is_synthetic_and_what_it_shows(open_page):
    page = open_page(PAGE)
    figures = page.locator("#explorer svg.ex-figure")
    assert figures.count() == 2
    for figure in figures.all():
        assert "SYNTHETIC cohort" in figure.text_content()
        assert figure.get_attribute("role") == "img"
    courses, coefficients = (figure.get_attribute("aria-label") for figure in figures.all())
    first = page.get_by_role("row", name=re.compile("^Low contact, month 3")).locator("td").first.inner_text()
    assert f"Low contact: {first} at 3" in courses
    assert "contact; alliance" in coefficients


def test_a_link_carries_the_specification(open_page):
    page = open_page(PAGE)
    page.get_by_label("every followed visit").check()
    page.get_by_label("Attendance", exact=True).check()
    page.get_by_label("Counted in").select_option("categorical")
    page.locator("fieldset", has_text="Having a sponsor").get_by_label("person’s mean").check()
    link, spec, table = (
        page.get_by_label("Link to this specification").input_value(),
        page.evaluate(CURRENT),
        shown(page),
    )
    assert link == page.url
    again = open_page(PAGE + "#" + link.partition("#")[2])
    assert again.evaluate(CURRENT) == spec and spec["terms"] == {"has_sponsor": ["observed", "mean"]}
    assert shown(again) == table
    assert not again.locator(".ex-notice").is_visible()
    assert again.get_by_label("Attendance", exact=True).is_checked()
    assert again.get_by_label("Counted in").input_value() == "categorical"


def test_every_specification_comes_back_from_its_own_address(open_page):
    page = open_page(PAGE)
    lists = lambda values: ".".join(values).replace(":", "*") or "none"
    for spec in SPECIFICATIONS[::6]:
        pairs = {"sample": spec["sample"], "outcome": spec["outcome"]}
        pairs |= {name: lists(spec["terms"].get(name, [])) for name in PREDICTORS[spec["sample"]]}
        pairs |= {"products": lists(spec["products"]), "covariates": lists(spec["covariates"])}
        pairs |= {key: "yes" if spec[key] else "no" for key in ("bend", "drift")}
        pairs |= {key: spec[key] for key in ("time", "centre", "scale", "random", "method")}
        hash_ = "&".join(f"{key}={value}" for key, value in pairs.items())
        page.evaluate(MOVE, hash_)
        found = page.evaluate(CURRENT)
        assert {key: found[key] for key in spec} == spec
        assert "other data" in page.locator(".ex-notice").inner_text()  # the address names no data


@pytest.mark.parametrize(
    "hash_",
    [
        "nonsense",
        "sample=sponsored",
        "sample=sponsored&outcome=pda&time=constructor",
        "sample=__proto__&outcome=pda",
        "sample=sponsored&outcome=pda&contact=observed.observed",
        "sample=followed&outcome=pda&contact=observed",
        "%E0%A4%A&&==&",
        "sample=sponsored&outcome=pda&products=contact*age",
        "sample=sponsored&outcome=pda&bend=maybe",
        "sample=sponsored&outcome=pda&time=label",
    ],
)
def test_a_garbled_link_gives_the_opening_page_and_says_so(open_page, hash_):
    page = open_page(PAGE + "#" + hash_)
    assert "names no specification" in page.locator(".ex-notice").inner_text()
    assert page.evaluate(CURRENT) == open_page(PAGE).evaluate(CURRENT)


def test_the_address_keeps_what_another_panel_wrote_into_it(open_page):
    page = open_page(PAGE + "#plan=some~plan")
    assert not page.locator(".ex-notice").is_visible()
    page.get_by_label("Involvement", exact=True).check()
    assert page.url.endswith("&plan=some~plan")
    again = open_page(PAGE + "#" + page.url.partition("#")[2])
    assert again.evaluate(CURRENT) == page.evaluate(CURRENT) and not again.locator(".ex-notice").is_visible()


def test_an_address_of_a_heading_is_no_garbled_link(open_page):
    page = open_page(PAGE + "#what-it-computes-with")
    assert not page.locator(".ex-notice").is_visible()


def test_all_of_it_can_be_done_with_the_keyboard(open_page):
    page = open_page(PAGE)
    focused = "(() => { const e = document.activeElement; return [e.tagName, e.type || '', e.id || e.textContent]; })()"
    expected = page.evaluate(
        "[...document.querySelectorAll('#explorer :is(input, select, button, summary)')]"
        ".filter(e => e.checkVisibility() && !e.disabled && !(e.type === 'radio' && !e.checked))"
        ".map(e => [e.tagName, e.type || '', e.id || e.textContent])"
    )
    page.locator("#explorer button").first.focus()
    path = [page.evaluate(focused)]
    for _ in expected[1:]:
        page.keyboard.press("Tab")
        path.append(page.evaluate(focused))
    assert path == expected and len(path) > 25

    page.locator("#ex-sample-sponsored").focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate(f"{CURRENT}.sample") == "repeated"
    page.locator("#ex-alliance-mean").focus()
    page.keyboard.press("Space")
    assert page.evaluate(f"{CURRENT}.terms.alliance") == ["observed", "mean"]
    assert page.evaluate("document.activeElement.id") == "ex-alliance-mean"  # a refit leaves the reader where they were
    page.locator("#ex-random").focus()
    page.keyboard.press("Home")
    assert page.evaluate(f"{CURRENT}.random") == "intercept"
    page.get_by_role("button", name="(a) having a sponsor").focus()
    page.keyboard.press("Enter")
    assert page.evaluate(f"{CURRENT}.sample") == "followed"


def test_the_result_is_spoken_once_after_a_pause(open_page):
    page = open_page(PAGE)
    spoken = page.locator(".ex-spoken")
    assert spoken.inner_text() == "" and spoken.get_attribute("role") == "status"
    page.evaluate(LISTEN)
    for name in ("Attendance", "Involvement"):
        page.get_by_label(name, exact=True).check()
    page.wait_for_function("said.length > 0")
    assert page.evaluate("said") == [page.locator(".ex-summary").inner_text()]


def test_columns_that_others_give_are_named(open_page):
    page = open_page(PAGE)
    for form in ("person’s mean", "departure from it"):
        page.locator("fieldset", has_text="Contact").get_by_label(form).first.check()
    assert (
        "Left out, because columns before it give it already: contact, departure."
        in page.locator(".ex-facts").inner_text()
    )
    assert "contact, departure" not in shown(page)


def test_a_product_waits_for_its_parts(open_page):
    page = open_page(PAGE)
    product = page.get_by_label("contact × alliance")
    assert product.is_enabled()
    product.check()
    assert "contact × alliance" in shown(page)
    page.locator("#ex-alliance-observed").uncheck()
    assert product.is_disabled() and "contact × alliance" not in shown(page)


def test_a_model_without_any_predictor_or_covariate_still_shows(open_page):
    page = open_page(PAGE)
    for name in boxes(page, "e.checked && e.checkVisibility()"):
        page.locator(f"[id='{name}']").uncheck()
    assert list(shown(page)) == ["Intercept", "time"]
    assert page.locator("#explorer svg.ex-figure").count() == 2


def test_a_result_can_be_kept_beside_the_next(open_page):
    page = open_page(PAGE)
    page.get_by_role("button", name="Keep these to compare").click()
    page.get_by_label("age", exact=True).uncheck()
    assert page.locator("circle.ex-ghost").count() == 5
    page.get_by_role("button", name="Forget what was kept").click()
    assert page.locator("circle.ex-ghost").count() == 0


def test_a_further_panel_is_told_of_every_refit(open_page):
    page = open_page(PAGE)
    page.evaluate("window.told = []; document.addEventListener('explorer:fit', event => told.push(event.detail))")
    page.get_by_label("Estimated by").select_option("ml")
    told = page.evaluate("told")
    assert len(told) == 1 and told[0]["spec"]["method"] == "ml" and told[0]["fit"]["n_persons"] == 153


def test_link_and_citation_are_copied(open_page):
    page = open_page(PAGE)
    page.get_by_role("button", name="Copy link").click()
    page.locator(".ex-copied", has_text="Copied.").wait_for()
    cited = page.locator(".ex-share p", has_text="Cite this specification").inner_text()
    digest = json.loads(page.evaluate("JSON.stringify(EXPLORER_DATA.digest)"))
    assert digest in cited and "SYNTHETIC" in cited and "pda ~ contact + alliance" in cited


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_largest_model_fits_a_phone(open_page, scheme):
    page = open_page(PAGE, width=375, scheme=scheme)
    for _ in range(2):  # products can be ticked once their parts are
        for name in boxes(page, "!e.checked && !e.disabled && e.checkVisibility()"):
            page.locator(f"[id='{name}']").check()
    assert len(shown(page)) > 15
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    panel = page.evaluate("document.querySelector('.ex-panel').getBoundingClientRect().right")
    assert page.evaluate(RIGHTMOST) <= panel
