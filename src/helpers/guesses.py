"""The first guess of a mapping: which of a reader's columns is which, by its name and by what stands in it.

A guess is never more than that: each line of what is written says why, and `# ?` marks what a person must decide.
"""

import json
import re
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
import pandas as pd

from helpers import faults, operations
from helpers.files import Table

NAMES = {  # target: how others call it, without signs between words
    "person": "person personid id pid subject subjectid subj sid participant participantid ppt case caseid record "
              "recordid respondent studyid code patient patientid",
    "wave": "wave time timepoint month months visit assessment interview followup session fu occasion mon "
            "redcapeventname",
    "observed": "observed seen completed interviewed present",
    "sex": "sex gender female male geschlecht",
    "age": "age ageyears ageentry ageatentry agebaseline yearsold alter",
    "race": "race ethnicity racecat",
    "comorbid": "comorbid comorbidity axis1 dual dualdiagnosis",
    "residential_days": "residentialdays los lengthofstay staydays treatmentdays daysintreatment",
    "has_sponsor": "hassponsor sponsor spons havesponsor sponsoryn sponsored sp",
    "contact_days": "contactdays contact sponsorcontact contactwithsponsor dayscontact con contacts sponsorcontactdays",
    "alliance": "alliance alliancescore alliancemean saimean saitotal saiscore sponsoralliance",
    "meetings": "meetings meeting mtgs meetingsattended aameetings nmeetings nummeetings meetingcount aana",
    "attendance": "attendance meetingsaweek meetingsperweek weeklymeetings attendanceweek",
    "involvement": "involvement involvementscore involvementtotal aai aaitotal activities",
    "window_days": "windowdays window recalldays recallwindow daysasked",
    "abstinent_days": "abstinentdays daysabstinent abst abstinent abstdays sober soberdays dayssober abstinence "
                      "cleandays daysclean",
    "pda": "pda percentdaysabstinent pctabstinent pctdaysabstinent percentabstinent",
    "days used": "daysused useddays usedays drinkingdays daysdrinking drank drinkdays daysdrank daysuse alcdays "
                 "dayswithalcohol",
}  # fmt: skip
ITEM = {
    "sai": "sai ally alliance saiitem allianceitem wai bond",
    "inv": "inv involvement involvementitem aai activity involve",
}
PERSONAL = ("person", "sex", "age", "race", "comorbid", "residential_days")
YES_NO = ("observed", "has_sponsor", "comorbid")
SKIPPED = {-9, -8, -7, -99, -88, -77, -999, 99, 88, 77, 999, 9999, -9999}  # usual codes of no answer
RANGES = {"age": (0, 120), "contact_days": (0, 366), "meetings": (0, 1098), "abstinent_days": (0, 366),
          "days used": (0, 366), "pda": (0, 100), "attendance": (0, 21), "residential_days": (0, 3660),
          "window_days": (1, 3660)}  # fmt: skip
WORDS_SEX = {"female": "f female w woman women girl weiblich frau", "male": "m male man men boy männlich mann"}
WORDS_YES = {1: "1 yes y true t ja oui si sí", 0: "0 no n false f nein non"}
A_WEEK = {"daily": 7, "every day": 7, "almost daily": 6, "several times a week": 3, "2-3 times a week": 2.5,
          "weekly": 1, "once a week": 1, "every 2 weeks": 0.5, "monthly": 0.23, "once a month": 0.23,
          "less than monthly": 0.1, "never": 0, "none": 0}  # fmt: skip
MARKS = (  # how a wave is told in a column's name: the part before, the wave, the part after
    r"(?P<a>.*[._ -]|)(?P<w>(?:t|w|wave|v|visit|fu|time)[._ -]?[0-9]{1,2})(?P<b>[._ -].*|)",
    r"(?P<a>.*[._ -]|)(?P<w>(?:m|mo|month)[0-9]{1,2}|[0-9]{1,2}(?:mos?|months?|m)|bl|base|baseline|entry|intake)"
    r"(?P<b>[._ -].*|)",
    r"(?P<a>.*[a-z0-9][._ -])(?P<w>[0-9]{1,2})(?P<b>)",
    r"(?P<a>.*[a-z])(?P<w>[0-9]{1,2})(?P<b>)",
)
FIRST = re.compile("bl|base|baseline|entry|intake|first", re.IGNORECASE)
HEAD = [
    "# What stands after # ? is for you to decide; a line that begins with # is not read.",
    '# What may be said here: python -c "import helpers.mapping; help(helpers.mapping)"',
    "",
    "[study]",
]
NEAR = 0.84  # similarity of two names from which one may be a slip or a form of the other
LISTED = 40  # values, columns


