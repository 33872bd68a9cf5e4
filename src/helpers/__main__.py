"""The command line: `python -m helpers simulate DIR [--seed N]` writes a cohort."""

import argparse
from pathlib import Path

from helpers import cohort


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m helpers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    simulate = commands.add_parser("simulate", help="write a SYNTHETIC cohort: persons, visits and truth as CSV")
    simulate.add_argument("folder", type=Path, help="where the three files go (made if missing)")
    simulate.add_argument("--seed", type=int, default=cohort.SEED, help="another seed gives a sibling cohort")
    options = parser.parse_args(arguments)
    for path in cohort.write(options.folder, seed=options.seed):
        print(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
