"""The panel of the specification curve: it gets the curve's own numbers, and calls choices as the curve does."""

import csv
import json
from pathlib import Path

import pytest

from helpers import curve, measures, records, study
from press import BookError
from press import specifications as panel

FOLDER = Path(__file__).parents[1] / "book" / "data" / "analyses"
MADE = panel.curve(FOLDER)
ROWS = [row for row in csv.DictReader((FOLDER / "curve.csv").open(encoding="utf-8")) if row["gee"] == "0"]


@pytest.fixture(scope="module")
def data():
    return panel.data(MADE, panel.sds(measures.score(*records.read())))


def test_the_panel_gets_every_specification_s_estimate_and_none_by_gee(data):
    assert len(data["claims"]) == len(study.CLAIMS)
    for claim in data["claims"]:
        assert claim["estimates"] == [int(row[claim["key"]]) for row in ROWS]
        bits = "".join(f"{int(digit, 16):04b}" for digit in claim["told"])
        assert bits[: len(ROWS)] == "".join(row[f"sig_{claim['key']}"] for row in ROWS)


def test_a_row_s_number_is_its_place_in_the_list_of_all_specifications(data):
    specs = curve.specifications()
    assert len(specs) == len(ROWS)
    for row in (0, 7, 1234, len(specs) - 1):
        assert panel.number(MADE["choices"], specs.loc[row].to_dict()) == row
    assert data["own"] == curve.own(specs)


def test_what_the_explorer_s_choices_are_called_is_on_the_curve_s_list(data):
    choices, names = MADE["choices"], data["explorer"]
    assert data["scale"] in choices["scale"]
    assert set(data["words"]) == set(choices["scale"])
    assert set(names["sample"].values()) <= {level.split(", ")[0] for level in choices["visits"]}
    assert set(names["covariates"].values()) <= {part for level in choices["covariates"] for part in level.split(", ")}
    assert set(names["time"].values()) <= set(choices["time"])
    assert set(names["random"].values()) == set(choices["random"])
    assert set(names["method"].values()) == set(choices["estimator"])


def test_codings_of_time_are_the_same_if_they_differ_in_scale_alone():
    both = panel.clocks(["months", "months, about wave means", "wave", "log", "categorical"])
    assert both == {
        "months": "months", "centred": "months", "wave": "wave", "log": "log", "categorical": "categorical"
    }  # fmt: skip
    without = panel.clocks(["wave", "root"])
    assert without == {"wave": "wave", "log": "wave"}, "3, 6 and 12 months are equally far apart in logarithms"


def test_the_scale_is_that_of_complete_visits(data):
    scores = measures.score(*records.read())
    rows = scores[(scores["has_sponsor"] == 1) & scores[["contact", "alliance"]].notna().all(axis=1)]
    for claim in data["claims"]:
        outcome = rows[claim["outcome"]]
        spread = ((outcome - outcome.mean()) ** 2).sum() / (len(rows) - 1)
        assert claim["sd"] == pytest.approx(rows[claim["predictor"]].std() / spread**0.5, rel=1e-12)


def test_without_scripts_a_table_says_where_the_study_s_own_falls():
    cells = [[entry.astext() for entry in r.children] for r in panel.static(MADE).findall() if r.tagname == "row"]
    assert len(cells) == 1 + len(study.CLAIMS)
    [shown] = [cell for cell in cells if cell[0] == "Alliance × time: PDA"]
    values = sorted(int(row["alliance_pda_interaction"]) for row in ROWS)
    own = int(ROWS[curve.own(curve.specifications())]["alliance_pda_interaction"])
    told = sum(row["sig_alliance_pda_interaction"] == "1" for row in ROWS) / len(ROWS)
    middle = (values[len(values) // 2 - 1] + values[len(values) // 2]) / 2
    expected = [f"{value / 1000:.2f}" for value in (values[0], middle, values[-1], own)]
    assert shown[1:5] == expected
    assert shown[5:] == [f"{sum(value < own for value in values):,}", f"{100 * told:.0f} %"]


def test_a_curve_that_is_missing_or_not_whole_is_refused(tmp_path):
    with pytest.raises(BookError, match="make analyses"):
        panel.curve(tmp_path)
    lines = (FOLDER / "curve.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "curve.csv").write_text("".join(lines[:99] + lines[100:]), encoding="utf-8")
    (tmp_path / "curve.json").write_text(
        json.dumps({"choices": MADE["choices"], "study": MADE["study"]}), encoding="utf-8"
    )
    with pytest.raises(BookError, match="not whole"):
        panel.curve(tmp_path)


def test_what_the_page_loads_for_it_stays_under_a_hundred_kilobytes(data):
    assert len(panel.script(data).encode()) < 100_000