@dataclass(frozen=True)
class Column:
    """A reader's column, or in a wide file those of all waves: its name with {wave}, without it, and all values."""

    written: str
    bare: str
    values: pd.Series
    absent: tuple[str, ...] = ()  # waves that have no such column
    labels: dict | None = None
    waves: dict | None = None  # wave -> column, where {wave} in the name does not tell them all

    def numbers(self) -> np.ndarray | None:
        """The values as numbers, blanks left out; None if any is no number."""
        read = [operations.number(cell) for cell in self.values.unique()]
        return None if any(value is None for value in read) else np.array([v for v in read if not np.isnan(v)])

    def top(self) -> float:
        """The value that nearly all lie below: a slip or two does not make a window of 90 days one of 365."""
        read = operations.each(self.values, operations.number, float)
        read = read[~np.isnan(read) & ~np.isin(read, list(SKIPPED - {77, 88}))]
        return float(np.quantile(read, 0.98, method="lower")) if len(read) else 0.0

    def distinct(self) -> list[str]:
        """Its values as `operations.same` writes them, blanks left out."""
        return sorted({operations.same(cell) for cell in self.values.unique()} - {""})


def guess(tables: Sequence[Table]) -> str:
    """A mapping in TOML for the reader's tables, as a first guess to edit: a comment says why, `# ?` what to decide."""
    return _Guess(list(tables)).text()


def bare(name: str) -> str:
    """A name without capitals and signs: "Sponsor_Contact (days)" is "sponsorcontactdays"."""
    return re.sub(r"[\W_]+", "", str(name).lower())


def likeness(name: str, target: str) -> float:
    """How much a bare name is like one of a target's names, 0 to 1; 1 if it is one."""
    if name in (known := NAMES[target].split()):
        return 1.0
    return max((_alike(name, one) for one in known if len(one) > 3), default=0.0)


def _alike(name: str, known: str) -> float:
    """The similarity of two names, 0 where their lengths alone say that it is below NEAR."""
    if 2 * min(len(name), len(known)) < NEAR * (len(name) + len(known)):
        return 0.0
    match = SequenceMatcher(None, name, known)
    return match.ratio() if match.quick_ratio() >= NEAR else 0.0


