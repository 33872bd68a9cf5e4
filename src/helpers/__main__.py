"""The command line: `simulate` writes a cohort, `plan` analyses a design; for a study's own files `check` says what is
wrong with them, `map` guesses a mapping, `template` writes tables to fill in.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from helpers import contract, faults, files, mapping, records, study, templates

PLANNED = ("persons", "waves", "retention", "persistence", "random", "alpha")  # fields of a plan that have an option
SHOWN = {
    "truth": ".3f",
    "power": ".3f",
    "bias": ".3f",
    "coverage": ".3f",
    "rmse": ".3f",
    "type_s": ".3f",
    "type_m": ".2f",
}
KINDS = 100  # kinds of problems that are printed


def main(arguments: list[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that has not every letter shows "?" for it
            stream.reconfigure(errors="replace")
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except (ValueError, OSError, ModuleNotFoundError) as problem:
        name = getattr(problem, "filename", None)
        reason = getattr(problem, "strerror", None)
        print(f"{name}: {reason}; name a place that can be written" if name and reason else problem, file=sys.stderr)
        return 2
    except MemoryError:
        print("Not enough memory: give a smaller file, or a machine with more.", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m helpers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    simulate = commands.add_parser("simulate", help="write a SYNTHETIC cohort: persons, visits and truth as CSV")
    simulate.set_defaults(run=_simulate)
    simulate.add_argument("folder", type=Path, help="where the three files go (made if missing)")
    simulate.add_argument("--seed", type=_seed, help="another seed gives a sibling cohort")
    simulate.add_argument("--overwrite", action="store_true", help="replace the files of a cohort that is there")
    plan = commands.add_parser(
        "plan",
        help="power, bias, coverage, type S and type M of a study to be",
        description="Simulates a study and its analysis many times. What is not said is as in the study (see the "
        "chapter 'Plan a study'); effects are in outcome units for one unit of the predictor.",
    )
    plan.set_defaults(run=_plan)
    plan.add_argument("--outcome", choices=study.OUTCOMES, default="pda", help="whose assumptions to start from")
    plan.add_argument("--persons", type=int, metavar="N", help="how many enter")
    plan.add_argument(
        "--waves", type=float, nargs="+", metavar="MONTH", help="months of the follow-ups, in any spacing"
    )
    plan.add_argument(
        "--retention", type=float, nargs="+", metavar="SHARE", help="share with a usable visit at each wave"
    )
    plan.add_argument("--persistence", type=float, metavar="R", help="correlation of being seen between waves")
    plan.add_argument("--effect", action="append", default=[], type=_effect, metavar="TERM=VALUE",
                      help="as contact=4 or contact:time=0.5; may be repeated")  # fmt: skip
    plan.add_argument("--random", choices=("1", "1 + time"), help="random terms of the analysis")
    plan.add_argument("--alpha", type=float, help="level of the two-sided tests")
    plan.add_argument("--replicates", type=int, default=1000, metavar="N", help="how many times (default 1000)")
    plan.add_argument("--seed", type=_seed, default=0, help="the result depends on it alone (default 0)")
    plan.add_argument(
        "--against", choices=("truth", "limit"), default="truth", help="what bias and coverage count from"
    )
    plan.add_argument("--csv", type=Path, metavar="FILE", help="write the table, in full precision")
    plan.add_argument("--figure", type=Path, metavar="FILE", help="draw the power of each term (.png, .svg, .pdf)")
    plan.add_argument(
        "--folder", type=Path, metavar="DIR", help="keep replicates there; a run that was stopped goes on"
    )
    plan.add_argument("--scheduler", metavar="ADDRESS", help="of a dask.distributed scheduler, as tcp://host:8786")
    check = commands.add_parser(
        "check",
        help="say what is wrong with a study's data files, every problem at once",
        description="Reads CSV and other text, Excel, Parquet, Stata and SPSS, and changes nothing. Ends with 0 if the "
        "data are sound, 1 if there are warnings and --strict, 2 if there are errors.",
    )
    check.set_defaults(run=_check)
    check.add_argument("files", type=Path, nargs="+", metavar="FILE", help="the files, or the folder they are in")
    check.add_argument("--map", type=Path, metavar="TOML", help="a mapping of your columns to the book's")
    check.add_argument("--json", action="store_true", help="print the result for a program to read")
    check.add_argument("--strict", action="store_true", help="end with 1 if there are warnings")
    mapped = commands.add_parser("map", help="write a first guess of a mapping of your files' columns, to edit")
    mapped.set_defaults(run=_map)
    mapped.add_argument("files", type=Path, nargs="+", metavar="FILE", help="CSV, Excel, Parquet, Stata or SPSS")
    mapped.add_argument("--out", type=Path, metavar="FILE", help="write it there, as mapping.toml (else it is printed)")
    mapped.add_argument("--overwrite", action="store_true", help="replace the file if it is there")
    blanks = commands.add_parser("template", help="write empty tables to fill in: persons.csv, visits.csv, study.xlsx")
    blanks.set_defaults(run=_template)
    blanks.add_argument("folder", type=Path, help="where the three files go (made if missing)")
    blanks.add_argument("--overwrite", action="store_true", help="replace files that are there")
    return parser


def _check(options: argparse.Namespace) -> int:
    received = records.receive(options.files, options.map)
    print(_as_json(received) if options.json else _in_words(received))
    return 2 if len(received.errors) else 1 if len(received.warnings) and options.strict else 0


def _in_words(received: records.Received) -> str:
    """Problems in groups, and a last sentence of what was found."""
    lines = []
    for title, frame in (("error", received.errors), ("warning", received.warnings)):
        kinds = list(faults.grouped(frame))
        if kinds:
            lines.append(f"{len(kinds):,} {title}{'s' if len(kinds) > 1 else ''}:")
            lines += [f"  {text.replace(chr(10), chr(10) + '  ')}" for text, _ in kinds[:KINDS]]
            lines += [f"  ... and {len(kinds) - KINDS:,} more: --json lists them all"] if len(kinds) > KINDS else []
    if received.persons is None:
        lines.append("Mend the errors and check again; nothing was kept and no file was changed.")
    else:
        visits, waves = received.visits, received.visits["wave"].unique()
        seen, people = int((visits["observed"] == 1).sum()), len(received.persons)
        month = "month" if len(waves) == 1 else "months"
        lines.append(
            f"Found {people:,} people, seen {seen:,} times at {month} {', '.join(map(str, waves))}. "
            f"Outcomes: {', '.join(contract.outcomes(visits))}. Predictors: "
            f"{', '.join(contract.predictors(visits)) or 'none'}. Columns: {', '.join(visits.columns[3:])}."
        )
    return "\n".join(lines)


def _as_json(received: records.Received) -> str:
    sound = received.persons is not None
    found = {
        "files": list(received.sources),
        "persons": len(received.persons) if sound else None,
        "visits": int((received.visits["observed"] == 1).sum()) if sound else None,
        "waves": received.visits["wave"].unique().tolist() if sound else None,
        "outcomes": contract.outcomes(received.visits) if sound else None,
        "predictors": contract.predictors(received.visits) if sound else None,
        "columns": {"persons": list(received.persons), "visits": list(received.visits)} if sound else None,
        "errors": received.errors.to_dict("records"),
        "warnings": received.warnings.to_dict("records"),
    }
    return json.dumps(found, indent=1)


def _map(options: argparse.Namespace) -> int:
    if options.out and options.out.exists() and not options.overwrite:
        raise ValueError(f"{options.out} is there already: name another file, or say --overwrite")
    text = mapping.guess([table for path in options.files for table in files.read(path)])
    if options.out is None:
        print(text, end="")
        return 0
    part = options.out.with_name(options.out.name + ".part")
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(options.out)
    print(options.out)
    return 0


def _template(options: argparse.Namespace) -> int:
    present = [options.folder / name for name in templates.FILES if (options.folder / name).exists()]
    if present and not options.overwrite:
        raise ValueError(f"{present[0]} is there already: name another folder, or say --overwrite")
    print(*templates.write(options.folder), sep="\n")
    return 0


def _simulate(options: argparse.Namespace) -> int:
    from helpers import cohort  # the engine takes seconds to load, and only who plans or simulates needs it

    present = [path for path in cohort.files(options.folder) if path.exists()]
    if present and not options.overwrite:
        raise ValueError(f"{present[0]} is there already: name another folder, or say --overwrite")
    print(*cohort.write(options.folder, seed=cohort.SEED if options.seed is None else options.seed), sep="\n")
    return 0


def _plan(options: argparse.Namespace) -> int:
    from helpers import design, figures, tables

    said = {name: getattr(options, name) for name in PLANNED if getattr(options, name) is not None}
    plan = replace(design.Plan.study(options.outcome), **said)
    for term, value in options.effect:
        plan = plan.set(term, value)
    for path in filter(None, (options.csv, options.figure)):
        if not path.absolute().parent.is_dir():
            raise ValueError(f"{path}: there is no folder {path.absolute().parent}; make it first")
    try:
        frame = design.replicate(plan, options.replicates, options.seed, options.scheduler, options.folder)
    except KeyboardInterrupt:
        kept = (
            f"the same command goes on from {options.folder}" if options.folder else "with --folder DIR it could go on"
        )
        print(f"\nStopped; {kept}.", file=sys.stderr)
        return 130
    summary = design.summarise(frame, options.against)
    print(f"{plan.outcome}: {plan.persons} people, waves at {', '.join(f'{w:g}' for w in plan.waves)} months, "
          f"{options.replicates} replicates, seed {options.seed}")  # fmt: skip
    shown = tables.printed(summary, SHOWN)
    for column in list(SHOWN)[1:]:
        shown[column] += " (" + tables.printed(summary, {f"{column}_mcse": SHOWN[column]})[f"{column}_mcse"] + ")"
    print(shown.replace(r"^ \(\)$", "", regex=True).rename_axis(None).to_string())
    failed = tables.show(100 * summary["failed"].iloc[0], ".1f")
    print(f"In brackets: Monte Carlo standard errors. Fits that failed: {failed} %.")
    if options.csv:
        summary.rename_axis("term").to_csv(options.csv, lineterminator="\n")
    if options.figure:
        ax = figures.power(figures.axes(height=1 + 0.35 * len(summary)), summary)
        ax.figure.savefig(options.figure)
    return 0


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def _effect(text: str) -> tuple[str, float]:
    term, _, value = text.partition("=")
    try:
        return term, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not TERM=VALUE, as contact=4") from None


if __name__ == "__main__":
    raise SystemExit(main())
