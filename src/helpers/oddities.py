"""What is legal in a reader's study but odd, and would spoil a result without being wrong: each a warning."""

import re
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pandas as pd

from helpers import contract, faults
from helpers.contract import Found

LEFT = "nothing, if so meant: it is left out"
REVERSED = -0.2  # an item's correlation with the rest of its scale, below which it looks scored the other way
ENOUGH = 20  # complete visits for such a correlation
FEW = 20  # people
NAMED = 20  # unused columns that are named
ANSWERED = 10  # answers that two people would hardly give alike throughout
COUNTS = {"contact_days": "contact", "meetings": "attendance", "abstinent_days": "pda"}
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
DATE = re.compile(r"(?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}(?: .*)?|[0-9]{1,2}[./-][0-9]{1,2}[./-](?:19|20)?[0-9]{2}")
PERSONAL_NAME = re.compile(r"[A-ZÀ-Þ][a-zà-þ'-]+,? (?:[A-ZÀ-Þ]\.? )?[A-ZÀ-Þ][a-zà-þ'-]+")
TELLING = re.compile(
    r"(?:^|[^a-z])(?:e-?mail|(?:first|last|sur|fore|given|family|full|nick|sponsor)?[ _.-]?name|initials|dob"
    r"|birth(?:day|date)?|date[ _.-]of[ _.-]birth|phone|mobile|cell|telephone|fax|address|street|post[ _.-]?code"
    r"|zip(?:[ _.-]?code)?|ssn|social[ _.-]security|nhs|mrn|medical[ _.-]record|insurance|ip[ _.-]?address"
    r"|passport|licen[cs]e)(?:[^a-z]|$)",
    re.IGNORECASE,
)


def columns(cells: pd.DataFrame, resource: dict) -> Iterator[Found]:
    """Columns of a reader's table that are left aside, and those that look like personal data."""
    used = set(contract.names(resource))
    unknown = [faults.clean(str(name)) for name in cells if str(name) not in used]
    for name in unknown[:NAMED]:
        yield Found(name, None, "a column of the contract", LEFT, "a column that is not used")
    if len(unknown) > NAMED:
        yield Found(
            "", None, "columns of the contract", LEFT, f"{len(unknown) - NAMED:,} more columns that are not used"
        )
    yield from personal(cells, used)


def personal(cells: pd.DataFrame, used: Collection[str] = ()) -> Iterator[Found]:
    """Columns that look like personal data; of those that are `used` only ids and free words are looked at."""
    for name in cells:
        if said := _personal(str(name), cells[name], str(name) in used):
            value, rows = said
            mend = "remove the column before the file is shared; only columns of the contract are kept"
            yield Found(faults.clean(str(name)), rows, "nothing that tells who a person is", mend, value)


def _personal(name: str, column: pd.Series, used: bool) -> tuple[str, np.ndarray | None] | None:
    if TELLING.search(name):
        return "a column that looks like personal data", None
    if used and name not in ("person", "race"):
        return None
    if pd.api.types.is_numeric_dtype(column):
        return None
    codes, words = pd.factorize(column.astype(object))
    words = [str(word) for word in words]
    filled = sum(word != "" for word in words)
    for sign, pattern, what, share in (  # only words that hold the sign are compared with the pattern
        ("@", EMAIL, "what looks like an e-mail address", 0),
        ("", DATE, "full dates, of birth?", 0.5),
        (" ", PERSONAL_NAME, "what looks like people's names", 0.5),
    ):
        hit = [sign in word and not word.isalnum() and bool(pattern.fullmatch(word)) for word in words]
        if sum(hit) > share * filled:
            return what, np.flatnonzero(np.array([*hit, False])[codes])
    return None


