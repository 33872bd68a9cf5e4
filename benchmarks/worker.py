"""One engine in a process of its own: reads a request a line from stdin, answers with a line of JSON on stdout.

    {"do": "load", "folder": "..."}         the data that `data.write` wrote
    {"do": "fit"}                           seconds, found
    {"do": "power", "replicates": 100, ...} seconds, and what `powered` says (planning.py)
    {"do": "parts"}                         parts, in seconds (helpers.reml alone)
    {"do": "refits", "from": 0, "to": 100}  seconds, found (a list)

Every answer carries `peak`, the process's peak memory in bytes so far. lme4.R speaks the same language.
"""

import json
import resource
import sys
from pathlib import Path

import data
import engines


def peak() -> int:
    """Peak resident bytes. Linux's ru_maxrss would count the parent's pages at the fork too; VmHWM does not."""
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(status.read_text().split("VmHWM:")[1].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class Worker:
    """The engine and the data that it works on; a method a request."""

    def __init__(self, name: str):
        self.engine = engines.create(name)
        self.frame = self.responses = self.prepared = None

    def load(self, request: dict) -> dict:
        self.frame, self.responses = data.read(Path(request["folder"]))
        can = [task for task in ("fit", "refits", "power") if getattr(self.engine, task, None)]
        return {"can": can, "about": self.engine.about()}

    def fit(self, request: dict) -> dict:
        seconds, fit = engines.clock(lambda: self.engine.fit(self.frame))
        return {"seconds": seconds, "found": self.engine.found(fit)}

    def parts(self, request: dict) -> dict:
        return {"parts": self.engine.parts(self.frame)}

    def power(self, request: dict) -> dict:
        seconds, result = engines.clock(lambda: self.engine.power(self.frame, request))
        return {"seconds": seconds} | self.engine.powered(result)

    def refits(self, request: dict) -> dict:
        if self.prepared is None:
            self.prepared = self.engine.prepare(self.frame)
        many = self.responses[request["from"] : request["to"]]
        seconds, fits = engines.clock(lambda: self.engine.refits(self.prepared, many))
        return {"seconds": seconds, "found": [self.engine.found(fit) for fit in fits], "at_once": self.engine.at_once}


def main(name: str) -> None:
    answers, sys.stdout = sys.stdout, sys.stderr  # what an engine prints must not look like an answer
    worker = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            worker = worker or Worker(name)
            answer = getattr(worker, request["do"])(request)
        except Exception as problem:  # an engine that fails is a row of the table, not the end of the run
            answer = {"error": f"{type(problem).__name__}: {problem}"}
        print(json.dumps(answer | {"peak": peak()}), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
