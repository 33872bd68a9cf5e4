"""The data that every engine gets: one seeded simulation, written as plain doubles that Python and R read bit for bit.

A folder holds one file a column (little-endian doubles, one value a visit, visits in the order person, wave) and, for
the refits, `responses.f64`: further responses for the same visits, one after another.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

SEED = 20160801
WAVES = (3.0, 6.0, 12.0)
RETENTION = (0.85, 0.80, 0.75)
FIXED = ("contact", "alliance", "time", "entry", "female", "contact:time", "alliance:time")  # and the intercept: 8
FORMULA = "pda ~ contact * time + alliance * time + entry + female"
COEFFICIENTS = {  # PDA points for one unit of each; `time` is months from the mean follow-up
    "Intercept": 60.0,
    "contact": 3.0,
    "alliance": 4.0,
    "time": -1.0,
    "entry": 0.3,
    "female": 2.0,
    "contact:time": 0.1,
    "alliance:time": 0.4,
}
INTERCEPT_SD, SLOPE_SD, CORRELATION, RESIDUAL_SD = 12.0, 0.8, 0.0, 25.0  # about the study's


def simulate(persons: int, responses: int = 0, seed: int = SEED) -> tuple[pd.DataFrame, np.ndarray]:
    """A panel like the study's: one row a visit (person, time, contact, alliance, entry, female, pda), and `responses`
    further draws of `pda` on the same visits, shape (responses, visits). At least one visit a person."""
    rng = np.random.default_rng([seed, persons])
    seen = rng.random((persons, 3)) < RETENTION
    seen[~seen.any(axis=1), 0] = True
    person, wave = np.nonzero(seen)
    time = (np.array(WAVES) - np.mean(WAVES))[wave]
    between, within = rng.normal(size=(2, persons)), rng.normal(size=(2, len(person)))
    frame = pd.DataFrame(
        {
            "person": person + 1,
            "time": time,
            "contact": 1.2 * between[0, person] + 1.3 * within[0],
            "alliance": 0.85 * between[1, person] + 0.65 * within[1],
            "entry": rng.normal(0, 25, persons)[person],
            "female": (rng.random(persons) < 0.26).astype(float)[person],
        }
    )
    mean = COEFFICIENTS["Intercept"] + sum(
        COEFFICIENTS[term] * frame[term.split(":")].prod(axis=1).to_numpy() for term in FIXED
    )

    def draw() -> np.ndarray:
        u = rng.normal(size=(2, persons))
        u[1] = CORRELATION * u[0] + np.sqrt(1 - CORRELATION**2) * u[1]
        effects = INTERCEPT_SD * u[0, person] + SLOPE_SD * u[1, person] * time
        return mean + effects + RESIDUAL_SD * rng.normal(size=len(person))

    frame["pda"] = draw()
    return frame, np.array([draw() for _ in range(responses)]).reshape(responses, len(frame))


def write(folder: Path, frame: pd.DataFrame, responses: np.ndarray) -> None:
    """The columns of `frame` and the `responses` as files of doubles, with their names and sizes in `about.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    for column in frame:
        frame[column].to_numpy("<f8").tofile(folder / f"{column}.f64")
    responses.astype("<f8").tofile(folder / "responses.f64")
    about = {"columns": list(frame), "visits": len(frame), "responses": len(responses)}
    (folder / "about.json").write_text(json.dumps(about))


def read(folder: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """What `write` wrote: the frame (person as integer) and the responses (responses, visits)."""
    about = json.loads((folder / "about.json").read_text())
    frame = pd.DataFrame({column: np.fromfile(folder / f"{column}.f64", "<f8") for column in about["columns"]})
    responses = np.fromfile(folder / "responses.f64", "<f8").reshape(about["responses"], about["visits"])
    return frame.astype({"person": "int64"}), responses
