"""The roles, as plain text and in a tiny Sphinx build."""

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from helpers import ledger
from helpers.study import CLAIMS, FACTS
from press.maths import mathml
from press.quote import UnresolvedError, claim_key, derived, holds, load, recovered, resolve
from press.roles import claim_words, refresh_readme

PAGE = "book/results/average"


def results(**values: float | str) -> dict[str, dict]:
    """A results.json in small: each key on PAGE, cell 1; `__` in a name stands for a dot."""
    made = {}
    for name, value in values.items():
        key = name.replace("__", ".")
        entry = ledger.entry(key, value, "p" if key.endswith(".p") else ".2f", "PDA points")
        made[key] = {k: v for k, v in entry.items() if k != "key"} | {"page": PAGE, "cell": 1}
    return made


SMALL = results(pda_b__contact__estimate=1.234, pda_b__contact__conf_low=0.2, pda_b__contact__p=0.0004, word="many")


# --- as plain text ---


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("{num}`pda_b.contact.estimate` points", "1.23 points"),
        ("{num}`pda_b.contact.estimate|.1f` points", "1.2 points"),
        ("p {num}`pda_b.contact.p`", "p < .001"),
        ("{num}`word` people", "many people"),
        ("of {fact}`n_entry`, {fact}`pct_sponsor`", "of 302, 68.87 %"),
        (r"| row | {num}`pda_b.contact.estimate\|.1f` |", "| row | 1.2 |"),
        ("it {holds}`went with more|pda_b.contact.conf_low > 0`", "it went with more"),
        ("no roles, `code` and {term}`wave`", "no roles, `code` and {term}`wave`"),
    ],
)
def test_roles_resolve_to_plain_text(text, printed):
    assert resolve(text, SMALL) == printed


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{num}`pda_b.contact.sd`", "pda_b.contact.sd"),
        ("{fact}`n_exit`", "n_exit"),
        ("{holds}`fell|pda_b.contact.estimate < 0`", "'fell' is no longer true: pda_b.contact.estimate < 0"),
        ("{holds}`fell`", "states no condition"),
        ("{holds}`fell|nokey < 0`", "nokey"),
        ("{holds}`fell|word < 0`", "compares a text with a number"),
        ("{num}`word|.1f`", "cannot be shown as '.1f'"),
    ],
)
def test_what_cannot_be_printed_is_named(text, named):
    with pytest.raises(UnresolvedError, match=re.escape(named)):
        resolve(text, SMALL)


@pytest.mark.parametrize(
    ("condition", "truth"),
    [
        ("pda_b.contact.estimate > 1", True),
        ("pda_b.contact.estimate > pda_b.contact.conf_low", True),
        ("pda_b.contact.estimate <= -1.5", False),
        ("pda_b.contact.p < .05 and pda_b.contact.conf_low >= 0.2", True),
        ("pda_b.contact.p < .05 and pda_b.contact.conf_low > 0.2", False),
        ("pda_b.contact.estimate < fact:n_entry", True),
        ("fact:n_sponsor == 208", True),
        ("pda_b.contact.p<1e-3", True),
    ],
)
def test_a_condition_is_evaluated_on_raw_values(condition, truth):
    assert holds(condition, SMALL) is truth


@pytest.mark.parametrize("condition", ["", "pda_b.contact.estimate", "1 < 2 or 2 < 1", "a = 1", "__import__('os') > 0"])
def test_a_condition_is_never_run_as_code(condition):
    with pytest.raises(UnresolvedError, match=r"condition|unknown number"):
        holds(condition, SMALL)


def test_every_part_of_a_condition_is_looked_up_even_after_one_failed():
    with pytest.raises(UnresolvedError, match="nokey"):
        holds("pda_b.contact.estimate < 0 and nokey > 0", SMALL)


def test_the_readme_is_printed_anew_between_its_markers():
    text = "It is <!--num:pda_b.contact.estimate-->old<!--/num--> of <!--fact:n_entry--><!--/fact-->."
    fresh = refresh_readme(text, SMALL)
    assert fresh == "It is <!--num:pda_b.contact.estimate-->1.23<!--/num--> of <!--fact:n_entry-->302<!--/fact-->."
    assert refresh_readme(fresh, SMALL) == fresh


def test_a_readme_direction_that_no_longer_holds_stops_the_update():
    marker = "<!--holds:more|pda_b.contact.conf_low > 0-->more<!--/holds-->"
    assert refresh_readme(marker, SMALL) == marker
    with pytest.raises(UnresolvedError, match="no longer true"):
        refresh_readme(marker, results(pda_b__contact__conf_low=-0.1))


# --- the claims ---


