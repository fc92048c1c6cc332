# Whatever bytes come on an open connection, cut anywhere: nothing raises; what is held is bounded; nothing follows a
# close frame; the cut changes neither messages nor output, but for the place of pongs.
"""Frames, for atheris. Input: b"c" to compress, b"s" for a slow application, four sizes of reads, what a peer sends."""

from collections.abc import Iterable

from fuzz._loop import fuzz
from fuzz._wire import DEFLATE, PONG, REQUEST, cut, frames, held, response
from wscore import Config, ServerConnection

CONFIG = Config(max_message_size=1000, max_fragments=8, max_queue=4, max_queue_size=2000)


def conversation(reads: Iterable[bytes], deflate: bool, slow: bool) -> tuple:
    connection = ServerConnection(CONFIG, now=0.0)
    connection.receive_data(REQUEST + (DEFLATE if deflate else b"") + b"\r\n", now=0.0)
    connection.send({"type": "websocket.accept"}, now=0.0)
    output, messages, most = connection.data_to_send(), [], held(connection) + 4500  # queue, message, unfinished one
    for number, read in enumerate(reads):
        connection.receive_data(read, now=0.0)  # it counts twice below, as bytes unread and as pongs
        assert number % 16 or held(connection) <= most + 2 * len(read), "holds too much"  # counting is slow
        if not (slow and connection.wants_read):
            messages += iter(lambda: connection.next_message(now=0.0), None)
        output += connection.data_to_send()
    connection.receive_eof(now=0.0)
    messages += iter(lambda: connection.next_message(now=0.0), None)
    written = sorted(frames(response(output + connection.data_to_send())[1]), key=lambda frame: frame[0] == PONG)
    return messages, written, connection.state, connection.close_info


def check(data: bytes) -> None:
    deflate, slow, reads = data[:1] == b"c", data[1:2] == b"s", cut(data[6:], data[2:6])
    whole, pieces = conversation([data[6:]], deflate, False), conversation(reads, deflate, slow)
    # zlib sees some reaches beyond the window in some cuts only; of two faults in a message, one read may show either
    assert whole == pieces or (deflate and 1007 in (whole[-1].code, pieces[-1].code)), "the cut matters"


if __name__ == "__main__":
    fuzz("frames")
