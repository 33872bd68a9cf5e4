"""Planning a study: `design.replicate`, in this process and over Dask, beside what simulates and refits one model.

simr (R) and mixedlm's `powerSim` keep one cohort's predictors and gaps, and draw only the outcome anew; `design` draws
all of it anew in every replicate, which is more work.
"""

import hashlib

import numpy as np
import pandas as pd
from engines import Engine, Mixedlm
from scipy import stats

TERM = "alliance:time"  # the power that is shown


def one_cohort(plan, seed: int) -> pd.DataFrame:
    """One cohort of the plan, by the equations of `design`'s docstring, without confounding; one row a visit."""
    rng, n, K = np.random.default_rng(seed), plan.persons, len(plan.waves)
    tendency = np.sqrt(plan.persistence) * rng.normal(size=(n, 1))
    seen = tendency + np.sqrt(1 - plan.persistence) * rng.normal(size=(n, K)) < stats.norm.ppf(plan.retention)
    person, wave = np.nonzero(seen)
    frame = pd.DataFrame({"person": person + 1, "time": plan.time[wave]})
    for p in plan.predictors:
        x = p.between * rng.normal(size=n)[person] + p.within * rng.normal(size=len(person))
        if p.binary:
            x = (x > stats.norm.isf(p.mean) * np.hypot(p.between, p.within)) - p.mean
        frame[p.name] = x
    u = rng.normal(size=(2, n))[:, person]
    slope = plan.correlation * u[0] + np.sqrt(1 - plan.correlation**2) * u[1]
    mean = sum(value * frame[term.split(":")].prod(axis=1) for term, value in parameters(plan)["beta"].items())
    noise = plan.residual_sd * rng.normal(size=len(person))
    return frame.assign(
        **{plan.outcome: mean + plan.intercept_sd * u[0] + plan.slope_sd * slope * frame["time"] + noise}
    )


def parameters(plan) -> dict:
    """Formula and truth, as lme4 takes them: coefficients by term, theta, sigma."""
    a, b, r = plan.intercept_sd, plan.slope_sd, plan.correlation
    return {
        "formula": f"{plan.outcome} ~ {' + '.join(plan.terms[1:])} + (1 + time | person)",
        "beta": {"time": plan.course, **plan.effects},
        "theta": [value / plan.residual_sd for value in (a, r * b, np.sqrt(1 - r**2) * b)],
        "sigma": plan.residual_sd,
        "term": TERM,
    }


class Design(Engine):
    """helpers.design in threads of this process, or on a cluster of Dask processes."""

    workers = 0  # of Dask

    def __init__(self):
        from helpers import design

        self.design, self.scheduler = design, None
        if self.workers:
            from dask.distributed import LocalCluster

            # Processes of one thread; kept in a variable, because a cluster closes when nobody holds it.
            self.cluster = LocalCluster(self.workers, threads_per_worker=1, processes=True, dashboard_address=None)
            self.scheduler = self.cluster.scheduler_address

    def about(self):
        from importlib.metadata import version

        return {name: version(name) for name in ("helpers", *(["distributed"] if self.workers else []))}

    def power(self, frame, request):
        return self.design.replicate(
            self.design.Plan(), request["replicates"], request["seed"], self.scheduler, progress=False
        )

    def powered(self, result):
        row = self.design.summarise(result).loc[TERM]
        numbers = result[["estimate", "std_error", "df"]].to_numpy()
        return {
            "power": float(row["power"]),
            "power_mcse": float(row["power_mcse"]),
            "digest": hashlib.sha256(numbers.tobytes()).hexdigest()[:16],
        }


class DesignDask1(Design):
    workers = 1


class DesignDask2(Design):
    workers = 2


class PowerSim(Mixedlm):
    """mixedlm's `powerSim`. It simulates from a fitted model, here of the cohort; its power is not that of the plan."""

    fit = refits = None

    def power(self, frame, request):
        fit = self.package.lmer(request["formula"], frame)
        return self.package.powerSim(fit, test=request["term"], nsim=request["replicates"], seed=request["seed"])

    def powered(self, result):
        return {}


PLANNERS = {
    "helpers.design": Design,
    "helpers.design, Dask, 1 worker": DesignDask1,
    "helpers.design, Dask, 2 workers": DesignDask2,
    "mixedlm powerSim": PowerSim,
}
