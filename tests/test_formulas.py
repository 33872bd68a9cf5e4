"""Formulas to columns: what is read, and that every refusal names the column, the row and the mend."""

import dense
import numpy as np
import pandas as pd
import pytest

from helpers import formulas, reml


@pytest.fixture(scope="module")
def data():
    """Sixteen people at four times, with an arm in letters, a flag and a whole-numbered weight."""
    rng = np.random.default_rng(11)
    who, time = np.repeat(np.arange(16), 4), np.tile([0.0, 1.0, 2.0, 4.0], 16)
    arm = np.array(list("abc"))[rng.integers(3, size=16)][who]
    frame = pd.DataFrame({"id": who, "time": time, "arm": arm, "x": rng.normal(size=64), "flag": rng.random(64) < 0.4})
    frame["weight"] = rng.integers(1, 4, 16)[who].astype(float)
    u, v = rng.normal(size=(2, 16))
    frame["y"] = 2 + frame["x"] + u[who] + (0.5 * v[who] + 0.3 * (arm == "b")) * time + rng.normal(size=64)
    return frame


def fit(formula, data, random="1 + time", **options):
    return reml.fit(formula, data, "id", random, **options)


def agrees(found, y, X, Z, group, **options):
    """A fit by formula with the fit of columns made by hand."""
    expected = reml.solve(y, np.column_stack(X), np.column_stack(Z), group, **options)
    assert found.criterion == pytest.approx(expected.criterion, abs=1e-9)
    assert found.fixed["estimate"].to_numpy() == pytest.approx(expected.beta, rel=1e-8)
    assert found.fixed["std_error"].to_numpy() == pytest.approx(np.sqrt(np.diag(expected.covariance)), rel=1e-7)


# --- what is read ---


def test_terms_and_products_are_those_of_columns_made_by_hand(data):
    one, x, time, y = np.ones(64), data["x"], data["time"], data["y"]
    found = fit("y ~ x * time", data)
    assert list(found.fixed.index) == ["Intercept", "x", "time", "x:time"]
    assert list(found.random_cov.index) == list(found.random_cov.columns) == ["Intercept", "time"]
    agrees(found, y, [one, x, time, x * time], [one, time], data["id"])


def test_letters_and_levels_become_indicators_of_all_but_the_first(data):
    one, b, c, y = np.ones(64), data["arm"] == "b", data["arm"] == "c", data["y"]
    for formula, names in (("y ~ arm", ["arm[T.b]", "arm[T.c]"]), ("y ~ C(arm)", ["C(arm)[T.b]", "C(arm)[T.c]"])):
        found = fit(formula, data)
        assert list(found.fixed.index) == ["Intercept", *names]
        agrees(found, y, [one, b, c], [one, data["time"]], data["id"])


@pytest.mark.parametrize("kind", ["object", "str", "string", "category"])
def test_letters_are_levels_however_pandas_keeps_them(data, kind):
    expected = fit("y ~ arm * time", data)
    assert fit("y ~ arm * time", data.astype({"arm": kind})).fixed.equals(expected.fixed)


@pytest.mark.parametrize("kind", ["Float64", "Float32", "int64", "Int64", "boolean", "double[pyarrow]"])
def test_numbers_are_numbers_however_pandas_keeps_them(data, kind):
    whole = data.assign(x=(data["flag"] if kind == "boolean" else data["x"].round()).astype(float))
    expected = fit("y ~ x * time", whole)
    found = fit("y ~ x * time", whole.astype({"x": "bool" if kind == "boolean" else "float64"}).astype({"x": kind}))
    assert found.fixed.to_numpy() == pytest.approx(expected.fixed.to_numpy())


def test_numbers_can_be_taken_as_levels(data):
    times = [data["time"] == level for level in (1, 2, 4)]
    agrees(fit("y ~ C(time)", data), data["y"], [np.ones(64), *times], [np.ones(64), data["time"]], data["id"])


def test_functions_of_numpy_may_be_used_on_both_sides(data):
    one, y = np.ones(64), np.exp(data["y"] / 5)
    found = fit("np.exp(y / 5) ~ np.abs(x) + I(x**2) + {time - 1}", data, random="1 + np.sqrt(time)")
    X = [one, np.abs(data["x"]), data["x"] ** 2, data["time"] - 1]
    agrees(found, y, X, [one, np.sqrt(data["time"])], data["id"])
    assert list(found.random_cov.index) == ["Intercept", "np.sqrt(time)"]


