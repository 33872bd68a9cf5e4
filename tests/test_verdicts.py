"""The verdict page: every word comes from the ledger, by claim and check, and what is no verdict is refused."""

import pytest

from helpers import ledger
from helpers.study import CLAIMS
from press.verdicts import CHECKS, WORDS, short, verdicts


def recorded(**words: str) -> dict[str, dict]:
    """A ledger with one verdict: check, claim and word."""
    key = f"verdict.{words['check']}.{words['claim']}"
    return {key: ledger.entry(key, words["word"]), "claims.n": ledger.entry("claims.n", 9, "d")}


@pytest.mark.parametrize("word", WORDS)
def test_a_verdict_is_found_by_its_check_and_its_claim(word):
    check, claim = next(iter(CHECKS)), CLAIMS[0].key
    assert verdicts(recorded(check=check, claim=claim, word=word)) == {(check, claim): word}


@pytest.mark.parametrize(
    "wrong",
    [
        {"check": "astrology", "claim": CLAIMS[0].key, "word": "holds"},
        {"check": "curve", "claim": "contact_sleep_average", "word": "holds"},
        {"check": "curve", "claim": CLAIMS[0].key, "word": "shines"},
    ],
    ids=["unknown check", "unknown claim", "unknown word"],
)
def test_what_is_no_verdict_is_refused_by_its_key(wrong):
    with pytest.raises(ValueError, match=rf"verdict\.{wrong['check']}\.{wrong['claim']}"):
        verdicts(recorded(**wrong))


def test_every_claim_has_a_short_name_of_its_own():
    names = [short(claim) for claim in CLAIMS]
    assert "Alliance × time: PDA" in names and "Contact: attendance" in names
    assert len(set(names)) == len(CLAIMS)
