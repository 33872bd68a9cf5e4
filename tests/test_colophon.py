"""The colophon: each printed hash is what the printed command prints."""

import hashlib
import subprocess
from pathlib import Path

import pytest
from tiny import write_book

from press import colophon

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(("what", "printed", "command"), colophon.hashes(ROOT), ids=lambda text: text[:24])
def test_a_reader_who_runs_the_command_sees_the_hash(what, printed, command):
    seen = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert seen.split()[0] == printed


def test_the_lock_the_numbers_and_every_file_of_the_data_have_a_hash():
    commands = {command for _, _, command in colophon.hashes(ROOT)}
    names = ["requirements.txt", "book/results.json"]
    data = ROOT / "book" / "data"
    names += [f"book/data/{path.relative_to(data).as_posix()}" for path in data.rglob("*") if path.is_file()]
    assert {f"sha256sum {name}" for name in names} < commands


def test_one_hash_over_all_changes_with_any_byte_and_any_name(tmp_path):
    root = write_book(tmp_path)
    data = root / "book" / "data"

    def over_all():
        return colophon.over_all(root, colophon.data_files(root))

    line = hashlib.sha256(b"person\n1\n").hexdigest() + "  book/data/persons.csv\n"
    assert over_all() == hashlib.sha256(line.encode()).hexdigest()
    seen = {over_all()}
    (data / "persons.csv").write_text("person\n2\n")
    seen.add(over_all())
    (data / "persons.csv").rename(data / "people.csv")
    seen.add(over_all())
    assert len(seen) == 3


def test_packages_are_those_of_the_first_group_with_their_version_in_the_lock():
    direct = "# Why.\n\n# --- chapters ---\nnumpy<3  # arrays\ndask[x]   # more\n\n# --- book ---\nsphinx  # the site\n"
    lock = "dask[x]==2.0 \\\n    --hash=sha256:a\nnumpy==1.5 ; python_version > '3' \\\n    # via x==9\nsphinx==7\n"
    assert colophon.packages(lock, direct) == [("numpy", "1.5", "arrays"), ("dask", "2.0", "more")]
    assert colophon.pinned(lock) == 3


def test_the_books_own_lock_pins_what_chapters_compute_with():
    lock, direct = ((ROOT / name).read_text(encoding="utf-8") for name in ("requirements.txt", "requirements.in"))
    named = [name for name, _, _ in colophon.packages(lock, direct)]
    assert named[:4] == ["numpy", "scipy", "pandas", "statsmodels"]
    assert colophon.pinned(lock) > len(named)
