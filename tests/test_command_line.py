"""`python -m helpers` as a user types it."""

import pandas as pd
import pytest

from helpers import cohort, design
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


SMALL = ["plan", "--persons", "60", "--waves", "1", "6", "24", "--retention", ".9", ".8", ".7", "--replicates", "40"]


def test_plan_prints_a_line_a_term_with_monte_carlo_errors(capsys):
    assert main(SMALL) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0] == "pda: 60 people, waves at 1, 6, 24 months, 40 replicates, seed 0"
    assert [line.split()[0] for line in lines[2:-1]] == list(design.Plan().terms)
    assert said.err == ""


def test_plan_writes_what_summarise_gives_for_the_plan_that_was_said(tmp_path):
    table = tmp_path / "power.csv"
    effects = ["--effect", "contact=2", "--effect", "contact:time=0.4", "--persistence", "0", "--alpha", ".01"]
    assert main([*SMALL, *effects, "--seed", "7", "--csv", str(table)]) == 0
    plan = design.Plan(persons=60, waves=(1, 6, 24), retention=(0.9, 0.8, 0.7), persistence=0.0, alpha=0.01)
    plan = plan.set("contact", 2.0).set("contact:time", 0.4)
    expected = design.summarise(design.replicate(plan, 40, 7))
    written = pd.read_csv(table, index_col="term")
    pd.testing.assert_frame_equal(written, expected, check_dtype=False, check_names=False)


def test_plan_draws_the_power_of_each_term(tmp_path):
    assert main([*SMALL, "--figure", str(tmp_path / "power.png")]) == 0
    assert (tmp_path / "power.png").read_bytes().startswith(b"\x89PNG")


def test_a_plan_in_a_folder_goes_on_from_there(tmp_path):
    assert main([*SMALL, "--folder", str(tmp_path / "run")]) == 0
    before = (tmp_path / "run" / "results.parquet").read_bytes()
    (tmp_path / "run" / "results.parquet").unlink()
    assert main([*SMALL, "--folder", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "results.parquet").read_bytes() == before


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (["--waves", "3", "6"], "retention has 3 values for 2 waves"),
        (["--effect", "dose=2"], "no effect 'dose'; there are contact"),
        (["--persons", "0"], "persons is 0"),
        (["--replicates", "0"], "replicates is 0"),
        (["--csv", "/no/such/folder/x.csv"], "there is no folder /no/such/folder"),
    ],
)
def test_what_cannot_be_planned_is_said_in_one_line(said, answer, capsys):
    assert main(["plan", *said]) == 2
    error = capsys.readouterr().err
    assert answer in error
    assert error.count("\n") == 1


def test_an_effect_without_a_value_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["plan", "--effect", "contact"])
    assert stop.value.code == 2
    assert "is not TERM=VALUE" in capsys.readouterr().err


def test_a_folder_of_another_plan_is_refused_and_kept(tmp_path, capsys):
    main([*SMALL, "--folder", str(tmp_path)])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert main([*SMALL, "--seed", "9", "--folder", str(tmp_path)]) == 2
    assert "another plan, seed or version" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
