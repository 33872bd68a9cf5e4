"""The generating model of the synthetic cohort: parameters, lives, recruitment, answers, and the truth.

A *life* is one person's whole course through the study, drawn from the printed equations without any quota.
A *cohort* is recruited from many lives so that the published counts are met exactly; siblings with other seeds are
recruited in the same way. Nothing here reads a record, and nothing that scores or models imports this module.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.random import Generator
from scipy.special import expit

from helpers.study import (
    ACTIVITY_ITEMS,
    CLAIMS,
    FOLLOW_UPS,
    INVOLVEMENT_ITEMS,
    MEAN_FOLLOW_UP,
    OUTCOMES,
    SAI_ITEMS,
    SAI_RANGE,
    WAVES,
)

SEED = 162_064  # the paper's volume and first page, fixed before any model was fitted
PDA_CENTRE, PDA_STEP = 50, 25  # PDA points: from where, and by what step, an earlier PDA counts in log odds
SHIFT = 0.5  # SDs up and down by which a predictor is set for its causal truth
Lives = dict[str, np.ndarray]  # person arrays have shape (n,), visit arrays (n, 4 waves)


def _set(value: object, unit: str, status: str, source: str) -> object:
    return field(default=value, metadata={"unit": unit, "status": status, "source": source})


@dataclass(frozen=True)
class Parameters:
    """Everything the cohort is made from. Each field carries its unit, status and source or reason.

    Levels and shares with four entries belong to the waves 0, 3, 6 and 12. Effects are causal effects within a
    person, in SDs of the outcome for one SD of the predictor (`..._sd` and `contact_scale`, `alliance_scale` turn
    them into the outcome's units); a `_change` is what the effect gains over the nine months from 3 to 12.
    """

    # recruitment: met exactly, in every cohort
    persons: int = _set(302, "people", "published", "kelly2016")
    sponsored: int = _set(208, "people with a sponsor at a follow-up", "published", "kelly2016")
    complete: int = _set(153, "people with contact and SAI at a follow-up", "published", "rri_alliance")
    inventoried: int = _set(157, "people with SAI at any wave", "assumed", "kelly2016sai, read as SAI at any wave")
    female: float = _set(0.26, "share of all", "published", "kelly2013")
    white: float = _set(0.95, "share of all", "published", "kelly2013")
    comorbid: float = _set(0.51, "share of all", "published", "kelly2013")
    ages: tuple[float, ...] = _set(
        (0.12, 0.19, 0.25, 0.205, 0.13, 0.06, 0.045),
        "share aged 18, 19, ... 24",
        "calibrated",
        "kelly2014: 20.4 (SD 1.6)",
    )
    any_attendance: tuple[float, ...] = _set((0.36, 0.89, 0.82, 0.76), "share of those seen", "published", "kelly2013")
    mean_attendance: tuple[float, ...] = _set(
        (0.0, 3.0, 0.0, 1.15), "meetings a week (0: left free)", "calibrated", "kelly2013: about 3; just over 1"
    )
    mean_attendance_within: float = _set(0.08, "meetings a week", "assumed", "what 'about' is taken to allow")
    stay_mean: float = _set(25.0, "days", "published", "rri_care")
    stay_sd: float = _set(5.0, "days", "assumed", "none published")
    candidates: int = _set(40, "lives drawn for each person", "assumed", "enough to meet every count")

    # the recall window
    window: tuple[int, ...] = _set((90, 90, 90, 90), "days", "assumed", "90, 90, 91, 183: since the last interview")

    # who has a sponsor, how often in contact, how strong the alliance
    sponsor_level: tuple[float, ...] = _set((0.66, 0.2, -0.3), "log odds", "assumed", "wave by wave unknown")
    sponsor_propensity: float = _set(0.6, "log odds for 1 SD", "assumed", "confounding")
    sponsor_tendency: float = _set(2.2, "log odds for 1 SD", "assumed", "sponsorship lasts")
    contact_level: float = _set(-0.35, "log odds of a day with contact", "assumed", "about 3 days a week")
    contact_propensity: float = _set(0.3, "log odds for 1 SD", "assumed", "confounding")
    contact_between: float = _set(0.9, "log odds, SD", "assumed", "none published")
    contact_within: float = _set(0.8, "log odds, SD", "assumed", "none published")
    contact_feedback: float = _set(0.0, "log odds for 25 PDA points", "assumed", "off; later chapters turn it on")
    alliance_level: float = _set(5.2, "SAI points", "assumed", "none published")
    alliance_propensity: float = _set(0.3, "correlation", "assumed", "confounding")
    alliance_between: float = _set(0.85, "SAI points, SD", "assumed", "none published")
    alliance_within: float = _set(0.65, "SAI points, SD", "assumed", "none published")
    contact_centre: float = _set(3.0, "days a week", "assumed", "where having a sponsor is worth `_sponsor`")
    contact_scale: float = _set(1.8, "days a week", "assumed", "about its SD; one SD in the effects below")
    alliance_scale: float = _set(1.0, "SAI points", "assumed", "about its SD; one SD in the effects below")

    # who answers: by person ("skipping pages is a habit") or by visit
    skipping: str = _set("person", "person or visit", "assumed", "why 55 sponsored people are never complete")
    skip_inventory: float = _set(0.245, "share of the sponsored", "calibrated", "51 of 208")
    skip_contact: float = _set(0.0192, "share of the sponsored", "calibrated", "4 of 208")
    skip_item: float = _set(0.01, "share of SAI items, at most two a visit", "assumed", "none published")
    item_noise: float = _set(0.45, "SAI points, SD", "calibrated", "kelly2016sai: alpha at least .95")
    item_offset: float = _set(0.25, "SAI points, half the range over items", "assumed", "items differ in ease")

    # percent days abstinent
    pda_level: tuple[float, ...] = _set((28.0, 62.0, 57.0, 52.0), "PDA points", "assumed", "none published")
    pda_bounds: tuple[float, float] = _set((2.0, 99.0), "PDA points", "assumed", "a mean stays off the limits")
    pda_sponsor: float = _set(8.0, "PDA points", "assumed", "sign from witbrodt2012")
    pda_propensity: float = _set(5.0, "PDA points for 1 SD", "assumed", "confounding")
    pda_intercept: float = _set(10.0, "PDA points, SD", "assumed", "none published")
    pda_slope: float = _set(0.8, "PDA points a month, SD", "assumed", "none published")
    pda_sd: float = _set(30.0, "PDA points", "assumed", "about the SD over sponsored visits")
    pda_contact: float = _set(0.3, "SD for 1 SD", "assumed", "positive control")
    pda_contact_change: float = _set(0.0, "SD for 1 SD, 3 to 12 months", "assumed", "not among the findings")
    pda_alliance: float = _set(0.3, "SD for 1 SD", "assumed", "positive control")
    pda_alliance_change: float = _set(0.5, "SD for 1 SD, 3 to 12 months", "assumed", "positive control")
    pda_precision: float = _set(1.8, "beta-binomial precision", "assumed", "gives a ceiling")

    # attendance
    attendance_level: tuple[float, ...] = _set((0.75, 2.0, 1.3, 0.25), "meetings a week", "calibrated", "kelly2013")
    attendance_bounds: tuple[float, float] = _set(
        (0.15, 14.0), "meetings a week", "assumed", "a mean stays off the limits"
    )
    attendance_sponsor: float = _set(1.65, "meetings a week", "assumed", "none published")
    attendance_propensity: float = _set(0.25, "meetings a week for 1 SD", "assumed", "confounding")
    attendance_intercept: float = _set(0.35, "meetings a week, SD", "assumed", "none published")
    attendance_slope: float = _set(0.03, "meetings a week a month, SD", "assumed", "none published")
    attendance_sd: float = _set(1.6, "meetings a week", "assumed", "about the SD over sponsored visits")
    attendance_contact: float = _set(0.3, "SD for 1 SD", "assumed", "positive control")
    attendance_contact_change: float = _set(0.5, "SD for 1 SD, 3 to 12 months", "assumed", "positive control")
    attendance_alliance: float = _set(0.3, "SD for 1 SD", "assumed", "positive control")
    attendance_alliance_change: float = _set(0.0, "SD for 1 SD, 3 to 12 months", "assumed", "not a finding")
    attendance_precision: float = _set(7.0, "negative-binomial size", "assumed", "none published")
    any_level: tuple[float, ...] = _set((-0.62, 1.25, 0.7, 0.4), "log odds", "calibrated", "kelly2013")
    any_sponsor: float = _set(2.9, "log odds", "assumed", "nearly all with a sponsor attend")
    any_propensity: float = _set(0.5, "log odds for 1 SD", "assumed", "confounding")

    # involvement (activities of six; the two about a sponsor follow from having and contacting one)
    involvement_level: tuple[float, ...] = _set((1.0, 2.2, 1.9, 1.5), "activities", "assumed", "kelly2013: falls")
    involvement_bounds: tuple[float, float] = _set((0.15, 5.9), "activities", "assumed", "a mean stays off the limits")
    involvement_sponsor: float = _set(1.5, "activities", "assumed", "none published")
    involvement_propensity: float = _set(0.25, "activities for 1 SD", "assumed", "confounding")
    involvement_intercept: float = _set(0.4, "activities, SD", "assumed", "none published")
    involvement_slope: float = _set(0.03, "activities a month, SD", "assumed", "none published")
    involvement_sd: float = _set(1.5, "activities", "assumed", "about the SD over sponsored visits")
    involvement_contact: float = _set(0.3, "SD for 1 SD", "assumed", "positive control")
    involvement_contact_change: float = _set(0.5, "SD for 1 SD, 3 to 12 months", "assumed", "positive control")
    involvement_alliance: float = _set(0.3, "SD for 1 SD", "assumed", "positive control")
    involvement_alliance_change: float = _set(0.0, "SD for 1 SD, 3 to 12 months", "assumed", "not a finding")
    involvement_precision: float = _set(12.0, "beta-binomial precision", "assumed", "none published")
    activity_ease: tuple[float, ...] = _set((1.2, 0.2, 0.3, 0.0, -0.9, 0.6), "log weight", "assumed", "none published")

    # who is missed: at random given the last PDA that was observed
    seen_level: tuple[float, ...] = _set((1.95, 1.4, 1.1), "log odds", "assumed", "retention not published")
    seen_outcome: float = _set(0.3, "log odds for 25 PDA points", "assumed", "missing at random (MAR)")

    def change(self, **values: object) -> "Parameters":
        """The same parameters with some replaced."""
        return replace(self, **values)


def describe(parameters: Parameters) -> pd.DataFrame:
    """One row a parameter: name (index), value, unit, status, source."""
    values = asdict(parameters)
    return pd.DataFrame(
        [{"name": f.name, "value": values[f.name], **f.metadata} for f in fields(parameters)]
    ).set_index("name")


def expected(
    p: Parameters,
    outcome: str,
    wave: int,
    sponsor: np.ndarray,
    contact: np.ndarray,
    alliance: np.ndarray,
    person: Mapping[str, np.ndarray],
) -> np.ndarray:
    """The mean outcome at a wave, in its own units: the equation that everything else hangs on.

        mu = level(t) + propensity u + intercept + slope (t - 7) + H [ sponsor
             + (s / s_C) (bc + dc (t - 7) / 9) (C - C0) + (s / s_A) (ba + da (t - 7) / 9) (A - A0) ]

    held within `bounds`. H is `sponsor` (0 or 1), C is `contact` (days a week) and C0 its centre, A is `alliance`
    (SAI points) and A0 its level; at entry (wave 0) nobody is asked about a sponsor, and t - 7 is taken as 0.
    """
    of = lambda name: getattr(p, f"{outcome}_{name}")
    months = WAVES[wave] - MEAN_FOLLOW_UP if wave else 0.0
    share = months / (FOLLOW_UPS[-1] - FOLLOW_UPS[0])  # of the nine months over which effects change
    by_contact = of("sd") / p.contact_scale * (of("contact") + of("contact_change") * share)
    by_alliance = of("sd") / p.alliance_scale * (of("alliance") + of("alliance_change") * share)
    mean = (
        of("level")[wave]
        + of("propensity") * person["propensity"]
        + person[f"{outcome}_intercept"]
        + person[f"{outcome}_slope"] * months
        + sponsor
        * (of("sponsor") + by_contact * (contact - p.contact_centre) + by_alliance * (alliance - p.alliance_level))
    )
    return np.clip(mean, *of("bounds"))


def live(p: Parameters, n: int, rng: Generator) -> Lives:
    """`n` lives from the generating model, without quotas. Person arrays (n,), visit arrays (n, 4).

    Wave by wave: who is seen, given the last PDA observed; who has a sponsor; contact and alliance, for everyone
    (`potential_contact`, `potential_alliance`: what they are, or would be with a sponsor); then the outcomes. Feedback
    to contact, if on, comes from the PDA of the wave before, seen or missed.
    """
    person = {"propensity": rng.standard_normal(n)}
    u = person["propensity"]
    person["sponsor_tendency"] = rng.standard_normal(n)
    person["contact_tendency"] = rng.standard_normal(n)
    person["alliance"] = p.alliance_level + p.alliance_between * (
        p.alliance_propensity * u + np.sqrt(1 - p.alliance_propensity**2) * rng.standard_normal(n)
    )
    for outcome in OUTCOMES:
        person[f"{outcome}_intercept"] = getattr(p, f"{outcome}_intercept") * rng.standard_normal(n)
        person[f"{outcome}_slope"] = getattr(p, f"{outcome}_slope") * rng.standard_normal(n)

    visit = {name: [] for name in ("seen", "sponsor", "contact", "potential_contact", "potential_alliance")}
    visit |= {name: [] for name in ("abstinent", "meetings", "activities")}
    known = np.zeros(n)
    for wave, days in enumerate(p.window):
        if wave == 0:
            seen, sponsor = np.ones(n, bool), np.zeros(n, bool)
        else:
            seen = _happens(p.seen_level[wave - 1] + p.seen_outcome * (known - PDA_CENTRE) / PDA_STEP, rng)
            sponsor = _happens(
                p.sponsor_level[wave - 1] + p.sponsor_propensity * u + p.sponsor_tendency * person["sponsor_tendency"],
                rng,
            )
        last = known if wave == 0 else 100 * visit["abstinent"][-1] / p.window[wave - 1]
        contact = rng.binomial(
            days,
            expit(
                p.contact_level
                + p.contact_propensity * u
                + p.contact_between * person["contact_tendency"]
                + p.contact_within * rng.standard_normal(n)
                + p.contact_feedback * (last - PDA_CENTRE) / PDA_STEP
            ),
        )
        alliance = np.clip(person["alliance"] + p.alliance_within * rng.standard_normal(n), *SAI_RANGE)

        mean = {o: expected(p, o, wave, sponsor, 7 * contact / days, alliance, person) for o in OUTCOMES}
        abstinent = _beta_binomial(days, mean["pda"] / 100, p.pda_precision, rng)
        activities = _beta_binomial(len(ACTIVITY_ITEMS), mean["involvement"] / 6, p.involvement_precision, rng)
        any_meeting = expit(p.any_level[wave] + p.any_propensity * u + p.any_sponsor * sponsor)
        more = np.maximum(mean["attendance"] * days / 7 / any_meeting - 1, 0)  # so that the mean stays `mean`
        meetings = 1 + rng.negative_binomial(
            p.attendance_precision, p.attendance_precision / (p.attendance_precision + more)
        )
        meetings = np.where(rng.random(n) < any_meeting, meetings, 0)

        known = np.where(seen, 100 * abstinent / days, known)
        values = (seen, sponsor, np.where(sponsor, contact, 0), contact, alliance, abstinent, meetings, activities)
        for name, value in zip(visit, values, strict=True):
            visit[name].append(value)

    lives = person | {name: np.stack(values, axis=1) for name, values in visit.items()}
    lives["inventory"], lives["contacted"] = _pages(p, lives, rng)
    return lives


def _pages(p: Parameters, lives: Lives, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Which sponsored visits have the inventory and the contact page answered: shapes (n, 4).

    By person: skipping a page is a habit, the same at every visit. By visit: drawn anew each time.
    """
    if p.skipping not in ("person", "visit"):
        raise ValueError(f"skipping: {p.skipping!r} is neither 'person' nor 'visit'")
    shape = lives["seen"].shape if p.skipping == "visit" else (len(lives["seen"]), 1)
    draw = rng.random(shape)
    asked = lives["seen"] & lives["sponsor"]
    inventory = asked & (draw >= p.skip_inventory)
    contacted = asked & ((draw < p.skip_inventory) | (draw >= p.skip_inventory + p.skip_contact))
    return inventory, contacted


def _counts(p: Parameters, lives: Lives) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each life adds to each quota (n, k), the targets (k,) and how far off is allowed (k,).

    A share of those seen is met when `sum(any - share * seen)` is within half a person of zero. For a mean
    the sum may be off by half of `mean_attendance_within * persons`: how many will be seen is not known beforehand, and
    with m seen the mean is within `mean_attendance_within * persons / 2m`, inside the limit if half or more are.
    """
    seen, attends = lives["seen"], lives["meetings"] > 0
    weekly = 7 * lives["meetings"] / np.array(p.window)
    columns = [
        ((seen & lives["sponsor"]).any(1), p.sponsored, 0),
        ((lives["inventory"] & lives["contacted"]).any(1), p.complete, 0),
        (lives["inventory"].any(1), p.inventoried, 0),
    ]
    columns += [(seen[:, w] * (attends[:, w] - share), 0, 0.5) for w, share in enumerate(p.any_attendance)]
    columns += [
        (seen[:, w] * (weekly[:, w] - mean), 0, p.mean_attendance_within * p.persons / 2)
        for w, mean in enumerate(p.mean_attendance)
        if mean
    ]
    adds, targets, slack = zip(*columns, strict=True)
    return np.stack(adds, axis=1).astype(float), np.array(targets, float), np.array(slack, float)


def truth(parameters: Parameters, rng: Generator, n: int = 200_000, batches: int = 20) -> pd.DataFrame:
    """The causal effects on the scale the models report, by setting the predictor in a generated cohort of `n`.

    Population: sponsored visits at the follow-ups, seen or missed (having a sponsor: every follow-up visit). At each
    wave the effect is the mean of [mu(x + h) - mu(x - h)] / 2h with h = SHIFT SDs, x held in its range; the average
    effect and the interaction are the intercept and slope of its weighted line over months - 7. Having a sponsor:
    the mean of mu(1) - mu(0), contact and alliance being what they would be.

    Returns
    -------
    One row an effect, index `predictor_outcome_kind` as in `study.CLAIMS` (and those no claim is made of); columns
    `built_in` (the parameter in the same unit, before bounds), `causal`, `mcse` (its Monte Carlo standard error,
    from `batches` independent batches) and `claimed`.
    """
    effects = [_effects(parameters, live(parameters, n // batches, child)) for child in rng.spawn(batches)]
    frame = pd.DataFrame(effects)
    table = pd.DataFrame({"causal": frame.mean(), "mcse": frame.std(ddof=1) / np.sqrt(batches)})
    table.insert(0, "built_in", pd.Series(_built_in(parameters)))
    table["claimed"] = table.index.isin([claim.key for claim in CLAIMS])
    return table.rename_axis("effect")


def _effects(p: Parameters, lives: Lives) -> dict[str, float]:
    months = np.array(FOLLOW_UPS) - MEAN_FOLLOW_UP
    sponsor, waves = lives["sponsor"], range(1, len(WAVES))
    values = {"contact": 7 * lives["potential_contact"] / np.array(p.window), "alliance": lives["potential_alliance"]}
    reach = {"contact": (SHIFT * p.contact_scale, 0, 7), "alliance": (SHIFT * p.alliance_scale, *SAI_RANGE)}
    effects = {}
    for outcome in OUTCOMES:
        mean = lambda w, h, at, o=outcome: expected(p, o, w, h, at["contact"], at["alliance"], lives)
        asked = [{predictor: value[:, w] for predictor, value in values.items()} for w in range(len(WAVES))]
        gain = [np.mean(mean(w, 1, asked[w]) - mean(w, 0, asked[w])) for w in waves]
        effects[f"has_sponsor_{outcome}_average"] = np.mean(gain)
        for predictor, (shift, least, most) in reach.items():
            by_wave = []
            for w in waves:
                where, x = sponsor[:, w], asked[w][predictor]
                low, high = np.clip(x - shift, least, most), np.clip(x + shift, least, most)
                change = mean(w, 1, asked[w] | {predictor: high}) - mean(w, 1, asked[w] | {predictor: low})
                by_wave.append(change[where].sum() / (high - low)[where].sum())
            slope, average = np.polyfit(months, by_wave, 1, w=np.sqrt(sponsor[:, 1:].sum(0)))
            effects[f"{predictor}_{outcome}_average"] = average
            effects[f"{predictor}_{outcome}_interaction"] = slope
    return effects


def _built_in(p: Parameters) -> dict[str, float]:
    built = {}
    for outcome in OUTCOMES:
        built[f"has_sponsor_{outcome}_average"] = getattr(p, f"{outcome}_sponsor")
        for predictor in ("contact", "alliance"):
            unit = getattr(p, f"{outcome}_sd") / getattr(p, f"{predictor}_scale")
            built[f"{predictor}_{outcome}_average"] = unit * getattr(p, f"{outcome}_{predictor}")
            change = unit * getattr(p, f"{outcome}_{predictor}_change")
            built[f"{predictor}_{outcome}_interaction"] = change / (FOLLOW_UPS[-1] - FOLLOW_UPS[0])
    return built


def recruit(p: Parameters, lives: Lives, rng: Generator) -> np.ndarray:
    """Which lives make the cohort: one of `candidates` for each person, so that every quota is met. Shape (persons,).

    Start from everyone's first life; visit people in random order; exchange a life for a random one of those that
    bring the counts nearer to their targets; stop when all are met. The distance is
    `sum(max(|count - target| - slack, 0))`, in people (meetings a week for the two means).

    Raises
    ------
    ValueError
        If the counts cannot be met from these lives (parameters too far from the targets).
    """
    adds, targets, slack = _counts(p, lives)
    adds = adds.reshape(p.persons, p.candidates, -1)
    chosen = np.zeros(p.persons, int)
    short = adds[:, 0].sum(0) - targets
    distance = np.maximum(np.abs(short) - slack, 0).sum()
    for _ in range(100):
        for i in rng.permutation(p.persons):
            if distance < 1e-9:
                return np.arange(p.persons) * p.candidates + chosen
            after = short - adds[i, chosen[i]] + adds[i]
            distances = np.maximum(np.abs(after) - slack, 0).sum(1)
            better = np.flatnonzero(distances < distance - 1e-9)
            if better.size:
                chosen[i] = rng.choice(better)
                short, distance = after[chosen[i]], distances[chosen[i]]
    raise ValueError(f"quotas not met: counts less targets {np.round(short, 2).tolist()}; move the parameters nearer")


def simulate(parameters: Parameters, rng: Generator) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """One cohort: `persons` (a row a person), `visits` (a row a person and wave) and `truth` (a row a person).

    Raw material, not scores; blank where nothing was asked, answered or seen. Raises ValueError as `recruit`, and for
    an unknown way of `skipping`.
    """
    p = parameters
    lives = live(p, p.persons * p.candidates, rng)
    chosen = recruit(p, lives, rng)
    return _file({name: values[chosen] for name, values in lives.items()}, p, rng)


def write(folder: Path, parameters: Parameters | None = None, seed: int = SEED) -> list[Path]:
    """Simulate and write `persons-`, `visits-` and `truth-SYNTHETIC.csv` into `folder`; returns their paths.

    Whole numbers as they are, latent terms to 6 decimals, blank where missing.
    """
    frames = simulate(parameters or Parameters(), np.random.default_rng(seed))
    folder.mkdir(parents=True, exist_ok=True)
    for frame, path in zip(frames, files(folder), strict=True):
        frame.to_csv(path, index=False, float_format="%.6f", lineterminator="\n")
    return files(folder)


def files(folder: Path) -> list[Path]:
    """The paths of a cohort's three files in `folder`."""
    return [folder / f"{name}-SYNTHETIC.csv" for name in ("persons", "visits", "truth")]


def population(parameters: Parameters, n: int, rng: Generator) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """`n` people as in `simulate`, without quotas: what the cohort is a sample of."""
    return _file(live(parameters, n, rng), parameters, rng)


def _file(lives: Lives, p: Parameters, rng: Generator) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    n = len(lives["seen"])
    number = np.arange(1, n + 1)
    ages = np.arange(18, 18 + len(p.ages))
    persons = pd.DataFrame(
        {
            "person": number,
            "sex": _quota(["female", "male"], [p.female, 1 - p.female], n, rng),
            "age": _quota(ages, p.ages, n, rng),
            "race": _quota(["White", "other"], [p.white, 1 - p.white], n, rng),
            "comorbid": _quota([1, 0], [p.comorbid, 1 - p.comorbid], n, rng),
            "residential_days": np.rint(
                rng.gamma((p.stay_mean / p.stay_sd) ** 2, p.stay_sd**2 / p.stay_mean, n)
            ).astype(int),
        }
    )
    seen, asked = lives["seen"].ravel(), (lives["seen"] & (np.array(WAVES) > 0)).ravel()
    flat = {name: lives[name].ravel() for name in ("sponsor", "contact", "potential_alliance", "abstinent", "meetings")}
    columns = {
        "person": np.repeat(number, len(WAVES)),
        "wave": np.tile(WAVES, n),
        "observed": seen.astype(int),
        "has_sponsor": _where(flat["sponsor"], asked),
        "contact_days": _where(flat["contact"], lives["contacted"].ravel()),
    }
    items = _inventory(p, flat["potential_alliance"], rng)
    answered = lives["inventory"].ravel()[:, None] & ~_skipped(p, len(items), rng)
    columns |= {item: _where(items[:, j], answered[:, j]) for j, item in enumerate(SAI_ITEMS)}
    done = _activities(p, lives["activities"].ravel(), rng)
    done |= {"inv_2": flat["sponsor"], "inv_3": flat["contact"] > 0}
    columns |= {item: _where(done[item], seen) for item in INVOLVEMENT_ITEMS}
    columns |= {
        "meetings": _where(flat["meetings"], seen),
        "window_days": _where(np.tile(p.window, n), seen),
        "abstinent_days": _where(flat["abstinent"], seen),
    }
    latent = ["propensity", "sponsor_tendency", "contact_tendency", "alliance"]
    latent += [f"{outcome}_{term}" for outcome in OUTCOMES for term in ("intercept", "slope")]
    truth = pd.DataFrame({"person": number, **{name: lives[name] for name in latent}})
    return persons, pd.DataFrame(columns), truth


def _inventory(p: Parameters, alliance: np.ndarray, rng: Generator) -> np.ndarray:
    """SAI answers, shape (visits, 10): alliance plus the item's offset plus noise, rounded into 1 to 7."""
    k = len(SAI_ITEMS)
    offset = np.linspace(-p.item_offset, p.item_offset, k)
    noise = p.item_noise * rng.standard_normal((len(alliance), k))
    return np.clip(np.rint(alliance[:, None] + offset + noise), *SAI_RANGE).astype(int)


def _skipped(p: Parameters, n: int, rng: Generator) -> np.ndarray:
    """SAI items left blank, shape (visits, 10): at most two a visit, so that the scale can still be scored."""
    skipped = rng.random((n, len(SAI_ITEMS))) < p.skip_item
    return skipped & (np.cumsum(skipped, axis=1) <= 2)


def _activities(p: Parameters, count: np.ndarray, rng: Generator) -> dict[str, np.ndarray]:
    """Which activities make up each count: drawn without replacement, easier ones first (Gumbel top-k)."""
    keys = np.array(p.activity_ease) + rng.gumbel(size=(len(count), len(ACTIVITY_ITEMS)))
    rank = np.argsort(np.argsort(-keys, axis=1), axis=1)
    return {item: rank[:, j] < count for j, item in enumerate(ACTIVITY_ITEMS)}


def _happens(log_odds: np.ndarray, rng: Generator) -> np.ndarray:
    return rng.random(len(log_odds)) < expit(log_odds)


def _beta_binomial(trials: int, mean: np.ndarray, precision: float, rng: Generator) -> np.ndarray:
    """Counts out of `trials` with mean `trials * mean` and over-dispersion 1 / (precision + 1)."""
    return rng.binomial(trials, rng.beta(mean * precision, (1 - mean) * precision))


def _quota(values: list, shares: list, n: int, rng: Generator) -> np.ndarray:
    """`n` values with each share met to the nearest person, in random order."""
    edges = np.rint(np.cumsum(shares) / np.sum(shares) * n).astype(int)
    return rng.permutation(np.repeat(np.asarray(values), np.diff(edges, prepend=0)))


def _where(values: np.ndarray, asked: np.ndarray) -> pd.arrays.IntegerArray:
    return pd.arrays.IntegerArray(np.asarray(values).astype("int64"), ~np.asarray(asked, bool))