def answers(persons: pd.DataFrame, visits: pd.DataFrame, waves: Sequence[int] = ()) -> Iterator[tuple[str, Found]]:
    """What is odd about a study without errors; rows are positions in the frames."""
    seen = visits[visits["observed"] == 1]
    if len(persons) < FEW:
        words = f"{FEW} people or more"
        yield "persons", Found("person", None, words, "estimates will say little", f"{len(persons)} people")
    for wave in sorted({*visits["wave"].unique(), *waves}):
        if not (seen["wave"] == wave).any():
            mend = "leave the wave out, or add who was seen"
            yield "visits", Found("wave", None, "someone seen at each wave", mend, f"nobody at wave {wave:g}")
    followed = seen.loc[seen["wave"] > 0, "person"]
    alone = ~persons["person"].isin(followed).to_numpy()
    if alone.any():
        mend = "nothing, if they were never seen again: they count among those who entered"
        yield "persons", Found("person", np.flatnonzero(alone), "a follow-up at which the person was seen", mend)
    later = seen[seen["wave"] > 0]
    if later["wave"].nunique() == 1:
        mend = "nothing, if so meant: what needs change over time is left out"
        yield "visits", Found("wave", None, "two follow-ups or more", mend, "one follow-up")
    yield from _constant(later)
    yield from _reversed(visits)
    yield from _twins(persons, visits)


def _constant(later: pd.DataFrame) -> Iterator[tuple[str, Found]]:
    """Columns without a value, or with one only, at all follow-ups; and percentages that look like shares."""
    for name in later.columns.drop(["person", "wave", "observed"]):
        if name == "window_days":
            continue
        column = later[name]
        shown = name
        if name in COUNTS:
            column, shown = column / later["window_days"], COUNTS[name]
        column = column.dropna()
        if column.empty:
            yield "visits", Found(name, None, "values at follow-ups", "leave the column out, or add them", "all blank")
            continue
        low, high = column.min(), column.max()
        if high - low <= 1e-12 and len(column) > 1:
            scale = {"abstinent_days": 100, "contact_days": 7, "meetings": 7}.get(name, 1)
            if name == "has_sponsor":
                words = "a sponsor for some" if high == 0 else "no sponsor for some"
                found = "nobody has a sponsor" if high == 0 else "everybody has a sponsor"
            else:
                words, found = "values that differ", f"{shown} is {high * scale:.6g} at every follow-up"
            yield (
                "visits",
                Found(name, None, words, "is the column the right one? nothing can be estimated of it", found),
            )
        elif name == "pda" and high <= 1:
            mend = "multiply by 100, if they are shares"
            yield "visits", Found(name, None, "percent, 0 to 100", mend, f"no value above {high:.6g}")


def _reversed(visits: pd.DataFrame) -> Iterator[tuple[str, Found]]:
    """Items of a scale that go against the rest of it."""
    for prefix in ("sai_", "inv_"):
        names = contract.items(visits, prefix)
        X = visits[names].dropna().to_numpy(dtype="float64")
        if len(names) < 3 or len(X) < ENOUGH:
            continue
        total = X.sum(axis=1)
        for place, name in enumerate(names):
            item, rest = X[:, place], total - X[:, place]
            if np.ptp(item) == 0 or np.ptp(rest) == 0:
                continue
            r = np.corrcoef(item, rest)[0, 1]
            if r < REVERSED:
                mend = "is it scored the other way round? then recode it in a mapping"
                yield "visits", Found(name, None, "items that go together", mend, f"correlation {r:.2f} with the rest")


def _twins(persons: pd.DataFrame, visits: pd.DataFrame) -> Iterator[tuple[str, Found]]:
    """People with the same answers throughout as another.

    Each row gets a number that its answers fix, a person the sum of theirs, whatever the order of the rows.
    """
    weights = np.random.default_rng(0).integers(1, 2**40, visits.shape[1])
    rows, filled = np.zeros(len(visits), "int64"), np.zeros(len(visits), "int64")
    for weight, name in zip(weights, visits.columns, strict=True):
        if name in ("person", "observed"):
            continue
        values = visits[name].to_numpy(dtype="float64")
        rows += np.where(np.isnan(values), -7777, np.nan_to_num(values) * 1000).astype("int64") * weight
        filled += ~np.isnan(values) if name != "wave" else 0
    rows = np.where(filled > 0, pd.util.hash_array(rows.view("uint64")).view("int64"), 0)
    people = pd.DataFrame({"rows": rows, "filled": filled}).groupby(visits["person"].to_numpy()).sum()
    people = people.reindex(persons["person"], fill_value=0)
    about = persons.drop(columns="person").assign(rows=people["rows"].to_numpy())
    same = about.duplicated(keep=False).to_numpy() & (people["filled"].to_numpy() >= ANSWERED)
    if same.any():
        mend = "is one person in the file under two numbers?"
        yield "persons", Found("person", np.flatnonzero(same), "answers unlike any other person's throughout", mend)
