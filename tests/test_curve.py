"""The specification curve: every estimate is that of its own rows, the draws are weighted fits, the test is plain."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from helpers import curve, measures, models, records, reml, study

PERSONS, VISITS = records.read()
PANEL, SPECS = curve.panel(PERSONS, VISITS), curve.specifications()
SCORES = measures.score(PERSONS, VISITS)
CLAIMS = {claim.key: claim for claim in study.CLAIMS}
FIXED = models.centres(SCORES)
WIDE = SCORES.merge(VISITS[["person", "wave", "window_days"]], on=["person", "wave"]).merge(
    PERSONS[["person", "comorbid", "residential_days"]], on="person"
)


def rows_of(claim: study.Claim, spec: pd.Series) -> tuple[pd.DataFrame, list[str], str]:
    """The rows of one specification, made from the records with pandas alone; its terms and the claim's own."""
    scores = WIDE

    def scaled(values, window):
        if spec["scale"] == "raw":
            return values
        if claim.outcome == "attendance":
            return np.log(1 + values)
        top, done = (window, values / 100 * window) if claim.outcome == "pda" else (6, values)
        return np.log((done + 0.5) / (top - done + 0.5))

    y = scaled(scores[claim.outcome], scores["window_days"])
    sd = y[scores["complete"]].std()
    entry = scaled(scores[f"{claim.outcome}_0"], scores["window_days"])
    rows = scores.assign(y=y / sd, entry=entry / sd)[scores["wave"] > 0]
    who, what = spec["visits"].split(", ")
    other = {"contact": "alliance", "alliance": "contact"}[claim.predictor]
    names = [claim.predictor] + [other] * (what == "both")
    has = (rows["has_sponsor"] == 1) & rows[names].notna().all(axis=1)
    if who in ("complete", "repeated"):
        has = rows["complete"]
    if who == "repeated":
        has = has & (has.groupby(rows["person"]).transform("sum") > 1)
    rows = rows.assign(has=has.astype(float))
    rows = rows[has | (rows["has_sponsor"] == 0)] if who == "everyone" else rows[has]
    t = {"months": rows["months"], "wave": rows["wave"].map({3: 1, 6: 2, 12: 3}), "root": np.sqrt(rows["months"])}
    time = spec["time"].split(",")[0]
    grid = pd.Series(study.FOLLOW_UPS)
    grid = {"months": grid, "wave": pd.Series([1, 2, 3]), "root": np.sqrt(grid)}
    clock = {name: (t[name] - grid[name].mean()) / (grid[name].iloc[2] - grid[name].iloc[0]) for name in t}
    rows = rows.assign(slope=clock["months" if time == "categorical" else time])
    codes = ["slope"]
    if time == "categorical":  # sum contrasts of the waves, the first from the last
        rows = rows.assign(a=rows["wave"].map({3: -0.5, 6: 0, 12: 0.5}), b=(rows["wave"] == 6) - 1 / 3)
        codes = ["a", "b"]
    parts = []
    for x in names:
        value = (rows[x] / FIXED.loc[x, "sd"]).where(rows["has"] == 1)
        by_wave = value.groupby(rows["wave"]).transform("mean")
        value = value - (by_wave if "wave means" in spec["time"] else value.mean())
        mean = value.groupby(rows["person"]).transform("mean")
        made = {f"{x}_overall": value} if spec["predictor"] == "overall" else {
            f"{x}_within": value - mean, f"{x}_between": mean}  # fmt: skip
        rows = rows.assign(**{name: part.fillna(0) * rows["has"] for name, part in made.items()})
        parts += list(made)
    terms = [*codes, *parts] + ["has"] * (who == "everyone")
    if claim.kind == "interaction":
        terms += [f"{code}:{part}" for code in codes for part in parts + ["has"] * (who == "everyone")]
    covariates = {"sex": "female", "comorbidity": "comorbid", "stay": "residential_days"}
    terms += [covariates.get(name, name) for name in spec["covariates"].split(", ") if name != "none"]
    target = f"{claim.predictor}_{spec['predictor']}"
    return rows, terms, f"{codes[0]}:{target}" if claim.kind == "interaction" else target