def fitted(low: float = 0.1) -> dict[str, dict]:
    """Results that hold all that the claims table shows, each interval from `low`."""
    columns = {"estimate": 0.5, "conf_low": low, "conf_high": 0.9, "df": 50.25, "p": 0.01}
    keys = {claim_key(claim, column): value for claim in CLAIMS for column, value in columns.items()}
    keys |= {f"truth.{claim.key}.{column}": 0.4 for claim in CLAIMS for column in ("causal", "limit")}
    return results(**{key.replace(".", "__"): value for key, value in keys.items()})


def test_a_claim_is_recovered_when_its_interval_lies_above_zero():
    assert all(recovered(claim, fitted(low=0.01)) for claim in CLAIMS)
    assert not any(recovered(claim, fitted(low=-0.01)) for claim in CLAIMS)


def test_the_count_of_recovered_claims_follows_from_the_results():
    made = fitted()
    made["pda_c.alliance_x_time.conf_low"]["value"] = -0.2
    assert derived(made)["claims.recovered"]["text"] == "8"
    assert derived(made)["claims.n"]["text"] == "9"
    assert derived(made)["numbers.n"]["value"] == len(made)


def test_no_count_is_given_while_a_claim_is_not_fitted():
    made = fitted()
    del made["pda_c.alliance_x_time.conf_low"]
    assert set(derived(made)) == {"numbers.n"}


def test_every_claim_has_words_of_its_own():
    assert len({claim_words(claim) for claim in CLAIMS}) == len(CLAIMS)


# --- in a page ---

CONF = """
extensions = ["myst_nb", "press.roles", "press.registry", "press.maths", "sphinxcontrib.bibtex"]
html_theme = "basic"
root_doc = "index"
nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath", "amsmath"]
html_math_renderer = "mathml"
bibtex_bibfiles = ["references.bib"]
press_results = "results.json"
press_real_data = {"book/results/help": ["Real data: HELP. ", "Real people."]}
"""
INDEX = """# Tiny

The estimate is {num}`pda_b.contact.estimate`, or {num}`pda_b.contact.estimate|.1f`, of {fact}`n_entry`.
It {holds}`went with more|pda_b.contact.conf_low > 0` and $y_{0i} = \\beta_0$.

| row | value |
|---|---|
| contact | {num}`pda_b.contact.estimate\\|.3f` {holds}`above\\|pda_b.contact.conf_low > 0` |

```{claims}
```

```{targets}
```

```{toctree}
book/results/average
book/results/help
book/background/published
book/appendix/numbers
book/appendix/numbers-results
```
"""
ROOT = Path(__file__).parents[1]


