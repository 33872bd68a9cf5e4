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
