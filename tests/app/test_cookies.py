"""Cookies, as browsers write them."""

from __future__ import annotations

import pytest
from starlette.requests import cookie_parser

from wscore.app import parse_cookies


@pytest.mark.parametrize(
    ("header", "cookies"),
    [
        ("k=v; z", {"k": "v", "": "z"}),
        ("", {}),
        ("a=1; a=2", {"a": "2"}),
        ("a=b=c", {"a": "b=c"}),
        (" a = b ;;", {"a": "b"}),
        ('a="x y"', {"a": "x y"}),
        ('a="x\\"y\\\\z\\073"', {"a": 'x"y\\z;'}),
        ('a="', {"a": '"'}),
        ("a=\\073", {"a": "\\073"}),
    ],
)
def test_cookies_are_read_as_starlette_reads_them(header: str, cookies: dict[str, str]) -> None:
    """Parts without a name are kept under "", quotes and their escapes go."""
    assert parse_cookies(header) == cookies == cookie_parser(header)
