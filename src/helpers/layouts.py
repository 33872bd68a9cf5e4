"""From the rows of a reader's files (a row a wave, a column a wave, or a file a wave) to those of the contract."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import faults, operations, recipes
from helpers.faults import DataError
from helpers.files import Table
from helpers.operations import same
from helpers.recipes import FILE, ROW, SAID, Recipe, near


@dataclass(frozen=True)
class Mapping:
    """A mapping that was read.

    study : its [study]; `waves` are the months in order, `wave_names` the months by the waves' names
    files : its [files]
    persons, visits : the columns of the contract and how each is made
    take : "entry" or "any", which of a person's rows says what does not change
    name : of the file, for messages
    """

    study: dict
    files: dict
    persons: tuple[Recipe, ...]
    visits: tuple[Recipe, ...]
    take: str
    name: str

    def apply(self, tables: Sequence[Table]) -> dict[str, Table]:
        """The reader's tables as the contract's two, "persons" and "visits", with the columns that are mapped.

        The index is the row of the reader's file from which a row came; from wide to long it repeats. `origin` says for
        each column where it came from. Numbers are float, NaN where blank; what is only renamed stays as it was.
        Raises DataError, with every problem: a column or file that is not there, a value that `values` does not cover,
        a cell that cannot be computed with, two rows of a person that contradict each other.
        """
        problems: list[tuple] = []
        said = self._said(tables, problems)
        stop(problems)
        visits = self._visits(said, problems)
        persons = self._persons(said, visits, problems)
        stop(problems)
        made = {"persons": (persons, self.persons), "visits": (visits, self.visits)}
        return {name: _table(frame, its, tables) for name, (frame, its) in made.items()}

    def layout(self) -> str:
        """ "long" (a row a wave), "files" (a file a wave) or "wide" (a column a wave)."""
        if "waves" in self.files:
            return "files"
        return "long" if any(recipe.target == "wave" for recipe in self.visits) else "wide"

    def _said(self, tables: Sequence[Table], problems: list[tuple]) -> dict[str, list]:
        """The tables of persons and visits; for visits, (wave, tables) of each part that is stacked on the others."""

        def named(names: object, place: str) -> list[Table]:
            found = []
            for name in [names] if isinstance(names, str) else names:
                if table := _named(name, tables):
                    found.append(table)
                else:
                    words = near(name, [table.name for table in tables])
                    problems.append((self.name, 0, f"files.{place}", name, "a file that was given", words))
            return found

        if len(tables) > 1 and not {"visits", "waves"} & set(self.files):
            files = ", ".join(table.name for table in tables)
            words = f"one file, or a section [files] that says which is which of {files}"
            problems.append(
                (self.name, 0, "files", f"{len(tables)} files", words, 'add [files] persons = "..." and visits = "..."')
            )
            return {}
        if self.layout() == "files":
            parts = [(wave, named(file, "waves")) for file, wave in self.files["waves"].items()]
        else:
            its = named(self.files["visits"], "visits") if "visits" in self.files else list(tables)
            parts = [(wave, its) for wave in (self.study["wave_names"] if self.layout() == "wide" else [None])]
        own = named(self.files["persons"], "persons") if "persons" in self.files else None
        if own is not None and [t.name for t in own] == [t.name for t in parts[0][1]]:
            own = None
        return {"visits": parts, "persons": own}

    def _visits(self, said: dict, problems: list[tuple]) -> pd.DataFrame:
        frames = []
        keys = ["person", "wave"] if self.layout() == "long" else ["person"]
        for wave, tables in said["visits"]:
            its = [_filed(asked, tables) for recipe in self.visits if (asked := recipe.at(wave))]
            frame = recipes.rows(tables, its, keys, self.name, problems)
            if wave is not None:
                frame["wave"] = self.study["wave_names"][wave]
            frames.append(frame)
        whole = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
        if self.layout() == "long" and "wave" in whole and "wave_names" in self.study:
            whole["wave"] = self._months(whole, problems)
        if whole.empty:
            return whole
        answers = [
            r.target for r in self.visits if r.target in whole and r.target not in ("person", "wave", "observed")
        ]
        missed = ~whole[SAID].to_numpy(dtype=bool)
        for name in answers:
            if missed.any():
                whole[name] = whole[name].mask(missed, np.nan if whole[name].dtype != object else "")
        return whole

    def _months(self, whole: pd.DataFrame, problems: list[tuple]) -> pd.Series:
        """The months of the waves' names in a long file."""
        months = {same(name): month for name, month in self.study["wave_names"].items()}
        made, lost = operations.recode(whole["wave"], months)
        words = "one of the waves " + ", ".join(self.study["wave_names"])
        recipe = next(recipe for recipe in self.visits if recipe.target == "wave")
        for row, file, cell in zip(whole[ROW][lost], whole[FILE][lost], whole["wave"][lost], strict=True):
            mend = f"correct it, or add it to waves under [study] of {self.name}"
            problems.append((file, int(row), recipe.words(), faults.text(cell), words, mend))
        return made.mask(lost, "")

    def _persons(self, said: dict, visits: pd.DataFrame, problems: list[tuple]) -> pd.DataFrame:
        if said["persons"] is not None:
            its = [_filed(recipe, said["persons"]) for recipe in self.persons]
            frame = recipes.rows(said["persons"], its, ["person"], self.name, problems)
            return frame if self.take == "each" or frame.empty else self._one_row(frame, problems)
        if self.layout() == "wide":
            tables = said["visits"][0][1]
            its = [_filed(recipe, tables) for recipe in self.persons]
            return recipes.rows(tables, its, ["person"], self.name, problems)
        first = min(self.study.get("waves", [0]))
        if self.layout() == "long":
            wave = next(recipe for recipe in self.visits if recipe.target == "wave")
            tables = said["visits"][0][1]
            its = [_filed(recipe, tables) for recipe in (*self.persons, wave)]
            frame = recipes.rows(tables, its, ["person", "wave"], self.name, problems)
            if not frame.empty and self.take == "entry":
                wave = visits["wave"] if len(visits) == len(frame) else frame["wave"]
                entry = operations.each(wave, lambda cell: operations.number(cell) == first, bool)
                frame = _of_entry(frame, entry)
            frame = frame.drop(columns="wave", errors="ignore")
        else:
            parts = said["visits"]
            if self.take == "entry":
                parts = sorted(parts, key=lambda part: self.study["wave_names"][part[0]])
            frame = self._stacked(parts, first, problems)
        return frame if frame.empty else self._one_row(frame, problems)

    def _stacked(self, parts: list, first: int, problems: list[tuple]) -> pd.DataFrame:
        """Persons of one file a wave: each column from those files that have it, all from the first one for `entry`."""
        every = [table for _, tables in parts for table in tables]
        frames = []
        for wave, tables in parts:
            entry = self.take != "entry" or self.study["wave_names"][wave] == first
            its = []
            for recipe in self.persons:
                lone = recipe.target == "person" or (entry and self.take == "entry")
                there = all(name in tables[0].cells for name in (*recipe.columns, *recipe.needs()))
                elsewhere = any(all(n in t.cells for n in (*recipe.columns, *recipe.needs())) for t in every)
                if lone or (entry and (there or not elsewhere)):
                    its.append(recipe)
            frames.append(recipes.rows(tables, its, ["person"], self.name, problems))
        return pd.concat(frames, ignore_index=True)

    def _one_row(self, frame: pd.DataFrame, problems: list[tuple]) -> pd.DataFrame:
        """One row a person: of each column what the person's rows say; a problem if two of them contradict."""
        codes, _ = pd.factorize(recipes.key(frame["person"]))
        firsts = pd.Series(range(len(frame))).groupby(codes).first().to_numpy()
        made = frame.iloc[firsts].reset_index(drop=True)
        placed = np.zeros(len(made), dtype=bool)  # whether the row that a person stands for is known
        for recipe in self.persons:
            name = recipe.target
            if name == "person" or name not in frame:
                continue
            answered = ~operations.blank(frame[name])
            rows = pd.Series(np.flatnonzero(answered)).groupby(codes[answered]).first()
            made[name] = made[name].mask(np.ones(len(made), dtype=bool), np.nan if made[name].dtype != object else "")
            made.loc[rows.index, name] = frame[name].iloc[rows].to_numpy()
            new = rows[~placed[rows.index]]
            made.loc[new.index, [ROW, FILE]] = frame[[ROW, FILE]].iloc[new].to_numpy()
            placed[new.index] = True
            known = operations.each(made[name], same)[codes]
            here = operations.each(frame[name], same)
            for row in np.flatnonzero(answered & (here != known)):
                other = made[name].iloc[codes[row]]
                words = f"{faults.text(other)}, as in another row of person {faults.text(frame['person'].iloc[row])}"
                mend = f'correct one of them, or say take = "entry" under [persons] of {self.name}'
                problems.append((frame[FILE].iloc[row], int(frame[ROW].iloc[row]), recipe.words(),
                                 faults.text(frame[name].iloc[row]), words, mend))  # fmt: skip
        return made


