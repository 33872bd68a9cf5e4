"""Design analysis: replicate a plan, and summarise what its analysis would find.

`Plan` says what a study is to be (`helpers.plans`: the equations, the causal effects, the limit). Replicates are made
in blocks of `BLOCK`, replicate i from child i of one `SeedSequence`, people in rows, so that the result depends on
the seed alone, and a larger study holds the smaller one's people.

Sources: Gelman & Carlin 2014, doi 10.1177/1745691614551642 (type S and type M error); Morris, White & Crowther 2019,
doi 10.1002/sim.8086 (Monte Carlo standard errors).
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import stats
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from helpers.plans import Plan, Predictor, limit, model_of, waves_of
from helpers.reml import Moments

BLOCK = 250  # replicates solved side by side; fixed, because the last digits could depend on it
CAUSAL, LIMIT = "causal effect", "limit"

__all__ = ["Plan", "Predictor", "limit", "power_curve", "replicate", "smallest_n", "summarise"]


def replicate(
    plan: Plan,
    replicates: int,
    seed: int,
    scheduler: object = None,
    folder: str | Path | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Simulate the plan and fit its model, `replicates` times.

    `scheduler` is the address of a `dask.distributed` scheduler, or its client; by default the blocks run here, in
    threads. With a `folder`, blocks are kept there as Parquet as they end, and `results.parquet` when all have; a run
    that was stopped goes on where it was, with the same final bytes. `progress` shows a bar (default: on a terminal).
    Plans on one seed share their draws, so that they are compared on the same luck. A fit fails where the data cannot
    carry it: with no more spare rows within people than terms that vary there, nothing is left for the residual.

    Returns
    -------
    One row a replicate and term: replicate, term, estimate, std_error, df (Satterthwaite), p, conf_low, conf_high,
    significant (p < alpha), truth (of predictors the causal effect, of Intercept and time the limit), truth_kind
    (which of them), limit, converged (certified), singular (on the boundary), failed (not fitted, or not certified;
    then NaN where not fitted).

    Raises
    ------
    ValueError
        Fewer than 1 replicate; a folder that holds another plan, seed or version.
    """
    if replicates < 1:
        raise ValueError(f"replicates is {replicates}; it must be 1 or more")
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed is {seed!r}; it must be a whole number of 0 or more")
    blocks = range(-(-replicates // BLOCK))
    store = _Store(Path(folder), plan, int(seed)) if folder is not None else None
    held = {} if store is None else store.held(blocks)
    bar = tqdm(
        total=len(blocks) * BLOCK, unit="fit", disable=not (sys.stderr.isatty() if progress is None else progress)
    )
    bar.update(len(held) * BLOCK)
    results = _run(plan, int(seed), [b for b in blocks if b not in held], scheduler)
    # Limited here too: blocks side by side would each put back what it found, in any order.
    with bar, threadpool_limits(1), contextlib.closing(results):
        for block, arrays in results:
            held[block] = arrays if store is None else store.keep(block, arrays)
            bar.update(BLOCK)
    if store is not None:
        store.finish(replicates)
        held = {block: store.load(block) for block in blocks}
    columns = {name: np.concatenate([held[b][name] for b in blocks])[:replicates] for name in held[0]}
    return _long(plan, columns)


def _run(plan: Plan, seed: int, blocks: Sequence[int], scheduler: object) -> Iterator[tuple[int, dict]]:
    """The blocks, as they end, in any order."""
    if scheduler is None:
        with ThreadPoolExecutor(os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count()) as pool:
            futures = {pool.submit(simulate, plan, block, seed): block for block in blocks}
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        return
    from dask import distributed

    own = isinstance(scheduler, str)
    with distributed.Client(scheduler) if own else contextlib.nullcontext(scheduler) as client:
        futures = {client.submit(simulate, plan, block, seed, pure=False): block for block in blocks}
        try:
            for future in distributed.as_completed(list(futures)):
                yield futures.pop(future), future.result()  # let go: what is here is not made again if a worker dies
        finally:
            client.cancel(list(futures))


def simulate(plan: Plan, block: int, seed: int) -> dict[str, np.ndarray]:
    """One block of replicates: arrays (BLOCK, terms) of estimates, std_error, df; (BLOCK,) of converged, singular.

    One BLAS thread: the last digits of a product may depend on how it was shared out. Many waves make many patterns:
    the more, the fewer replicates are solved side by side, which spares memory and time.
    """
    side, first = max(1, BLOCK >> max(0, len(plan.waves) - 6)), block * BLOCK
    with threadpool_limits(1):
        parts = [_solve(plan, range(i, min(i + side, first + BLOCK)), seed) for i in range(first, first + BLOCK, side)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _solve(plan: Plan, replicates: range, seed: int) -> dict[str, np.ndarray]:
    best = _moments(plan, np.stack([_draws(plan, seed, i) for i in replicates])).optimum()
    fitted, variance = np.isfinite(best.criterion), np.diagonal(best.covariance, axis1=1, axis2=2)
    return {
        "estimate": best.beta,
        "std_error": np.sqrt(np.where(variance > 0, variance, np.nan)),  # not, where only rounding is left of a fit
        "df": best.df,
        "converged": best.certified & fitted,
        "singular": best.singular & fitted,
    }


def _draws(plan: Plan, seed: int, i: int) -> np.ndarray:
    """Standard normal draws of replicate i: (persons, columns), a person's in one row."""
    K = len(plan.waves)
    columns = 1 + K + 2 + K + sum(1 + K * (p.within > 0) for p in plan.predictors)
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(i,))))
    return rng.standard_normal((plan.persons, columns))


