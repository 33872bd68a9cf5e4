"""What is known of the study, against the same figures typed a second time from their sources."""

import re
from dataclasses import replace
from pathlib import Path

from helpers import study

ROOT = Path(__file__).parents[1]

# key: (as printed, word of its source), typed from the abstracts and summaries and from nothing else
PUBLISHED = {
    "n_entry": ("302", "2016"),
    "wave_3": ("3", "2016"),
    "wave_6": ("6", "2016"),
    "wave_12": ("12", "2016"),
    "n_sponsor": ("208", "2016"),
    "pct_sponsor": ("68.87 %", "2016"),
    "n_complete": ("153", "therapeutic alliance"),
    "sai_items": ("10", "therapeutic alliance"),
    "n_sai": ("157", "Hoeppner"),
    "sai_alpha": ("0.95", "Hoeppner"),
    "age_min": ("18", "Stout"),
    "age_max": ("24", "Stout"),
    "pct_female": ("26 %", "Stout"),
    "pct_white": ("95 %", "Stout"),
    "pct_comorbid": ("51 %", "Stout"),
    "n_2013": ("303", "Stout"),
    "any_0": ("36 %", "Stout"),
    "any_3": ("89 %", "Stout"),
    "any_6": ("82 %", "Stout"),
    "any_12": ("76 %", "Stout"),
    "attendance_3": ("3", "Stout"),
    "attendance_12": ("1", "Stout"),
    "age_mean": ("20.4", "2014"),
    "age_sd": ("1.6", "2014"),
    "n_2014": ("279", "2014"),
    "involvement_items": ("8", "Slaymaker & Kelly 2014"),
    "stay_days": ("25", "continuing care"),
    "n_witbrodt": ("495", "Witbrodt"),
}


def altered(facts: dict[str, study.Fact]) -> list[str]:
    """The facts that are not printed, or not attributed, as their source has them."""
    return [
        key
        for key in sorted(PUBLISHED.keys() | facts.keys())
        if key not in facts
        or key not in PUBLISHED
        or str(facts[key]) != PUBLISHED[key][0]
        or PUBLISHED[key][1] not in study.SOURCES[facts[key].source].citation
    ]


def test_every_fact_stands_as_its_source_has_it():
    assert altered(study.FACTS) == []


def test_a_mutated_fact_fails_by_name():
    mutated = {**study.FACTS, "n_sponsor": replace(study.FACTS["n_sponsor"], value=209)}
    assert altered(mutated) == ["n_sponsor"]


def test_a_fact_with_another_source_fails_by_name():
    mutated = {**study.FACTS, "any_3": replace(study.FACTS["any_3"], source="kelly2016")}
    assert altered(mutated) == ["any_3"]


def test_the_share_with_a_sponsor_follows_from_its_counts():
    facts = study.FACTS
    assert round(100 * facts["n_sponsor"].value / facts["n_entry"].value, 2) == facts["pct_sponsor"].value


def test_every_cited_source_is_in_the_bibliography():
    entries = set(
        re.findall(r"^@\w+\{(\w+),", (ROOT / "book/references.bib").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert {source.cite for source in study.SOURCES.values() if source.cite} <= entries


def test_the_claims_are_six_averages_and_three_interactions():
    kinds = [claim.kind for claim in study.CLAIMS]
    assert (len(kinds), kinds.count("average"), kinds.count("interaction")) == (9, 6, 3)


def test_the_interactions_are_those_of_the_abstract():
    claimed = {(claim.predictor, claim.outcome) for claim in study.CLAIMS if claim.kind == "interaction"}
    assert claimed == {("contact", "attendance"), ("contact", "involvement"), ("alliance", "pda")}


def test_a_claim_names_its_model_and_its_term():
    by_key = {claim.key: claim for claim in study.CLAIMS}
    assert (by_key["alliance_pda_interaction"].model, by_key["alliance_pda_interaction"].term) == (
        "pda_c",
        "alliance:time",
    )
    assert (by_key["contact_pda_average"].model, by_key["contact_pda_average"].term) == ("pda_b", "contact")


def test_time_is_centred_on_the_mean_follow_up():
    assert study.MEAN_FOLLOW_UP == 7


def test_the_main_involvement_count_leaves_out_the_items_about_a_sponsor():
    assert len(study.ACTIVITY_ITEMS) == 6
    assert not set(study.ACTIVITY_ITEMS) & set(study.SPONSOR_ITEMS)
    assert all("sponsor" not in study.INVOLVEMENT_ITEMS[item] for item in study.ACTIVITY_ITEMS)
