"""The prose audit: no number typed by hand, no direction stated without a key that the build checks.

It reads Markdown cells and MyST pages (the `.md` sources), the README, captions, alt texts and the words drawn on
axes. Code, maths, URLs, cross-references and the contents of roles are not prose, save that maths may hold no
figures but indices and structural zeros and ones.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from press.quote import READING, ROLE, Results, UnresolvedError, quote, stale_readme, unmarked


@dataclass(frozen=True)
class Finding:
    """One fault of one line: `what` is wrong and how to `mend` it."""

    file: str
    line: int
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}; {self.mend}"


@dataclass(frozen=True)
class Passage:
    """A run of source text that begins at `line`; `kind` is prose, caption, alt text, label or maths."""

    line: int
    text: str
    kind: str = "prose"


ALLOWED = {
    "12-step": "the name of the fellowships' programme",
    "nine claims": "as many as helpers.study.CLAIMS holds, which a test compares",
    "six averages": "as many as helpers.study.CLAIMS holds, which a test compares",
    "three interactions": "as many as helpers.study.CLAIMS holds, which a test compares",
    "95 % interval": "helpers.study.CONFIDENCE, which a test compares; it is the book's only level",
    "at most": "a bound, not a share",
    "two-sided": "the name of a kind of test",
    "level 1": "the name of the equation within a person",
    "level 2": "the name of the equation between people",
    "positive control": "the name of a kind of experiment; it states no direction",
    "Kelly, Greene & Bergman (2016)": "the paper's name where no citation role is at hand",
    "CC BY 4.0": "the name of a licence",
    "Python 3.11 to 3.13": "names of releases, in the README",
    "two commands": "make book and make test, which the README names",
    "Table 1": "the name by which such papers call the table of who was studied",
}

_UNITS = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen"
)
_TENS = "nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million dozen"
_SHARES = (
    "half halves halved halving quarter quarters thirds twice thrice double doubles doubled doubling "
    "triple triples tripled tripling most"
)
NUMBER_WORD = re.compile(
    rf"\b({'|'.join((_UNITS + ' ' + _TENS + ' ' + _SHARES).split())})s?(?:-\w+)?\b|\b(a|one) third\b|\bmajority\b",
    re.IGNORECASE,
)
NUMERAL = re.compile(r"(?<![\w.])[-+−±]?\.?\d(?:[\d,.]*\d)?(?:\s?%)?")
DIRECTION = re.compile(
    r"\b(higher|highest|lower|lowest|ris(?:e|es|en|ing)|rose|fall(?:s|en|ing)?|fell|increas\w*|decreas\w*"
    r"|gr[eo]w(?:s|n|ing)?|shr[aiu]nk(?:s|ing)?|positive(?:ly)?|negative(?:ly)?|stronger|strongest|weaker|weakest"
    r"|larger|largest|smaller|smallest|greater|greatest|fewer|fewest|significan\w*"
    r"|(?:went|goes|go|going|gone) with (?:more|less))\b",
    re.IGNORECASE,
)
EVIDENCE = ("⟦holds⟧", "⟦fact⟧", "⟦cite⟧")
SENTENCE_END = re.compile(r"(?<=[.!?])[)\"'*_”]*\s+")
ABBREVIATION = re.compile(r"\b(e\.g|i\.e|et al|cf|vs|Dr|approx)\.", re.IGNORECASE)

OPAQUE = {
    "code", "code-block", "literalinclude", "bibliography", "toctree", "tableofcontents", "raw", "mermaid", "contents",
    "claims", "numbers", "facts", "targets", "iframe", "exercise-end", "plan", "power-panel", "curve-panel",
    "solution-end", "attribution", "takeaways", "needs", "codebook", "templates", "mapping",
}  # fmt: skip
TITLED = {
    "admonition", "attention", "card", "caution", "csv-table", "definition", "dropdown", "exercise", "exercise-start",
    "grid-item-card", "hint", "important", "list-table", "margin", "note", "proof:definition", "seealso", "sidebar",
    "solution", "tab-item", "table", "tip", "topic", "warning",
}  # fmt: skip
SPOKEN_OPTIONS = {"alt": "alt text", "caption": "caption", "prerequisites": "prose"}
NEVER = {"truth", "analyses", "another cohort"}  # needs that no reader's data meet: such a chapter stands aside
FENCE = re.compile(r"^\s*(`{3,}|:{3,}|~{3,})\s*(?:\{([\w:.-]+)\})?\s*(.*)$")
BLOCK_START = re.compile(r"^\s*(#{1,6}\s|[-*+]\s|\d+[.)]\s|\||>|:\s)")
MARKER_COMMENT = re.compile(r"<!--(num|fact|holds):.+?-->.*?<!--/\1-->", re.DOTALL)
TAG_ALT = re.compile(r"<img\b[^>]*?\balt=\"([^\"]*)\"", re.IGNORECASE)

LABEL_CALLS = {
    "annotate", "figtext", "legend", "set", "set_label", "set_title", "set_xlabel", "set_xticklabels", "set_ylabel",
    "set_yticklabels", "suptitle", "supxlabel", "supylabel", "text", "title", "xlabel", "ylabel",
}  # fmt: skip
LABEL_KEYWORDS = {"caption", "label", "labels", "s", "text", "title", "xlabel", "xticklabels", "ylabel", "yticklabels"}


# --- from a source to its passages ---


def passages(text: str) -> list[Passage]:
    """The prose, captions, alt texts, axis labels and maths of a MyST source, each with its first line."""
    lines = text.splitlines()
    return list(_passages(lines, _after_front_matter(lines)))


def _after_front_matter(lines: list[str]) -> int:
    if lines and lines[0].strip() == "---":
        return next((i + 1 for i in range(1, len(lines)) if lines[i].strip() == "---"), len(lines))
    return 0


def _passages(lines: list[str], start: int) -> Iterator[Passage]:
    paragraph: list[str] = []
    began = 0
    i = start

    def flush() -> Iterator[Passage]:
        if any(line.strip() for line in paragraph):
            yield Passage(began, "\n".join(paragraph))
        paragraph.clear()

    while i < len(lines):
        line = lines[i]
        fence = FENCE.match(line)
        if fence:
            yield from flush()
            mark, name, argument = fence.groups()
            if not name and argument == "" and mark[0] == ":":  # the end of a directive whose body was prose
                i += 1
            elif name == "code-cell":
                end = _closing(lines, i, mark)
                yield from _cell(lines[i + 1 : end], i + 2)
                i = end + 1
            elif name == "math":
                end = _closing(lines, i, mark)
                yield Passage(i + 2, "\n".join(_without_options(lines[i + 1 : end])), "maths")
                i = end + 1
            elif name is None or name in OPAQUE:
                i = _closing(lines, i, mark) + 1
            else:  # a directive whose body is prose: read it as if it stood alone
                end = _closing(lines, i, mark)
                if name in TITLED and argument:
                    yield Passage(i + 1, argument)
                yield from _directive_body(lines[i + 1 : end], i + 1)
                i = end + 1
            continue
        if line.strip().startswith("$$"):
            yield from flush()
            end = i if line.count("$$") > 1 else _next(lines, i + 1, "$$")
            yield Passage(i + 1, "\n".join(lines[i : end + 1]).rpartition("$$")[0].strip().removeprefix("$$"), "maths")
            i = end + 1
            continue
        if re.match(r"\s*\\begin\{", line):
            yield from flush()
            end = _next(lines, i, "\\end{")
            yield Passage(i + 1, "\n".join(lines[i : end + 1]), "maths")
            i = end + 1
            continue
        if re.match(r"^(%|\+\+\+|\(\S+\)=\s*$)", line) or not line.strip():
            yield from flush()
        else:
            if BLOCK_START.match(line):
                yield from flush()
            if not paragraph:
                began = i + 1
            paragraph.append(re.sub(r"^(\s*)\d+[.)]\s", r"\1", line))
            if re.match(r"#{1,6}\s", line):
                yield from flush()
        i += 1
    yield from flush()


def _closing(lines: list[str], opening: int, mark: str) -> int:
    close = re.compile(rf"^\s*{re.escape(mark[0])}{{{len(mark)},}}\s*$")
    nested = re.compile(rf"^\s*{re.escape(mark[0])}{{{len(mark)}}}\{{")
    depth = 1
    for i in range(opening + 1, len(lines)):
        if close.match(lines[i]):
            depth -= 1
            if depth == 0:
                return i
        elif mark[0] == ":" and nested.match(lines[i]):
            depth += 1
    return len(lines)


def _next(lines: list[str], start: int, mark: str) -> int:
    return next((i for i in range(start, len(lines)) if mark in lines[i]), len(lines) - 1)


def _without_options(body: list[str]) -> list[str]:
    return [line for line in body if not re.match(r"^\s*:[\w-]+:", line)]


def _directive_body(body: list[str], offset: int) -> Iterator[Passage]:
    i = 0
    while i < len(body) and (option := re.match(r"^\s*:([\w-]+):\s*(.*)$", body[i])):
        if option[1] in SPOKEN_OPTIONS:
            yield Passage(offset + i + 1, option[2], SPOKEN_OPTIONS[option[1]])
        i += 1
    for passage in _passages(body, i):
        yield Passage(offset + passage.line, passage.text, passage.kind)


def _cell(body: list[str], first: int) -> Iterator[Passage]:
    """A code cell: caption and alt text from its options, labels from its code."""
    header, code_from = _cell_options(body)
    options = yaml.safe_load(header) if header.strip() else {}
    figure = (options or {}).get("mystnb", {}).get("figure") or {}
    image = (options or {}).get("mystnb", {}).get("image") or {}
    for text, kind in ((figure.get("caption"), "caption"), (image.get("alt"), "alt text")):
        if text:
            yield Passage(first, unmarked(text), kind)
    for line, text in labels("\n".join(body[code_from:])):
        yield Passage(first + code_from + line - 1, text, "label")


def _cell_options(body: list[str]) -> tuple[str, int]:
    if body and body[0].strip() == "---":
        end = next((i for i in range(1, len(body)) if body[i].strip() == "---"), len(body) - 1)
        return "\n".join(body[1:end]), end + 1
    end = 0
    while end < len(body) and (
        body[end].startswith(":") or (end and body[end].startswith("  ") and body[0].startswith(":"))
    ):
        end += 1
    return "\n".join(re.sub(r"^:(?=\s|\w)", "", line) for line in body[:end]), end


def labels(code: str) -> list[tuple[int, str]]:
    """(line, text) of each string literal that `code` draws on a figure."""
    found = []
    for call in ast.walk(ast.parse(code)):
        if not isinstance(call, ast.Call):
            continue
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        drawn = [keyword.value for keyword in call.keywords if keyword.arg in LABEL_KEYWORDS]
        if name in LABEL_CALLS:
            drawn += call.args
        found += [(node.lineno, text) for node in drawn for text in _literals(node)]
    return found


def _literals(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
            for part in parts:
                yield from _literals(part)
        case ast.BinOp(left=left, right=right):
            yield from _literals(left)
            yield from _literals(right)
        case ast.IfExp(body=body, orelse=orelse):
            yield from _literals(body)
            yield from _literals(orelse)


# --- from a passage to its findings ---


Removed = list[tuple[int, str]]  # (lines below the passage's first, text)


def plain(text: str) -> tuple[str, Removed, Removed]:
    """Prose alone, with the maths and the alt texts taken out of it."""
    maths: Removed = []
    alts: Removed = []

    def role(match: re.Match) -> str:
        if match[1] == "math":
            maths.append((match.string.count("\n", 0, match.start()), match[3]))
        kind = "cite" if match[1].startswith("cite") else match[1]
        return f"⟦{re.sub(r'[^a-z]', '', kind)}⟧"

    def keep(store: Removed, token: str) -> Callable[[re.Match], str]:
        return lambda match: store.append((match.string.count("\n", 0, match.start()), match[1])) or token

    text = MARKER_COMMENT.sub(lambda match: f"⟦{match[1]}⟧", text)
    text = re.sub(r"<!--.*?-->", " ", text, flags=re.DOTALL)
    text = re.sub(r"(?<!`)(`{2,})(?!`).+?(?<!`)\1(?!`)", " ", text, flags=re.DOTALL)
    text = re.sub(r"\{([\w:.+-]+)\}(`)(.+?)\2", role, text, flags=re.DOTALL)
    text = re.sub(r"`[^`]*`", " ", text)
    text = re.sub(r"(?<!\\)\$([^$]+?)(?<!\\)\$", keep(maths, "⟦maths⟧"), text)
    text = re.sub(r"!\[([^\]]*)\]\([^)]*\)", keep(alts, "⟦image⟧"), text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"\]\[[^\]]*\]|^\s*\[[^\]]+\]:.*$", "]", text, flags=re.MULTILINE)
    text = TAG_ALT.sub(keep(alts, "<img "), text)
    text = re.sub(r"</?[A-Za-z][^<>]*>|<https?:[^>]*>", " ", text)
    text = re.sub(r"https?://\S+|\b10\.\d{4,}/\S+|&\w+;", " ", text)
    return text, maths, alts


def check_prose(file: str, passage: Passage) -> list[Finding]:
    """Typed numbers and unkeyed directions of one passage."""
    if passage.kind == "maths":
        return check_maths(file, passage)
    text, maths, alts = plain(passage.text)
    for phrase in ALLOWED:
        pattern = r"(?<!\w)" + r"\s+".join(re.escape(word) for word in phrase.split()) + r"(?!\w)"
        text = re.sub(pattern, lambda match: re.sub(r"\S", "·", match[0]), text, flags=re.IGNORECASE)
    found = [*_typed_numbers(file, passage, text), *_unkeyed_directions(file, passage, text)]
    for below, formula in maths:
        found += check_maths(file, Passage(passage.line + below, formula, "maths"))
    for below, alt in alts:
        found += check_prose(file, Passage(passage.line + below, alt, "alt text"))
    return sorted(found, key=lambda finding: finding.line)


def _typed_numbers(file: str, passage: Passage, text: str) -> Iterator[Finding]:
    mend = "record it and quote {num}`KEY`, or quote a published {fact}`KEY`"
    if passage.kind == "label":
        mend = "draw it from the data, or say it in the caption with {num}`KEY`"
    for pattern, what in ((NUMERAL, "number"), (NUMBER_WORD, "number word")):
        for match in pattern.finditer(text):
            line = passage.line + text.count("\n", 0, match.start())
            yield Finding(file, line, f"{passage.kind} holds the typed {what} '{match[0].strip()}'", mend)


def _unkeyed_directions(file: str, passage: Passage, text: str) -> Iterator[Finding]:
    mend = "give it {holds}`words|KEY > 0`, a {fact} or a {cite}, or say it without a direction"
    if passage.kind == "label":
        mend = "say it in the caption with {holds}`words|KEY > 0`"
    text = ABBREVIATION.sub(lambda match: match[0].replace(".", " "), text)
    start = 0
    for end in [*(match.end() for match in SENTENCE_END.finditer(text)), len(text)]:
        sentence = text[start:end]
        match = DIRECTION.search(sentence)
        if match and not sentence.rstrip(" \n*_\"'”)").endswith("?") and not any(key in sentence for key in EVIDENCE):
            line = passage.line + text.count("\n", 0, start + match.start())
            yield Finding(file, line, f"{passage.kind} states a direction, '{match[0]}', without a checked key", mend)
        start = end


def check_maths(file: str, passage: Passage) -> list[Finding]:
    """Figures in a formula, save indices 0 to 2 and those of coefficients, structural 0 and 1, a 2 before log, π, ℓ."""
    text = re.sub(
        r"\\(?:text|mathrm|label|tag|begin|end|operatorname)\{[^{}]*\}|\\\\\[[^\]]*\]|\\[A-Za-z]+",
        _keep_shape,
        passage.text,
    )
    text = re.sub(r"(?<=[_^])\s*[-−+]?[0-2]{1,2}(?!\d)", " ", text)
    text = re.sub(r"(?<=§coefficient_\{)\d\d?(?=\w*\})", " ", text)
    text = re.sub(r"[_^]\s*\{[^{}]*\}", lambda script: re.sub(r"(?<!\d)[0-2]{1,2}(?!\d)", " ", script[0]), text)
    text = re.sub(
        r"(?<![\d.])[01](?![\d.])|(?<![\d.])2(?=\s*(?:§log|§pi|§ell))|§[td]?frac\s*\{?1\}?\s*\{?2\}?", " ", text
    )
    return [
        Finding(
            file,
            passage.line + text.count("\n", 0, match.start()),
            f"maths holds the typed number '{match[0]}'",
            "use a symbol and give its value in words with {num}`KEY` or {fact}`KEY`",
        )
        for match in re.finditer(r"\d[\d.,]*", text)
    ]


def _keep_shape(match: re.Match) -> str:
    if match[0] in (r"\beta", r"\gamma"):  # their subscripts number the coefficients
        return "§coefficient"
    command = re.match(r"\\(log|pi|ell|[td]?frac)$", match[0])
    return f"§{command[1]}" if command else " "


# --- over the repository ---


def sources(root: Path) -> dict[str, str]:
    """Every prose source below `root`: the MyST pages and chapters, and the README."""
    files = [*sorted((root / "book").rglob("*.md")), root / "README.md"]
    return {f.relative_to(root).as_posix(): f.read_text(encoding="utf-8") for f in files if f.exists()}


def audit_text(file: str, text: str) -> list[Finding]:
    """Every finding in one MyST source."""
    try:
        return [finding for passage in passages(text) for finding in check_prose(file, passage)]
    except (yaml.YAMLError, SyntaxError) as error:
        return [Finding(file, getattr(error, "lineno", None) or 1, f"cannot be read: {error}", "mend the cell")]


def audit_marks(file: str, text: str) -> list[Finding]:
    """Numbers of the cohort that a book on a reader's data would print as they stand.

    In a chapter that may run on such data, and before its exercises, each `num` and `holds` belongs into a `reading`
    or into a cell with the tag `synthetic`.
    """
    lines = text.split("\n## Exercises")[0].splitlines()
    if "```{code-cell}" not in text or NEVER & set(_needed(lines)):
        return []
    mend = "put the sentence into a `reading`, or tag the cell `synthetic`"
    return [
        Finding(file, line, f"{{{role[1]}}}`{role[2]}` stands outside a reading", mend)
        for line, said in _said_of_any_data(lines)
        for role in ROLE.finditer(said)
        if role[1] != "fact"
    ]


def _needed(lines: list[str]) -> list[str]:
    said = [fence[3] for fence in map(FENCE.match, lines) if fence and fence[2] == "needs"]
    return [word.strip() for words in said for word in words.split(",")]


def _said_of_any_data(lines: list[str]) -> Iterator[tuple[int, str]]:
    """(line, text) of what stands outside readings and synthetic cells: prose, captions, alt texts."""
    i, synthetic = _after_front_matter(lines), False
    while i < len(lines):
        fence = FENCE.match(lines[i])
        if lines[i].startswith("+++"):
            synthetic = "synthetic" in (yaml.safe_load(lines[i][3:]) or {}).get("tags", [])
        elif fence and fence[2] == "code-cell":
            end = _closing(lines, i, fence[1])
            options = yaml.safe_load(_cell_options(lines[i + 1 : end])[0]) or {}
            parts = options.get("mystnb", {}) if "synthetic" not in options.get("tags", []) else {}
            spoken = (parts.get("figure", {}).get("caption", ""), parts.get("image", {}).get("alt", ""))
            yield from ((i + 1, READING.sub("", said)) for said in spoken)
            i, synthetic = end, False
        elif fence and fence[2] == "reading":
            i = _closing(lines, i, fence[1])
        elif not synthetic:
            yield i + 1, lines[i]
        i += 1


def audit_code(file: str, text: str) -> list[Finding]:
    """Every finding in the words that a module draws on figures."""
    return [f for line, label in labels(text) for f in check_prose(file, Passage(line, label, "label"))]


def audit_notebook(file: str, notebook: Mapping) -> list[Finding]:
    """Figures without caption, name or alt text. That numbers stand beside them is asked by `press.committed`."""
    found = []
    for index, cell in enumerate(notebook["cells"], start=1):
        if cell["cell_type"] != "code":
            continue
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
            options = cell.get("metadata", {}).get("mystnb", {})
            present = {
                "caption": options.get("figure", {}).get("caption"),
                "name": options.get("figure", {}).get("name"),
                "alt text": options.get("image", {}).get("alt"),
            }
            found += [
                Finding(file, index, f"the figure of cell {index} has no {what}", "see mystnb in the cell's metadata")
                for what, there in present.items()
                if not there
            ]
    return found


def audit(root: Path) -> list[Finding]:
    """Every finding in the book's sources and in what `helpers.figures` draws."""
    found = [
        finding
        for file, text in sources(root).items()
        for check in (audit_text, audit_marks)
        for finding in check(file, text)
    ]
    figures = root / "src/helpers/figures.py"
    if figures.exists():
        found += audit_code(figures.relative_to(root).as_posix(), figures.read_text(encoding="utf-8"))
    return found


def check_holds(texts: Mapping[str, str], results: Results, facts: Mapping | None = None) -> list[Finding]:
    """Every role and README marker that cannot be printed from `results`: an unknown key, or a condition that fails."""
    known = {} if facts is None else {"facts": facts}
    found = []
    for file, text in texts.items():
        for line, name, content in _roles(text):
            try:
                quote(name, content, results, **known)
            except UnresolvedError as error:
                found.append(Finding(file, line, str(error), "mend the words or the key"))
        found += [Finding(file, line, what, "run `make update`") for line, what in stale_readme(text, results, **known)]
    return found


def _roles(text: str) -> Iterator[tuple[int, str, str]]:
    for passage in passages(text):
        shown = re.sub(r"(?<!`)(`{2,})(?!`).+?(?<!`)\1(?!`)", _blank, passage.text, flags=re.DOTALL)
        for role in ROLE.finditer(shown):
            yield passage.line + shown.count("\n", 0, role.start()), role[1], role[2]


def _blank(match: re.Match) -> str:
    return re.sub(r"\S", " ", match[0])


def report(findings: Iterable[Finding]) -> str:
    """One line a finding."""
    return "\n".join(str(finding) for finding in findings)