def _moments(plan: Plan, z: np.ndarray) -> Moments:
    """The moments of many replicates from their draws (B, n, columns), side by side."""
    (B, n, _), K, t = z.shape, len(plan.waves), plan.time
    sizes = [1, K, 2, K] + [size for p in plan.predictors for size in (1, K * (p.within > 0))]
    tendency, luck, u, e, *rest = np.split(z, np.cumsum(sizes)[:-1], axis=2)
    rho = plan.persistence
    seen = np.sqrt(rho) * tendency + np.sqrt(1 - rho) * luck < stats.norm.ppf(plan.retention)
    slope = plan.correlation * u[..., :1] + np.sqrt(1 - plan.correlation**2) * u[..., 1:]
    y = plan.course * t + plan.intercept_sd * u[..., :1] + plan.slope_sd * slope * t + plan.residual_sd * e
    stay, vary = [np.ones((B, n, 1))], []
    for p, level, visit in zip(plan.predictors, rest[::2], rest[1::2], strict=True):
        x = p.between * (p.confounding * u[..., :1] + np.sqrt(1 - p.confounding**2) * level)
        if p.within:
            x = x + p.within * visit
        if p.binary:
            x = (x > stats.norm.isf(p.mean) * np.hypot(p.between, p.within)) - p.mean
        y = y + (p.average + (p.by_time or 0) * t) * x
        (vary if p.within else stay).append(x)
    v = np.concatenate([*stay, np.stack([*vary, y], 3).reshape(B, n, -1)], 2)
    # People of one pattern one after another; the second moments of each run.
    pattern = seen @ (1 << np.arange(K))
    order = np.argsort(pattern, axis=1, kind="stable")
    v = np.take_along_axis(v, order[..., None], 1)
    m = np.stack([np.bincount(row, minlength=1 << K) for row in pattern])
    there = np.flatnonzero(m[:, 1:].any(0)) + 1
    if not len(there):  # nobody is seen in any replicate: nobody on all waves, so that each has its row
        there = np.array([(1 << K) - 1])
    ends = np.cumsum(m, 1)
    V = np.empty((len(there), B, v.shape[2], v.shape[2]))
    for j, kind in enumerate(there):
        for b in range(B):
            rows = v[b, ends[b, kind - 1] : ends[b, kind]]
            V[j, b] = rows.T @ rows
    fixed, width = len(stay), len(vary) + 1
    keep = [np.r_[:fixed, fixed + np.flatnonzero(np.repeat(waves_of(kind, K), width))] for kind in there]
    return model_of(plan, there, m[:, there].astype(float), [V[j][:, k[:, None], k] for j, k in enumerate(keep)])


def _long(plan: Plan, found: dict[str, np.ndarray]) -> pd.DataFrame:
    n, k = found["estimate"].shape
    ends, effects = limit(plan), plan.effects
    truth = np.array([effects.get(term, ends[term]) for term in plan.terms])
    kind = [CAUSAL if term in effects else LIMIT for term in plan.terms]
    flat = {name: found[name].ravel() for name in ("estimate", "std_error", "df")}
    half = stats.t.ppf(1 - plan.alpha / 2, flat["df"]) * flat["std_error"]
    p = 2 * stats.t.sf(np.abs(flat["estimate"] / flat["std_error"]), flat["df"])
    converged = np.repeat(found["converged"], k)
    return pd.DataFrame(
        {
            "replicate": np.repeat(np.arange(n), k),
            "term": pd.Categorical.from_codes(np.tile(np.arange(k), n), list(plan.terms)),
            **flat,
            "p": p,
            "conf_low": flat["estimate"] - half,
            "conf_high": flat["estimate"] + half,
            "significant": p < plan.alpha,
            "truth": np.tile(truth, n),
            "truth_kind": pd.Categorical(np.tile(kind, n), [CAUSAL, LIMIT]),
            "limit": np.tile(ends.to_numpy(), n),
            "converged": converged,
            "singular": np.repeat(found["singular"], k),
            "failed": ~converged,
        }
    )


