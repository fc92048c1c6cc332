# Whatever bytes come as a request head in one read: what wscore's own reader takes, h11 takes to the same values, and
# leaves the same bytes behind; the reader neither raises nor takes a head beyond the limits.
"""Plain request heads, for atheris. Input: what a client sends in its first read."""

import h11

from fuzz._loop import fuzz
from wscore import Config
from wscore._core.http.server_handshake import read_plain

CONFIG = Config(max_head_size=600, max_headers=12)


def check(data: bytes) -> None:
    plain = read_plain(data, CONFIG)
    if plain is None:
        return
    request, rest = plain
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(data[: len(data) - len(rest)])
    oracle = parser.next_event()
    assert isinstance(oracle, h11.Request), "h11 does not take it"
    assert (request.method, request.target) == (oracle.method, oracle.target)
    assert request.http_version == oracle.http_version.decode()
    assert request.headers == list(oracle.headers)
    assert isinstance(parser.next_event(), h11.EndOfMessage), "a request with a body"
    assert parser.trailing_data[0] == b"", "the end of the head is elsewhere"
    assert data.endswith(rest)
    assert len(data) - len(rest) <= CONFIG.max_head_size
    assert len(request.headers) <= CONFIG.max_headers


if __name__ == "__main__":
    fuzz("plain")
