"""The command line: `python -m helpers simulate DIR [--seed N]` writes a cohort."""

import argparse
import sys
from pathlib import Path

from helpers import cohort


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m helpers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    simulate = commands.add_parser("simulate", help="write a SYNTHETIC cohort: persons, visits and truth as CSV")
    simulate.add_argument("folder", type=Path, help="where the three files go (made if missing)")
    simulate.add_argument("--seed", type=_seed, default=cohort.SEED, help="another seed gives a sibling cohort")
    simulate.add_argument("--overwrite", action="store_true", help="replace the files of a cohort that is there")
    options = parser.parse_args(arguments)
    present = [path for path in cohort.files(options.folder) if path.exists()]
    if present and not options.overwrite:
        print(f"{present[0]} is there already: name another folder, or say --overwrite", file=sys.stderr)
        return 2
    try:
        written = cohort.write(options.folder, seed=options.seed)
    except OSError as error:
        print(f"{options.folder}: {error.strerror}; name a folder that can be written", file=sys.stderr)
        return 2
    print(*written, sep="\n")
    return 0


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


if __name__ == "__main__":
    raise SystemExit(main())
