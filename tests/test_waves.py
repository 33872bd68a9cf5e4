"""Second moments of the stacked person vector: every linear model of fixed waves, without the data."""

import numpy as np
import pandas as pd
import pytest

from helpers import reml
from helpers.waves import Waves

TIMES = (3.0, 6.0, 12.0, 18.0)
BASELINE, VARYING = ("female", "entry"), ("y", "x", "z")
CODINGS = {
    "time": dict(zip(TIMES, (-4.0, -1.0, 5.0, 11.0), strict=True)),
    "late": dict(zip(TIMES, (0.0, 0.0, 1.0, 1.0), strict=True)),
    "step": dict(zip(TIMES, (0.0, 1.0, 2.0, 3.0), strict=True)),
}
NAMES = [*BASELINE, *VARYING]

# Fixed part and random part: codings of time, products with time, centring, person means, random effects of time.
SPECIFICATIONS = [
    ("y ~ 1", "1"),
    ("y ~ x", "1"),
    ("y ~ x * time", "1"),
    ("y ~ x * time", "1 + time"),
    ("y ~ x * time", "0 + time"),
    ("y ~ x * time + female + entry", "1 + time"),
    ("y ~ x * time", "1 + time + I(time**2)"),
    ("y ~ x * time", "1 + step + late"),
    ("y ~ x * C(wave)", "1"),
    ("y ~ 0 + C(wave) + x", "1 + time"),
    ("y ~ 0 + C(wave) + C(wave):x", "1"),
    ("y ~ x + C(wave)", "1 + late"),
    ("y ~ np.log(wave) * x", "1 + np.log(wave)"),
    ("y ~ time + I(time**2) + x", "1 + time"),
    ("y ~ wave * female", "1 + wave"),
    ("y ~ step * (x + z)", "1 + step"),
    ("y ~ late * (female + entry + x)", "1"),
    ("y ~ I(x - x_mean) + x_mean", "1"),
    ("y ~ (I(x - x_mean) + x_mean) * time", "1 + time"),
    ("y ~ x + x_mean + z + z_mean", "1"),
    ("y ~ I(x - 10) * time", "1 + time"),
    ("y ~ I((x - 10) / 2) + I(z * 100)", "1"),
    ("y ~ I(x + z) + I(x - z)", "1 + time"),
    ("y ~ x:late + z", "1"),
    ("y ~ I(x * (wave > 6)) + x", "1"),
    ("y ~ np.where(wave > 6, x, z)", "1"),
    ("y ~ {x - entry} * time", "1 + time"),
    ("I(y - y_mean) ~ I(x - x_mean)", "1"),
    ("I(y / 100) ~ x * time", "1 + time"),
    ("I(y - entry) ~ x + female", "1 + time"),
    ("y - x ~ z * time", "1"),
    ("x ~ y + z", "1 + time"),
    ("z ~ x_mean + female * late", "1"),
    ("y ~ entry * time - entry", "1"),
    ("y ~ x + female - 1", "1"),
    ("y ~ (x + z + female) * step", "1 + late"),
]


def people(seed, number=60, shift=0.0):
    """One row a visit: between one and four of the waves, rows in any order; outcome about 1e4, predictors about 10."""
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(number):
        seen = sorted(rng.choice(TIMES, rng.choice([1, 2, 3, 4], p=[0.1, 0.1, 0.2, 0.6]), replace=False))
        rows += [(f"{seed}-{person}", wave) for wave in seen]
    data = pd.DataFrame(rows, columns=["id", "wave"])
    who, n = pd.factorize(data["id"])[0], len(data)
    data["female"], data["entry"] = rng.integers(0, 2, number)[who].astype(float), 50 + 9 * rng.normal(size=number)[who]
    data["x"], data["z"] = 10 + shift + 2 * rng.normal(size=n), rng.normal(size=n) + 0.3 * rng.normal(size=number)[who]
    u, v = rng.normal(size=(2, number))
    data["y"] = 1e4 + data["x"] - 0.2 * data["wave"] + 3 * u[who] + 0.3 * v[who] * data["wave"] + rng.normal(size=n)
    return data.sample(frac=1, random_state=seed).reset_index(drop=True)


