"""The engines in Python, each behind the same functions; what an engine imports is imported when it is chosen.

`fit(frame)` is timed: from formula and frame to the estimates with their standard errors. `prepare(frame)` is not, and
`refits(prepared, many)` is: one fit a response, many being (responses, visits). `found(fit)` reads, after the clock has
stopped, the relative covariance T of the random effects, the residual variance, and the engine's word on convergence.
"""

import gc
import time
import warnings
from importlib.metadata import version

import numpy as np
from data import FORMULA
from referee import design

GROUP, RANDOM = "person", "1 + time"


def clock(work) -> tuple[float, object]:
    """Seconds that `work()` takes, and what it returns; rubbish of the work before is not swept at its expense."""
    gc.collect()
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def found(T, residual_var, converged) -> dict:
    """What the referee needs of one fit."""
    return {"T": np.asarray(T, float).tolist(), "residual_var": float(residual_var), "converged": bool(converged)}


def lower(theta) -> np.ndarray:
    """T from lme4's theta (columns of the lower triangle of its Cholesky factor) for two random terms."""
    L = np.array([[theta[0], 0.0], [theta[1], theta[2]]])
    return L @ L.T


class Engine:
    at_once = False  # whether all new responses are worked on side by side


class Ours(Engine):
    """helpers.reml as a reader calls it: Satterthwaite df and intervals included; one response after another."""

    ddf = "satterthwaite"

    def __init__(self):
        from helpers import reml

        self.reml = reml

    def about(self):
        return {name: version(name) for name in ("helpers", "numpy", "pandas", "formulaic")}

    def fit(self, frame):
        return self.reml.fit(FORMULA, frame, group=GROUP, random=RANDOM, ddf=self.ddf)

    def prepare(self, frame):
        return *design(frame), frame[GROUP].to_numpy()

    def refits(self, prepared, many):
        return [self.reml.solve(y, *prepared) for y in many]

    def found(self, fit):
        converged = fit.converged if hasattr(fit, "converged") else fit.certified  # of a Fit, of an Optimum
        return found(fit.random_cov / fit.residual_var, fit.residual_var, converged)

    def parts(self, frame):
        """Seconds of what a fit consists of: the pass over the rows, one criterion, the search for the optimum."""
        pass_, moments = clock(lambda: self.reml.Moments.from_frame(FORMULA, frame, GROUP, RANDOM))
        T = np.diag([0.2, 0.001])
        criterion = np.median([clock(lambda: moments.criterion(T))[0] for _ in range(51)])
        search = np.median([clock(moments.optimum)[0] for _ in range(11)])
        return {"pass": pass_, "criterion": float(criterion), "search": float(search)}


class OursNoDf(Ours):
    """helpers.reml without degrees of freedom (z), which is what lme4 and statsmodels compute."""

    ddf = "none"
    refits = parts = None  # the same as above


class OursAtOnce(Ours):
    """helpers.reml on all responses side by side."""

    at_once = True
    fit = parts = None

    def refits(self, prepared, many):
        best = self.reml.Moments.from_arrays(many.T, *prepared).optimum()
        return list(zip(best.random_cov, best.residual_var, best.certified, strict=True))

    def found(self, fit):
        return found(fit[0] / fit[1], *fit[1:])


class Statsmodels(Engine):
    """statsmodels.MixedLM with its default optimisers; it has no refit, so each new response is a new model."""

    def __init__(self):
        import statsmodels.formula.api as formulas
        from statsmodels.regression.mixed_linear_model import MixedLM

        self.formulas, self.MixedLM = formulas, MixedLM

    def about(self):
        return {"statsmodels": version("statsmodels")}

    def fit(self, frame):
        fit = self.formulas.mixedlm(FORMULA, frame, groups=frame[GROUP], re_formula="~time").fit(reml=True)
        return fit, fit.bse_fe

    def prepare(self, frame):
        return self.formulas.mixedlm(FORMULA, frame, groups=frame[GROUP], re_formula="~time")

    def refits(self, model, many):
        return [(self.MixedLM(y, model.exog, model.groups, exog_re=model.exog_re).fit(reml=True), None) for y in many]

    def found(self, fit):
        return found(fit[0].cov_re / fit[0].scale, fit[0].scale, fit[0].converged)


class MixedlmRs(Engine):
    """mixedlm-rs with its default optimiser; `with_endog` keeps the design for a new response."""

    def __init__(self):
        import mixedlm_rs

        self.package = mixedlm_rs

    def about(self):
        return {"mixedlm-rs": version("mixedlm-rs")}

    def prepare(self, frame):
        return self.package.mixedlm(FORMULA, frame, groups=GROUP, re_formula="~time")

    def fit(self, frame):
        fit = self.prepare(frame).fit()
        return fit, fit.bse_fe

    def refits(self, model, many):
        return [(model.with_endog(y).fit(), None) for y in many]

    def found(self, fit):
        return found(fit[0].cov_re / fit[0].scale, fit[0].scale, fit[0].converged)


class Mixedlm(Engine):
    """mixedlm's lmer with its default control; `refit` for a new response."""

    formula = f"{FORMULA} + ({RANDOM} | {GROUP})"

    def __init__(self):
        import mixedlm

        self.package = mixedlm

    def about(self):
        return {"mixedlm": version("mixedlm")}

    def prepare(self, frame):
        return self.package.lmer(self.formula, frame)

    def fit(self, frame):
        fit = self.prepare(frame)
        return fit, fit.vcov()

    def refits(self, fit, many):
        return [(fit.refit(y), None) for y in many]

    def found(self, fit):
        return found(lower(fit[0].theta), fit[0].sigma ** 2, fit[0].converged)


class LmePython(Engine):
    """lme-python's lmer; `prepare_lmer` keeps the design for a new response."""

    formula = Mixedlm.formula

    def __init__(self):
        import lme_python

        self.package = lme_python

    def about(self):
        return {"lme-python": version("lme-python"), "polars": version("polars")}

    def fit(self, frame):
        fit = self.package.lmer(self.formula, frame)
        return fit, fit.std_errors

    def prepare(self, frame):
        return self.package.prepare_lmer(self.formula, frame)

    def refits(self, prepared, many):
        return [(prepared.fit(y=y.tolist()), None) for y in many]

    def found(self, fit):
        return found(lower(fit[0].theta), fit[0].sigma2, fit[0].converged)


ENGINES = {
    "helpers.reml": Ours,
    "helpers.reml, no df": OursNoDf,
    "helpers.reml, at once": OursAtOnce,
    "statsmodels": Statsmodels,
    "mixedlm-rs": MixedlmRs,
    "mixedlm": Mixedlm,
    "lme-python": LmePython,
}


def create(name: str):
    """The engine of that name, its warnings silenced: what it says of convergence is in `found`."""
    warnings.simplefilter("ignore")
    if name in ENGINES:
        return ENGINES[name]()
    from planning import PLANNERS

    return PLANNERS[name]()
