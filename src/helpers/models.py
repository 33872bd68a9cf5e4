"""The study's hierarchical linear models by name: what they say, which visits they use, and their fits.

For each outcome (attendance, involvement, pda), on follow-up visits:

`_a`    having a sponsor, everyone followed
`_b`    contact and alliance together, sponsored visits with both: averages over follow-up
`_c`    `_b` with contact x time and alliance x time
`_all`  everyone: having a sponsor, and among the sponsored contact and alliance about their means

(b) and (c) look only at visits with a sponsor, a state that arises after entry: they compare sponsored visits with
one another and say nothing of people without a sponsor; `_all` keeps those people in.

One rule, fixed before any fit, gives the random effects: intercept and slope for every model, and an intercept alone
for a study of fewer than three follow-ups, where a slope of each person cannot be told from the residual. Where the
optimum has a variance of zero or a correlation of one, it is kept at that rank, not refitted to a chosen structure.

Each model is fitted by `helpers.reml` to its certified optimum, with Satterthwaite's df for tests and intervals.
statsmodels fits the same model beside it, by several optimisers, and is judged by the criterion at its variances.
Standard errors are sqrt diag s2 (X'V^-1 X)^-1; statsmodels inverts the observed joint Hessian instead and differs by
a few per cent at the same optimum.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from statsmodels.regression.mixed_linear_model import MixedLM

from helpers import formulas, measures, reml, study

ADJUSTED = ("entry", "female", "age")  # of every model: entry value of the outcome, sex, age
SLOPES = 3  # follow-ups from which on a person's slope can be told from the residual
REACHED = 0.1  # criterion within which statsmodels counts as arrived: far from what its fits of this book leave
# undone (below 0.01, or above 1), so that the verdict is the same on every processor; `Fit.statsmodels` has the rest
# Chosen by timing bfgs, lbfgs, cg, nm and powell on these models, each random column counted in its root mean square
# (unscaled, more fits stop short): with a slope cg and powell miss different models; with an intercept bfgs none.
OPTIMISERS = {1: ("bfgs", "lbfgs"), 2: ("cg", "powell")}


@dataclass(frozen=True)
class Specification:
    """One model. `terms` are the fixed effects after the intercept, in the order of the table."""

    name: str
    outcome: str
    sponsored: bool  # sponsored visits with contact and alliance only
    terms: tuple[str, ...]

    @property
    def formula(self) -> str:
        return f"{self.outcome} ~ {' + '.join(self.terms)}"


_KINDS = {
    "a": (False, ("has_sponsor", "time", *ADJUSTED)),
    "b": (True, ("contact", "alliance", "time", *ADJUSTED)),
    "c": (True, ("contact", "alliance", "time", *ADJUSTED, "contact:time", "alliance:time")),
    "all": (False, ("has_sponsor", "contact", "alliance", "time", *ADJUSTED)),
}
SPECIFICATIONS: dict[str, Specification] = {
    f"{outcome}_{kind}": Specification(f"{outcome}_{kind}", outcome, sponsored, terms)
    for outcome in study.OUTCOMES
    for kind, (sponsored, terms) in _KINDS.items()
}


@dataclass(frozen=True)
class Fit:
    """A fitted model.

    table : by term: estimate, std_error, df (Satterthwaite), t, p (two-sided), conf_low, conf_high, n_visits,
    n_persons,
        converged (the optimum is certified), warnings (statsmodels', and what is to say of the optimum)
    engine : the fit itself, as `reml.fit` gives it; `engine.contrast` for combinations of coefficients
    covariance : of the estimates, term by term
    random : sd_<term> of the random effects, correlation (of the first two; blank where a SD is zero), sd_residual
    rank : of the random-effects covariance; below its size the optimum stands on the boundary
    criterion : -2 restricted log-likelihood, lme4's scale
    statsmodels : by optimiser: short (criterion above the optimum), reached, converged (its own word), warnings
    beside : by term: estimate and std_error of statsmodels' best fit, difference (in standard errors)
    means : of the fixed columns, at which `predict` holds what it is not told
    centre : the month at which `time` is zero (of `hlm`, which sees no months: the study's mean follow-up)
    """

    name: str
    outcome: str
    table: pd.DataFrame
    engine: reml.Fit
    covariance: pd.DataFrame
    random: pd.Series
    rank: int
    singular: bool
    criterion: float
    statsmodels: pd.DataFrame
    beside: pd.DataFrame
    means: pd.Series
    centre: float = study.MEAN_FOLLOW_UP


def centres(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean and SD, fixed once for all models: of contact and alliance over complete sponsored visits, of age and the
    entry values over people. Columns mean, sd; index contact, alliance, age, attendance_0, involvement_0, pda_0."""
    sponsored = scores.loc[scores["complete"], ["contact", "alliance"]]
    people = scores.drop_duplicates("person")[["age", *(f"{outcome}_0" for outcome in study.OUTCOMES)]]
    parts = [part.astype(float) for part in (sponsored, people)]
    return pd.concat([pd.DataFrame({"mean": part.mean(), "sd": part.std()}) for part in parts])


def standardised(scores: pd.DataFrame) -> pd.DataFrame:
    """`scores` with contact_z and alliance_z: contact and alliance in the SDs of `centres`, about its means."""
    fixed = centres(scores)
    return scores.assign(
        **{f"{x}_z": (scores[x] - fixed.loc[x, "mean"]) / fixed.loc[x, "sd"] for x in ("contact", "alliance")}
    )


def frame(name: str, scores: pd.DataFrame, standard: bool = False) -> pd.DataFrame:
    """The rows and columns that model `name` is fitted to, one row per visit.

    Follow-up visits with the outcome, its entry value and the predictors. `time` is zero at the mean follow-up, so that
    a coefficient is an average over follow-up. contact and alliance (in SDs if `standard`),
    entry and age stand about the means of `centres`; in `_all` contact and alliance are zero without a sponsor.

    Raises
    ------
    ValueError
        An unknown model; no visit left.
    """
    if name not in SPECIFICATIONS:
        raise ValueError(f"no model {name!r}; there are {', '.join(SPECIFICATIONS)}")
    model, fixed = SPECIFICATIONS[name], centres(scores)
    rows = scores[scores["wave"] > 0].astype({"age": float, "female": float, "has_sponsor": float})
    rows = rows.assign(
        entry=rows[f"{model.outcome}_0"] - fixed.loc[f"{model.outcome}_0", "mean"],
        age=rows["age"] - fixed.loc["age", "mean"],
        **{
            x: (rows[x] - fixed.loc[x, "mean"]) / (fixed.loc[x, "sd"] if standard else 1)
            for x in ("contact", "alliance")
        },
    )
    if model.sponsored:
        rows = rows[rows["complete"]]
    elif "contact" in model.terms:
        without = rows["has_sponsor"] == 0
        rows = rows.assign(**{x: rows[x].mask(without, 0.0) for x in ("contact", "alliance")})
    base = [term for term in model.terms if ":" not in term]
    rows = rows[["person", "wave", "months", model.outcome, *base]].dropna().reset_index(drop=True)
    if rows.empty:
        raise ValueError(f"{name}: no follow-up visit has {', '.join([model.outcome, *base])}")
    return rows


def fit(
    name: str,
    scores: pd.DataFrame,
    slope: bool = True,
    standard: bool = False,
    optimisers: Sequence[str] | None = None,
) -> Fit:
    """Model `name` on `scores` (see `measures.score`), with a random intercept and, by the rule, a random slope.

    `slope=False` is the intercept-only model shown beside; `standard` counts contact and alliance in SDs;
    `optimisers` as in `hlm`. Raises ValueError as `frame` and `hlm`.
    """
    data = frame(name, scores, standard)
    model = SPECIFICATIONS[name]
    return _fitted(data, model.outcome, model.terms, slope, name, optimisers)


def random_terms(data: pd.DataFrame) -> tuple[str, ...]:
    """The random terms of a frame of `frame`, by the rule: intercept and slope, or with few follow-ups an intercept."""
    return ("1", "time") if data["months"].nunique() >= SLOPES else ("1",)


def change(name: str, scores: pd.DataFrame, slope: bool = True, optimisers: Sequence[str] | None = None) -> Fit:
    """Model `name` of the change since entry, without the entry value as covariate.

    Change and adjustment answer different questions where the groups differ at entry (Lord's paradox): the first
    lets a coefficient be compared with no expected change, the second among people who began alike. Raises as `fit`.
    """
    data = frame(name, scores)
    model = SPECIFICATIONS[name]
    entry = data["entry"] + centres(scores).loc[f"{model.outcome}_0", "mean"]
    terms = [term for term in model.terms if term != "entry"]
    data = data.assign(**{model.outcome: data[model.outcome] - entry})
    return _fitted(data, model.outcome, terms, slope, f"{name}_change", optimisers)


def _fitted(
    data: pd.DataFrame,
    outcome: str,
    terms: Sequence[str],
    slope: bool,
    name: str,
    optimisers: Sequence[str] | None,
) -> Fit:
    """A fit of a frame of `frame`, by the rule for random effects; it knows at which month its time is zero."""
    found = hlm(data, outcome, terms, "person", random_terms(data) if slope else ("1",), name, optimisers)
    random = found.random.reindex(["sd_intercept", "sd_time", "correlation", "sd_residual"]) if slope else found.random
    return replace(found, centre=float((data["months"] - data["time"]).iloc[0]), random=random)


def hlm(
    data: pd.DataFrame,
    outcome: str,
    terms: Sequence[str],
    group: str,
    random: Sequence[str] = ("1", "time"),
    name: str = "",
    optimisers: Sequence[str] | None = None,
) -> Fit:
    """Hierarchical linear model of any tidy frame, one row per visit, by REML.

    `terms` are columns or products `a:b`; an intercept comes first. `random` are columns, `"1"` the intercept.
    `optimisers` are statsmodels methods (default `OPTIMISERS`; an empty tuple leaves statsmodels out).

    Raises
    ------
    ValueError
        What `reml.fit` raises.
    """
    fixed = f"{outcome} ~ {' + '.join(terms) or '1'}"
    spread = " + ".join(random if "1" in random else ("0", *random))
    columns = formulas.Design.of(fixed, group, spread).read(data)
    moments = reml.Moments.from_arrays(**columns)
    found = moments.fit()
    methods = OPTIMISERS[min(len(random), 2)] if optimisers is None else optimisers
    tried = [_statsmodels(columns, method, moments) for method in methods]
    best = min(tried, key=lambda one: one["criterion"], default=None)
    arrived = best is not None and np.isfinite(best["criterion"])
    names = found.fixed.index
    beside = pd.DataFrame({x: best[x] if arrived else np.nan for x in ("estimate", "std_error")}, names)
    difference = (beside["estimate"] - found.fixed["estimate"]) / found.fixed["std_error"]
    attempts = pd.DataFrame(
        [(one["criterion"] - found.criterion, one["converged"], one["warnings"]) for one in tried],
        index=pd.Index(methods, name="optimiser"),
        columns=["short", "converged", "warnings"],
    )
    attempts.insert(1, "reached", attempts["short"] < REACHED)
    notes = [note for one in tried for note in one["warnings"].split("; ") if note]
    if tried and not attempts["reached"].any():
        notes.append("no statsmodels fit reached the optimum")
    if not found.converged:
        notes.append("the optimum is not certified")
    if found.singular:
        notes.append(f"random effects on the boundary (rank {found.rank} of {len(random)})")
    return Fit(
        name=name,
        outcome=outcome,
        table=found.fixed.assign(
            n_visits=found.n_obs,
            n_persons=found.n_groups,
            converged=found.converged,
            warnings="; ".join(dict.fromkeys(notes)),
        ),
        engine=found,
        covariance=found.covariance,
        random=_random(random, found),
        rank=found.rank,
        singular=found.singular,
        criterion=found.criterion,
        statsmodels=attempts,
        beside=beside.assign(difference=difference),
        means=pd.Series(columns["X"].mean(axis=0), names),
    )


def predict(fit: Fit, at: pd.DataFrame) -> pd.DataFrame:
    """`at` with estimate, conf_low, conf_high of the outcome's mean for a typical person (random effects at zero).

    Columns of `at` are the columns of `frame`, or `months` for `time`; what it lacks is held at the mean of the
    rows fitted.
    """
    values = at.assign(time=at["months"] - fit.centre) if "months" in at else at
    base = {term: values[term] if term in values else fit.means[term] for term in fit.means.index if ":" not in term}
    X = pd.DataFrame(base, index=at.index)
    for term in fit.means.index[len(base) :]:
        X[term] = X[term.split(":")].prod(axis=1)
    return at.join(fit.engine.contrast(X)[["estimate", "conf_low", "conf_high"]])


def trajectories(fit: Fit, scores: pd.DataFrame, predictor: str, months: Sequence[float] | None = None) -> pd.DataFrame:
    """Predicted outcome at low, mean and high `predictor`, at `months` (default: the follow-ups of `scores`).

    `predictor` is contact or alliance; its levels are the mean less and plus one SD of `centres`. One row per level and
    month: predictor, level, value (raw units), months, estimate, interval. `fit` is in raw units (not `standard`).
    """
    months = measures.follow_ups(scores) if months is None else months
    mean, sd = centres(scores).loc[predictor]
    steps = pd.DataFrame({"level": ["low", "mean", "high"], predictor: [-sd, 0.0, sd]})
    rows = predict(fit, steps.merge(pd.DataFrame({"months": np.asarray(months, float)}), how="cross"))
    return rows.assign(predictor=predictor, value=rows[predictor] + mean)[
        ["predictor", "level", "value", "months", "estimate", "conf_low", "conf_high"]
    ]


def equations(name: str, slope: bool = True) -> str:
    """Model `name` as LaTeX, level 1 (visits t) and level 2 (people i), with the coefficients the table lists."""
    model, label = SPECIFICATIONS[name], r"\text{{{}}}".format
    words = {"has_sponsor": "sponsor", "entry": f"{model.outcome} at entry"}
    at_visit = [term for term in model.terms if term not in (*ADJUSTED, "time")]
    two = "".join(rf" + \beta_{{0{k}}} \, {label(words.get(x, x))}_i" for k, x in enumerate(ADJUSTED, 1))
    one = "".join(
        rf" + \beta_{{{k}0}} \, " + r" \times ".join(rf"{label(words.get(x, x))}_{{ti}}" for x in term.split(":"))
        for k, term in enumerate(at_visit, 2)
    )
    slopes, spread, size = (
        (" + u_{1i}", r"\begin{pmatrix} u_{0i} \\ u_{1i} \end{pmatrix}", "T") if slope else ("", "u_{0i}", r"\tau^2")
    )
    return "\n".join(
        [
            r"\begin{aligned}",
            rf"\text{{Level 1:}}\quad & {label(model.outcome)}_{{ti}} = \pi_{{0i}} + \pi_{{1i}} \, "
            rf"{label('time')}_{{ti}}{one} + e_{{ti}}, & e_{{ti}} &\sim N(0, \sigma^2) \\",
            rf"\text{{Level 2:}}\quad & \pi_{{0i}} = \beta_{{00}}{two} + u_{{0i}} \\",
            rf"& \pi_{{1i}} = \beta_{{10}}{slopes}, & {spread} &\sim N(0, {size})",
            r"\end{aligned}",
        ]
    )


def _random(terms: Sequence[str], found: reml.Fit) -> pd.Series:
    covariance = found.random_cov.to_numpy()
    sd = np.sqrt(np.diag(covariance))
    values = {f"sd_{'intercept' if term == '1' else term}": value for term, value in zip(terms, sd, strict=True)}
    if len(terms) > 1:
        correlation = covariance[0, 1] / (sd[0] * sd[1]) if sd[0] * sd[1] > 0 else np.nan
        values["correlation"] = np.clip(correlation, -1.0, 1.0)
    return pd.Series(values | {"sd_residual": np.sqrt(found.residual_var)})


def _statsmodels(columns: Mapping, method: str, moments: reml.Moments) -> dict:
    """One statsmodels fit, judged by the criterion at its variances `cov_re` / `scale`; its warnings as text."""
    X, Z = columns["X"], columns["Z"]
    size = np.sqrt((Z**2).mean(axis=0))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = MixedLM(columns["y"], X, columns["group"], exog_re=Z / size).fit(reml=True, method=method)
            found = {
                "estimate": result.fe_params[: X.shape[1]],
                "std_error": result.bse_fe[: X.shape[1]],
                "converged": bool(result.converged),
                "criterion": moments.criterion(np.asarray(result.cov_re) / result.scale / np.outer(size, size)),
            }
        except (np.linalg.LinAlgError, ValueError) as problem:
            found = {"criterion": np.inf, "converged": False}
            warnings.warn(f"{method} failed: {problem}", RuntimeWarning, stacklevel=1)
    # Numbers in the messages differ from processor to processor: only their first clause is kept.
    texts = dict.fromkeys(str(one.message).split(",")[0].split(". ")[0].rstrip(".") for one in caught)
    return found | {"warnings": "; ".join(texts)}
