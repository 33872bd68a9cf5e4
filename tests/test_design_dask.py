"""The planner on a real Dask cluster of two worker processes: the same numbers, also when a worker is killed."""

import os
import signal
import threading
import time
from dataclasses import replace

import dask
import pandas as pd
import pytest
from distributed import Client, LocalCluster
from test_design import QUICK

from helpers import design
from helpers.design import BLOCK, replicate

RUN = QUICK, 6 * BLOCK + 1, 77
LONG = replace(QUICK, persons=300), 12 * BLOCK, 5
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has one way to end a process


@pytest.fixture(scope="module")
def here():
    return replicate(*RUN)


@pytest.fixture(scope="module")
def client():
    with (
        dask.config.set({"distributed.worker.profile.enabled": False}),
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_a_cluster_gives_the_same_numbers_to_the_last_bit(client, here):
    workers = set(client.run(os.getpid).values())
    assert len(workers | {os.getpid()}) == 3
    pd.testing.assert_frame_equal(replicate(*RUN, scheduler=client), here, check_exact=True)


def test_an_address_will_do_for_a_cluster(client, here):
    pd.testing.assert_frame_equal(replicate(*RUN, scheduler=client.scheduler.address), here, check_exact=True)
    assert client.status == "running"


def test_a_cluster_fills_a_folder_with_the_same_bytes_and_keeps_nothing_itself(client, tmp_path):
    for name, scheduler in (("here", None), ("there", client)):
        replicate(*RUN, folder=tmp_path / name, scheduler=scheduler)
    files = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "there").iterdir())
    for name in files:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes(), name
    assert not client.who_has()


def test_a_run_begun_here_goes_on_on_a_cluster(client, here, tmp_path):
    replicate(RUN[0], 2 * BLOCK, RUN[2], folder=tmp_path)
    pd.testing.assert_frame_equal(replicate(*RUN, folder=tmp_path, scheduler=client), here, check_exact=True)


def test_workers_let_go_of_what_has_been_fetched(client, tmp_path, monkeypatch):
    keep, held = design._Store.keep, []
    monkeypatch.setattr(design._Store, "keep", lambda *block: (held.append(len(client.who_has())), keep(*block)))
    replicate(*LONG, folder=tmp_path, scheduler=client)
    assert len(held) == 12
    assert held[-1] < 6


def test_a_worker_killed_in_mid_run_changes_nothing_but_the_time(client, tmp_path):
    workers, found = client.run(os.getpid), {}
    blocks = lambda: len(list(tmp_path.glob("block-*.parquet")))
    whole = lambda: found.update(frame=replicate(*LONG, folder=tmp_path, scheduler=client))
    run = threading.Thread(target=whole, daemon=True)
    run.start()
    while run.is_alive() and not (blocks() >= 3 and all(client.processing().values())):
        time.sleep(0.005)
    lost = next(iter(workers))
    os.kill(workers[lost], KILL)
    done = blocks()
    run.join(60)
    assert 3 <= done < 12
    assert workers[lost] not in client.run(os.getpid).values()
    pd.testing.assert_frame_equal(found["frame"], replicate(*LONG), check_exact=True)