def summarise(frame: pd.DataFrame, against: str = "truth") -> pd.DataFrame:
    """How the analysis does, one row a term, each figure with its Monte Carlo standard error beside it (`..._mcse`).

    Over the replicates that did not fail: power (share significant), std_error (the mean of those reported), bias (mean
    estimate less truth), coverage (share of intervals that hold the truth), rmse; over the significant ones: type_s
    (share with the wrong sign) and type_m (mean of |estimate| / |truth|), blank where the truth is 0; over all:
    failed and singular (shares), replicates, and truth. `against` is "truth" or "limit". With theta estimates, e =
    theta - truth, n replicates:

        mcse(share) = sqrt(share (1 - share) / n)      mcse(bias) = SD(theta) / sqrt(n)
        mcse(rmse) = SD(e^2) / (2 rmse sqrt(n))        mcse(type_m) = SD(|theta| / |truth|) / sqrt(n significant)

    Raises ValueError for another `against`, or a frame without the columns of `replicate`.
    """
    if against not in ("truth", LIMIT):
        raise ValueError(f"against: {against!r} is neither 'truth' nor 'limit'")
    needed = {"term", "estimate", "std_error", "conf_low", "conf_high", "significant", "failed", "singular", against}
    if missing := needed - set(frame.columns):
        raise ValueError(f"no column {sorted(missing)[0]!r}: `summarise` takes what `replicate` returns")
    return pd.DataFrame(
        {term: _figures(rows, against) for term, rows in frame.groupby("term", sort=False, observed=True)}
    ).T


def _figures(rows: pd.DataFrame, against: str) -> pd.Series:
    truth, fitted = float(rows[against].iloc[0]), rows[~rows["failed"]]
    error = fitted["estimate"] - truth
    holds = (fitted["conf_low"] <= truth) & (truth <= fitted["conf_high"])
    found = fitted.loc[fitted["significant"], "estimate"]
    n, rmse = len(fitted), np.sqrt((error**2).mean())
    exaggeration = found.abs() / abs(truth) if truth else pd.Series(dtype=float)
    root = lambda size: np.sqrt(size) if size else np.nan
    figures = {
        "power": _share(fitted["significant"]),
        "std_error": (fitted["std_error"].mean(), fitted["std_error"].std() / root(n)),
        "bias": (error.mean(), error.std() / root(n)),
        "coverage": _share(holds),
        "rmse": (rmse, (error**2).std() / (2 * rmse * root(n))),
        "type_s": _share(np.sign(found) != np.sign(truth)) if truth else (np.nan, np.nan),
        "type_m": (exaggeration.mean(), exaggeration.std() / root(len(exaggeration))),
        "failed": _share(rows["failed"]),
        "singular": _share(rows["singular"]),
    }
    flat = {
        f"{name}{end}": value for name, pair in figures.items() for end, value in zip(("", "_mcse"), pair, strict=True)
    }
    return pd.Series({"truth": truth} | flat | {"replicates": len(rows)})


def _share(happened: pd.Series) -> tuple[float, float]:
    n = len(happened)
    share = happened.mean() if n else np.nan
    return share, np.sqrt(share * (1 - share) / n) if n else np.nan


def power_curve(
    plan: Plan, vary: str, values: Sequence, replicates: int = 1000, seed: int = 0, scheduler: object = None
) -> pd.DataFrame:
    """`summarise` along a line of plans, one row a value and term (columns value, term first), on one seed.

    `vary` is "persons"; "retention" (a value is the share at every wave, or a tuple with one a wave); or a term,
    whose effect is set to each value. Raises ValueError as `Plan`, `Plan.set` and `replicate`.
    """
    rows = []
    for value in values:
        frame = replicate(_varied(plan, vary, value), replicates, seed, scheduler)
        rows.append(summarise(frame).rename_axis("term").reset_index().assign(value=[value] * len(plan.terms)))
    table = pd.concat(rows, ignore_index=True)
    return table[["value", *table.columns.drop("value")]]


def _varied(plan: Plan, vary: str, value: object) -> Plan:
    if vary == "persons":
        return replace(plan, persons=value)
    if vary == "retention":
        shares = tuple(value) if np.ndim(value) else (float(value),) * len(plan.waves)
        return replace(plan, retention=shares)
    return plan.set(vary, float(value))


