"""The Sphinx extension for teaching: what a chapter teaches, its exercises, and solutions that stay shut until opened.

The directive `lesson` is a box of objectives, prerequisites, class time and what can be taken away. The exercises are
sphinx-exercise's, with a title of their own in place of a number. Solutions and notes for the teacher become
`<details>`, which need no script. `plan`, `takeaways` and `attribution` are for the page about teaching.
"""

from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator
from sphinx_exercise.directive import ExerciseStartDirective
from sphinx_exercise.nodes import exercise_node, exercise_subtitle, solution_node

from press.chapters import pages, read_yaml
from press.editions import attribution
from press.roles import table

LOG = logging.getLogger(__name__)
PLANS = "book/using/lessons.yml"
TAKE = "press-take"
LESSON = "lesson"  # in a page's metadata, its minutes


class Lesson(SphinxDirective):
    """{lesson} with a bullet list of objectives; the options are class time and, with links, what comes before."""

    has_content = True
    option_spec: ClassVar = {"minutes": directives.positive_int, "prerequisites": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        self.assert_has_content()
        for option in self.option_spec:
            if option not in self.options:
                raise self.error(f"a lesson needs the option {option}")
        self.env.metadata[self.env.docname][LESSON] = self.options["minutes"]
        box = nodes.container(classes=["press-lesson"])
        box += _line("After this chapter you can")
        self.state.nested_parse(self.content, self.content_offset, box)
        links, messages = self.state.inline_text(self.options["prerequisites"], self.lineno)
        box += _line("Before it: ", *links)
        box += _line("In class: ", nodes.Text(f"{self.options['minutes']} minutes, with the exercises"))
        links = _takeaways(self.env.app, self.env.docname)
        box += nodes.paragraph(
            "", "", nodes.strong("", "To take away: "), *_listed(links, self.env.docname), classes=[TAKE]
        )
        return [box, *messages]


def _listed(links: list[tuple[str, str, str]], docname: str) -> list[nodes.Node]:
    """Links to files of the site, with commas between them."""
    up = "../" * docname.count("/")
    found = [[nodes.reference("", words, refuri=up + target), nodes.Text(", ")] for words, target, _ in links]
    return [node for pair in found for node in pair][:-1]


def _line(lead: str, *rest: nodes.Node) -> nodes.paragraph:
    return nodes.paragraph("", "", nodes.strong("", lead), *rest)


class Plan(SphinxDirective):
    """{plan} NAME: the sessions of a plan in book/using/lessons.yml, each a table whose minutes add up."""

    required_arguments = 1
    HEAD = ("Minutes", "Chapter", "What is done")

    def run(self) -> list[nodes.Node]:
        source = Path(self.env.srcdir) / PLANS
        self.env.note_dependency(str(source))
        return [self.session(session) for session in read_yaml(source)[self.arguments[0]]]

    def session(self, session: dict) -> nodes.table:
        total = sum(step["minutes"] for step in session["steps"])
        if total != session["minutes"]:
            raise self.error(f"{session['title']}: the steps take {total} minutes, not {session['minutes']}")
        rows = [[str(step["minutes"]), self.chapter(step["page"]), step["what"]] for step in session["steps"]]
        return table(f"{session['title']}: {total} minutes", self.HEAD, rows)

    def chapter(self, name: str) -> nodes.Node:
        target = {"refdomain": "std", "reftype": "doc", "reftarget": f"/{name}", "refexplicit": False}
        return pending_xref("", nodes.inline(text=name), refdoc=self.env.docname, **target)


class takeaways(nodes.General, nodes.Element):  # noqa: N801
    """The place of the table of all lessons, which is known when every page has been read."""


class Takeaways(SphinxDirective):
    """{takeaways}: each chapter with a lesson, its minutes, and what can be taken away from it."""

    def run(self) -> list[nodes.Node]:
        return [takeaways()]


class Attribution(SphinxDirective):
    """{attribution}: the line to copy, from CITATION.cff."""

    def run(self) -> list[nodes.Node]:
        line = attribution(Path(self.config.press_root))
        return [nodes.literal_block(line, line, language="text", classes=["press-attribution"])]


def list_takeaways(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """Fill the place of `takeaways`."""
    env = app.env
    for place in list(doctree.findall(takeaways)):
        rows = [
            [
                nodes.reference("", env.titles[page].astext(), refuri=app.builder.get_relative_uri(name, page)),
                str(env.metadata[page][LESSON]),
                _listed(_takeaways(app, page), name),
            ]
            for page in pages(Path(app.srcdir))
            if LESSON in env.metadata[page]
        ]
        head = ("Chapter", "Minutes in class", "To take away")
        place.replace_self(table("Chapters with a lesson", head, rows, ["takeaways"]))


class ExerciseStart(ExerciseStartDirective):
    """{exercise-start} without a number: its title says what to do."""

    def run(self) -> list[nodes.Node]:
        self.options["nonumber"] = None
        return super().run()


class folded(nodes.General, nodes.Element):  # noqa: N801, docutils writes the names of nodes so
    """Content that stays shut until its `summary` is opened."""


def visit_folded(self: HTML5Translator, node: folded) -> None:
    if self.builder.name == "singlehtml":  # the page that is printed: paper cannot be opened
        raise nodes.SkipNode
    self.body.append(self.starttag(node, "details"))
    self.body.append(f"<summary>{self.encode(node['summary'])}</summary>\n")


def depart_folded(self: HTML5Translator, node: folded) -> None:
    self.body.append("</details>\n")


def shape(app: Sphinx, doctree: nodes.document) -> None:
    """Give exercises their title, and fold solutions and notes for the teacher."""
    for exercise in list(doctree.findall(exercise_node)):
        task = _content(exercise)
        subtitle = next(iter(exercise.findall(exercise_subtitle)), None)
        words = [nodes.Text("Exercise: "), *subtitle.children] if subtitle else [nodes.Text("Exercise")]
        exercise.clear()
        exercise += [nodes.title("", "", *words), *task]
    for solution in list(doctree.findall(solution_node)):
        label = solution["target_label"]
        if label not in doctree.nameids:  # also if a backtick in its title kept the exercise from being one
            LOG.warning(
                f"this page has no exercise {label} to be solved", location=solution, type="press", subtype="exercise"
            )
        solution["ids"] = [f"solution-{label}"]
        _fold(solution, "Solution", "press-solution", _content(solution))
    for admonition in list(doctree.findall(nodes.admonition)):
        if "teacher" in admonition["classes"]:
            _fold(admonition, admonition[0].astext(), "press-teacher", admonition.children[1:])


def _content(node: nodes.Element) -> list[nodes.Node]:
    """What stands in the section that sphinx-exercise puts around it, which has the same id on every page."""
    return [child for part in node.children if isinstance(part, nodes.section) for child in part.children]


def _fold(node: nodes.Element, summary: str, kind: str, content: list[nodes.Node]) -> None:
    node.replace_self(folded("", *content, summary=summary, classes=[kind], ids=node["ids"], names=node["names"]))


def offer(app: Sphinx, name: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """The menu of what can be taken away from a page; the theme's own offers the source, with its roles unresolved."""
    if doctree is None or "header_buttons" not in context:
        return
    computed = context.get("page_source_suffix") == ".ipynb" and not app.config.press_yours
    links = _takeaways(app, name) if computed else []
    buttons = [
        {"type": "link", "url": context["pathto"](target, 1), "text": text, "icon": f"fas fa-{icon}", "label": "take"}
        for text, target, icon in links
    ]
    printing = {"type": "javascript", "javascript": "window.print()", "text": "Print", "icon": "fas fa-print"}
    buttons.append(printing | {"label": "print"})
    group = {"type": "group", "icon": "fas fa-download", "buttons": buttons, "label": "download-buttons"}
    context["header_buttons"].append(group | {"tooltip": "Take this page away"})


def _takeaways(app: Sphinx, name: str) -> list[tuple[str, str, str]]:
    """(words, file, icon) of each; `press.kits.publish` writes the files."""
    path = name.removeprefix("book/")
    part, _, chapter = path.rpartition("/")
    teaches = LESSON in app.env.metadata[name]
    links = [("Student's notebook" if teaches else "Notebook", f"notebooks/student/{path}.ipynb", "code")]
    if teaches:
        links.append(("Teacher's notebook", f"notebooks/teacher/{path}.ipynb", "chalkboard-teacher"))
        links.append(("Kit (zip)", f"kits/{chapter}.zip", "file-archive"))
    if part and _has_slides(Path(app.srcdir) / "book" / part):
        links.append(("Slides of this part", f"slides/{part}.html", "desktop"))
    return links


def _has_slides(part: Path) -> bool:
    return any('"slide"' in page.read_text(encoding="utf-8") for page in part.glob("*.ipynb"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.setup_extension("sphinx_exercise")  # first, for its own reading of exercises comes before `shape`
    app.add_directive("lesson", Lesson)
    app.add_directive("plan", Plan)
    app.add_directive("takeaways", Takeaways)
    app.add_directive("attribution", Attribution)
    app.add_node(takeaways)
    app.connect("doctree-resolved", list_takeaways)
    app.add_directive("exercise-start", ExerciseStart, override=True)
    app.add_node(folded, html=(visit_folded, depart_folded))
    app.connect("doctree-read", shape)
    app.connect("html-page-context", offer, priority=502)  # after the theme has begun its buttons
    return {"parallel_read_safe": True, "parallel_write_safe": True}