def test_an_intercept_is_meant_unless_it_is_left_out(data):
    agrees(fit("y ~ 0 + x", data), data["y"], [data["x"]], [np.ones(64), data["time"]], data["id"])
    agrees(fit("y ~ x - 1", data, random="0 + time"), data["y"], [data["x"]], [data["time"]], data["id"])
    agrees(fit("y ~ 1", data, random="1"), data["y"], [np.ones(64)], [np.ones(64)], data["id"])


def test_random_terms_need_not_be_of_time(data):
    one, flag = np.ones(64), data["flag"].astype(float)
    agrees(fit("y ~ x", data, random="1 + x"), data["y"], [one, data["x"]], [one, data["x"]], data["id"])
    agrees(fit("y ~ x", data, random="0 + flag"), data["y"], [one, data["x"]], [flag], data["id"])
    b, c = data["arm"] == "b", data["arm"] == "c"
    agrees(fit("y ~ x", data, random="1 + arm"), data["y"], [one, data["x"]], [one, b, c], data["id"])


def test_columns_with_blanks_in_their_names_go_in_back_quotes(data):
    named = data.rename(columns={"x": "my x", "y": "the y"})
    assert fit("`the y` ~ `my x`", named).criterion == fit("y ~ x", data).criterion


@pytest.mark.parametrize("kind", ["text", "category", "float", "tuple", "mixed"])
def test_groups_may_have_labels_of_any_kind(data, kind):
    labels = {
        "text": data["id"].map("person {}".format),
        "category": data["id"].astype("category"),
        "float": data["id"] + 0.5,
        "tuple": [(i, -i) for i in data["id"]],
        "mixed": [str(i) if i % 2 else i for i in data["id"]],
    }
    assert fit("y ~ x", data.assign(id=labels[kind])).criterion == fit("y ~ x", data).criterion


def test_the_frame_is_left_as_it_was(data):
    before = data.copy(deep=True)
    fit("y ~ arm * time", data, weights="weight", missing="drop")
    pd.testing.assert_frame_equal(data, before)


def test_an_index_of_any_kind_does_not_matter(data):
    expected = fit("y ~ arm * x", data)
    for index in (
        np.zeros(64, int),
        [f"row {i}" for i in range(64)],
        pd.MultiIndex.from_arrays([range(64), range(64)]),
    ):
        assert fit("y ~ arm * x", data.set_index(pd.Index(index))).fixed.equals(expected.fixed)


def test_the_same_columns_come_from_a_frame_and_from_arrays():
    arrays = dense.draw(1, q=2, p=4)
    formula, frame, group, random = dense.frame(*arrays)
    assert reml.fit(formula, frame, group, random).criterion == pytest.approx(reml.solve(*arrays).criterion, abs=1e-9)


# --- blanks ---


def test_rows_with_a_blank_are_named_or_dropped(data):
    blank = data.assign(x=data["x"].mask(data.index.isin([5, 17])))
    message = r"column 'x' has 2 blanks, first in row 5: fill them, or leave those rows out with missing='drop'"
    with pytest.raises(ValueError, match=message):
        fit("y ~ x", blank)
    left = fit("y ~ x", blank, missing="drop")
    assert left.n_obs == 62
    assert left.fixed.equals(fit("y ~ x", data.drop(index=[5, 17])).fixed)


@pytest.mark.parametrize("column", ["y", "x", "time", "arm", "id", "weight"])
def test_dropping_heeds_every_column_that_is_used(data, column):
    blank = data.copy()
    blank[column] = blank[column].mask(blank["id"] == 3)
    found = fit("y ~ x * arm", blank, weights="weight", missing="drop")
    assert found.fixed.equals(fit("y ~ x * arm", data[data["id"] != 3], weights="weight").fixed)
    with pytest.raises(ValueError, match=f"column '{column}' has 4 blanks, first in row 12"):
        fit("y ~ x * arm", blank, weights="weight")


def test_blanks_in_columns_that_are_not_used_do_not_matter(data):
    assert fit("y ~ x", data.assign(arm=None)).n_obs == 64


def test_a_level_that_only_dropped_rows_had_is_no_level(data):
    rare = data.assign(arm=data["arm"].mask(data["id"] == 3, "rare"), x=data["x"].mask(data["id"] == 3))
    assert "arm[T.rare]" not in fit("y ~ arm + x", rare, missing="drop").fixed.index


def test_nothing_but_blanks_is_refused(data):
    with pytest.raises(ValueError, match="no row has time, x, y"):
        fit("y ~ x", data.assign(x=np.nan), missing="drop")
    with pytest.raises(ValueError, match="no row has time, x, y"):
        fit("y ~ x", data.iloc[:0])