def png() -> str:
    stream = io.BytesIO()
    Image.new("L", (2, 2)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def notebook(alt: str, caption: str) -> str:
    """A page whose first cell recorded all results, and whose second, hidden, draws a figure."""
    recorded = nbformat.v4.new_code_cell("record()", execution_count=1, metadata={"tags": ["hide-cell"]}, id="a")
    recorded.outputs = [nbformat.v4.new_output("display_data", {"text/plain": "recorded"}, metadata={"ledger": []})]
    options = {"figure": {"caption": caption, "name": "fig-line"}, "image": {"alt": alt}}
    drawn = nbformat.v4.new_code_cell("draw()", execution_count=2, metadata={"mystnb": options}, id="b")
    drawn.outputs = [nbformat.v4.new_output("display_data", {"image/png": png(), "text/plain": "figure"})]
    title = nbformat.v4.new_markdown_cell("# Average\n\nHere: {num}`pda_b.contact.estimate`.", id="c")
    return nbformat.writes(nbformat.v4.new_notebook(cells=[title, recorded, drawn], metadata={"kernelspec": KERNEL}))


KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def write_site(
    source: Path, index: str = INDEX, alt: str = "At {num}`pda_b.contact.estimate`", caption: str = ""
) -> None:
    made = fitted()
    made |= results(target__n_entry__target=302, target__n_entry__achieved=302)
    made["target.n_entry.target"]["status"] = "published"
    made["target.n_entry.achieved"]["status"] = "calibrated"
    made["pda_b.contact.estimate"] |= {"value": 1.234, "text": "1.23"}
    made["involvement_c.contact_x_time.conf_low"] |= {"value": -0.2, "text": "−0.20"}
    pages = {
        "conf.py": CONF,
        "index.md": index,
        "results.json": json.dumps(made),
        "references.bib": (ROOT / "book/references.bib").read_text(encoding="utf-8"),
        f"{PAGE}.ipynb": notebook(alt, caption or "It is {num}`pda_b.contact.estimate` of {fact}`n_sponsor`."),
        "book/results/help.md": "# Help\n\nReal.\n",
        "book/background/published.md": "# Published\n\n```{facts}\n```\n\n```{bibliography}\n```\n",
        "book/appendix/numbers.md": "# Numbers\n\n{num}`numbers.n`\n\n```{numbers}\n```\n",
        "book/appendix/numbers-results.md": "# Of results\n\n```{numbers} results\n```\n",
    }
    for name, text in pages.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")


def build(source: Path) -> str:
    """Build `source` into `source/out`; the warnings."""
    warnings = io.StringIO()
    out = source / "out"
    with docutils_namespace():  # what it registers ends with it: another test of this process builds too
        Sphinx(source, source, out, out / ".doctrees", "html", status=None, warning=warnings).build()
    return re.sub(r"\x1b\[[0-9;]*m", "", warnings.getvalue())


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A built tiny book, without a warning."""
    source = tmp_path_factory.mktemp("site")
    write_site(source)
    assert build(source) == ""
    return {
        page.relative_to(source / "out").as_posix(): page.read_text(encoding="utf-8")
        for page in (source / "out").rglob("*.html")
    }


def rows(page: str, caption: str) -> list[list[str]]:
    """The body of the table with `caption`, as text."""
    table = next(t for t in re.findall(r"<table.*?</table>", page, re.DOTALL) if caption in t)
    body = re.search(r"<tbody>(.*)</tbody>", table, re.DOTALL)[1]
    return [
        [
            re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", cell)).strip()
            for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)
        ]
        for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    ]


def test_a_number_links_to_its_cell_and_says_its_unit_and_status(site):
    link = 'href="book/results/average.html#num-pda_b.contact.estimate" title="PDA points, computed"'
    assert re.search(re.escape(link) + r"><span[^>]*>1\.23<", site["index.html"])
    assert re.search(re.escape(link) + r"><span[^>]*>1\.2<", site["index.html"])


def test_a_fact_links_to_the_table_of_facts_and_says_its_source(site):
    link = r'href="book/background/published.html#fact-n_entry" title="published: [^"]*Drug and Alcohol[^"]*"'
    assert re.search(link + "><span[^>]*>302<", site["index.html"])
    assert 'id="fact-n_entry"' in site["book/background/published.html"]


def test_roles_work_in_a_row_of_a_markdown_table_with_their_bar_escaped(site):
    assert ">1.234<" in site["index.html"]
    assert '<span class="press-holds">above</span>' in site["index.html"]


def test_words_that_hold_are_printed(site):
    assert '<span class="press-holds">went with more</span>' in site["index.html"]


def test_the_recording_cell_carries_the_anchor_even_when_it_is_folded(site):
    assert 'id="num-pda_b.contact.estimate"' in site[f"{PAGE}.html"]


def test_roles_in_an_alt_text_become_plain_text(site):
    assert 'alt="At 1.23"' in site[f"{PAGE}.html"]


def test_roles_in_a_caption_become_links(site):
    caption = re.search(r"<figcaption>.*?</figcaption>", site[f"{PAGE}.html"], re.DOTALL)[0]
    assert 'href="#num-pda_b.contact.estimate"' in caption
    assert "../background/published.html#fact-n_sponsor" in caption


def test_every_page_says_that_the_data_are_synthetic_but_the_page_of_real_people(site):
    own = ("index", PAGE, "book/background/published", "book/appendix/numbers", "book/appendix/numbers-results")
    assert all("SYNTHETIC data." in site[f"{page}.html"] for page in own)
    assert "SYNTHETIC" not in site["book/results/help.html"]
    assert "Real data: HELP." in site["book/results/help.html"]


def test_the_claims_table_sets_estimate_beside_truth_and_computes_the_verdict(site):
    table = rows(site["index.html"], "nine claims")
    verdicts = [row[-1] for row in table]
    assert len(table) == len(CLAIMS)
    assert verdicts.count("not recovered") == 1
    assert verdicts[[claim.key for claim in CLAIMS].index("contact_involvement_interaction")] == "not recovered"
    assert any("1.23 [0.10, 0.90]" in cell for cell in table[2])
    assert table[2][3:6] == [".010 (50.25)", "0.40", "0.40"]


def test_the_targets_table_marks_what_holds_by_construction(site):
    assert rows(site["index.html"], "Target beside achieved") == [
        [FACTS["n_entry"].meaning, "302.00 PDA points", "302.00 PDA points", "published", "by construction"]
    ]


def test_the_table_of_a_part_lists_every_number_cell_by_cell(site):
    (cell, *table) = rows(site["book/appendix/numbers-results.html"], "numbers-of-average-title")
    assert cell == ["cell 1"]
    assert len(table) == len(fitted()) + 2
    assert ["pda_b.contact.estimate", "1.23 PDA points", "computed", "1.234"] in table
    assert 'href="../results/average.html#num-' in site["book/appendix/numbers-results.html"]


def test_the_numbers_are_counted_chapter_by_chapter(site):
    page = site["book/appendix/numbers.html"]
    assert rows(page, "recorded by each chapter") == [["Average", str(len(fitted()) + 2), "table of average"]]
    assert 'href="numbers-results.html#numbers-of-average"' in page


def test_the_facts_table_gives_every_fact_with_its_source(site):
    table = rows(site["book/background/published.html"], "Published figures")
    assert [row[1] for row in table] == [str(fact) for fact in FACTS.values()]
    assert all(row[2] for row in table)


def test_tables_have_captions_and_row_headers(site):
    page = site["book/appendix/numbers.html"]
    assert "<caption>" in page
    assert '<th class="stub"' in page


def test_formulas_are_drawn_without_a_script(site):
    assert "<msub><mi>y</mi>" in site["index.html"]
    assert not re.search(r"<script[^>]*mathjax", site["index.html"], re.IGNORECASE)


def test_a_formula_that_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match=r"\\arg"):
        mathml(r"\arg x")


def test_rows_need_no_environment_in_a_displayed_formula():
    assert mathml(r"a &= b \\ c &= d", display=True).count("<mtr>") == 2
    with pytest.raises(ValueError, match="stray &"):
        mathml("a &= b")


def test_columns_of_equations_are_aligned_at_their_sign():
    assert "text-align:right" in mathml(r"\begin{aligned} a &= b \end{aligned}", display=True)


def test_bold_letters_are_drawn_as_such():
    assert "𝚺" in mathml(r"\mathbf{\Sigma}") or "𝜮" in mathml(r"\boldsymbol{\Sigma}")


def test_what_cannot_be_printed_warns_with_page_line_and_key(tmp_path):
    index = INDEX + "\n{num}`no.such.number`\n{fact}`no_such_fact`\n{holds}`fell|pda_b.contact.estimate < 0`\n"
    index += "\n{num}`orphan`\n{num}`stray`\n"
    write_site(tmp_path, index, alt="At {num}`no.such.alt`", caption="It {holds}`sank|pda_b.contact.conf_low < 0`.")
    made = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    made |= results(orphan=1.0, stray=1.0, elsewhere=1.0)
    made["orphan"]["page"] = "book/results/gone"
    made["stray"]["cell"] = 7
    made["elsewhere"]["page"] = "book/models/time"
    (tmp_path / "book/models").mkdir()
    (tmp_path / "book/models/time.ipynb").write_text(notebook("A line", "A line."), encoding="utf-8")
    (tmp_path / "results.json").write_text(json.dumps(made))
    warnings = build(tmp_path)
    first = INDEX.count("\n") + 2
    for line, words in (
        (first, "unknown number 'no.such.number'"),
        (first, "unknown fact 'no_such_fact'"),
        (first, "'fell' is no longer true: pda_b.contact.estimate < 0 does not hold"),
        (first + 4, "number 'orphan' was recorded on book/results/gone, which is not in the book"),
        (first + 4, "number 'stray' has no cell on book/results/average"),
    ):
        assert re.search(rf"index\.md:{line}: WARNING: {re.escape(words)}", warnings), words
    assert re.search(r"numbers\.md:\d+: WARNING: the numbers of book/models have no table: write", warnings)
    assert re.search(r"average\.ipynb:\d+: WARNING: alt text: unknown number 'no\.such\.alt'", warnings)
    assert re.search(r"average\.ipynb:\d+: WARNING: 'sank' is no longer true: pda_b\.contact\.conf_low < 0", warnings)


def test_pages_without_results_warn_and_still_build(tmp_path):
    write_site(tmp_path)
    (tmp_path / "results.json").unlink()
    warnings = build(tmp_path)
    assert "no results to quote from" in warnings
    assert "make update" in warnings
    assert "unknown number 'pda_b.contact.estimate'" in warnings
    assert (tmp_path / "out" / "index.html").exists()


def test_a_new_value_reaches_a_page_that_was_not_edited(tmp_path):
    write_site(tmp_path)
    build(tmp_path)
    made = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    made["pda_b.contact.estimate"] |= {"value": 9.87, "text": "9.87"}
    (tmp_path / "results.json").write_text(json.dumps(made))
    build(tmp_path)
    assert "9.87" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_results_are_loaded_with_what_follows_from_them(tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(SMALL))
    assert load(tmp_path / "results.json")["numbers.n"]["value"] == len(SMALL)


def test_a_mutated_fact_changes_what_is_printed():
    mutated = {**FACTS, "n_entry": replace(FACTS["n_entry"], value=303)}
    assert resolve("{fact}`n_entry`", SMALL, mutated) == "303"
