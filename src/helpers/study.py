"""What is known of the study: its waves, its variables, its published facts and the nine claims.

Every fact carries its source and prints itself as the book quotes it. Nothing here is computed from data.
"""

from dataclasses import dataclass

WAVES = (0, 3, 6, 12)  # months after discharge; wave 0 is treatment entry
FOLLOW_UPS = (3, 6, 12)
MEAN_FOLLOW_UP = sum(FOLLOW_UPS) / len(FOLLOW_UPS)  # months; time is centred here
CONFIDENCE = 0.95  # of every interval in the book
ALPHA = 0.05  # two-sided, for every test in the book


@dataclass(frozen=True)
class Source:
    """Where a fact was published: `citation` as prose, `cite` the key in references.bib (empty if a web page)."""

    citation: str
    url: str
    cite: str = ""


SOURCES = {
    "kelly2016": Source(
        "Kelly, Greene & Bergman 2016, Drug and Alcohol Dependence 162:64-71 (abstract)",
        "https://doi.org/10.1016/j.drugalcdep.2016.02.028",
        "kelly2016",
    ),
    "rri_alliance": Source(
        "Recovery Research Institute summary, 'Benefits of the therapeutic alliance between sponsor & "
        "sponsee in 12-step groups'",
        "https://www.recoveryanswers.org/research-post/"
        "benefits-of-the-therapeutic-alliance-between-sponsor-sponsee-in-12-step-groups/",
    ),
    "kelly2016sai": Source(
        "Kelly, Greene, Bergman, Hoeppner & Slaymaker 2016, Alcohol and Alcoholism (abstract)",
        "https://pubmed.ncbi.nlm.nih.gov/26113488/",
        "kelly2016sai",
    ),
    "kelly2013": Source(
        "Kelly, Stout & Slaymaker 2013, PMC3566342 (abstract)",
        "https://www.ncbi.nlm.nih.gov/pmc/articles/PMC3566342/",
        "kelly2013",
    ),
    "kelly2014": Source("Kelly, Greene & Bergman 2014 (abstract)", "", "kelly2014"),
    "bergman2014": Source(
        "Bergman, Greene, Hoeppner, Slaymaker & Kelly 2014, PMC3946781 (abstract)",
        "https://www.ncbi.nlm.nih.gov/pmc/articles/PMC3946781/",
        "bergman2014",
    ),
    "rri_care": Source(
        "Recovery Research Institute summary, 'Do young adults need both clinical & non-clinical continuing "
        "care after residential treatment'",
        "https://www.recoveryanswers.org/research-post/"
        "do-young-adults-need-both-clinical-non-clinical-continuing-care-after-residential-treatment/",
    ),
    "witbrodt2012": Source(
        "Witbrodt, Kaskutas, Bond & Delucchi 2012, PMC3260344 (abstract)",
        "https://www.ncbi.nlm.nih.gov/pmc/articles/PMC3260344/",
        "witbrodt2012",
    ),
}


@dataclass(frozen=True)
class Fact:
    """One published figure. `str(fact)` is the figure as the book prints it; `meaning` names its denominator."""

    key: str
    value: float
    format: str
    unit: str
    meaning: str
    source: str

    def __str__(self) -> str:
        return f"{self.value:{self.format}}{self.unit}"


FACTS = {
    fact.key: fact
    for fact in (
        Fact("n_entry", 302, "d", "", "young adults assessed at treatment entry", "kelly2016"),
        Fact("wave_3", 3, "d", "", "months after discharge, the first follow-up", "kelly2016"),
        Fact("wave_6", 6, "d", "", "months after discharge, the second follow-up", "kelly2016"),
        Fact("wave_12", 12, "d", "", "months after discharge, the last follow-up", "kelly2016"),
        Fact("n_sponsor", 208, "d", "", "people with a sponsor at one or more follow-ups", "kelly2016"),
        Fact("pct_sponsor", 68.87, ".2f", " %", "of all 302, with a sponsor at a follow-up", "kelly2016"),
        Fact("n_complete", 153, "d", "", "people with sponsor, contact and alliance at a wave", "rri_alliance"),
        Fact("sai_items", 10, "d", "", "self-report items of the Sponsor Alliance Inventory", "rri_alliance"),
        Fact("n_sai", 157, "d", "", "people with a sponsor in the inventory's validation", "kelly2016sai"),
        Fact("sai_alpha", 0.95, ".2f", "", "least alpha of the inventory at any wave", "kelly2016sai"),
        Fact("age_min", 18, "d", "", "youngest age in years", "kelly2013"),
        Fact("age_max", 24, "d", "", "oldest age in years", "kelly2013"),
        Fact("pct_female", 26, "d", " %", "female, of 303 in that paper", "kelly2013"),
        Fact("pct_white", 95, "d", " %", "White, of 303 in that paper", "kelly2013"),
        Fact("pct_comorbid", 51, "d", " %", "with a comorbid axis I disorder, of 303", "kelly2013"),
        Fact("n_2013", 303, "d", "", "people in the 2013 paper on the same cohort", "kelly2013"),
        Fact("any_0", 36, "d", " %", "attending any meeting before treatment", "kelly2013"),
        Fact("any_3", 89, "d", " %", "attending any meeting at 3 months", "kelly2013"),
        Fact("any_6", 82, "d", " %", "attending any meeting at 6 months", "kelly2013"),
        Fact("any_12", 76, "d", " %", "attending any meeting at 12 months", "kelly2013"),
        Fact("attendance_3", 3, "d", "", "meetings a week at 3 months, about (the peak)", "kelly2013"),
        Fact("attendance_12", 1, "d", "", "meetings a week at 12 months, just over", "kelly2013"),
        Fact("age_mean", 20.4, ".1f", "", "mean age in years, a sub-sample of 279", "kelly2014"),
        Fact("age_sd", 1.6, ".1f", "", "SD of age in years, a sub-sample of 279", "kelly2014"),
        Fact("n_2014", 279, "d", "", "people in the 2014 sub-sample", "kelly2014"),
        Fact("involvement_items", 8, "d", "", "activities in the involvement index", "bergman2014"),
        Fact("stay_days", 25, "d", "", "mean days of residential stay", "rri_care"),
        Fact("n_witbrodt", 495, "d", "", "adults in a cohort followed for 1 to 7 years", "witbrodt2012"),
    )
}


