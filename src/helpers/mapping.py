"""A reader's own files turned into the two of the contract, as a `mapping.toml` says.

    missing = [-9, "refused"]                # codes that mean no answer, in every column but person and wave

    [study]                                  # what the files do not say
    title = "Our study"
    waves = { t1 = 0, t2 = 3, t3 = 6 }       # the waves as the file names them, and their months;
                                             # or just the months, waves = [0, 3, 6]
    sai_range = [1, 5]                       # lowest and highest answer to an alliance item
    sai_items = 12                           # how many there are; inv_items: of involvement
    window_days = 90                         # days that counts of days or meetings look back on

    [files]                                  # only if there are several files
    persons = "people.csv"                   # for Excel the sheet's name will do
    visits = ["sponsor.csv", "days.csv"]     # several are put side by side by person (and wave)
    waves = { "t1.csv" = "t1", ... }         # instead of visits: one file a wave

    [persons]                                # column of the contract = where it comes from
    take = "entry"                           # if a person has several rows: from the row of the first wave only
                                             # ("entry"), or from whichever row has it ("any", the default)
    person = "ID"                            # a column; several, ["ID", "pid"]: the first that a file has
    sex = { column = "A1", values = { 1 = "male", 2 = "female" } }

    [visits]
    wave = "TIME"                            # without it the file is wide: {wave} stands for the wave's name
    has_sponsor = { column = "sponsor_{wave}", not_at = ["t1"] }   # no such column at t1
    contact_days = { column = { t2 = "con3", t3 = "contact.6m" } } # or wave by wave
    "sai_{item}" = "ally{item}_{wave}"       # one line for all items, 1 to sai_items; a line for one item goes first
    sai_3 = { op = "reverse", column = "ally3_{wave}", low = 1, high = 5 }
    abstinent_days = { op = "days_less", column = "drank", of = 30 }
    window_days = 30                         # a number alone is the same on every row

A column's table may have the keys
    column, columns   the reader's column, or several for an operation that takes several
    missing           more codes that mean no answer, here
    values            the value of each code; one that is not listed is an error, unless `else` gives the value of all
                      others or `keep = true` leaves them as they are; the code "" is a blank cell
    op                one of the operations below, done last, with its own keys
    unless            { column = "E9A", is = 0, then = 0 }: where that column is 0 (or one of a list), this instead;
                      then = "" is blank
    not_at            waves at which it was not asked
    file              which file, where several have the column

Operations, each named by `op`
    days_less         of - column: days abstinent from days used, in a window of `of` days
    percent           100 column / of
    percent_to_days   column / 100 * of, in whole days
    count_to_week     7 column / of: meetings in `of` days as meetings a week
    week_to_count     column * of / 7, in whole numbers
    times             column * by
    reverse           low + high - column
    any_of            1 if any of the columns is 1, 0 if all are 0
    max, min, sum, mean   of the columns; blank unless `least` of them (else all) are answered
    recode            column by its `values`, which is also what `values` does without `op`
    constant          `value` on every row
`of` and `by` are a number or a column. Many values may stand in a section of their own, [visits.attendance.values],
below a section [visits.attendance] with the column's other keys. A row in which nothing was answered is a missed visit
and stays blank.
"""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from helpers import faults, guesses, operations
from helpers.files import Table
from helpers.layouts import Mapping, stop
from helpers.operations import OPERATIONS, same
from helpers.recipes import Recipe, Unless, near

LARGEST = 100_000  # bytes of a mapping; a long one has some thousands
LONGEST = 2_500  # letters of a line; tomllib takes a time that grows with the square of the dots in a key
MOST = 99  # items, waves
DAYS = ("contact_days", "meetings", "abstinent_days")  # counts that need a window
SECTIONS = ("missing", "study", "files", "persons", "visits")
STUDY = ("title", "waves", "sai_range", "sai_items", "inv_items", "window_days")
FILES = ("persons", "visits", "waves")
PERSONS = ("person", "sex", "age", "race", "comorbid", "residential_days")
VISITS = ("person", "wave", "observed", "has_sponsor", "contact_days", "contact", "alliance", "meetings", "attendance",
          "involvement", "window_days", "abstinent_days", "pda")  # fmt: skip
ITEMS = {"sai": "sai_items", "inv": "inv_items"}
KEYS = ("column", "columns", "missing", "values", "else", "keep", "op", "unless", "not_at", "file")


