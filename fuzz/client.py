# Whatever bytes a server sends, cut anywhere: nothing raises; what is held is bounded; only masked frames go out, and
# nothing after a close frame; the cut changes neither messages nor output, but for the place of pongs; time ends it.
"""The client, for atheris. Input: b"c" for a slow application, four sizes of reads, what a server sends."""

from collections.abc import Iterable

from fuzz._loop import fuzz
from fuzz._wire import PONG, cut, frames, held
from wscore import ClientConnection, Config, State

CONFIG = Config(max_message_size=1000, max_fragments=8, max_queue=4, max_queue_size=2000, max_refusal_size=500)


def conversation(reads: Iterable[bytes], slow: bool) -> tuple:
    client = ClientConnection("ws://h/chat", CONFIG, now=0.0, random=bytes, subprotocols=["chat"])
    client.data_to_send()  # the request
    output, messages, most = b"", [], held(client) + CONFIG.max_head_size + 6000  # head, queue, unfinished message
    for number, read in enumerate(reads):
        client.receive_data(read, now=0.0)
        assert number % 16 or held(client) <= most + 3 * len(read), "holds too much"  # counting is slow
        if not (slow and client.wants_read):
            messages += iter(lambda: client.next_message(now=0.0), None)
        output += client.data_to_send()
    client.receive_eof(now=0.0)
    messages += iter(lambda: client.next_message(now=0.0), None)
    written = sorted(frames(output + client.data_to_send(), masked=True), key=lambda frame: frame[0] == PONG)
    client.handle_timeout(now=client.next_timeout() or 0.0)
    assert client.state is State.CLOSED, "time does not end it"
    return messages, written, client.response, client.subprotocol, client.close_info


def check(data: bytes) -> None:
    whole, pieces = conversation([data[5:]], False), conversation(cut(data[5:], data[1:5]), data[:1] == b"c")
    # zlib sees some reaches beyond the window in some cuts only; of two faults in a message, one read may show either
    assert whole == pieces or 1007 in (whole[-1].code, pieces[-1].code), "the cut matters"


if __name__ == "__main__":
    fuzz("client")
