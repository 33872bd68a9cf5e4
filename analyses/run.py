"""`make analyses`: every analysis of this folder, one after the other; what has not changed is only read again."""

import argparse
import subprocess
import sys
import time

import committed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smoke runs, into _build/analyses")
    quick = ["--quick"] if parser.parse_args().quick else []
    began = time.monotonic()
    for script in committed.scripts():
        if code := subprocess.call([sys.executable, str(script), *quick]):
            return code
    print(f"All analyses: {time.monotonic() - began:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
