"""What the explorer ships: sums over people that can be recomputed plainly, none of them of a few real ones."""

import json

import numpy as np
import pytest

from helpers import measures, models, records
from press import BookError, explorer


@pytest.fixture(scope="module")
def study():
    return records.read()


@pytest.fixture(scope="module")
def made(study):
    return explorer.data(*study, smallest=0)


def test_a_patterns_moments_are_plain_sums_over_its_people(study, made):
    scores = measures.score(*study)
    rows = scores[scores["complete"] & (scores["wave"] > 0)]
    rows = rows[rows.groupby("person")["wave"].transform(lambda waves: tuple(waves) == (3, 12)).astype(bool)]
    sample = made["samples"]["sponsored"]
    at = sample["waves"].index([3, 12])
    centre = dict(zip([*sample["baseline"], *sample["varying"]], sample["centre"][1:], strict=True))
    total = 0
    for _, person in rows.groupby("person"):
        vector = [1.0] + [person[name].iloc[0] - centre[name] for name in sample["baseline"]]
        for _, visit in person.iterrows():
            values = [np.prod([visit[part] for part in name.split(":")]) for name in sample["varying"]]
            vector += [value - centre[name] for name, value in zip(sample["varying"], values, strict=True)]
        total = total + np.outer(vector, vector)
    assert sample["m"][at] == rows["person"].nunique() > 5
    assert np.allclose(sample["V"][at], total[np.triu_indices(len(total))], rtol=1e-9, atol=1e-9)


def test_samples_are_complete_on_everything_that_can_be_chosen(study, made):
    followed = measures.score(*study).query("wave > 0 and observed == 1")
    complete = followed.dropna(subset=["contact", "alliance"])
    several = complete[complete.groupby("person")["wave"].transform("size") > 1]
    sizes = {name: explorer._size(sample) for name, sample in made["samples"].items()}
    expected = {"followed": followed, "sponsored": complete, "repeated": several}
    assert sizes == {name: (rows["person"].nunique(), len(rows)) for name, rows in expected.items()}
    for sample in made["samples"].values():
        assert {"attendance", "involvement", "pda", *sample["predictors"], *sample["products"]} == set(
            sample["varying"]
        )


def test_patterns_of_a_few_people_are_dropped_before_anything_is_summed(study):
    scores = measures.score(*study)
    rows = explorer.SAMPLES["sponsored"].rows(scores)
    seen = rows.groupby("person")["wave"].agg(lambda waves: tuple(sorted(waves)))
    few = seen.value_counts().loc[lambda count: count < 15]
    assert len(few) and few.sum()
    made = explorer.data(*study, smallest=15)
    sample = made["samples"]["sponsored"]
    assert sample["dropped"] == {"patterns": len(few), "people": int(few.sum())}
    assert min(sample["m"]) >= 15 and sum(sample["m"]) == len(seen) - few.sum()
    kept = rows[~rows["person"].map(seen).isin(few.index)]
    assert sample["centre"][1] == pytest.approx(kept["age"].mean())
    assert f"{few.sum()} people ({len(few)} patterns)" in explorer.left_out(made)


def test_a_study_without_a_pattern_of_enough_people_has_no_explorer(study):
    with pytest.raises(BookError, match="no pattern"):
        explorer.data(*study, smallest=1000)


def test_the_synthetic_cohort_is_whole_and_the_page_says_why(study, made):
    assert explorer.is_synthetic(records.contract())
    assert not explorer.is_synthetic({"persons": {"path": "persons.csv"}})
    assert explorer.read()[2] == 0
    assert all(sample["dropped"] == {"patterns": 0, "people": 0} for sample in made["samples"].values())
    assert "Nobody is behind" in explorer.left_out(made)


def test_the_script_is_the_same_each_time_and_small(study, made):
    text = explorer.script(made)
    assert text == explorer.script(explorer.data(*study, smallest=0))
    assert text.startswith("window.EXPLORER_DATA = {") and text.endswith("};\n")
    assert json.loads(text.removeprefix("window.EXPLORER_DATA = ").rstrip(";\n")) == json.loads(json.dumps(made))
    for sample in made["samples"].values():
        assert len(json.dumps(sample)) < 35_000


def test_other_data_have_another_digest(study, made):
    persons, visits = study
    older = persons.assign(age=persons["age"].where(persons.index > 0, persons["age"] + 1))
    assert explorer.data(older, visits, 0)["digest"] != made["digest"] != explorer.data(*study, 5)["digest"]


def test_what_stands_without_scripts_is_the_books_own_model(study, made):
    fit = models.fit("pda_b", measures.score(*study), optimisers=())
    coefficients, predicted = explorer.opening(made)
    for label, term in {"contact": "contact", "alliance": "alliance", "PDA at entry": "entry", "age": "age"}.items():
        ours, chapter = coefficients.loc[label], fit.table.loc[term]
        assert ours["estimate"] == pytest.approx(chapter["estimate"], abs=1e-6 * chapter["std_error"])
        assert ours["conf_high"] - ours["estimate"] == pytest.approx(1.959963984540054 * chapter["std_error"], rel=1e-6)
    low, high = (predicted[predicted["level"] == f"{level} contact"] for level in ("low", "high"))
    sd = models.centres(measures.score(*study)).loc["contact", "sd"]
    step = high["estimate"].to_numpy() - low["estimate"].to_numpy()
    assert np.allclose(step, 2 * sd * coefficients.loc["contact", "estimate"])
    words = explorer.alt(coefficients, predicted)
    assert f"contact {coefficients.loc['contact', 'estimate']:.2f}" in words
