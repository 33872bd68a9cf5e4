"""Solutions with a wrong answer: each must fail its own comparison."""

import ast

import nbformat
from nbformat import NotebookNode

from press.markdown import blocks

PROBE = """
try:
    exec(compile({source!r}, "a solution with its answer altered", "exec"), dict(globals()))
except AssertionError:
    pass
else:
    raise SystemError("the solution of {label} also accepts the answer {wrong}")
"""


def answers(source: str) -> list[ast.Assign]:
    """The lines `answer = ...` of a cell."""
    return [
        line
        for line in ast.parse(source).body
        if isinstance(line, ast.Assign) and [getattr(target, "id", "") for target in line.targets] == ["answer"]
    ]


def altered(value: object, text: str = "") -> object:
    """Another value: a number one step of its last digit up, `text` being how it is written; one element of many."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            digits = len(text.partition(".")[2])
            return round(value + 10**-digits, digits)
        case str():
            return f"not {value}"
        case list() | tuple() if value:
            return type(value)([altered(value[0], _first(text)), *value[1:]])
        case dict() if value:
            key, first = next(iter(value.items()))
            return {**value, key: altered(first, repr(first))}
    raise ValueError(
        f"{text or value!r} is no answer that can be altered: write a number, a text, True or several of them"
    )


def _first(text: str) -> str:
    elements = ast.parse(text, mode="eval").body.elts
    return ast.get_source_segment(text, elements[0]) or ""


def wrong(source: str) -> list[tuple[str, str]]:
    """`source` with one answer altered, and the altered answer, for each answer in it."""
    found = []
    for line in answers(source):
        text = ast.get_source_segment(source, line.value) or ""
        other = repr(altered(ast.literal_eval(line.value), text))
        lines = source.splitlines()
        lines[line.lineno - 1 : line.end_lineno] = [f"answer = {other}"]
        found.append(("\n".join(lines), other))
    return found


def solutions(nb: NotebookNode) -> dict[str, list[int]]:
    """The indices of the code cells of each solution, by the label of its exercise."""
    found: dict[str, list[int]] = {}
    solving = ""
    for index, cell in enumerate(nb.cells):
        if cell.cell_type == "code":
            if solving:
                found[solving].append(index)
            continue
        for block in blocks(cell.source):
            if block.name == "solution-start":
                solving = block.argument
                found[solving] = []
            elif block.name == "solution-end":
                solving = ""
    return found


def probed(nb: NotebookNode) -> NotebookNode:
    """`nb` with a cell after each solution that runs it with each answer altered, and raises if none objects."""
    probes: dict[int, list[str]] = {}
    for label, cells in solutions(nb).items():
        whole = "\n".join(nb.cells[index].source for index in cells)
        for source, other in wrong(whole):
            probes.setdefault(cells[-1], []).append(PROBE.format(source=source, label=label, wrong=other))
    cells = []
    for index, cell in enumerate(nb.cells):
        cells += [cell, *(nbformat.v4.new_code_cell(probe) for probe in probes.get(index, []))]
    nb.cells = cells
    return nb
