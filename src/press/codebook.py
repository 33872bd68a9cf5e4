"""The codebook: every column of the data and of a reader's own file as tables, and the templates to fill in.

`codebook TABLE` is the table of the columns of `persons` or `visits`, made from book/data/datapackage.json, as
`helpers.templates.codebook` gives it; `templates` links to the files that are written into the built site;
`mapping NAME` is a mapping that is shipped.
"""

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

from helpers import contract, mapping, templates
from press.roles import table

FOLDER = "templates"  # of the built site
PAGE = "book/appendix/codebook"
HEAD = ("Column", "What", "Type", "Unit", "Values", "Must it be there", "More")
SAID = {
    "persons.csv": "one row a person",
    "visits.csv": "one row a person and wave",
    "study.xlsx": "both as sheets of one workbook, with the codebook on the third",
}


def rows(name: str) -> list[tuple[str, ...]]:
    """The cells of the table `name`, in the order of HEAD."""
    its = templates.codebook()
    its = its[its["table"] == name]
    columns = ["column", "title", "type", "unit", "values", "required", "description"]
    return list(its[columns].itertuples(index=False, name=None))


class Codebook(SphinxDirective):
    """{codebook} persons, {codebook} visits: the columns of that table."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        (name,) = self.arguments
        if name not in contract.TABLES:
            raise self.error(f"codebook {name}: one of {', '.join(contract.TABLES)}")
        shown = [[nodes.literal(text=first), *rest] for first, *rest in rows(name)]
        built = table(f"Columns of {name}", HEAD, shown)
        built["classes"].append("press-codebook")
        return [built]


class template_files(nodes.General, nodes.Element):  # noqa: N801 (docutils names nodes so)
    """The place of the links to the files to fill in."""


class Templates(SphinxDirective):
    """{templates}: a list of links to the files to fill in."""

    def run(self) -> list[nodes.Node]:
        return [template_files()]


class ShippedMapping(SphinxDirective):
    """{mapping} NAME: a mapping that comes with the package, in full."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        try:
            text = mapping.shipped(self.arguments[0]).read_text(encoding="utf-8")
        except ValueError as error:
            raise self.error(str(error)) from error
        return [nodes.literal_block(text, text, language="toml")]


def visit_template_files(self: HTML5Translator, node: template_files) -> None:
    """Where there are no files beside the page, as in the PDF, a sentence stands for the links."""
    if self.builder.name != "html":
        self.body.append("<p>The files are on the site.</p>")
        raise nodes.SkipNode
    up = "../" * self.builder.current_docname.count("/")
    links = (f'<li><a href="{up}{FOLDER}/{name}" download>{name}</a>: {SAID[name]}</li>' for name in templates.FILES)
    self.body.append(f"<ul>\n{chr(10).join(links)}\n</ul>\n")
    raise nodes.SkipNode


def write_files(app: Sphinx, failure: Exception | None) -> None:
    """The templates, into the built site."""
    if not failure and app.builder.name == "html" and PAGE in app.env.found_docs:
        templates.write(Path(app.outdir) / FOLDER)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_node(template_files, html=(visit_template_files, None))
    app.add_directive("codebook", Codebook)
    app.add_directive("mapping", ShippedMapping)
    app.add_directive("templates", Templates)
    app.connect("build-finished", write_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