SAMPLE = [(claim.key, i) for claim in study.CLAIMS for i in range(study.CLAIMS.index(claim), len(SPECS), 101)]


def test_a_sample_of_specifications_has_the_estimates_of_reml_on_its_rows():
    found, checked = {}, 0
    for key in CLAIMS:
        chosen = [i for k, i in SAMPLE if k == key]
        [found[key]] = curve.fits(PANEL, CLAIMS[key], SPECS.loc[chosen])
    for key, i in SAMPLE:
        spec, one = SPECS.loc[i], found[key].loc[i]
        rows, terms, target = rows_of(CLAIMS[key], spec)
        X = np.column_stack([np.ones(len(rows)), *(rows[term.split(":")].prod(axis=1) for term in terms)])
        Z = X[:, :1] if spec["random"] == "intercept" else np.column_stack([X[:, 0], rows["slope"]])
        moments = reml.Moments.from_arrays(rows["y"].to_numpy(), X, Z, rows["person"].to_numpy(), fixed=["1", *terms])
        plain = moments.fit(reml=spec["estimator"] == "REML")
        row = plain.fixed.loc[target]
        assert one["estimate"] == pytest.approx(row["estimate"], abs=1e-6), (key, i)
        assert one["std_error"] == pytest.approx(row["std_error"], rel=1e-5), (key, i)
        assert one["df"] == pytest.approx(row["df"], rel=1e-3), (key, i)
        assert (one["n_visits"], one["n_people"]) == (plain.n_obs, plain.n_groups)
        checked += 1
    assert checked >= 200


@pytest.mark.parametrize("key", CLAIMS)
def test_the_study_s_own_specification_is_the_book_s_model(key):
    claim, scores = CLAIMS[key], SCORES
    at = curve.own(SPECS)
    [found] = curve.fits(PANEL, claim, SPECS.iloc[[at]])
    whole = models.fit(claim.model, scores, standard=True, optimisers=()).table.loc[claim.term]
    unit = scores.loc[scores["complete"], claim.outcome].std() / (9 if claim.kind == "interaction" else 1)
    assert found["estimate"].iloc[0] * unit == pytest.approx(whole["estimate"], rel=1e-7)
    assert found["std_error"].iloc[0] * unit == pytest.approx(whole["std_error"], rel=1e-6)


def test_gee_has_the_columns_of_its_rows():
    key, i = "alliance_pda_interaction", int(SPECS.index[(SPECS["visits"] == "everyone, both")][77])
    spec, claim = SPECS.loc[i], CLAIMS[key]
    rows, terms, target = rows_of(claim, spec)
    plain = sm.GEE.from_formula(
        f"y ~ {' + '.join(terms)}", "person", rows, cov_struct=sm.cov_struct.Exchangeable()
    ).fit()
    at = {"overall": 0, "within": 0, "between": 1}[spec["predictor"]]
    choices = [spec[name] for name in ("visits", "covariates", "time", "scale")]
    b, error = curve.gee(PANEL, claim, *choices, spec["predictor"] != "overall")
    assert b[at] == pytest.approx(plain.params[target], abs=1e-5)
    assert error[at] == pytest.approx(plain.bse[target], rel=1e-4)


def test_a_draw_is_a_weighted_fit_with_the_variances_held():
    spec = SPECS.iloc[[curve.own(SPECS)]]
    weights = curve.draw(PANEL.people, 3, np.random.default_rng(1))
    weights[0] = 1
    found, estimate, error = curve.fits(PANEL, study.CLAIMS[2], spec, weights)
    assert estimate[0, 0] == pytest.approx(found["estimate"].iloc[0], rel=1e-5)
    assert error[0, 0] == pytest.approx(found["std_error"].iloc[0], rel=1e-5)
    # Generalised least squares with the people of draw 1 as often as they were drawn, a block of V each.
    [(_, batch)] = curve.batches(PANEL, study.CLAIMS[2], spec)
    best = curve.moments(batch).optimum()
    T, W = best.random_cov[0] / best.residual_var[0], batch.W[0]
    X, y, V = [], [], []
    for i in np.repeat(np.arange(PANEL.people), weights[1]):
        here = batch.used[i]
        X.append(W[i, here, :-1]), y.append(W[i, here, -1])
        V.append(np.eye(here.sum()) + batch.Z[here] @ T @ batch.Z[here].T)
    root = [np.linalg.cholesky(np.linalg.inv(v)).T for v in V]
    plain = sm.OLS(
        np.concatenate([r @ b for r, b in zip(root, y, strict=True)]),
        np.concatenate([r @ a for r, a in zip(root, X, strict=True)]),
    ).fit()
    assert estimate[0, 1] == pytest.approx(plain.params[0], rel=1e-5)
    assert error[0, 1] == pytest.approx(plain.bse[0], rel=1e-5)