def with_codings(data):
    """What `model` offers in formulas, as columns."""
    means = {f"{name}_mean": data.groupby("id")[name].transform("mean") for name in VARYING}
    return data.assign(**{name: data["wave"].map(coding) for name, coding in CODINGS.items()}, **means)


def summary(data, **options):
    return Waves.from_frame(data, "id", "wave", BASELINE, VARYING, **options)


def same(found, expected, tolerance=1e-7):
    """Two fits of one model: criterion, table and variances."""
    errors = expected.fixed["std_error"]
    assert list(found.fixed.index) == list(expected.fixed.index)
    assert list(found.random_cov.index) == list(expected.random_cov.index)
    assert (found.n_obs, found.n_groups, found.rank) == (expected.n_obs, expected.n_groups, expected.rank)
    assert found.criterion == pytest.approx(expected.criterion, abs=tolerance)
    assert ((found.fixed["estimate"] - expected.fixed["estimate"]) / errors).abs().max() < 1e-5
    assert found.fixed["std_error"].to_numpy() == pytest.approx(errors.to_numpy(), rel=1e-5)
    assert found.fixed["df"].to_numpy() == pytest.approx(expected.fixed["df"].to_numpy(), rel=1e-3)
    size = np.sqrt(np.outer(*[np.diag(expected.random_cov) + 1e-6 * expected.residual_var] * 2))
    assert (np.abs(found.random_cov - expected.random_cov) < 1e-4 * size).all(axis=None)
    assert found.residual_var == pytest.approx(expected.residual_var, rel=1e-5)


@pytest.fixture(scope="module")
def data():
    return with_codings(people(1))


@pytest.fixture(scope="module")
def waves(data):
    return summary(data)


@pytest.mark.parametrize(("formula", "random"), SPECIFICATIONS)
def test_a_model_made_of_the_moments_is_that_of_the_data(data, waves, formula, random):
    found = waves.model(formula, random, CODINGS)
    assert found.random == reml.Moments.from_frame(formula, data, "id", random).random
    same(found.fit(), reml.fit(formula, data, "id", random))


def test_maximum_likelihood_and_kenward_roger_too_are_those_of_the_data(data, waves):
    formula, random = "y ~ x * time", "1 + time"
    m = waves.model(formula, random, CODINGS)
    same(m.fit(reml=False), reml.fit(formula, data, "id", random, reml=False))
    same(m.fit(ddf="kenward-roger"), reml.fit(formula, data, "id", random, ddf="kenward-roger"))


def test_there_is_a_pattern_for_each_set_of_waves_that_somebody_has(data, waves):
    seen = data.groupby("id")["wave"].agg(lambda wave: tuple(sorted(wave)))
    assert waves.waves == tuple(sorted(set(seen)))
    assert waves.m.tolist() == [(seen == pattern).sum() for pattern in waves.waves]


def test_the_second_moments_are_those_of_the_stacked_person_vector(data, waves):
    pattern = (3.0, 12.0)
    seen = data.groupby("id")["wave"].agg(lambda wave: tuple(sorted(wave)))
    vectors = []
    for person in seen.index[seen == pattern]:
        rows = data[data["id"] == person].sort_values("wave")
        centred = rows[NAMES] - waves.centre[1:]
        own = [centred[list(VARYING)].iloc[k].to_numpy() for k in range(2)]
        vectors.append(np.concatenate([[1.0], centred[list(BASELINE)].iloc[0], *own]))
    expected = np.array(vectors).T @ np.array(vectors)
    assert waves.V[waves.waves.index(pattern)] == pytest.approx(expected, rel=1e-9, abs=1e-9)


# --- parts ---


def test_parts_with_different_means_and_patterns_add_to_the_whole():
    parts = [people(2, 40), people(3, 9, shift=100.0), people(4, 1, shift=-50.0)]
    whole = with_codings(pd.concat(parts, ignore_index=True))
    added = sum(summary(part) for part in parts)
    for formula, random in (SPECIFICATIONS[3], SPECIFICATIONS[18], SPECIFICATIONS[26]):
        same(added.model(formula, random, CODINGS).fit(), reml.fit(formula, whole, "id", random))


def test_parts_taken_out_leave_the_rest():
    first, second = people(2, 40), people(3, 20, shift=100.0)
    whole = summary(pd.concat([first, second], ignore_index=True))
    for formula, random in (SPECIFICATIONS[3], SPECIFICATIONS[18]):
        same((whole - summary(second)).model(formula, random, CODINGS).fit(),
             reml.fit(formula, with_codings(first), "id", random))  # fmt: skip


