"""`reml.fit` on a Dask data frame, summed by two worker processes, against the same rows in one frame."""

import itertools

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster

from helpers import reml


@pytest.fixture(scope="module", autouse=True)
def client():
    """Two worker processes; whatever is computed in this file is computed by them. They do not watch themselves."""
    with (
        dask.config.set({"distributed.worker.profile.enabled": False}),
        LocalCluster(n_workers=2, processes=True, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def data():
    """Thirty people, one after another, in arms a to d; nobody is in the last arm but the last six."""
    rng = np.random.default_rng(21)
    who, time = np.repeat(np.arange(30), 4), np.tile([0.0, 1.0, 2.0, 4.0], 30)
    frame = pd.DataFrame({"id": who, "time": time, "x": 5 + rng.normal(size=120)})
    frame["arm"] = np.array(list("abcad"))[who // 6]
    frame["weight"] = rng.integers(1, 4, 30)[who].astype(float)
    u, v = rng.normal(size=(2, 30))
    frame["y"] = 100 + frame["x"] + 2 * u[who] + (v[who] + (frame["arm"] == "d")) * time + rng.normal(size=120)
    return frame


def split(data, *sizes):
    """A Dask frame whose partitions have these numbers of rows, the last one the rest."""
    ends = np.cumsum([0, *sizes, len(data) - sum(sizes)])
    parts = [data.iloc[a:b] for a, b in itertools.pairwise(ends)]
    return dd.from_delayed([dask.delayed(part) for part in parts], meta=data.iloc[:0])


def agree(found, expected):
    assert list(found.fixed.index) == list(expected.fixed.index)
    assert (found.n_obs, found.n_groups, found.rank) == (expected.n_obs, expected.n_groups, expected.rank)
    assert found.criterion == pytest.approx(expected.criterion, abs=1e-10 * abs(expected.criterion))
    for name in ("estimate", "std_error", "df", "conf_low", "conf_high"):
        assert found.fixed[name].to_numpy() == pytest.approx(expected.fixed[name].to_numpy(), rel=1e-10), name
    assert found.random_cov.to_numpy() == pytest.approx(expected.random_cov.to_numpy(), rel=1e-9)
    assert found.residual_var == pytest.approx(expected.residual_var, rel=1e-10)


def both(frame, data, formula="y ~ x * time", random="1 + time", **options):
    agree(reml.fit(formula, frame, "id", random, **options), reml.fit(formula, data, "id", random, **options))


def test_there_are_two_worker_processes(client):
    pids = client.run(lambda: __import__("os").getpid())
    assert len(set(pids.values())) == 2


def test_partitions_by_person_give_what_one_frame_gives(data):
    both(split(data, 40, 4, 60), data)
    both(split(data, 40, 4, 60), data, reml=False, weights="weight")


def test_people_that_straddle_partitions_are_brought_together(data):
    mixed = data.sample(frac=1, random_state=0)
    both(split(mixed, 33, 41), mixed)
    text = mixed.assign(id=mixed["id"].map("person {}".format))
    both(split(text, 33, 41), text)


def test_one_person_a_partition(data):
    few = data[data["id"] < 6]
    both(split(few, *[4] * 5), few)


@pytest.mark.parametrize("formula", ["y ~ arm * time", "y ~ C(arm) + x"])
def test_letters_have_the_levels_that_they_have_anywhere(data, formula):
    # The first partition knows arms a and b alone, the last one arm d alone.
    both(split(data, 48, 48), data, formula)


def test_categories_and_numbers_taken_as_levels_too(data):
    categories = data.astype({"arm": "category"})
    both(split(categories, 48, 48), categories, "y ~ arm * time")
    in_order = data.sort_values("weight", kind="stable").reset_index(drop=True)
    both(split(in_order, 40, 40), in_order, "y ~ C(weight) + x")


def test_functions_on_both_sides(data):
    both(split(data, 48, 48), data, "np.log(y) ~ np.abs(x) + I(time**2)", "1 + np.sqrt(time)")


def test_empty_partitions(data):
    both(split(data, 0, 48, 0, 48, 24), data, "y ~ arm * time")


def test_blanks_are_dropped_even_where_they_fill_a_partition(data):
    blank = data.assign(x=data["x"].mask((data["id"] < 6) | (data.index % 7 == 3)))
    both(split(blank, 24, 48), blank, "y ~ arm + x", missing="drop")


def test_a_level_that_only_dropped_rows_had_is_no_level(data):
    blank = data.assign(arm=data["arm"].mask(data["id"] == 9, "rare"), x=data["x"].mask(data["id"] == 9))
    blank["arm"] = blank["arm"].mask(blank["id"] == 2)
    both(split(blank, 48, 48), blank, "y ~ arm + x", missing="drop")


def test_blanks_are_refused_otherwise_with_column_and_row(data):
    blank = data.assign(x=data["x"].mask(data.index == 70))
    with pytest.raises(
        ValueError, match="column 'x' has 1 blanks, first in row 70: fill them, or leave those rows out"
    ):
        reml.fit("y ~ x", split(blank, 48, 48), "id")


@pytest.mark.parametrize("term", ["center(x)", "scale(x)", "poly(x, 2)", "bs(x, df=4)"])
def test_terms_that_need_all_rows_at_once_are_refused(data, term):
    with pytest.raises(ValueError, match="needs all rows at once; make it a column first"):
        reml.fit(f"y ~ {term}", split(data, 48, 48), "id")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"formula": "y ~ sponsor"}, "no column 'sponsor'"),
        ({"formula": "y ~ x", "weights": "sponsor"}, "no column 'sponsor'"),
        ({"formula": "y ~ x", "group": "person"}, "no column 'person'"),
        ({"formula": "arm ~ x"}, "column 'arm' is not numeric"),
        ({"formula": "y ~ x", "random": "0"}, "random '0' has no term"),
        ({"formula": "y ~ x + I(2 * x)"}, "fixed columns: .* is zero or a combination"),
        ({"formula": "y ~ x", "ddf": "wald"}, "ddf: 'wald' is not one of"),
    ],
)
def test_errors_are_those_of_one_frame(data, options, message):
    with pytest.raises(ValueError, match=message):
        reml.fit(**{"data": split(data, 48, 48), "group": "id", **options})


def test_a_frame_without_a_complete_row_is_refused(data):
    with pytest.raises(ValueError, match="no row has x, y"):
        reml.fit("y ~ x", split(data.assign(x=np.nan), 48, 48), "id", missing="drop")
    with pytest.raises(ValueError, match="no row has x, y"):
        reml.fit("y ~ x", dd.from_pandas(data.iloc[:0], npartitions=1), "id")


def test_the_moments_are_summed_where_the_partitions_are(data):
    m = reml.moments_of_dask("y ~ x * time", split(data, 48, 48), "id", "1 + time")
    assert m.n_obs == 120
    assert m.n_groups == 30
    assert len(m.m) == 1
