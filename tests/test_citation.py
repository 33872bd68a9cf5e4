"""`CITATION.cff` as the one source: what it must hold, who else says the same, and what is generated from it."""

import json
import os
import re
import tomllib
from pathlib import Path

import pytest
import yaml

import helpers
from helpers import study
from press import BookError, citation
from press.__main__ import main

ROOT = Path(__file__).parents[1]
CFF = citation.read(ROOT)
SETTINGS = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MADE_UP = "https://github.com/someone/sponsor-study"

PERSON = {"family-names": "Lovelace", "given-names": "Ada"}
SMALL = {
    "message": "Please cite.",
    "title": "Notes, revisited: a sketch of A & B",
    "authors": [PERSON, {"name": "The society"}],
    "version": "1.2.0",
    "license": "MIT",
    "references": [{"type": "article", "title": "Engine", "authors": [PERSON], "doi": "10.1000/xyz"}],
}


# --- the file itself, by the rules of the Citation File Format 1.2.0 ---

TOP = {
    "abstract", "authors", "cff-version", "commit", "contact", "date-released", "doi", "identifiers", "keywords",
    "license", "license-url", "message", "preferred-citation", "references", "repository", "repository-artifact",
    "repository-code", "title", "type", "url", "version",
}  # fmt: skip


def test_the_file_has_what_the_format_asks_for_and_nothing_it_does_not_know():
    assert {"cff-version", "message", "title", "authors"} <= CFF.keys() <= TOP
    assert CFF["cff-version"] == "1.2.0"
    assert CFF["type"] in {"software", "dataset"}
    assert all(isinstance(word, str) for word in CFF["keywords"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", CFF.get("date-released", "2026-01-01"))
    assert re.match(r"(https|http|ftp|sftp)://.+", CFF.get("repository-code", MADE_UP))


@pytest.mark.parametrize("work", [CFF, *CFF["references"]], ids=lambda work: work["title"][:20])
def test_every_work_has_a_title_and_authors_who_are_people_or_entities(work):
    assert work["title"]
    assert work["authors"]
    for one in work["authors"]:
        assert set(one) == {"name"} or set(one) <= {"family-names", "given-names", "orcid", "affiliation"}
    assert re.fullmatch(r"10\.\d{4,9}/[\w:;()/.-]+", work.get("doi", "10.1000/1"))


def test_a_file_that_lacks_a_field_is_named(tmp_path):
    (tmp_path / "CITATION.cff").write_text("title: A\nauthors: [{name: B}]\n", encoding="utf-8")
    with pytest.raises(BookError, match=r"CITATION\.cff lacks version, license, message"):
        citation.read(tmp_path)


# --- who else says the same ---


def test_the_version_is_that_of_the_package():
    assert CFF["version"] == PROJECT["version"] == helpers.__version__


def test_the_licence_is_that_of_the_package():
    assert CFF["license"] == PROJECT["license"]


def test_the_site_has_the_same_title_and_author():
    assert SETTINGS["title"] == CFF["title"].partition(":")[0]
    assert SETTINGS["title"] == SETTINGS["sphinx"]["config"]["project"]
    assert [SETTINGS["author"]] == citation.authors(CFF)


def test_the_study_it_accompanies_has_the_same_doi_everywhere():
    doi = CFF["references"][0]["doi"]
    assert f"doi = {{{doi}}}" in (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    assert any(source.url == f"https://doi.org/{doi}" for source in study.SOURCES.values())


# --- as text and as BibTeX ---


def test_the_citation_as_a_line_of_text():
    said = "Lovelace, Ada; The society (n.d.). Notes, revisited: a sketch of A & B (version 1.2.0)."
    assert citation.plain(SMALL) == said


def test_a_release_date_and_an_address_appear_once_they_are_set():
    released = SMALL | {"date-released": "2026-11-25", "repository-code": MADE_UP}
    assert citation.plain(released).startswith("Lovelace, Ada; The society (2026). ")
    assert citation.plain(released).endswith(f"(version 1.2.0). {MADE_UP}")
    assert "  year = {2026},\n" in citation.bibtex(released)
    assert f"  url = {{{MADE_UP}}}\n" in citation.bibtex(released)


def test_the_citation_as_bibtex_keeps_capitals_and_escapes_what_tex_would_read():
    assert citation.bibtex(SMALL) == (
        "@software{notes,\n"
        "  author = {Lovelace, Ada and {The society}},\n"
        "  title = {{Notes, revisited: a sketch of A \\& B}},\n"
        "  version = {1.2.0}\n"
        "}\n"
    )


# --- codemeta.json ---

# The terms of CodeMeta 3.0 that are used here, each with the kind of value it takes (codemeta.github.io/terms).
TERMS = {
    "@context": str,
    "@type": str,
    "name": str,
    "description": str,
    "author": list,
    "version": str,
    "license": str,
    "keywords": list,
    "programmingLanguage": str,
    "runtimePlatform": str,
    "isAccessibleForFree": bool,
    "referencePublication": list,
    "datePublished": str,
    "codeRepository": str,
}
PEOPLE = {"Person": {"@id", "familyName", "givenName"}, "Organization": {"name"}}


def test_the_committed_codemeta_is_what_the_file_gives():
    assert (ROOT / "codemeta.json").read_text(encoding="utf-8") == citation.dumps(ROOT), "Mend: make update"


@pytest.mark.parametrize("cff", [CFF, SMALL | {"date-released": "2026-11-25", "repository-code": MADE_UP}])
def test_codemeta_uses_terms_of_its_vocabulary_with_values_of_their_kind(cff):
    made = citation.codemeta(cff, ">=3.11")
    assert made["@context"] == "https://w3id.org/codemeta/3.0"
    assert {name: type(value) for name, value in made.items()} == {name: TERMS[name] for name in made}
    for one in made["author"]:
        assert set(one) - {"@type"} <= PEOPLE[one["@type"]]
    addresses = [made["license"], *made["referencePublication"], made.get("codeRepository", MADE_UP)]
    assert all(address.startswith("https://") for address in addresses)


def test_make_update_rewrites_codemeta_where_the_file_changed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("press.update.update", lambda root, chosen, fresh: [])
    monkeypatch.setattr("press.__main__._environment", lambda root: {})
    (tmp_path / "_toc.yml").write_text("root: index\n", encoding="utf-8")
    (tmp_path / "index.md").write_text("# A\n", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text('requires-python = ">=3.11"\n', encoding="utf-8")
    (tmp_path / "CITATION.cff").write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    said = [(main(["--root", str(tmp_path), "update"]), capsys.readouterr().out) for _ in range(2)]
    assert said == [(0, "rewritten: codemeta.json\n"), (0, "All stored outputs are up to date.\n")]
    assert json.loads((tmp_path / "codemeta.json").read_text(encoding="utf-8"))["version"] == "1.2.0"


# --- links to the repository and to Binder ---


def test_without_an_address_the_site_links_to_no_repository_and_to_no_binder():
    assert citation.theme_options(SMALL) == {}


def test_with_an_address_it_links_to_both():
    options = citation.theme_options(SMALL | {"repository-code": MADE_UP + "/"})
    assert options["repository_url"] == MADE_UP
    assert options["launch_buttons"]["binderhub_url"] == "https://mybinder.org"
    assert options["path_to_docs"] == citation.NOTEBOOKS


def test_of_a_host_that_binder_links_do_not_reach_it_links_to_the_repository_alone():
    options = citation.theme_options(SMALL | {"repository-code": "https://git.example.org/a/b"})
    assert options["use_repository_button"] is True
    assert "launch_buttons" not in options


def test_binder_installs_the_lock_and_the_helpers_and_makes_the_notebooks_that_links_open():
    binder = ROOT / ".binder"
    assert (binder / "requirements.txt").read_text(encoding="utf-8") == "-r ../requirements.txt\n"
    python = (binder / "runtime.txt").read_text(encoding="utf-8").strip().removeprefix("python-")
    assert python in {"3.11", "3.12", "3.13"}
    steps = (binder / "postBuild").read_text(encoding="utf-8").splitlines()
    assert steps[-2:] == [
        "pip install --no-cache-dir --no-deps --no-build-isolation -e .",
        f"python -m press student --out {citation.NOTEBOOKS}/book",
    ]
    assert os.name == "nt" or os.access(binder / "postBuild", os.X_OK)
