"""Run chapters in fresh kernels, several at a time; keep the executed copies under `_build/run`."""

import asyncio
import base64
import copy
import os
import re
import sys
import time
from pathlib import Path

from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from tqdm import tqdm

from press import BookError
from press.chapters import Chapter, dump, fingerprint, keep_outputs, read, read_notebook, write

TIMEOUT = 600  # seconds a cell may take
FIGURE = 150_000  # bytes a figure may take in a notebook


def environment(root: Path) -> dict[str, str]:
    """What kernels inherit: one thread each, the reader's own settings left out, nothing written outside `_build`."""
    build = root / "_build"
    return {
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PYTHONUTF8": "1",
        "HELPERS_DATA": str(root / "book" / "data"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MPLCONFIGDIR": str(build / "matplotlib"),
        "IPYTHONDIR": str(build / "ipython"),
        "JUPYTER_CONFIG_DIR": str(build / "jupyter" / "config"),
        "JUPYTER_DATA_DIR": str(build / "jupyter" / "data"),
        "JUPYTER_RUNTIME_DIR": str(build / "jupyter" / "runtime"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "JUPYTER_PLATFORM_DIRS": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "RUFF_CACHE_DIR": str(build / "ruff"),
    }


def run(root: Path, chapters: list[Chapter], fresh: bool = False, jobs: int | None = None) -> dict[str, NotebookNode]:
    """Executed copies of `chapters`, by name, with their current prose.

    A copy under `_build/run` is taken as it is if the chapter's fingerprint is still the same, unless `fresh`.

    Raises
    ------
    BookError
        Some chapters failed: where, and with which error.
    """
    current = {chapter: read(chapter) for chapter in chapters}
    prints = {chapter: fingerprint(root, nb) for chapter, nb in current.items()}
    stale = [chapter for chapter in chapters if fresh or _kept(chapter, prints[chapter]) is None]
    done: dict[Chapter, NotebookNode] = {}
    failures: dict[Chapter, str] = {}

    def finish(chapter: Chapter, nb: NotebookNode) -> None:
        nb.metadata["press"] = {"executed": prints[chapter]}
        write(_copy(chapter), dump(nb))
        done[chapter] = nb

    if stale:
        if sys.platform == "win32":  # the kernel's sockets need a selector loop
            asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
        # Later chapters fit more models: the longest first.
        waiting = {chapter: copy.deepcopy(current[chapter]) for chapter in reversed(stale)}
        asyncio.run(_run_all(waiting, finish, failures, jobs or os.cpu_count() or 1))
    if failures:
        raise BookError("\n\n".join(failures.values()))
    return {
        chapter.name: keep_outputs(nb, done.get(chapter) or _kept(chapter, prints[chapter]))
        for chapter, nb in current.items()
    }


def execute(notebooks: dict[Chapter, NotebookNode], jobs: int | None = None) -> dict[Chapter, str]:
    """Run `notebooks` as they are, outputs into them, nothing kept; of those that failed the message."""
    failures: dict[Chapter, str] = {}
    asyncio.run(_run_all(notebooks, lambda chapter, nb: None, failures, jobs or os.cpu_count() or 1))
    return failures


def _copy(chapter: Chapter) -> Path:
    return chapter.root / "_build" / "run" / f"{chapter.name}.ipynb"


def _kept(chapter: Chapter, executed: str) -> NotebookNode | None:
    nb = read_notebook(_copy(chapter)) if _copy(chapter).exists() else None
    return nb if nb and nb.metadata.get("press", {}).get("executed") == executed else None


async def _run_all(waiting: dict[Chapter, NotebookNode], finish, failures: dict[Chapter, str], jobs: int) -> None:
    slots = asyncio.Semaphore(jobs)
    with tqdm(total=len(waiting), unit="chapter", disable=None, leave=False) as bar:

        async def one(chapter: Chapter, nb: NotebookNode) -> None:
            async with slots:
                started = time.perf_counter()
                bar.set_description(chapter.name.removeprefix("book/"))
                try:
                    await _execute(chapter, nb)
                    finish(chapter, nb)
                    outcome = ""
                except BookError as failure:
                    failures[chapter] = str(failure)
                    outcome = "  FAILED"
                bar.update()
                seconds = time.perf_counter() - started
                tqdm.write(f"  {chapter.name.removeprefix('book/'):<32} {seconds:5.1f} s{outcome}")

        async with asyncio.TaskGroup() as group:
            for chapter, nb in waiting.items():
                group.create_task(one(chapter, nb))


async def _execute(chapter: Chapter, nb: NotebookNode) -> None:
    """Run all cells of `nb` in a kernel of its own, in the chapter's folder, outputs into `nb`."""
    manager = AsyncKernelManager(kernel_name="python3")
    client = NotebookClient(nb, km=manager, timeout=TIMEOUT, record_timing=False)
    quiet = ["--HistoryManager.hist_file=:memory:", "--log-level=ERROR", "--ext=press.along"]
    try:
        await manager.start_kernel(cwd=str(chapter.notebook.parent), extra_arguments=quiet)
        client.kc = manager.client()
        client.kc.start_channels()
        await client.kc.wait_for_ready(timeout=TIMEOUT)
        client.kc.allow_stdin = False
        client.reset_execution_trackers()
        for index, cell in enumerate(nb.cells):
            await _execute_cell(client, chapter, cell, index)
    except RuntimeError as error:
        raise BookError(f"{chapter.name}: its Python process did not start: {error}") from None
    finally:  # also when interrupted: no kernel outlives the command
        if client.kc is not None:
            client.kc.stop_channels()
        if manager.has_kernel:
            await manager.shutdown_kernel(now=True)


async def _execute_cell(client: NotebookClient, chapter: Chapter, cell: NotebookNode, index: int) -> None:
    place = chapter.place(client.nb, index)
    try:
        await client.async_execute_cell(cell, index)
    except CellExecutionError as error:
        at = _line(error.traceback)
        raise BookError(f"{place} failed{at}\n  {error.ename}: {error.evalue}") from None
    except CellTimeoutError:
        raise BookError(f"{place} took longer than {TIMEOUT} s") from None
    except DeadKernelError:
        raise BookError(f"{place}: its Python process died, perhaps for lack of memory") from None
    if "figure" in cell.metadata.get("mystnb", {}) and len(cell.outputs) != 1:
        raise BookError(f"{place} names a figure but shows {len(cell.outputs)} outputs. Record in the cell before it.")
    for output in cell.get("outputs", []):
        if output.output_type == "stream" and output.name == "stderr":
            raise BookError(f"{place} wrote to stderr, which a chapter must not:\n  {output.text.strip()}")
        for figure in images(output):
            if len(figure) > FIGURE:
                size = f"{len(figure) / 1000:.0f} kB, more than {FIGURE // 1000}"
                raise BookError(f"{place}: its figure takes {size}. Draw less, or at a lower dpi.")


def _line(traceback: str) -> str:
    """The line of the cell at which it failed, from IPython's traceback."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", traceback)
    found = re.search(r"Cell In\[\d+\].*?^-+> *(\d+) (.*?)$", plain, re.DOTALL | re.MULTILINE)
    return f" at its line {found[1]}: {found[2].strip()}" if found else ""


def images(output: NotebookNode) -> list[bytes]:
    """The PNG figure of one output, as bytes; a list of one or none."""
    data = output.get("data", {}).get("image/png")
    return [base64.b64decode(data)] if data else []