# --- errors: column, row, mend ---

BAD = {
    "y ~ sponsor": "no column 'sponsor'; there are id, time, arm, x, flag, weight, y",
    "sponsor ~ x": "no column 'sponsor'",
    "y ~ cut(x)": "no column 'cut'",
    "y ~ pd.cut(x, 3)": "no column 'pd'",
    "y ~ np.nothing(x)": "formula: .*np.nothing",
    "x": "formula 'x' has no outcome: write 'outcome ~ terms'",
    "": "formula '' has no outcome",
    "y ~ 0": "formula 'y ~ 0' has no fixed effect: write '1' for an intercept alone",
    "y ~ x +* time": r"formula 'y ~ x \+\* time'",
    "y ~ x | id": r"formula 'y ~ x \| id' has a '\|': the grouping column is the argument `group`",
    "y ~ x + (1 | id)": r"formula 'y ~ x \+ \(1 \| id\)'",
    "y + x ~ time": r"the outcome is 2 columns \(y, x\): it must be one",
    "arm ~ x": "column 'arm' is not numeric: '[abc]' in row 0; convert it with pandas.to_numeric",
    "y ~ y": "the fixed effects fit the outcome 'y' exactly: no variance is left",
    "y ~ x + I(2 * x)": r"fixed columns: 'I\(2 \* x\)' is zero or a combination of the columns before it; leave",
    "y ~ I(0 * x)": r"fixed columns: 'I\(0 \* x\)' is zero or a combination",
    "y ~ x + time + {x - time} + {x + time}": "fixed columns: 'x - time', 'x \\+ time' is zero or a combination",
}


@pytest.mark.parametrize("formula", BAD)
def test_a_formula_that_cannot_be_used_says_why(data, formula):
    with pytest.raises(ValueError, match=BAD[formula]) as caught:
        fit(formula, data)
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)


RANDOM = {
    "1 + sponsor": "no column 'sponsor'",
    "0": "random '0' has no term: write '1' for an intercept, '1 \\+ time' for a slope too",
    "1 + time | id": r"formula '1 \+ time \| id' has a '\|': the grouping column is the argument `group`",
    "1 + time + I(2 * time)": r"random columns: 'I\(2 \* time\)' is zero or a combination of the columns before it",
    "1 + I(0 * x)": r"random columns: 'I\(0 \* x\)' is zero or a combination",
    "0 + C(time)": "every group has at most 4 rows, as many as random terms: .* leave out a random term",
}


@pytest.mark.parametrize("random", RANDOM)
def test_random_terms_that_cannot_be_used_say_why(data, random):
    with pytest.raises(ValueError, match=RANDOM[random]):
        fit("y ~ x", data, random)


def test_a_grouping_column_that_is_not_there_or_has_blanks_is_named(data):
    with pytest.raises(ValueError, match="no column 'person'; there are id, time"):
        reml.fit("y ~ x", data, "person")
    with pytest.raises(ValueError, match="column 'id' has 1 blanks, first in row 7: every row needs its group"):
        fit("y ~ x", data.assign(id=data["id"].mask(data.index == 7)))


@pytest.mark.parametrize("column", ["y", "x", "time"])
def test_infinite_values_are_named(data, column):
    wrong = data.assign(**{column: data[column].mask(data.index == 9, -np.inf)})
    with pytest.raises(ValueError, match=f"column '{column}' has 1 infinite values, first in row 9"):
        fit("y ~ x", wrong)


@pytest.mark.filterwarnings("ignore:invalid value encountered in log")
def test_a_term_that_is_not_finite_is_named(data):
    row = data.index[data["x"] <= 0][0]
    with pytest.raises(ValueError, match=rf"term 'np.log\(x\)' is not finite in row {row}"):
        fit("y ~ np.log(x)", data)
    with pytest.raises(ValueError, match=rf"term 'np.log\(x\)' is not finite in row {row}"):
        fit("y ~ time", data, random="1 + np.log(x)")


def test_numbers_in_letters_are_named_with_the_first_that_is_none(data):
    text = data["x"].astype(str).mask(data.index == 7, "n/a")
    with pytest.raises(
        ValueError, match=r"column 'x' is not numeric: 'n/a' in row 7; convert it with pandas[.]to_numeric"
    ):
        fit("y ~ x", data.assign(x=text))
    with pytest.raises(ValueError, match="column 'x' is not numeric: its numbers are stored as text; convert it"):
        fit("y ~ x", data.assign(x=data["x"].astype(str)))
    with pytest.raises(ValueError, match="column 'y' is not numeric: its numbers are stored as text; convert it"):
        fit("y ~ x", data.assign(y=data["y"].astype(str)))


