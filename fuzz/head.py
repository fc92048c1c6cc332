# Whatever bytes come as a request head, cut anywhere: nothing raises; the answer is at most one HTTP response, and
# whole; the cut changes neither the answer nor what the application sees.
"""Request heads, for atheris. Input: four sizes of reads, then what a client sends."""

from collections.abc import Iterable

from fuzz._loop import fuzz
from fuzz._wire import cut, frames, response
from wscore import Config, ServerConnection, State

CONFIG = Config(max_head_size=600, max_headers=12, max_early_data=64)


def verdict(reads: Iterable[bytes]) -> object:
    connection = ServerConnection(CONFIG, now=0.0)
    for read in reads:
        connection.receive_data(read, now=0.0)
    output = connection.data_to_send()
    if connection.state is State.AWAITING_ACCEPT:
        assert not output, "an answer before the application's"
        connection.send({"type": "websocket.accept"}, now=0.0)
        output = connection.data_to_send()
    connection.receive_eof(now=0.0)
    messages = list(iter(lambda: connection.next_message(now=0.0), None))
    output += connection.data_to_send()
    status, rest = response(output)
    assert status == 101 or not rest, "bytes after the response"
    assert (connection.scope is not None) == (status == 101)
    return connection.state, connection.scope, connection.close_info, messages, status, frames(rest), output


def check(data: bytes) -> None:
    whole, pieces = verdict([data[4:]]), verdict(cut(data[4:], data[:4]))
    assert whole == pieces, f"{whole}\n{pieces}"


if __name__ == "__main__":
    fuzz("head")