# --- reading a mapping -----------------------------------------------------------------------------------------------


def guess(tables: Sequence[Table]) -> str:
    """A mapping in TOML for a reader's tables (`files.read`), as a first guess to edit."""
    return guesses.guess(tables)


def shipped(name: str) -> Path:
    """The mapping of that name that comes with the package, such as "help". Raises ValueError if there is none."""
    folder = Path(__file__).parent / "mappings"
    if name not in (names := sorted(path.stem for path in folder.glob("*.toml"))):
        raise ValueError(f"no mapping {name!r} is shipped; there is {', '.join(names)}")
    return folder / f"{name}.toml"


def read(path: Path | str) -> Mapping:
    """The mapping of a TOML file; see this module's head for what it may say.

    Raises DataError that lists everything in it that is not known or does not fit, with its line and the nearest name.
    """
    path = Path(path)
    name = faults.clean(path.name)
    try:
        if not path.is_file():
            found = "a folder" if path.is_dir() else "no file"
            raise faults.fault(name, "", found, "a mapping in TOML", f"put it at {faults.clean(str(path), 200)}")
        with path.open("rb") as file:
            held = file.read(LARGEST + 1)
    except OSError as error:
        words = error.strerror or "an error"
        raise faults.fault(name, "", words, "a readable file", "see its permissions") from error
    if len(held) > LARGEST:
        raise faults.fault(name, "", f"more than {LARGEST:,} bytes", "a mapping", "name the mapping, not the data")
    try:
        return of(held.decode("utf-8-sig"), name)
    except UnicodeDecodeError as error:
        found = f"byte 0x{held[error.start]:02x}"
        raise faults.fault(name, "", found, "text in UTF-8", "save it as UTF-8") from error


def of(text: str, name: str) -> Mapping:
    """The mapping of a TOML text; `name` is what messages call it. Raises as `read`."""
    if long := [i for i, line in enumerate(text.splitlines(), start=1) if len(line) > LONGEST]:
        words = f"lines of at most {LONGEST:,} letters"
        raise faults.fault(
            name, "", "a longer line", words, "give long values a section, [visits.COLUMN.values]", long[0]
        )
    try:
        told = tomllib.loads(text)
    except RecursionError as error:
        raise faults.fault(name, "", "brackets in brackets without end", "TOML", "take them apart") from error
    except ValueError as error:  # TOMLDecodeError, or a number of thousands of digits
        line = re.search(r"at line ([0-9]+)", str(error))
        mend = 'write it as TOML: name = "column", text in quotes'
        found = faults.clean(str(error), 200)
        raise faults.fault(name, "", found, "TOML", mend, int(line[1]) if line else 0) from error
    return _Reader(name, text).mapping(told)


