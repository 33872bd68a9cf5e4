"""The page "Your own data" shows what the commands print, on the files that it names."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from helpers import mapping, records
from helpers.__main__ import main

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "book" / "data" / "examples"
PAGE = (ROOT / "book" / "using" / "data.md").read_text(encoding="utf-8")
BLOCKS = [text.strip() for text in re.findall(r"^```(?:text|toml)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]


def printed(capsys, *arguments):
    code = main(list(arguments))
    return code, capsys.readouterr().out.strip()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the example, below which nothing else lies."""
    for name in ("messy-SYNTHETIC.csv", "messy.toml"):
        shutil.copy(EXAMPLES / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mend(file):
    """The cell that the page says is wrong, corrected."""
    lines = file.read_text(encoding="utf-8").splitlines()
    lines[9] = lines[9].replace(";95;", ";9;", 1)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_the_page_shows_what_each_command_prints(here, capsys):
    check = ["check", "messy-SYNTHETIC.csv"]
    shown = [
        printed(capsys, *check),
        printed(capsys, "map", "messy-SYNTHETIC.csv"),
        printed(capsys, *check, "--map", "messy.toml"),
    ]
    mend(here / "messy-SYNTHETIC.csv")
    shown.append(printed(capsys, *check, "--map", "messy.toml"))
    assert [code for code, _ in shown] == [2, 0, 2, 0]
    for _, text in shown:
        assert text in BLOCKS, text
    assert (here / "messy.toml").read_text(encoding="utf-8").strip() in BLOCKS


def test_the_messy_file_holds_the_cohort_s_numbers_once_it_is_mapped(here):
    mend(here / "messy-SYNTHETIC.csv")
    received = records.receive(here / "messy-SYNTHETIC.csv", mapping.read(here / "messy.toml"))
    made = received.visits.set_index([received.visits["person"].str[1:].astype(int), "wave"])
    ours = pd.read_csv(ROOT / "book/data/visits-SYNTHETIC.csv").set_index(["person", "wave"]).loc[made.index]
    spoilt = made.index.isin([(7, 0), (9, 0)])  # a code for no answer, an impossible count
    for column in ("has_sponsor", "contact_days", "sai_1", "sai_2", "sai_3", "meetings", "abstinent_days"):
        pd.testing.assert_series_equal(made[column][~spoilt], ours[column][~spoilt].astype(float), check_names=False)
