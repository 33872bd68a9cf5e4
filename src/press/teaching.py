"""The Sphinx extension for teaching: what a chapter teaches, its exercises, and solutions that stay shut until opened.

The directive `lesson` is a box of objectives, prerequisites and class time. The exercises are sphinx-exercise's, with
a title of their own in place of a number. Solutions and notes for the teacher become `<details>`, which need no script.
"""

from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator
from sphinx_exercise.directive import ExerciseStartDirective
from sphinx_exercise.nodes import exercise_node, exercise_subtitle, solution_node

LOG = logging.getLogger(__name__)


class Lesson(SphinxDirective):
    """{lesson} with a bullet list of objectives; the options are class time and, with links, what comes before."""

    has_content = True
    option_spec: ClassVar = {"minutes": directives.positive_int, "prerequisites": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        self.assert_has_content()
        for option in self.option_spec:
            if option not in self.options:
                raise self.error(f"a lesson needs the option {option}")
        box = nodes.container(classes=["press-lesson"])
        box += _line("After this chapter you can")
        self.state.nested_parse(self.content, self.content_offset, box)
        links, messages = self.state.inline_text(self.options["prerequisites"], self.lineno)
        box += _line("Before it: ", *links)
        box += _line("In class: ", nodes.Text(f"{self.options['minutes']} minutes, with the exercises"))
        return [box, *messages]


def _line(lead: str, *rest: nodes.Node) -> nodes.paragraph:
    return nodes.paragraph("", "", nodes.strong("", lead), *rest)


class ExerciseStart(ExerciseStartDirective):
    """{exercise-start} without a number: its title says what to do."""

    def run(self) -> list[nodes.Node]:
        self.options["nonumber"] = None
        return super().run()


class folded(nodes.General, nodes.Element):  # noqa: N801, docutils writes the names of nodes so
    """Content that stays shut until its `summary` is opened."""


def visit_folded(self: HTML5Translator, node: folded) -> None:
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


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.setup_extension("sphinx_exercise")  # first, for its own reading of exercises comes before `shape`
    app.add_directive("lesson", Lesson)
    app.add_directive("exercise-start", ExerciseStart, override=True)
    app.add_node(folded, html=(visit_folded, depart_folded))
    app.connect("doctree-read", shape)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