def smallest_n(
    plan: Plan,
    term: str,
    target: float = 0.8,
    replicates: int = 1000,
    seed: int = 0,
    most: int = 20_000,
    scheduler: object = None,
) -> pd.DataFrame:
    """The fewest persons with which `term` has at least the target power, by bisection on a common seed.

    A larger plan holds the smaller one's people, so that its power is compared on the same draws; what is found is
    still known to within the Monte Carlo error of the power beside it.

    Returns
    -------
    The sizes tried, ascending: persons, power, power_mcse, failed, enough (power >= target). The first `enough` is the
    answer: `frame.loc[frame["enough"], "persons"].iloc[0]`.

    Raises
    ------
    ValueError
        An unknown term; a target outside 0 and 1; a target not reached with `most` persons (the power there is named).
    """
    if term not in plan.terms:
        raise ValueError(f"no term {term!r}; there are {', '.join(plan.terms)}")
    if not 0 < target < 1:
        raise ValueError(f"target is {target}; it must be between 0 and 1")
    tried = {}

    def enough(persons: int) -> bool:
        found = summarise(replicate(replace(plan, persons=persons), replicates, seed, scheduler)).loc[term]
        tried[persons] = {name: found[name] for name in ("power", "power_mcse", "failed")}
        return found["power"] >= target  # NaN, where every fit failed, is not enough

    low, high = 0, min(plan.persons, most)
    while not enough(high):
        if high == most:
            raise ValueError(f"{term}: power {tried[high]['power']:.2f} with {most} persons, below the target {target}")
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    table = pd.DataFrame.from_dict(tried, orient="index").rename_axis("persons").sort_index().reset_index()
    return table.assign(enough=table["power"] >= target)


class _Store:
    """Blocks of one plan and seed in a folder: each file appears whole or not at all."""

    def __init__(self, folder: Path, plan: Plan, seed: int) -> None:
        self.folder, self.plan = folder, plan
        said = {"plan": asdict(plan), "seed": seed, "block": BLOCK, "helpers": version("helpers")}
        text = json.dumps(said, indent=1, default=lambda number: number.item())  # NumPy's numbers as Python's
        folder.mkdir(parents=True, exist_ok=True)
        described = folder / "plan.json"
        if described.exists() and not self._same(described.read_text(encoding="utf-8"), text):
            raise ValueError(
                f"{described} is of another plan, seed or version: name another folder, or delete this one"
            )
        if not described.exists():
            self._write(described, lambda path: path.write_text(text, encoding="utf-8"))

    @staticmethod
    def _same(held: str, text: str) -> bool:
        try:
            return json.loads(held) == json.loads(text)  # as values: 3 months are 3.0 months
        except json.JSONDecodeError:
            return False

    def path(self, block: int) -> Path:
        return self.folder / f"block-{block:06d}.parquet"

    def held(self, blocks: Sequence[int]) -> dict[int, None]:
        """Which blocks are there and whole."""
        return {block: None for block in blocks if self.path(block).exists() and self._whole(self.path(block))}

    def _whole(self, path: Path) -> bool:
        try:
            table = pq.read_table(path, page_checksum_verification=True)
        except (pa.ArrowException, ValueError, OSError):
            return False
        return table.num_rows == BLOCK * len(self.plan.terms)

    def keep(self, block: int, arrays: dict[str, np.ndarray]) -> None:
        k = arrays["estimate"].shape[1]
        table = pa.table({name: np.repeat(v, k) if v.ndim == 1 else v.ravel() for name, v in arrays.items()})
        self._write(self.path(block), lambda path: pq.write_table(table, path, write_page_checksum=True))

    def load(self, block: int) -> dict[str, np.ndarray]:
        table, k = pq.read_table(self.path(block)), len(self.plan.terms)
        arrays = {name: table[name].to_numpy().reshape(-1, k) for name in table.column_names}
        return {name: v[:, 0] if name in ("converged", "singular") else v for name, v in arrays.items()}

    def finish(self, replicates: int) -> None:
        """All blocks as one file, in order, a block at a time; only as many replicates as were asked for."""

        def write(path: Path) -> None:
            writer = None
            for block in range(-(-replicates // BLOCK)):
                rows = min(BLOCK, replicates - block * BLOCK)
                frame = _long(self.plan, {name: v[:rows] for name, v in self.load(block).items()})
                table = pa.Table.from_pandas(
                    frame.assign(replicate=frame["replicate"] + block * BLOCK), preserve_index=False
                )
                writer = writer or pq.ParquetWriter(path, table.schema)
                writer.write_table(table)
            writer.close()

        self._write(self.folder / "results.parquet", write)

    def _write(self, path: Path, write: object) -> None:
        """Through a file beside it, renamed when it is on the disk."""
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            write(part)
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