def test_one_person_taken_out_leaves_the_rest_and_may_take_a_pattern_with_them(data, waves):
    seen = data.groupby("id")["wave"].agg(lambda wave: tuple(sorted(wave)))
    alone = seen[~seen.duplicated(keep=False)].index[0]
    left = waves - summary(data[data["id"] == alone])
    assert len(left.waves) == len(waves.waves) - 1
    formula, random = SPECIFICATIONS[5]
    rest = data[data["id"] != alone]
    same(left.model(formula, random, CODINGS).fit(), reml.fit(formula, rest, "id", random))


def test_everybody_taken_out_is_refused(waves):
    with pytest.raises(ValueError, match="no person is left"):
        waves - waves


def test_parts_with_other_variables_do_not_add(data, waves):
    other = Waves.from_frame(data, "id", "wave", ["female"], VARYING)
    with pytest.raises(ValueError, match="different variables"):
        waves + other
    with pytest.raises(ValueError, match="different variables"):
        waves - other
    with pytest.raises(TypeError):
        3 + waves


# --- rows and weights ---


def test_rows_with_a_blank_are_left_out_and_no_others(data):
    rng = np.random.default_rng(0)
    blank = data.copy()
    blank.loc[rng.random(len(data)) < 0.1, "x"] = np.nan
    blank.loc[rng.random(len(data)) < 0.1, "y"] = np.nan
    kept = with_codings(blank.dropna(subset=["x", "y"])[["id", "wave", *NAMES]])
    found = summary(blank)
    for formula, random in (SPECIFICATIONS[3], SPECIFICATIONS[18]):
        same(found.model(formula, random, CODINGS).fit(), reml.fit(formula, kept, "id", random))


def test_a_person_of_weight_two_counts_as_two(data):
    number = pd.factorize(data["id"])[0]
    weighted = data.assign(weight=1.0 + number % 3)
    copies = [data[number % 3 >= k].assign(id=lambda rows, k=k: rows["id"] + f" {k}") for k in range(3)]
    same(summary(weighted, weights="weight").model("y ~ x * time", "1 + time", CODINGS).fit(),
         reml.fit("y ~ x * time", pd.concat(copies), "id", "1 + time"))  # fmt: skip


