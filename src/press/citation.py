"""The one source of citation metadata, `CITATION.cff`: as text, as BibTeX, as `codemeta.json`, as the site's links.

`repository-code` in it is the one place for the repository's address. While it is absent, the site has no links to a
repository and none that open a chapter on Binder, because they would lead nowhere.
"""

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective

from press import BookError
from press.chapters import read_text, read_yaml, write

FILE, CODEMETA = "CITATION.cff", "codemeta.json"
NOTEBOOKS = "notebooks"  # `press student --out notebooks/book` (.binder/postBuild) makes the pages' notebooks there
BINDER = "https://mybinder.org"
BINDER_KNOWS = {"github.com", "gitlab.com"}  # where the theme's links to Binder lead somewhere


def read(root: Path) -> dict:
    """The metadata. Raises BookError if the file is not there or lacks what is needed."""
    citation = read_yaml(root / FILE)
    lacking = [name for name in ("title", "authors", "version", "license", "message") if not citation.get(name)]
    if lacking:
        raise BookError(f"{FILE} lacks {', '.join(lacking)}.")
    return {key: str(value) if key == "date-released" else value for key, value in citation.items()}


def authors(citation: dict) -> list[str]:
    """Each author as a citation names them: `Kelly, John F.`, or an entity's name."""
    return [
        one["name"] if "name" in one else ", ".join(filter(None, (one["family-names"], one.get("given-names", ""))))
        for one in citation["authors"]
    ]


def plain(citation: dict) -> str:
    """The citation as a line of text; `n.d.` until the file has a `date-released`."""
    year = citation.get("date-released", "n.d.")[:4]
    who = "; ".join(authors(citation)).removesuffix(".")
    parts = [f"{who} ({year}). {citation['title']} (version {citation['version']})."]
    return " ".join(parts + [citation[name] for name in ("doi", "repository-code") if name in citation])


def bibtex(citation: dict) -> str:
    """The citation as an entry for BibTeX. An entity's name, and the title, keep their capitals by braces."""
    entities = ["name" in one for one in citation["authors"]]
    names = [f"{{{one}}}" if entity else one for one, entity in zip(authors(citation), entities, strict=True)]
    fields = {
        "author": " and ".join(names),
        "title": f"{{{_escaped(citation['title'])}}}",
        "year": citation.get("date-released", "")[:4],
        "version": citation["version"],
        "doi": citation.get("doi", ""),
        "url": citation.get("repository-code", ""),
    }
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    key = re.sub(r"\W+", "-", citation["title"].partition(":")[0].partition(",")[0].lower()).strip("-")
    return f"@software{{{key},\n" + ",\n".join(lines) + "\n}\n"


def _escaped(text: str) -> str:
    return re.sub(r"([&%$#_])", r"\\\1", text)


def codemeta(citation: dict, pythons: str) -> dict:
    """The same metadata in CodeMeta's terms; `pythons` is `requires-python` of the helpers."""
    described = {
        "@context": "https://w3id.org/codemeta/3.0",
        "@type": "SoftwareSourceCode",
        "name": citation["title"],
        "author": [_author(one) for one in citation["authors"]],
        "version": citation["version"],
        "license": f"https://spdx.org/licenses/{citation['license']}",
        "keywords": citation.get("keywords", []),
        "programmingLanguage": "Python",
        "runtimePlatform": f"Python {pythons}",
        "isAccessibleForFree": True,
        "referencePublication": [f"https://doi.org/{one['doi']}" for one in citation.get("references", [])],
    }
    optional = {"datePublished": "date-released", "codeRepository": "repository-code", "description": "abstract"}
    return described | {term: citation[name] for term, name in optional.items() if name in citation}


def _author(one: dict) -> dict:
    if "name" in one:
        return {"@type": "Organization", "name": one["name"]}
    names = {"familyName": one["family-names"], "givenName": one.get("given-names", "")}
    orcid = {"@id": one["orcid"]} if "orcid" in one else {}
    return {"@type": "Person", **orcid, **{term: name for term, name in names.items() if name}}


def dumps(root: Path) -> str:
    """`codemeta.json` as it must be committed."""
    pythons = re.search(r'^requires-python = "(.+)"$', read_text(root / "pyproject.toml"), re.MULTILINE)
    return json.dumps(codemeta(read(root), pythons[1]), indent=2, ensure_ascii=False) + "\n"


def update(root: Path) -> list[str]:
    """Rewrite `codemeta.json` if `CITATION.cff` says something else; the files that changed."""
    if not all((root / name).exists() for name in (FILE, "pyproject.toml")):  # not a book with a package
        return []
    path = root / CODEMETA
    before = path.read_bytes() if path.exists() else b""
    write(path, dumps(root))
    return [CODEMETA] if path.read_bytes() != before else []


# --- on the site -----------------------------------------------------------------------------------------------------


def theme_options(citation: dict) -> dict:
    """What the theme needs to link to the repository, and to open a chapter's notebook on Binder; {} without one."""
    address = citation.get("repository-code", "").rstrip("/")
    if not address:
        return {}
    binder = {"binderhub_url": BINDER, "notebook_interface": "jupyterlab"}
    known = urlsplit(address).netloc in BINDER_KNOWS
    return {
        "repository_url": address,
        "repository_branch": "HEAD",
        "use_repository_button": True,
        "path_to_docs": NOTEBOOKS,
    } | ({"launch_buttons": binder} if known else {})


class CitationBlock(SphinxDirective):
    """How to cite the book: a line of text and BibTeX, each in a box whose button copies it."""

    def run(self) -> list[nodes.Node]:
        citation = read(Path(self.config.press_root))
        text, entry = plain(citation), bibtex(citation)
        return [
            nodes.literal_block(text, text, language="text", classes=["citation"]),
            nodes.literal_block(entry, entry, language="bibtex", classes=["citation"]),
        ]


def configure(app: Sphinx, config: Config) -> None:
    """Give the theme its links before it reads its options."""
    root = Path(config.press_root)
    if config.press_root and (root / FILE).exists():
        config.html_theme_options = {**config.html_theme_options, **theme_options(read(root))}


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("citation", CitationBlock)
    app.connect("config-inited", configure, priority=100)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
