"""statsmodels beside our fits: each of the study's models by each optimiser that any processor repeats.

A row is one attempt: `reached` (it stands within `models.REACHED` of the optimum on the criterion), `says` (it reports
convergence), `difference` (the largest of its coefficients' distances from ours, in our standard errors), `error` (the
largest relative difference of its standard errors from ours).
"""

import sys
from pathlib import Path

from committed import ROOT, Rows, main
from helpers import measures, models, records

OPTIMISERS = ("cg", "powell")
DATA = [ROOT / "book" / "data" / f"{name}-SYNTHETIC.csv" for name in ("persons", "visits")]


def tasks(quick: bool) -> list[tuple]:
    """Every model by every optimiser, but `all` by powell: where that ends depends on the processor."""
    each = [(name, method) for name in models.SPECIFICATIONS for method in OPTIMISERS]
    each = [(name, method) for name, method in each if not (name.endswith("_all") and method == "powell")]
    return each[:2] if quick else each


def rows_of(name: str, method: str) -> Rows:
    fit = models.fit(name, measures.score(*records.read(DATA[0].parent)), optimisers=(method,))
    attempt, errors = fit.statsmodels.iloc[0], fit.beside["std_error"] / fit.table["std_error"] - 1
    found = {"reached": bool(attempt["reached"]), "says": bool(attempt["converged"])}
    found |= {"difference": float(fit.beside["difference"].abs().max()), "error": float(errors.abs().max())}
    return [{"model": name, "optimiser": method} | found]


if __name__ == "__main__":
    packages = ("numpy", "scipy", "pandas", "statsmodels")
    sys.exit(main(Path(__file__), tasks, rows_of, {"optimisers": OPTIMISERS}, data=DATA, packages=packages))
