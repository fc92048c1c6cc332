# Whatever happens, in any order: only send raises, the three typed errors alone, and then nothing has changed; one
# disconnect, and last; handle_timeout makes progress, to the end; what is closed has no output and no deadline.
"""Whole connections, for atheris. Input: steps, each a byte for what happens and a byte for how; see _steps."""

from fuzz._loop import fuzz
from fuzz._steps import CONFIG, MESSAGES, REFUSALS, judge_end, judge_output, levels, network, tell
from wscore import ServerConnection, State


def check(data: bytes) -> None:
    connection, now, output, taken = ServerConnection(CONFIG, now=0.0), 0.0, b"", []
    for what, how in zip(data[0::2], data[1::2], strict=False):
        match what % 8:
            case 0 | 1 | 2:
                network(connection, what, how, now)
            case 3 | 4:
                before = levels(connection)
                try:
                    connection.send(MESSAGES[how % len(MESSAGES)], now=now)
                except REFUSALS:
                    assert levels(connection) == before, "a refused message has changed something"
            case 5:
                taken += filter(None, [connection.next_message(now=now)])
            case 6:
                now = tell(connection, how, now)
            case _ if (due := connection.next_timeout()) is not None:
                connection.handle_timeout(now=(now := max(now, due + how - 1)))  # early, in time, or late
                assert (after := connection.next_timeout()) is None or after > now, "a deadline that has passed"
        output += connection.data_to_send() if how < 128 else b""
        if connection.state is State.CLOSED:
            assert (connection.data_to_send(), connection.next_timeout(), connection.wants_read) == (b"", None, False)
    taken += iter(lambda: connection.next_message(now=now), None)
    judge_output(connection, output + connection.data_to_send())
    judge_end(connection, taken, now)


if __name__ == "__main__":
    fuzz("connection")
