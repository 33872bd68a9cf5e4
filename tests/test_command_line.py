"""`python -m helpers` as a user types it."""

import pandas as pd
import pytest

from helpers import cohort
from helpers.__main__ import main


def test_simulate_writes_the_three_files_it_names(tmp_path, capsys):
    assert main(["simulate", str(tmp_path / "sibling"), "--seed", "3"]) == 0
    printed = capsys.readouterr().out.split()
    assert printed == [str(tmp_path / "sibling" / f"{name}-SYNTHETIC.csv") for name in ("persons", "visits", "truth")]
    assert len(pd.read_csv(printed[0])) == cohort.Parameters().persons


def test_another_seed_gives_another_cohort(tmp_path):
    for seed in ("3", "4"):
        main(["simulate", str(tmp_path / seed), "--seed", seed])
    files = [(tmp_path / seed / "visits-SYNTHETIC.csv").read_bytes() for seed in ("3", "4")]
    assert files[0] != files[1]


def test_no_command_is_a_usage_error():
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2


def test_a_cohort_that_is_there_is_kept_unless_it_may_be_replaced(tmp_path, capsys):
    main(["simulate", str(tmp_path), "--seed", "3"])
    before = (tmp_path / "visits-SYNTHETIC.csv").read_bytes()
    assert main(["simulate", str(tmp_path), "--seed", "4"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "visits-SYNTHETIC.csv").read_bytes() == before
    assert main(["simulate", str(tmp_path), "--seed", "4", "--overwrite"]) == 0
    assert (tmp_path / "visits-SYNTHETIC.csv").read_bytes() != before


def test_a_folder_that_is_a_file_is_named_in_one_line(tmp_path, capsys):
    (tmp_path / "note.txt").write_text("kept")
    assert main(["simulate", str(tmp_path / "note.txt")]) == 2
    said = capsys.readouterr().err
    assert "note.txt" in said
    assert said.count("\n") == 1
    assert (tmp_path / "note.txt").read_text() == "kept"


@pytest.mark.parametrize("seed", ["-1", "3.5", "x", ""])
def test_a_seed_that_is_no_whole_number_is_a_usage_error(tmp_path, seed, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["simulate", str(tmp_path), f"--seed={seed}"])
    assert stop.value.code == 2
    assert "whole number" in capsys.readouterr().err