@pytest.mark.parametrize("number", [70, 700])
def test_a_cohort_of_thirteen_variables_keeps_about_thirteen_hundred_numbers(number):
    # Seven variables of entry and six of each wave: 1 + 7 + 6 k numbers a person of k waves, each pair once.
    rng = np.random.default_rng(0)
    baseline, varying = [f"b{k}" for k in range(7)], [f"v{k}" for k in range(6)]
    patterns = [(3, 6, 12), (3, 6), (3, 12), (6, 12), (3,), (6,), (12,)]
    data = pd.DataFrame([(i, wave) for i in range(number) for wave in patterns[i % 7]], columns=["id", "wave"])
    for name in baseline:
        data[name] = rng.normal(size=number)[data["id"]]
    data[varying] = rng.normal(size=(len(data), 6))
    waves = Waves.from_frame(data, "id", "wave", baseline, varying)
    assert sorted(len(V) for V in waves.V) == [14, 14, 14, 20, 20, 20, 26]
    assert sum(len(V) * (len(V) + 1) // 2 for V in waves.V) == 1296


def test_variables_need_not_be_there(data):
    found = Waves.from_frame(data, "id", "wave", varying=["y"]).model("y ~ time", "1 + time", CODINGS)
    same(found.fit(), reml.fit("y ~ time", data, "id", "1 + time"))


# --- errors ---


@pytest.mark.parametrize(
    ("formula", "term"),
    [
        ("y ~ x * z", "x:z"),
        ("y ~ female:x", "female:x"),
        ("y ~ x**2 + I(x**2)", r"I\(x \*\* 2\)"),
        ("y ~ np.abs(x)", r"np.abs\(x\)"),
        ("y ~ np.log(x)", r"np.log\(x\)"),
        ("np.log(y) ~ x", r"np.log\(y\)"),
        ("y ~ x:x_mean", "x:x_mean"),
        ("y ~ I(1 / x)", r"I\(1 / x\)"),
        ("y ~ I(x > 5)", r"I\(x > 5\)"),
        ("y ~ np.minimum(x, 100)", r"np.minimum\(x, 100\)"),
        ("y ~ np.maximum(x, -3000)", r"np.maximum\(x, -3000\)"),
        ("y ~ np.where(x > 9, x, z)", "np.where"),
        ("y ~ np.sin(x)", r"np.sin\(x\)"),
        ("y ~ np.round(x)", r"np.round\(x\)"),
    ],
)
def test_a_term_that_is_not_linear_in_the_variables_is_named(waves, formula, term):
    with pytest.raises(ValueError, match=f"term '{term}.*' is not linear in the variables: make it a variable"):
        waves.model(formula, "1", CODINGS)


@pytest.mark.parametrize("term", ["center(x)", "scale(x)", "poly(time, 2)", "bs(wave, df=4)"])
def test_a_term_that_needs_the_rows_themselves_is_refused(waves, term):
    with pytest.raises(ValueError, match="needs the rows themselves"):
        waves.model(f"y ~ {term}", "1", CODINGS)


def test_an_unknown_name_is_refused_with_those_there_are(waves):
    with pytest.raises(ValueError, match="no variable 'sponsor'; there are female, entry, y, x, z, y_mean"):
        waves.model("y ~ sponsor", "1", CODINGS)
    with pytest.raises(ValueError, match="no variable 'x'; there are wave, time, late, step"):
        waves.model("y ~ x", "1 + x", CODINGS)
    with pytest.raises(ValueError, match="no variable 'time'"):
        waves.model("y ~ time", "1")


def test_a_coding_without_a_value_for_a_wave_is_refused(waves):
    with pytest.raises(ValueError, match="coding 'time' has no value for wave 12"):
        waves.model("y ~ time", "1", {"time": {3: -4, 6: -1, 18: 5}})


def test_a_wave_twice_in_one_person_is_refused(data):
    row = data.iloc[[5]].rename(index={5: 999})
    with pytest.raises(ValueError, match=r"column 'wave': a wave twice in one person, first in row (5|999)"):
        summary(pd.concat([data, row]))


def test_a_baseline_variable_that_changes_is_refused(data):
    with pytest.raises(ValueError, match="column 'x' changes within a person: name it under `varying`"):
        Waves.from_frame(data, "id", "wave", ["female", "x"], ["y"])


def test_weights_that_change_within_a_person_are_refused(data):
    with pytest.raises(ValueError, match="weights: they differ between the rows of one person"):
        summary(data, weights="wave")


def test_unknown_text_and_infinite_columns_are_refused(data):
    with pytest.raises(ValueError, match="no column 'sponsor'"):
        Waves.from_frame(data, "id", "wave", ["sponsor"], ["y"])
    with pytest.raises(ValueError, match="no column 'month'"):
        Waves.from_frame(data, "id", "month", ["female"], ["y"])
    with pytest.raises(ValueError, match="column 'x' is not numeric: 'much' in row 3"):
        summary(data.assign(x=data["x"].astype(object).where(data.index != 3, "much")))
    with pytest.raises(ValueError, match="column 'x' has 1 infinite values, first in row 3"):
        summary(data.assign(x=data["x"].where(data.index != 3, np.inf)))
    with pytest.raises(ValueError, match="column 'id' has 1 blanks, first in row 3: every row needs its group"):
        summary(data.assign(id=data["id"].where(data.index != 3)))


def test_rows_none_of_which_is_complete_are_refused(data):
    with pytest.raises(ValueError, match="no row has female, entry, y, x, z"):
        summary(data.assign(z=np.nan))


def test_a_model_that_the_waves_do_not_identify_is_refused(waves):
    with pytest.raises(ValueError, match="every group has at most 4 rows"):
        waves.model("y ~ x", "0 + C(wave)", CODINGS).fit()
    with pytest.raises(ValueError, match=r"fixed columns: 'I\(2 \* x\)' is zero or a combination"):
        waves.model("y ~ x + I(2 * x)", "1", CODINGS).fit()
    with pytest.raises(ValueError, match="random columns: 'wave' is zero or a combination"):
        waves.model("y ~ x", "1 + time + wave", {"time": {wave: 2 * wave for wave in TIMES}}).fit()