def test_taking_out_a_specification_s_own_effect_moves_its_estimate_and_nothing_else():
    claim, spec = study.CLAIMS[5], SPECS.iloc[[curve.own(SPECS)]]
    [(_, batch)] = curve.batches(PANEL, claim, spec)
    weights = curve.draw(PANEL.people, 5, np.random.default_rng(2))
    b, error = curve.refitted(batch, 0, weights, 0, True)
    less = batch.W.copy()
    less[..., -1] -= 0.3 * less[..., 0]
    b0, error0 = curve.refitted(curve.replace(batch, W=less), 0, weights, 0, True)
    np.testing.assert_allclose(b0, b - 0.3, atol=1e-6)
    np.testing.assert_allclose(error0, error, rtol=1e-5)


def test_the_joint_test_counts_the_draws_that_are_as_extreme():
    frame = pd.DataFrame({"estimate": [0.2, 0.4, 0.1], "std_error": [0.1, 0.1, 0.1], "df": [50.0, 60.0, 70.0]})
    moved = np.array([[0.0, 0.5, -0.1, -0.6], [0.1, 0.5, 0.0, -0.6], [0.0, 0.5, 0.0, -0.6]])
    test = curve.joint(frame, frame["estimate"].to_numpy()[:, None] + moved, np.full((3, 4), 0.1))
    assert test["value"].to_dict() == pytest.approx({"median": 0.2, "share": 1 / 3, "mean_t": 7 / 3})
    assert test["p"].to_dict() == pytest.approx({"median": 3 / 5, "share": 2 / 5, "mean_t": 3 / 5})


def test_every_choice_is_crossed_with_every_other_and_there_are_two_thousand():
    assert len(SPECS) >= 2000
    assert not SPECS.duplicated().any()
    assert len(SPECS) == np.prod([len(levels) for levels in curve.CHOICES.values()])
    assert SPECS.iloc[curve.own(SPECS)].to_dict() == curve.STUDY


def test_the_movers_take_a_sum_of_effects_apart():
    size = {name: dict(zip(levels, range(len(levels)), strict=True)) for name, levels in curve.CHOICES.items()}
    estimates = 3.0 * SPECS["scale"].map(size["scale"]) + SPECS["time"].map(size["time"])
    table = curve.movers(estimates, SPECS)
    assert table.index[:2].tolist() == ["scale", "time"]
    assert table["share"].iloc[:2].tolist() == pytest.approx([2.25 / 4.25, 2 / 4.25])
    assert table.loc["together only", "share"] == pytest.approx(0, abs=1e-12)
    assert (table.loc["time", "low"], table.loc["time", "high"]) == ("months", "categorical")


def test_no_coding_of_time_is_another_under_another_name():
    linear = [time for time in curve.CHOICES["time"] if time not in ("categorical", "months, about wave means")]
    middle = {}  # where the second follow-up lies between the first and the last
    for time in linear:
        W, used = curve.design(PANEL, CLAIMS["alliance_pda_interaction"], "complete, both", "none", time, "raw", False)
        clock = W[used.all(1)][0, :, -2]
        middle[time] = (clock[1] - clock[0]) / (clock[2] - clock[0])
    assert len({round(place, 6) for place in middle.values()}) == len(linear)
    first, second, last = np.log(study.FOLLOW_UPS)
    assert (second - first) / (last - first) == pytest.approx(middle["wave"])  # hence no logarithm on the list