@dataclass(frozen=True)
class Outcome:
    """An outcome as the models see it: `unit` of one step, and the range it can take."""

    name: str
    label: str
    unit: str
    low: float
    high: float


NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def in_words(n: int) -> str:
    """A small count as text has it: 6 is "six"; beyond ten in figures."""
    return NUMBERS[n] if n < len(NUMBERS) else str(n)


OUTCOMES = {
    "attendance": Outcome("attendance", "12-step attendance", "meetings a week", 0.0, 21.0),
    "involvement": Outcome("involvement", "12-step involvement", "activities of six", 0.0, 6.0),
    "pda": Outcome("pda", "Percent days abstinent", "PDA points", 0.0, 100.0),
}

PREDICTORS = {
    "has_sponsor": "having a sponsor",
    "contact": "contact with the sponsor (days a week)",
    "alliance": "alliance with the sponsor (SAI mean, 1 to 7)",
}

SAI_RANGE = (1, 7)
SAI_ITEMS = {
    "sai_1": "My sponsor and I agree on what I need to do to stay in recovery",
    "sai_2": "What I do with my sponsor gives me new ways of looking at my problem",
    "sai_3": "I believe my sponsor likes me",
    "sai_4": "My sponsor and I work towards goals we both set",
    "sai_5": "My sponsor and I respect each other",
    "sai_6": "My sponsor and I trust each other",
    "sai_7": "I feel my sponsor appreciates me",
    "sai_8": "We agree on what is important for me to work on",
    "sai_9": "My sponsor and I know which changes would be good for me",
    "sai_10": "I believe the way we work together is right",
}  # wording ours: the adapted items are not in an open source

INVOLVEMENT_ITEMS = {
    "inv_1": "considers self a member",
    "inv_2": "has a sponsor",
    "inv_3": "called or met a sponsor",
    "inv_4": "has a home group",
    "inv_5": "read the literature",
    "inv_6": "worked on the steps",
    "inv_7": "did service at a meeting",
    "inv_8": "spent time with members outside meetings",
}  # the eight of the published index are not listed in its abstract: ours are assumed
SPONSOR_ITEMS = ("inv_2", "inv_3")  # left out of the main outcome, or contact would partly predict itself
ACTIVITY_ITEMS = tuple(item for item in INVOLVEMENT_ITEMS if item not in SPONSOR_ITEMS)


@dataclass(frozen=True)
class Claim:
    """One finding of the abstract, read as one coefficient of one model."""

    key: str
    predictor: str
    outcome: str
    kind: str  # "average" or "interaction"

    @property
    def model(self) -> str:
        return f"{self.outcome}_{'b' if self.kind == 'average' else 'c'}"

    @property
    def term(self) -> str:
        return self.predictor if self.kind == "average" else f"{self.predictor}:time"


CLAIMS = tuple(
    Claim(f"{predictor}_{outcome}_{kind}", predictor, outcome, kind)
    for predictor, outcome, kind in (
        ("contact", "attendance", "average"),
        ("contact", "involvement", "average"),
        ("contact", "pda", "average"),
        ("alliance", "attendance", "average"),
        ("alliance", "involvement", "average"),
        ("alliance", "pda", "average"),
        ("contact", "attendance", "interaction"),
        ("contact", "involvement", "interaction"),
        ("alliance", "pda", "interaction"),
    )
)
