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
            product
            for product in PRODUCTS[sample]
            if rng.random() < 0.4 and allowed(product, terms, covariates)
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