def _of_entry(frame: pd.DataFrame, entry: np.ndarray) -> pd.DataFrame:
    """The rows at entry with their answers, the others with the person alone."""
    kept = frame.copy()
    for name in frame.columns.difference([ROW, FILE, SAID, "person"], sort=False):
        kept[name] = kept[name].mask(~entry, np.nan if kept[name].dtype != object else "")
    return kept


def _filed(recipe: Recipe, tables: Sequence[Table]) -> Recipe:
    """The recipe with the full name of the file it names."""
    if recipe.file is None or not (table := _named(recipe.file, tables)):
        return recipe
    return replace(recipe, file=table.name)


def _named(name: str, tables: Sequence[Table]) -> Table | None:
    """The table of that name: a file, a sheet, or "file.xlsx, sheet X"; None if none or several are called so."""
    exact = [table for table in tables if table.name == name]
    loose = [table for table in tables if name in (Path(table.name).name, table.name.partition(", sheet ")[2])]
    found = exact or loose
    return found[0] if len(found) == 1 else None


def _table(frame: pd.DataFrame, its: Sequence[Recipe], tables: Sequence[Table]) -> Table:
    made = {recipe.target: recipes.tidy(frame[recipe.target]) for recipe in its if recipe.target in frame}
    if "wave" in frame and "wave" not in made:
        made = {"person": made.pop("person"), "wave": recipes.tidy(frame["wave"]), **made}
    cells = pd.DataFrame(made).set_axis(frame[ROW].astype(int).to_numpy())
    origin = {recipe.target: recipe.words() for recipe in its}
    labels = {column: its for table in tables for column, its in table.labels.items()}
    kept = [recipe for recipe in its if recipe.op is None and recipe.values is None and not recipe.by_wave()]
    labels = {recipe.target: labels[recipe.columns[0]] for recipe in kept if recipe.columns[0] in labels}
    return Table(" and ".join(frame[FILE].unique()), cells, labels=labels, origin=origin)


def stop(problems: list[tuple]) -> None:
    """Raise DataError if there are problems, each once."""
    if problems:
        raise DataError(faults.listed(problems).drop_duplicates(ignore_index=True))
