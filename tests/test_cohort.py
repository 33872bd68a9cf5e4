"""The generating model: targets met by construction, the truth on the models' scale, the committed files."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from helpers import cohort, records, study

SAI = list(study.SAI_ITEMS)


@pytest.fixture(scope="module", params=[cohort.SEED, 1, 2, 3])
def siblings(request):
    return cohort.simulate(cohort.Parameters(), np.random.default_rng(request.param))


def test_every_parameter_has_a_unit_a_known_status_and_a_source():
    for field in fields(cohort.Parameters):
        assert field.metadata["unit"] and field.metadata["source"], field.name
        assert field.metadata["status"] in {"published", "calibrated", "assumed"}, field.name


def test_counts_of_people_are_the_published_ones_in_every_sibling(siblings):
    persons, visits, _ = siblings
    followed = visits[visits.wave > 0]
    complete = followed[SAI].notna().sum(axis=1) >= 8
    assert len(persons) == 302
    assert followed[followed.has_sponsor == 1].person.nunique() == 208
    assert followed[complete & followed.contact_days.notna()].person.nunique() == 153
    assert followed[complete].person.nunique() == 157
    assert (persons.sex == "female").sum() == round(0.26 * 302)
    assert (persons.race == "White").sum() == round(0.95 * 302)
    assert persons.age.between(18, 24).all()
    assert round(persons.age.mean(), 1) == 20.4
    assert round(persons.age.std(), 1) == 1.6


def test_attendance_meets_the_published_shares_and_means_in_every_sibling(siblings):
    _, visits, _ = siblings
    seen = visits[visits.observed == 1]
    shares = (seen.meetings > 0).groupby(seen.wave).mean() * 100
    assert shares.round().tolist() == [36, 89, 82, 76]
    weekly = (7 * seen.meetings / seen.window_days).groupby(seen.wave).mean()
    assert abs(weekly[3] - 3) < 0.1
    assert 1 < weekly[12] < 1.3


def test_alpha_is_at_least_the_published_one_at_every_follow_up(siblings):
    _, visits, _ = siblings
    for _, wave in visits[visits.wave > 0].groupby("wave"):
        items = wave[SAI].dropna().astype(float)
        k = items.shape[1]
        alpha = k / (k - 1) * (1 - items.var().sum() / items.sum(axis=1).var())
        assert alpha >= 0.95


def test_a_missed_visit_has_no_answers_and_contact_needs_a_sponsor(siblings):
    _, visits, _ = siblings
    answers = visits.columns.difference(["person", "wave", "observed"])
    assert visits.loc[visits.observed == 0, answers].isna().all(axis=None)
    unsponsored = visits.has_sponsor.fillna(0) == 0
    assert visits.loc[unsponsored, [*SAI, "contact_days"]].isna().all(axis=None)


def test_people_who_skip_a_page_skip_it_at_every_visit_by_default():
    _, visits, _ = cohort.simulate(cohort.Parameters(), np.random.default_rng(7))
    sponsored = visits[visits.has_sponsor == 1]
    answered = (sponsored[SAI].notna().sum(axis=1) >= 8).groupby(sponsored.person).nunique()
    assert (answered == 1).all()


def test_skipping_by_visit_leaves_some_people_complete_at_some_visits_only():
    by_visit = cohort.Parameters().change(skipping="visit", skip_inventory=0.4)
    _, visits, _ = cohort.simulate(by_visit, np.random.default_rng(7))
    sponsored = visits[visits.has_sponsor == 1]
    answered = (sponsored[SAI].notna().sum(axis=1) >= 8).groupby(sponsored.person).nunique()
    assert (answered == 2).any()


def test_an_unknown_way_of_skipping_is_refused_by_name():
    with pytest.raises(ValueError, match="skipping: 'often'"):
        cohort.simulate(cohort.Parameters().change(skipping="often"), np.random.default_rng(1))


def test_counts_that_cannot_be_met_are_an_error_not_a_near_miss():
    nobody = cohort.Parameters().change(sponsor_level=(-30.0, -30.0, -30.0))
    with pytest.raises(ValueError, match="quotas not met"):
        cohort.simulate(nobody, np.random.default_rng(1))


def test_regenerating_gives_the_committed_files(tmp_path):
    for path in cohort.write(tmp_path):
        again, committed = pd.read_csv(path), pd.read_csv(records.folder() / path.name)
        whole = committed.select_dtypes(exclude="float64").columns.tolist()
        counts = [c for c in committed.columns if c not in whole and (committed[c].dropna() % 1 == 0).all()]
        pd.testing.assert_frame_equal(again[whole + counts], committed[whole + counts], check_exact=True)
        pd.testing.assert_frame_equal(again, committed, check_exact=False, rtol=0, atol=1.01e-6)


def test_the_mean_outcome_is_the_printed_equation():
    p = cohort.Parameters()
    person = {"propensity": 0.5, "pda_intercept": 2.0, "pda_slope": 0.1}
    months = 12 - 7
    by_contact = 30 / 1.8 * 0.3
    by_alliance = 30 / 1.0 * (0.3 + 0.5 * months / 9)
    by_hand = 52 + 5 * 0.5 + 2 + 0.1 * months + 8 + by_contact * (4 - 3) + by_alliance * (5.0 - 5.2)
    assert cohort.expected(p, "pda", 3, 1, 4.0, 5.0, person) == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.parametrize("outcome", study.OUTCOMES)
def test_drawn_outcomes_have_the_expected_mean_at_every_wave(outcome):
    p = cohort.Parameters()
    lives = cohort.live(p, 60_000, np.random.default_rng(11))
    scale = {"pda": 100 / 90, "attendance": 7 / 90, "involvement": 1.0}[outcome]
    drawn = scale * lives[{"pda": "abstinent", "attendance": "meetings", "involvement": "activities"}[outcome]]
    for wave in (1, 2, 3):
        mean = cohort.expected(
            p,
            outcome,
            wave,
            lives["sponsor"][:, wave],
            7 * lives["potential_contact"][:, wave] / 90,
            lives["potential_alliance"][:, wave],
            lives,
        )
        error = drawn[:, wave] - mean
        assert abs(error.mean()) < 4 * error.std() / np.sqrt(len(error)) + 0.005


def test_a_drawn_cohort_shifted_in_alliance_changes_pda_as_the_truth_says():
    p = cohort.Parameters()
    truth = cohort.truth(p, np.random.default_rng(3), n=40_000).causal
    lives = cohort.live(p, 150_000, np.random.default_rng(4))
    h = p.alliance_scale / 2
    change = []
    for wave in (1, 2, 3):
        where = lives["sponsor"][:, wave]
        alliance = lives["potential_alliance"][:, wave]
        contact = 7 * lives["potential_contact"][:, wave] / 90
        up, down = (np.clip(alliance + side * h, 1, 7) for side in (1, -1))
        rng = np.random.default_rng(5 + wave)
        days = [
            rng.binomial(90, cohort.expected(p, "pda", wave, 1, contact, a, lives) / 100)[where].mean()
            for a in (up, down)
        ]
        change.append((days[0] - days[1]) / 0.9 / (up - down)[where].mean())
    assert np.mean(change) == pytest.approx(
        truth["alliance_pda_average"] + truth["alliance_pda_interaction"] * 0, abs=0.35
    )
    assert (change[2] - change[0]) / 9 == pytest.approx(truth["alliance_pda_interaction"], abs=0.05)


def test_with_no_effects_built_in_the_causal_truth_is_zero():
    none = {
        f"{o}_{x}{change}": 0.0 for o in study.OUTCOMES for x in ("contact", "alliance") for change in ("", "_change")
    }
    truth = cohort.truth(cohort.Parameters().change(**none), np.random.default_rng(1), n=20_000)
    assert (truth.causal.drop(truth.index[truth.index.str.startswith("has_sponsor")]) == 0).all()


def test_missing_visits_depend_on_the_last_pda_seen_and_not_otherwise():
    p = cohort.Parameters().change(seen_outcome=0.0)
    lives = cohort.live(p, 50_000, np.random.default_rng(2))
    gap = np.diff([lives["abstinent"][lives["seen"][:, 1] == s, 0].mean() for s in (0, 1)])[0]
    assert abs(gap) < 1.5
    lives = cohort.live(cohort.Parameters().change(seen_outcome=1.0), 50_000, np.random.default_rng(2))
    assert np.diff([lives["abstinent"][lives["seen"][:, 1] == s, 0].mean() for s in (0, 1)])[0] > 5


def test_feedback_from_outcome_to_contact_is_off_until_asked_for():
    def correlation(feedback):
        lives = cohort.live(
            cohort.Parameters().change(
                contact_feedback=feedback, contact_propensity=0.0, pda_contact=0.0, contact_between=0.0
            ),
            50_000,
            np.random.default_rng(8),
        )
        return np.corrcoef(lives["abstinent"][:, 1], lives["potential_contact"][:, 2])[0, 1]

    assert abs(correlation(0.0)) < 0.02
    assert correlation(0.5) > 0.2