def test_dates_are_not_numbers(data):
    dates = pd.Timestamp("2016-05-01") + pd.to_timedelta(data["time"], unit="D")
    with pytest.raises(ValueError, match="column 'x' is not numeric"):
        fit("y ~ x", data.assign(x=dates))


def test_a_column_that_is_there_twice_is_named(data):
    with pytest.raises(ValueError, match="column 'x' is there twice: give one of them another name"):
        fit("y ~ x", pd.concat([data, data[["x"]]], axis=1))


def test_an_outcome_without_variance_is_refused(data):
    with pytest.raises(ValueError, match="the outcome 'y' has no variance: it is the same in every row"):
        fit("y ~ x", data.assign(y=3.0))


def test_an_outcome_that_the_columns_fit_exactly_is_refused(data):
    with pytest.raises(ValueError, match="the fixed effects fit the outcome 'y' exactly: no variance is left"):
        fit("y ~ x", data.assign(y=1 + 2 * data["x"]))
    with pytest.raises(ValueError, match="fixed and random effects together can fit every row of 'y': no residual"):
        fit("y ~ x", data.assign(y=data["x"] + data["id"] ** 1.5 - data["time"] * np.sqrt(data["id"])))


def test_an_outcome_that_is_the_same_in_all_rows_of_a_person_is_refused_where_random_terms_can_take_it_up():
    # Two people have more rows than random terms, and the same outcome; a person-level column all but helps.
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(7), (4, 4, 3, 1, 3, 3, 2))
    frame = pd.DataFrame({"id": who, "y": -1.0 * np.isin(who, (0, 1, 4)), "x": rng.normal(size=7)[who]})
    frame["time"], frame["other"], frame["more"] = rng.normal(size=(3, 20))
    frame.loc[who == 0, "more"] = 0.0
    with pytest.raises(ValueError, match="fixed and random effects together can fit every row of 'y'"):
        fit("y ~ x", frame, random="0 + time + other + more")


def test_fewer_groups_than_random_terms_are_refused(data):
    with pytest.raises(ValueError, match="1 groups cannot carry 2 random terms"):
        fit("y ~ x", data[data["id"] == 3])
    with pytest.raises(ValueError, match="2 groups cannot carry 3 random terms"):
        fit("y ~ 1", data[data["id"] < 2], random="1 + time + x")


def test_as_many_random_terms_as_visits_are_not_identified(data):
    with pytest.raises(ValueError, match="every group has at most 2 rows, as many as random terms"):
        fit("y ~ x", data[data["time"] < 2])


def test_more_fixed_effects_than_rows_are_refused(data):
    with pytest.raises(ValueError, match="4 rows cannot carry 4 fixed effects"):
        fit("y ~ x * time", data.iloc[:4], random="1")


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("sponsor", "no column 'sponsor'"),
        ("x", "weights: they differ between the rows of one person|weights: some are negative"),
        ("arm", "column 'arm' is not numeric: '[abc]' in row 0"),
        ("time", "weights: they differ between the rows of one person"),
    ],
)
def test_weights_that_cannot_be_used_say_why(data, column, message):
    with pytest.raises(ValueError, match=message):
        fit("y ~ x", data, weights=column)


def test_options_that_are_not_known_are_refused_with_those_that_are(data):
    with pytest.raises(ValueError, match="ddf: 'wald' is not one of satterthwaite, kenward-roger, none"):
        fit("y ~ x", data, ddf="wald")
    with pytest.raises(ValueError, match="missing: 'omit' is neither 'raise' nor 'drop'"):
        fit("y ~ x", data, missing="omit")
    with pytest.raises(ValueError, match="ddf: 'kenward-roger' belongs to REML; use reml=True, or ddf='satterthwaite'"):
        fit("y ~ x", data, ddf="kenward-roger", reml=False)


def test_a_contrast_of_a_term_that_is_not_there_is_refused(data):
    with pytest.raises(ValueError, match="no term 'sponsor'; there are Intercept, x"):
        fit("y ~ x", data).contrast(pd.DataFrame({"sponsor": [1.0]}))


def test_messages_of_the_parser_come_without_colours_and_on_one_line():
    with pytest.raises(ValueError, match="formula") as caught:
        formulas.parse("y ~ a + + * b")
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)
