"""Weights for having a sponsor: the history is what was known before, and the weights undo what they know."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from helpers import measures, records, weights


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return weights.stabilised(weights.history(measures.score(*records.read())))


def test_the_history_of_a_visit_is_the_last_visit_that_took_place(rows):
    scores = measures.score(*records.read())
    for row in rows.sample(60, random_state=2).itertuples():
        before = scores[(scores["person"] == row.person) & (scores["wave"] < row.wave) & (scores["observed"] == 1)]
        last = before.sort_values("wave").iloc[-1]
        assert row.pda_last == last["pda"] and row.involvement_last == last["involvement"]
        assert row.sponsor_last == (0 if last["wave"] == 0 else last["has_sponsor"])
    assert len(rows) == ((scores["observed"] == 1) & (scores["wave"] > 0)).sum()


def test_a_weight_is_the_product_of_the_ratios_along_a_person_s_visits(rows):
    above = smf.logit("has_sponsor ~ sponsor_last + at_6 + at_12", rows).fit(disp=0).predict()
    below = smf.logit(f"has_sponsor ~ sponsor_last + at_6 + at_12 + {' + '.join(weights.KNOWN)}", rows).fit(disp=0)
    below, s = below.predict(), rows["has_sponsor"].to_numpy()
    ratio = np.where(s == 1, above / below, (1 - above) / (1 - below))
    expected, held = [], {}
    for person, one in zip(rows["person"], ratio, strict=True):
        held[person] = held.get(person, 1.0) * one
        expected.append(held[person])
    np.testing.assert_allclose(rows["weight"], expected, rtol=1e-5)
    np.testing.assert_allclose(rows["chance"], below, rtol=1e-5)


def test_stabilised_weights_average_to_about_one(rows):
    assert rows["weight"].mean() == pytest.approx(1, abs=0.02)


def test_at_the_first_visit_weighting_makes_what_is_known_alike_with_and_without_a_sponsor(rows):
    first = rows[(rows["wave"] == 3)]
    for name in ("pda_0", "attendance_0", "involvement_0"):
        gaps = []
        for w in (np.ones(len(first)), first["weight"]):
            groups = first.assign(w=w).groupby("has_sponsor")
            means = groups.apply(lambda g, name=name: np.average(g[name], weights=g["w"]), include_groups=False)
            gaps.append(abs(means[1] - means[0]) / first[name].std())
        assert gaps[1] < max(gaps[0], 0.05), name


def test_within_a_single_wave_the_effect_is_a_difference_of_weighted_means(rows):
    one = rows[rows["wave"] == 3].assign(at_6=0.0, at_12=0.0)
    both = pd.concat([one, rows[rows["wave"] != 3].assign(weight=1e-12)])  # the others weigh nothing
    found = weights.effect(both).loc["has_sponsor", "estimate"]
    part = {s: g for s, g in one.groupby("has_sponsor")}
    means = {s: np.average(g["pda"], weights=g["weight"]) for s, g in part.items()}
    assert found == pytest.approx(means[1] - means[0], rel=1e-3)


def test_weights_ask_which_follow_up_it_was_and_not_at_which_month(rows):
    scores = measures.score(*records.read())
    months = scores["wave"].map({0: 0, 3: 1, 6: 6, 12: 24})
    other = weights.stabilised(weights.history(scores.assign(wave=months, months=months)))
    assert weights.marks(other) == ["at_6", "at_24"]
    np.testing.assert_allclose(other["weight"], rows["weight"], rtol=1e-9)
