"""Create `.venv` and install the locked packages into it: `python src/press/install.py`, before anything else is there.

Standard library only, and readable by Pythons from 3.6 on, so that they can say what is missing.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

SUPPORTED = ((3, 11), (3, 12), (3, 13))
NAMES = ", ".join("%d.%d" % version for version in SUPPORTED)  # noqa: UP031
ROOT = Path(__file__).resolve().parents[2]


def main(root: Path = ROOT) -> int:
    """Install if the lock has changed since the last time; 1 and a line of remedy if that cannot be done."""
    venv = root / ".venv"
    try:
        python = [str(inside(venv))]
        whole = is_current(root, venv) or has(python, "pip")  # its making may have been interrupted
        if version_of(python) not in SUPPORTED or not whole:
            create(venv, find())
        if not is_current(root, venv):
            install(root, venv)
    except (Missing, OSError) as missing:
        print(missing, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The next run installs what is missing.", file=sys.stderr)
        return 130
    return 0


class Missing(Exception):  # noqa: N818
    """What the machine lacks, with the remedy, in one line."""


def find() -> "list[str]":
    """The command of a supported Python: the one that runs this, or else the newest on the PATH."""
    launcher = [["py", "-%d.%d" % version] for version in reversed(SUPPORTED)] if os.name == "nt" else []  # noqa: UP031
    named = [["python%d.%d" % version] for version in reversed(SUPPORTED)]  # noqa: UP031
    for command in [[sys.executable], *named, *launcher]:
        if shutil.which(command[0]) and version_of(command) in SUPPORTED:
            return command
    raise Missing(
        f"Python {NAMES} is needed, this is {platform.python_version()}. "
        "Install one of them: sudo apt install python3 python3-venv (Debian 12 or 13), or from python.org"
    )


def version_of(command: "list[str]") -> "tuple[int, ...]":
    """(major, minor) of the Python that `command` starts; () if it does not start."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        said = subprocess.run([*command, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ()
    return tuple(int(part) for part in said.stdout.split())


def has(command: "list[str]", *modules: str) -> bool:
    """Whether the Python that `command` starts can import all `modules`."""
    imports = [*command, "-c", "import " + ", ".join(modules)]
    try:
        return subprocess.run(imports, stderr=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


def create(venv: Path, command: "list[str]") -> None:
    """A new virtual environment made by the Python that `command` starts."""
    if not has(command, "venv", "ensurepip"):
        major, minor = version_of(command)
        raise Missing(f"Python cannot make virtual environments here: sudo apt install python{major}.{minor}-venv")
    make = [*command, "-m", "venv", "--clear", str(venv)]
    made = subprocess.run(make, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if made.returncode:
        said = made.stdout.decode("utf-8", "replace").strip()
        raise Missing(f"{venv} could not be made. Delete that folder and try again. Python says: {said}")


def inside(venv: Path) -> Path:
    """The Python of the virtual environment."""
    return venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"


def is_current(root: Path, venv: Path) -> bool:
    """Whether what the stamp says was installed is what the lock says now."""
    stamp = venv / "installed"
    return stamp.exists() and stamp.read_text(encoding="utf-8") == wanted(root)


def wanted(root: Path) -> str:
    """Hash of the lock, of the project's metadata and of where it lies: a moved `.venv` would import the old place."""
    files = (root / "requirements.txt", root / "pyproject.toml")
    content = b"".join(path.read_bytes().replace(b"\r\n", b"\n") for path in files)
    return hashlib.sha256(content + str(root.resolve()).encode("utf-8", "surrogateescape")).hexdigest()


def install(root: Path, venv: Path) -> None:
    """The locked packages, checked against their hashes, then this project itself, editable."""
    pip = [str(inside(venv)), "-m", "pip", "--disable-pip-version-check", "-qq", "install"]
    print("Installing the locked packages into .venv: 1.6 GB, one to three minutes, once.", flush=True)
    started = time.time()
    for step in (
        ["--require-hashes", "-r", "requirements.txt"],
        ["--no-deps", "--no-build-isolation", "-e", "."],
    ):
        if subprocess.run([*pip, *step], cwd=str(root), check=False).returncode:
            raise Missing(f"The installation stopped (see above). Try again: {sys.executable} src/press/install.py")
    (venv / "installed").write_text(wanted(root), encoding="utf-8")
    print(f"Installed in {time.time() - started:.0f} s.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