class _Guess:
    def __init__(self, tables: list[Table]):
        self.tables = tables
        self.lines: list[str] = []
        self.used: set[str] = set()
        self.months: dict[str, int] = {}

    def text(self) -> str:
        names = ", ".join(faults.clean(table.name, 80) for table in self.tables)
        if not self.tables:
            return "# No table was found.\n"
        ids = {table.name: self.person(table) for table in self.tables}
        waves = {table.name: self.wave(table, ids[table.name]) for table in self.tables}
        long = [table for table in self.tables if waves[table.name]]
        flat = [table for table in self.tables if not waves[table.name]]
        files, layout = [], "long" if long else "wide"
        visits, persons = (long, flat or long) if long else (flat, flat)
        if not long and len(flat) > 1 and (marks := self.files_of_waves(flat)):
            layout = "files"
            its = ", ".join(f"{quoted(table.name)} = {quoted(mark)}" for table, mark in zip(flat, marks, strict=True))
            files = [f"waves = {{ {its} }}  # ? one file a wave, by the files' names"]
            self.months = {mark: self.month(mark, i, marks) for i, mark in enumerate(marks)}
        elif len(self.tables) > 1:
            said = lambda its: "[" + ", ".join(quoted(t.name) for t in its) + "]"
            files = [
                f"visits = {said(visits)}  # ?" + (" those with a column of waves" if long else ""),
                f"persons = {said(persons)}  # ?",
            ]
        columns = self.columns(visits, layout)
        own = columns if persons is visits else self.columns(persons, "long")
        id_ = next((name for name in ids.values() if name), None)
        wave = next((name for name in waves.values() if name), None)
        self.used |= {name for name in (*ids.values(), *waves.values()) if name}

        body = ["[persons]"]
        if layout == "long" and persons is visits:
            body.append('take = "any"  # ? or "entry": what does not change is told on the row of the first wave only')
        distinct = list(dict.fromkeys(name for name in ids.values() if name))
        shown = quoted(distinct[0]) if len(distinct) == 1 else "[" + ", ".join(map(quoted, distinct)) + "]"
        body.append(
            f"person = {shown}  # it tells people apart" if id_ else '# person = "..."  # ? no column looks like it'
        )
        body += self.matched(own, PERSONAL[1:], "personal")
        body += ["", "[visits]"]
        if wave:
            body.append(f"wave = {quoted(wave)}  # each person has it at several values")
        targets = [t for t in NAMES if t not in PERSONAL and t != "wave"]
        head_items, lines = self.items(columns)
        body += lines
        body += self.matched(columns, targets, "visit")
        if not any(
            line.startswith(("abstinent_days", "pda", "meetings", "attendance", "involvement", '"inv_'))
            for line in body
        ):
            body.append(
                "# ? no outcome was recognised: abstinent_days, pda, meetings, attendance, involvement or inv_1 ..."
            )

        head = [f"# A first guess, made from {names}.", *HEAD]
        if layout == "long" and wave:
            self.long_waves(visits, wave)
        if self.months:
            its = ", ".join(f"{quoted(str(name))} = {month}" for name, month in self.months.items())
            sure = all(
                (re.search(r"[0-9]", w) and str(m) in re.findall(r"[0-9]+", w)) or FIRST.fullmatch(w)
                for w, m in self.months.items()
            )
            if [str(month) for month in self.months.values()] == list(self.months):
                head.append(f"waves = {list(self.months.values())}  # months")
            else:
                head.append(f"waves = {{ {its} }}" + ("  # months" if sure else "  # ? which months are these"))
        else:
            head.append("# waves = [0, 3, 6, 12]  # ? the months of the waves")
        head += head_items
        if files:
            head += ["", "[files]", *files]
        rest = [str(name) for table in self.tables for name in table.cells if str(name) not in self.used]
        tail = []
        if rest:
            more = f" and {len(rest) - LISTED} more" if len(rest) > LISTED else ""
            words = "Not used: " + ", ".join(faults.clean(name) for name in dict.fromkeys(rest[:LISTED])) + more
            tail = ["", *("# " + line for line in textwrap.wrap(words, 110))]
        return "\n".join([*head, "", *body, *tail]) + "\n"

    # --- which column is which ---------------------------------------------------------------------------------------

    def person(self, table: Table) -> str | None:
        """The column that tells people apart: by its name, else the first with a value of its own on each row."""
        ranked = sorted(table.cells, key=lambda name: -likeness(bare(name), "person"))
        filled = [name for name in ranked if not operations.blank(table.cells[name]).all()]
        if filled and likeness(bare(filled[0]), "person") >= NEAR:
            return str(filled[0])
        return next(
            (
                str(name)
                for name in table.cells
                if table.cells[name].is_unique and not operations.blank(table.cells[name]).any()
            ),
            None,
        )

    def wave(self, table: Table, person: str | None) -> str | None:
        """The column of the wave in a long file: no person has a value of it twice, and it has few values."""
        if person is None or table.cells[person].is_unique:
            return None
        who = operations.each(table.cells[person], operations.same)
        found = []
        for place, name in enumerate(table.cells):
            if name == person or not 1 < table.cells[name].nunique() <= 30:
                continue
            when = operations.each(table.cells[name], operations.same)
            if not pd.DataFrame({"who": who, "when": when}).duplicated().any():
                found.append((-likeness(bare(name), "wave"), place, str(name)))
        if found:
            return min(found)[2]
        ranked = sorted(table.cells, key=lambda name: -likeness(bare(name), "wave"))
        return str(ranked[0]) if likeness(bare(ranked[0]), "wave") >= NEAR else None

    def files_of_waves(self, tables: Sequence[Table]) -> list[str] | None:
        """What tells the waves apart in the files' names, if the files have the same columns; None if they have not."""
        shared = set.intersection(*(set(table.cells) for table in tables))
        if len(shared) < 0.6 * min(table.cells.shape[1] for table in tables):
            return None
        marks = [re.findall(r"(?:t|w|wave|m)?[0-9]+|baseline|base|entry", table.name.lower()) for table in tables]
        marks = [found[-1] if found else "" for found in marks]
        return marks if len(set(marks)) == len(marks) and all(marks) else None

    def month(self, mark: str, place: int, marks: Sequence[str]) -> int:
        """The month of a wave by its name; where the name only counts (t1, t2, ...), as in the study of this book."""
        digits = re.findall(r"[0-9]+", mark)
        counts = [int(d[0]) for d in (re.findall(r"[0-9]+", m) for m in marks) if d]
        counting = len(counts) == len(marks) and sorted(counts) in (
            list(range(len(marks))),
            list(range(1, len(marks) + 1)),
        )
        if FIRST.fullmatch(mark):
            return 0
        if not digits or (counting and not re.search("m", mark)):
            return ([0, 3, 6, 12] + [12 + 6 * i for i in range(1, len(marks))])[place]
        return int(digits[0])

    def columns(self, tables: Sequence[Table], layout: str) -> list[Column]:
        """The columns of the tables; in a wide file those of all waves as one."""
        cells = {str(name): (table.cells[name], table.labels.get(name)) for table in tables for name in table.cells}
        stems: dict[str, dict[str, str]] = {}
        if layout == "wide":
            stems = self.stems(list(cells))
        made, taken = [], set()
        waves = list(self.months)
        for stem, its in stems.items():
            taken |= set(its.values())
            values = pd.concat([cells[name][0].astype(object) for name in its.values()], ignore_index=True)
            absent = tuple(wave for wave in waves if wave not in its)
            told = None if all(stem.replace("{wave}", wave) == name for wave, name in its.items()) else its
            labels = cells[next(iter(its.values()))][1]
            made.append(Column(stem, bare(stem.replace("{wave}", "")), values, () if told else absent, labels, told))
        made += [Column(n, bare(n), c.astype(object), (), labels) for n, (c, labels) in cells.items() if n not in taken]
        self.of = {
            column.written: set(stems.get(column.written, {0: column.written}).values()) for column in made
        } | getattr(self, "of", {})
        return made

    def stems(self, names: list[str]) -> dict[str, dict[str, str]]:
        """Names with {wave} -> wave -> column, by the way of telling waves that most columns share."""
        best: dict[str, dict[str, str]] = {}
        for mark in MARKS:
            stems: dict[str, dict[str, str]] = {}
            for name in names:
                if found := re.fullmatch(mark, name, re.IGNORECASE):
                    stems.setdefault(found["a"] + "{wave}" + found["b"], {})[found["w"]] = name
            shared = Counter(wave for its in stems.values() for wave in its)
            waves = {wave for wave, n in shared.items() if n >= 2}
            stems = {
                stem: its
                for stem, its in stems.items()
                if (len(its) >= 2 and set(its) <= waves) or (len(its) == 1 and set(its) <= waves and len(shared) <= 12)
            }
            repeated = sum(len(its) for its in stems.values() if len(its) >= 2)
            if (
                repeated > 1.2 * sum(len(its) for its in best.values())
                and sum(len(its) >= 2 for its in stems.values()) >= 2
            ):
                best = stems
        for stem, its in best.items():
            first = re.sub(r"[._ -]?\{wave\}", "", stem)
            if first in names and not any(first in others.values() for others in best.values()):
                best[stem] = {"first": first, **its}  # x, x.1, x.2: as pandas names columns of the same name
        waves = sorted(
            {wave for its in best.values() for wave in its},
            key=lambda w: (not FIRST.fullmatch(w), int((re.findall("[0-9]+", w) or ["0"])[0])),
        )
        self.months = {wave: self.month(wave, i, waves) for i, wave in enumerate(waves)}
        if len(set(self.months.values())) < len(waves):
            self.months = {wave: 3 * i for i, wave in enumerate(waves)}
        return best

    def long_waves(self, tables: Sequence[Table], name: str) -> None:
        values = pd.concat([table.cells[name].astype(object) for table in tables if name in table.cells])
        found = Column(name, bare(name), values)
        numbers = found.numbers()
        marks = found.distinct()
        if numbers is not None and (numbers % 1 == 0).all() and ((numbers >= 0) & (numbers <= 1200)).all():
            marks = [f"{n:g}" for n in sorted(set(numbers))]
            counting = marks == [str(i + 1) for i in range(len(marks))]
            self.months = {mark: self.month(mark, i, marks) if counting else int(mark) for i, mark in enumerate(marks)}
        else:
            marks.sort(key=lambda w: (not FIRST.search(w), int((re.findall("[0-9]+", w) or ["0"])[0])))
            self.months = {
                mark: 0 if FIRST.search(mark) else self.month(mark, i, marks) for i, mark in enumerate(marks)
            }
            if len(set(self.months.values())) < len(marks):
                self.months = {mark: 3 * i for i, mark in enumerate(marks)}

    # --- lines -------------------------------------------------------------------------------------------------------

    def items(self, columns: list[Column]) -> tuple[list[str], list[str]]:
        """Lines of [study] and of [visits] for scales of items, where several columns differ in a number only."""
        head, lines = [], []
        for scale, names in ITEM.items():
            found: dict[tuple, dict[int, Column]] = {}
            for column in columns:
                match = re.fullmatch(r"(\D*?)([0-9]{1,2})(\D*)", column.written.replace("{wave}", "\0"))
                if match and not column.waves and bare(match[1] + match[3].replace("\0", "")) in names.split():
                    found.setdefault((match[1], match[3]), {})[int(match[2])] = column
            for (start, end), its in found.items():
                if len(its) < 2 or sorted(its) != list(range(1, len(its) + 1)):
                    continue
                self.used |= {name for column in its.values() for name in self.of[column.written]}
                written = f"{start}{{item}}{end}".replace("\0", "{wave}")
                head.append(f"{scale}_items = {len(its)}")
                values = [column.numbers() for column in its.values()]
                codes = self.skipped(values)
                more = [f"missing = [{', '.join(f'{code:g}' for code in codes)}]"] if codes else []
                first = next(iter(its.values()))
                comment = f"by the names: {len(its)} items"
                lines.append(f'"{scale}_{{item}}" = {self.recipe(written, first, more)}  # {comment}')
                if scale == "sai" and all(v is not None for v in values):
                    inside = [int(v) for v in np.concatenate(values) if v not in codes]
                    low, high = min([1, *inside]), max([2, *inside])
                    head.append(f"sai_range = [{low}, {high}]  # ? by the lowest and the highest answer")
                    for item in self.reversed(its):
                        ends = ['op = "reverse"', f"low = {low}", f"high = {high}", *more]
                        recipe = self.recipe(its[item].written, its[item], ends)
                        lines.append(f"sai_{item} = {recipe}  # ? it runs against the other items")
                break
        return head, lines

    def reversed(self, its: dict[int, Column]) -> list[int]:
        """The items that go down where the others go up, as one does that is scored the other way."""
        if len({len(column.values) for column in its.values()}) > 1 or any(c.numbers() is None for c in its.values()):
            return []
        answers = pd.DataFrame({i: operations.numbers(column.values, 0, "") for i, column in its.items()})
        answers = answers.mask(answers.isin(SKIPPED - {-9, -8, -7}) | (answers < 0)).dropna()
        if len(answers) < 10 or len(its) < 3:
            return []
        rest = {
            i: np.corrcoef(answers[i], answers.drop(columns=i).sum(axis=1))[0, 1] if answers[i].std() else 0
            for i in its
        }
        return [item for item, r in rest.items() if r < -0.2]

    def skipped(self, values: list) -> list[float]:
        return sorted({v for read in values if read is not None for v in read if v in SKIPPED and (v < 0 or v >= 77)})

    def matched(self, columns: list[Column], targets: Sequence[str], what: str) -> list[str]:
        """A line for each target that has a column like it; the surest pairs first, no column twice."""
        pairs = []
        for column in columns:
            if self.of[column.written] & self.used or (what == "personal" and "{wave}" in column.written):
                continue
            for target in targets:
                score = likeness(column.bare, target)
                if score >= NEAR and self.fits(column, target):
                    pairs.append((-score, column.written, target, column))
        lines, done = {}, set()
        for score, written, target, column in sorted(pairs, key=lambda pair: pair[:3]):
            name = "abstinent_days" if target == "days used" else target
            if name in done or self.of[written] & self.used or (name == "pda" and "abstinent_days" in done):
                continue
            done.add(name)
            self.used |= self.of[written]
            why = "by its name" if score == -1 else f"its name is like {name}"
            lines[name] = self.line(target, column, why)
        counts = [
            name
            for name in ("contact_days", "meetings", "abstinent_days")
            if name in done and not lines[name].startswith("contact =")
        ]
        made = [lines[name] for name in ("abstinent_days" if t == "days used" else t for t in targets) if name in lines]
        made = list(dict.fromkeys(made))
        if what == "personal":
            made += [
                f'# {name} = "..."  # ? no column looks like it, and it must be there'
                for name in ("sex", "age")
                if name not in done
            ]
        if counts and "window_days" not in done and what == "visit":
            made.append(f"window_days = {self.window}  # ? the days that {', '.join(counts)} look back on")
        return made

    window = 90

    def fits(self, column: Column, target: str) -> bool:
        """Whether what stands in the column can be the target."""
        numbers = column.numbers()
        if target in ("sex", "race"):
            return len(column.distinct()) <= 12
        if target in YES_NO:
            return len(column.distinct()) <= 4
        if target in ("contact_days", "meetings"):
            return numbers is not None or len(column.distinct()) <= 12
        if numbers is None:
            return False
        low, high = RANGES.get(target, (-np.inf, np.inf))
        return all(low <= n <= high or n in SKIPPED for n in numbers)

    def recipe(self, written: str, column: Column, more: Sequence[str]) -> str:
        """A column's name alone, or a table if there is more to say."""
        more, name = list(more), quoted(written)
        if column.absent:
            more.append(f"not_at = [{', '.join(map(quoted, column.absent))}]")
        if column.waves:
            name = "{ " + ", ".join(f"{quoted(wave)} = {quoted(one)}" for wave, one in column.waves.items()) + " }"
        return name if not (more or column.waves) else "{ " + ", ".join([f"column = {name}", *more]) + " }"

    def line(self, target: str, column: Column, why: str) -> str:
        numbers, words = column.numbers(), column.distinct()
        more, ask, name = [], "", target
        inside = numbers
        if numbers is not None:
            low, high = RANGES.get(target, (0, 1) if target in YES_NO else (-np.inf, np.inf))
            codes = sorted({n for n in numbers if n in SKIPPED and not low <= n <= high})
            inside = np.array([n for n in numbers if n not in codes])
            if codes:
                more.append(f"missing = [{', '.join(f'{code:g}' for code in codes)}]")
                ask = "? are these codes for no answer"
        top = column.top() if inside is not None else 0
        if target == "sex":
            values, ask = self.values(column, WORDS_SEX, ("male", "female"))
            if column.bare in ("female", "male") and set(words) <= {"0", "1"}:
                other = {"female": "male", "male": "female"}[column.bare]
                values, ask = f'{{ 1 = "{column.bare}", 0 = "{other}" }}', ""
            more += [f"values = {values}"] if values else []
        elif target in YES_NO:
            codes = [word for word in words if not (numbers is not None and float(word) in SKIPPED)]
            if set(codes) - {"0", "1", "yes", "no", "true", "false", "y", "n", "t", "f"}:
                values, ask = self.values(column, WORDS_YES, (1, 0))
                more = [f"values = {values}"] if values else more
        elif target in ("contact_days", "meetings") and numbers is None:
            name = {"contact_days": "contact", "meetings": "attendance"}[target]
            known = {word: A_WEEK.get(word, "") for word in words}
            more.append("values = { " + ", ".join(f"{quoted(w)} = {json.dumps(v)}" for w, v in known.items()) + " }")
            ask = '? how many days or times a week each word means; "" is blank'
        elif target == "days used":
            self.window = 30 if top <= 30 else 90 if top <= 90 else 365
            more = ['op = "days_less"', f"of = {self.window}", *more]
            name, ask = "abstinent_days", f"? {self.window} days less the days of use"
        elif target == "pda" and 0 < top <= 1:
            more = ['op = "times"', "by = 100", *more]
            ask = "? a share, made percent"
        elif target in ("abstinent_days", "contact_days"):
            self.window = max(
                self.window if target == "contact_days" else 0, 30 if top <= 30 else 90 if top <= 90 else 365
            )
        comment = f"? {why}; {ask.removeprefix('? ')}" if ask else why
        return f"{name} = {self.recipe(column.written, column, more)}  # {comment}"

    def values(self, column: Column, known: dict, order: tuple) -> tuple[str, str]:
        """The codes of a column and what each means, by words, else by labels, else in the order of the codes."""
        said, ask = {}, ""
        labels = {operations.same(code): operations.same(label) for code, label in (column.labels or {}).items()}
        left = list(order)
        for word in column.distinct()[:LISTED]:
            shown = labels.get(word, word)
            meaning = next((means for means, words in known.items() if shown in words.split()), None)
            if meaning is None:
                number = operations.number(word)
                if number is not None and number in SKIPPED:
                    meaning = ""
                else:
                    meaning, ask = (left.pop(0) if left else ""), "? what each code means"
            elif meaning in left:
                left.remove(meaning)
            said[word] = meaning
        if not said or all(word == str(means) for word, means in said.items()):
            return "", ""
        return "{ " + ", ".join(f"{quoted(word)} = {json.dumps(means)}" for word, means in said.items()) + " }", ask


def quoted(text: str) -> str:
    """Text as TOML writes it in quotes."""
    return json.dumps(str(text), ensure_ascii=False).replace("\x7f", "\\u007f")
