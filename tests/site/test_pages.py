"""Each page as a reader opens it: it says nothing wrong, asks for nothing outside, fits the screen."""

import pytest
from built import built_pages

PAGES = [name for name in built_pages() if name != "index.html"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_without_an_error_or_a_request_outside(open_page, name):
    open_page(name, width=375)
