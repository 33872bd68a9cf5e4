"""The siblings: made by today's code, summed and fitted as the chapters fit one cohort, and counted plainly."""

import gc
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from helpers import cohort, measures, models, records, study

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "analyses"))

import committed  # noqa: E402
import siblings  # noqa: E402

TABLE, RECORD = records.analysis("siblings")
KEYS = [claim.key for claim in study.CLAIMS]


def rows(what: str, world: str = "study", persons: int = 302) -> pd.DataFrame:
    found = TABLE[(TABLE["what"] == what) & (TABLE["world"] == world) & (TABLE["persons"] == persons)]
    return found.set_index("claim")


def claims_of(scores: pd.DataFrame) -> dict[str, pd.Series]:
    """The row of each claim, from the models as the chapters fit them; each model once."""
    tables = {name: models.fit(name, scores, optimisers=()).table for name in {claim.model for claim in study.CLAIMS}}
    return {claim.key: tables[claim.model].loc[claim.term] for claim in study.CLAIMS}


@pytest.fixture(scope="module")
def pair() -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Two siblings as frames."""
    return [siblings.sibling(siblings.world("study"), np.random.SeedSequence(5, spawn_key=(i,))) for i in range(2)]


def test_the_siblings_of_a_study_of_half_the_size_are_found_again():
    size = siblings.SIZES["persons"]
    again = pd.DataFrame(siblings.siblings("study", 151, siblings.CANDIDATES, 0, size))
    half = [again[[f"{letter}{k}" for k in range(9)]].to_numpy() for letter in "esd"]
    truths = rows("truth", persons=151)["value"].loc[KEYS].to_numpy()
    found = pd.DataFrame(siblings.group_rows(*half, truths, size))
    held = TABLE[(TABLE["world"] == "study") & (TABLE["persons"] == 151)].reset_index(drop=True)
    assert list(found["what"]) == list(held["what"])
    np.testing.assert_allclose(found["value"].astype(float), held["value"], rtol=1e-4, atol=1e-6)


def test_the_true_effects_are_found_again_with_other_lives():
    other = cohort.truth(siblings.world("effects 0.2"), np.random.default_rng(3), n=40_000)
    held = rows("truth", "effects 0.2")["value"]
    assert ((other.loc[KEYS, "causal"] - held).abs() < 5 * other.loc[KEYS, "mcse"]).all()
    assert other.loc["alliance_attendance_interaction", "built_in"] == 0, "what is not claimed stays out"


def test_a_sibling_is_summed_and_fitted_as_a_cohort_is(pair):
    found = siblings.claims([siblings.vectors(*each) for each in pair])
    for b, (persons, visits) in enumerate(pair):
        for k, row in enumerate(claims_of(measures.score(persons, visits.astype("float64"))).values()):
            for name in ("estimate", "std_error", "df"):
                assert found[name][b, k] == pytest.approx(row[name], rel=1e-7)
            assert found["certified"][b, k]


def test_its_scores_are_those_of_the_measures(pair):
    persons, visits = pair[0]
    v, complete = siblings.vectors(persons, visits)
    scores = measures.score(persons, visits.astype("float64"))
    followed = scores[scores["wave"] > 0]
    assert (complete.ravel() == followed["complete"]).all()
    varying = v[:, 6:].reshape(-1, 5) + siblings.CENTRE[6:]
    np.testing.assert_allclose(varying[complete.ravel()], followed.loc[followed["complete"], list(siblings.VARYING)])
    entry = scores[scores["wave"] == 0][list(siblings.BASELINE)].astype(float)
    np.testing.assert_allclose(v[:, 1:6] + siblings.CENTRE[1:6], entry)


def test_what_one_sibling_gives_does_not_depend_on_those_beside_it(pair):
    both = siblings.claims([siblings.vectors(*each) for each in pair])
    alone = siblings.claims([siblings.vectors(*pair[1])])
    np.testing.assert_allclose(both["estimate"][1], alone["estimate"][0], rtol=1e-8)


def test_the_shipped_cohort_stands_in_the_table_as_the_chapters_fit_it():
    for key, row in claims_of(measures.score(*records.read())).items():
        assert rows("shipped").loc[key, "value"] == pytest.approx(row["estimate"], rel=1e-5)


def test_a_world_has_its_effects_and_its_counts():
    p = siblings.world("effects 0.2", persons=151)
    assert (p.pda_contact, p.pda_alliance_change, p.attendance_contact_change) == (0.2, 0.2, 0.2)
    assert (p.pda_contact_change, p.involvement_alliance_change) == (0.0, 0.0)
    assert (p.persons, p.sponsored, p.complete, p.inventoried) == (151, 104, 76, 78)
    p = siblings.world("growth 0.8")
    assert (p.pda_contact, p.pda_alliance_change, p.involvement_contact_change) == (0.3, 0.8, 0.8)
    assert siblings.world("study").change(candidates=40) == cohort.Parameters()


def test_a_sibling_meets_the_published_counts(pair):
    for persons, visits in pair:
        scores = measures.score(persons, visits.astype("float64"))
        assert scores.loc[scores["has_sponsor"] == 1, "person"].nunique() == 208
        assert scores.loc[scores["complete"], "person"].nunique() == 153


def test_where_few_candidates_do_not_suffice_more_are_drawn(monkeypatch):
    asked = []

    def simulate(p, rng):
        asked.append(p.candidates)
        if p.candidates < 40:
            raise ValueError("quotas not met")
        return "persons", "visits", "truth"

    monkeypatch.setattr(cohort, "simulate", simulate)
    assert siblings.sibling(siblings.world("study"), np.random.SeedSequence(1)) == ("persons", "visits")
    assert asked == [10, 40]


def test_shares_are_counted_plainly():
    rng = np.random.default_rng(8)
    estimate = rng.normal(1.0, 1.0, (60, 9))
    error, df, truth = np.full((60, 9), 0.5), np.full((60, 9), 1e9), np.full(9, 0.8)
    found = pd.DataFrame(siblings.group_rows(estimate, error, df, truth, 61)).set_index("what")
    low, high = estimate - 1.959964 * 0.5, estimate + 1.959964 * 0.5
    first = found[found["claim"] == KEYS[0]]["value"]
    out = (low[:, 0] > 0) | (high[:, 0] < 0)
    assert first["found"] == pytest.approx(np.mean(low[:, 0] > 0))
    assert first["power"] == pytest.approx(np.mean(out))
    assert first["type_s"] == pytest.approx(np.mean(estimate[out, 0] < 0))
    assert first["type_m"] == pytest.approx(np.mean(np.abs(estimate[out, 0])) / 0.8)
    assert first["coverage"] == pytest.approx(np.mean((low[:, 0] <= 0.8) & (high[:, 0] >= 0.8)))
    assert found.loc["joint", "value"] == np.mean((low > 0).all(1))
    assert found.loc["product", "value"] == pytest.approx(np.prod((low > 0).mean(0)))
    assert found.loc["failed", "value"] == pytest.approx(1 / 61)
    counts = found.loc["count"].set_index("at")["value"]
    assert counts.sum() == pytest.approx(1)
    assert counts[9] == found.loc["joint", "value"]


def test_the_error_of_the_product_is_that_of_repeated_samples():
    rng = np.random.default_rng(9)
    products, errors = [], []
    for _ in range(300):
        shared = rng.normal(0, 0.4, (80, 1))
        estimate = 1.1 + shared + rng.normal(0, 0.4, (80, 9))
        ones = np.full((80, 9), 0.3)
        rows = pd.DataFrame(siblings.group_rows(estimate, ones, 1e9 * ones, np.ones(9), 80)).set_index("what")
        products.append(rows.loc["product", "value"])
        errors.append(rows.loc["product", "mcse"])
    assert np.mean(errors) == pytest.approx(np.std(products), rel=0.15)


def test_holm_is_that_of_statsmodels(monkeypatch):
    monkeypatch.setattr(gc, "collect", lambda: 0)  # statsmodels has all garbage looked for at each call
    p = np.random.default_rng(2).random((20, 9)) ** 3
    expected = [multipletests(row, method="holm")[1] for row in p]
    np.testing.assert_allclose(siblings.holm(p), expected)


def test_the_table_is_small():
    assert (committed.RESULTS / "siblings.csv").stat().st_size < 200_000
    assert RECORD["siblings"] == siblings.SIZES
