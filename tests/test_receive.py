import re

import malformed
import pytest


@pytest.mark.parametrize("name", malformed.CORPUS)
def test_x(name, tmp_path):
    code, said = malformed.check(name, tmp_path)
    case = malformed.CORPUS[name]
    assert code == case.code and re.search(case.says, said), said[:1500]