class _Reader:
    """Turns what tomllib read into a Mapping, and collects what is wrong with it."""

    def __init__(self, name: str, text: str):
        self.name, self.problems = name, []
        self.lines: dict[str, int] = {}
        section = ""
        for number, line in enumerate(text.splitlines(), start=1):
            if head := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
                section = head[1] + "."
                self.lines.setdefault(head[1], number)
            elif entry := re.match(r"\s*([\"']?)([^\"'=#]+?)\1\s*=", line):
                self.lines.setdefault(section + entry[2], number)

    def wrong(self, place: str, found: object, expected: str, mend: str = "correct it") -> None:
        found = found if isinstance(found, str) else repr(found)
        self.problems.append((self.name, self.lines.get(place, 0), place, faults.text(found), expected, mend))

    def known(self, place: str, told: dict, names: Sequence[str]) -> None:
        """A problem for every key that is not among `names`."""
        for key in told:
            if key not in names:
                at = f"{place}.{key}" if place else key
                self.wrong(at, f"the key {key}", f"one of {', '.join(names)}", near(key, names))

    def section(self, told: dict, name: str) -> dict:
        if not isinstance(its := told.get(name, {}), dict):
            self.wrong(name, its, f"a section [{name}]", f"write [{name}] on a line of its own")
            return {}
        return its

    def mapping(self, told: dict) -> Mapping:
        self.known("", told, SECTIONS)
        self.missing = self.codes("missing", told.get("missing", []))
        study = self.study(self.section(told, "study"))
        self.study_told = study
        files = self.files(self.section(told, "files"))
        persons, visits = dict(self.section(told, "persons")), dict(self.section(told, "visits"))
        if not visits:
            self.wrong("visits", "nothing", "a section [visits]", "say where person, wave and the answers are")
        take = persons.pop("take", "each" if "persons" in files and files["persons"] != files.get("visits") else "any")
        if take not in ("entry", "any", "each"):
            self.wrong("persons.take", take, '"entry" or "any"')
        if "person" in persons or "person" in visits:
            person = persons.get("person", visits.get("person"))
            persons, visits = {"person": person, **persons}, {"person": person, **visits}
        elif visits:
            self.wrong("persons.person", "nothing", "the column with the person's number", 'add person = "..."')
        if "window_days" in study and "window_days" not in visits and set(DAYS) & set(visits):
            visits["window_days"] = study["window_days"]
        made = Mapping(
            study, files, self.table("persons", persons, PERSONS), self.table("visits", visits, VISITS), take, self.name
        )
        self.joint(made)
        stop(sorted(self.problems, key=lambda problem: problem[1]))
        return made

    def joint(self, made: Mapping) -> None:
        """What must fit between sections."""
        names = made.study.get("wave_names")
        layout = made.layout()
        by_wave = [recipe for recipe in made.visits if recipe.by_wave()]
        for recipe in [recipe for recipe in made.persons if recipe.by_wave()]:
            self.wrong(recipe.place, ", ".join(map(str, recipe.columns)), "a column that is the same at every wave",
                       "{wave} belongs to [visits]")  # fmt: skip
        if layout == "wide":
            if not by_wave and not any(p[2].startswith("visits") for p in self.problems):
                words = "the column with the wave, or columns with {wave} in their names"
                mend = 'add wave = "..."; or, where each wave has columns of its own, write column_{wave}'
                self.wrong("visits.wave", "nothing", words, mend)
            if names is None:
                self.wrong("study.waves", "nothing", "the waves and their months", "add waves = { t1 = 0, t2 = 3 }")
        if layout == "long":
            for recipe in by_wave:
                words = "a column without {wave}, as wave is mapped"
                self.wrong(recipe.place, recipe.words(), words, "take out wave, or {wave}")
            for recipe in [recipe for recipe in made.visits if recipe.not_at]:
                self.wrong(recipe.place, "not_at", "no not_at, as wave is mapped", "take it out")
        if layout == "files":
            for file, wave in made.files["waves"].items():
                if wave not in (names or {}):
                    self.wrong("files.waves", f"{file} = {wave}", f"a wave of [study]: {', '.join(names or ['none'])}",
                               near(str(wave), list(names or ["waves"])))  # fmt: skip
        for recipe in made.visits:
            told = {*recipe.not_at, *(wave for name in recipe.columns if isinstance(name, dict) for wave in name)}
            for wave in sorted(told - set(names or {})):
                self.wrong(recipe.place, f"the wave {wave}", f"a wave of [study]: {', '.join(names or ['none'])}",
                           near(wave, list(names or ["waves"])))  # fmt: skip

    # --- sections ----------------------------------------------------------------------------------------------------

    def study(self, told: dict) -> dict:
        self.known("study", told, STUDY)
        made = {key: told[key] for key in told if key in STUDY and key != "waves"}
        if "title" in made and not isinstance(made["title"], str):
            self.wrong("study.title", made.pop("title"), "text in quotes")
        for key, least, most in (("sai_items", 2, MOST), ("inv_items", 2, MOST), ("window_days", 1, 3660)):
            if key in made and not (_whole(made[key]) and least <= made[key] <= most):
                self.wrong(f"study.{key}", made.pop(key), f"a whole number from {least} to {most}")
        if "sai_range" in made:
            ends = made["sai_range"]
            if not (isinstance(ends, list) and len(ends) == 2 and all(map(_whole, ends)) and ends[0] < ends[1]):
                self.wrong(
                    "study.sai_range", made.pop("sai_range"), "the lowest and the highest answer", "as in [1, 7]"
                )
        if "waves" in told:
            waves = told["waves"]
            if isinstance(waves, list) and all(map(_whole, waves)) and len(set(waves)) == len(waves):
                waves = {str(month): month for month in waves}
            if not (isinstance(waves, dict) and waves and len(waves) <= MOST and all(map(_month, waves.values()))
                    and len(set(waves.values())) == len(waves)):  # fmt: skip
                self.wrong("study.waves", told["waves"], "months, each whole, of 0 or more, and once",
                           "as in [0, 3, 6] or { t1 = 0, t2 = 3 }")  # fmt: skip
            else:
                made |= {"wave_names": waves, "waves": sorted(waves.values())}
        return made

    def files(self, told: dict) -> dict:
        self.known("files", told, FILES)
        made = {}
        for key in ("persons", "visits"):
            if key in told:
                names = [told[key]] if isinstance(told[key], str) else told[key]
                if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
                    made[key] = names
                else:
                    self.wrong(f"files.{key}", told[key], "a file's name in quotes, or a list of names")
        if "waves" in told:
            if isinstance(told["waves"], dict) and told["waves"]:
                made["waves"] = {file: str(wave) for file, wave in told["waves"].items()}
            else:
                self.wrong("files.waves", told["waves"], "files and their waves", 'as in { "t1.csv" = "t1" }')
            if "visits" in told:
                self.wrong("files.waves", "visits and waves", "one of the two", "take out the other")
        return made

    def table(self, section: str, told: dict, names: Sequence[str]) -> tuple[Recipe, ...]:
        """The recipes of a section, items spelt out."""
        spelt = {}
        for target, what in told.items():
            stem, _, rest = target.partition("_")
            if section == "visits" and stem in ITEMS and rest == "{item}":
                count = self.study_told.get(ITEMS[stem])
                if count is None:
                    self.wrong(
                        f"{section}.{target}", target, f"{ITEMS[stem]} under [study]", f"add {ITEMS[stem]} = ..."
                    )
                for item in range(1, (count or 0) + 1):
                    if f"{stem}_{item}" not in told:
                        spelt[f"{stem}_{item}"] = (_put(what, str(item)), target)
            elif target in names or (section == "visits" and stem in ITEMS and re.fullmatch("[1-9][0-9]?", rest)):
                spelt[target] = (what, target)
            else:
                more = [*names, "sai_1", "inv_1"] if section == "visits" else [*names, "take"]
                self.wrong(f"{section}.{target}", f"the key {target}", f"a column of {section}", near(target, more))
        made = (self.recipe(target, what, f"{section}.{written}") for target, (what, written) in spelt.items())
        return tuple(recipe for recipe in made if recipe)

    def recipe(self, target: str, told: object, place: str) -> Recipe | None:
        """How one column is made, or None and what is wrong with it."""
        if isinstance(told, bool | int | float):
            told = {"op": "constant", "value": told}
        first = isinstance(told, list)
        if isinstance(told, str | list):
            told = {"columns" if first else "column": told}
        if not isinstance(told, dict):
            self.wrong(place, told, "a column's name in quotes, a number, or a table", 'as in { column = "..." }')
            return None
        before = len(self.problems)
        op = told.get("op")
        if op is not None and op not in operations.NAMES:
            self.wrong(place, f"op = {op}", f"one of {', '.join(operations.NAMES)}", near(str(op), operations.NAMES))
            return None
        its = OPERATIONS.get(op)
        needs, may = (its.needs, its.may) if its else (("value",) if op == "constant" else (), ())
        self.known(place, told, ["op", *needs] if op == "constant" else [*KEYS, *needs, *may])
        for key in needs:
            if key not in told:
                self.wrong(place, f"no {key}", f"{key}, which {op} needs", f"add {key} = ...")
        keys = {key: self.operand(place, key, told[key]) for key in (*needs, *may) if key in told}
        if isinstance(keys.get("least"), str):
            self.wrong(place, keys["least"], "least as a number")
        if op == "recode" and "values" not in told:
            self.wrong(place, "no values", "values, which recode needs", 'add values = { 1 = "..." }')
        columns = () if op == "constant" else self.columns(place, told, bool(its and its.many) or first)
        values = self.values(place, told["values"]) if "values" in told else None
        if values is None and {"else", "keep"} & set(told):
            self.wrong(place, "else or keep", "values beside it", "add values = { ... }")
        if "keep" in told and not isinstance(told["keep"], bool):
            self.wrong(place, told["keep"], "keep = true or false")
        if "else" in told and told.get("keep"):
            self.wrong(place, "else and keep", "one of the two", "take out the other")
        not_at = told.get("not_at", [])
        if not isinstance(not_at, list):
            self.wrong(place, not_at, "not_at as a list of waves", 'as in not_at = ["t1"]')
            not_at = []
        if not isinstance(told.get("file", ""), str):
            self.wrong(place, told["file"], "file as a name in quotes")
        missing = self.missing if target not in ("person", "wave") else frozenset()
        missing |= self.codes(place, told.get("missing", []))
        unless = self.unless(place, told["unless"]) if "unless" in told else None
        if len(self.problems) > before:
            return None
        otherwise = self.value(place, told["else"]) if "else" in told else None
        return Recipe(target, columns, first, op, keys, values, otherwise, told.get("keep", False), missing, unless,
                      frozenset(map(str, not_at)), told.get("file"), self.lines.get(place, 0), place)  # fmt: skip

    # --- keys --------------------------------------------------------------------------------------------------------

    def columns(self, place: str, told: dict, many: bool) -> tuple:
        said = [told[key] for key in ("column", "columns") if key in told]
        if len(said) != 1:
            self.wrong(place, "column and columns" if said else "no column", "column", 'add column = "..."')
            return ()
        names = said[0] if isinstance(said[0], list) else [said[0]]
        if not names or (len(names) > 1 and not many):
            takes = ", ".join(name for name in OPERATIONS if OPERATIONS[name].many)
            self.wrong(place, f"{len(names)} columns", "one column", f"name one, or an op that takes several: {takes}")
        for name in names:
            waves = list(name.values()) if isinstance(name, dict) else [name]
            if not waves or not all(isinstance(one, str) and one.strip() for one in waves):
                self.wrong(place, name, "a column's name in quotes", 'as in column = "..."')
        return tuple(name.strip() if isinstance(name, str) else name for name in names)

    def operand(self, place: str, key: str, value: object) -> object:
        """A number, or a column's name where an operation allows one."""
        if key == "value":
            return self.value(place, value)
        if isinstance(value, bool) or not isinstance(value, int | float | str) or value != value:
            self.wrong(
                place, f"{key} = {value}", f"{key} as a number" + (" or a column" if key in ("of", "by") else "")
            )
        elif isinstance(value, str) and key not in ("of", "by"):
            self.wrong(place, f"{key} = {value}", f"{key} as a number, without quotes")
        elif isinstance(value, float) and not np.isfinite(value):
            self.wrong(place, f"{key} = {value}", f"{key} as a finite number")
        return value

    def value(self, place: str, value: object) -> object:
        """What a code may become: text or a number; true and false are 1 and 0."""
        if isinstance(value, bool):
            return int(value)
        if not isinstance(value, int | float | str) or (isinstance(value, float) and not np.isfinite(value)):
            self.wrong(place, value, "a number or text")
        return value

    def values(self, place: str, told: object) -> dict[str, object]:
        if not isinstance(told, dict) or not told:
            self.wrong(
                place, told, "values as codes and what each means", 'as in values = { 1 = "male", 2 = "female" }'
            )
            return {}
        made = {}
        for code, value in told.items():
            if isinstance(value, dict):
                self.wrong(place, f"the code {code}.{next(iter(value), '')}", "codes with a point in quotes",
                           f'write "{code}.{next(iter(value), "")}" = ...')  # fmt: skip
                continue
            if same(code) in made:
                self.wrong(
                    place, f"the code {code} twice", "each code once; upper and lower case are the same", "take one out"
                )
            made[same(code)] = self.value(place, value)
        return made

    def codes(self, place: str, told: object) -> frozenset[str]:
        listed = told if isinstance(told, list) else [told]
        if any(isinstance(code, dict | list) for code in listed):
            self.wrong(place, told, "codes that mean no answer, as a list", 'as in missing = [-9, "refused"]')
            return frozenset()
        return frozenset(map(same, listed))

    def unless(self, place: str, told: object) -> Unless | None:
        shape = 'as in unless = { column = "E9A", is = 0, then = 0 }'
        if not isinstance(told, dict) or set(told) != {"column", "is", "then"} or not isinstance(told["column"], str):
            self.wrong(place, told, "unless with column, is and then", shape)
            return None
        return Unless(told["column"], self.codes(place, told["is"]), self.value(place, told["then"]))


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _month(value: object) -> bool:
    return _whole(value) and 0 <= value <= 1200


def _put(what: object, item: str) -> object:
    """A recipe with {item} put into its columns' names."""
    if isinstance(what, str):
        return what.replace("{item}", item)
    if isinstance(what, list):
        return [_put(one, item) for one in what]
    if isinstance(what, dict):
        return {key: value if key in ("values", "missing") else _put(value, item) for key, value in what.items()}
    return what
