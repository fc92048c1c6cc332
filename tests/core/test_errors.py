"""The exceptions, and what is not worth a log entry."""

import pytest

from wscore import (
    ClientDisconnected,
    Close,
    ConnectionClosed,
    Disconnected,
    HandshakeFailed,
    HandshakeRefused,
    HandshakeTimeout,
    InvalidMessage,
    InvalidURI,
    LocalProtocolError,
    ProxyRefused,
    StartupFailed,
    caused_by_disconnect,
)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (LocalProtocolError, RuntimeError),
        (StartupFailed, RuntimeError),
        (InvalidMessage, ValueError),
        (InvalidURI, ValueError),
        (Disconnected, ConnectionError),
        (ClientDisconnected, Disconnected),
        (ConnectionClosed, Disconnected),
        (HandshakeFailed, ConnectionError),
    ],
)
def test_the_tree(error: type[Exception], kind: type[Exception]):
    """Each is directly one of Python's own or of its kin; frameworks catch any without importing wscore (ASGI 2.4)."""
    assert error.__bases__ == (kind,)
    assert issubclass(error, RuntimeError | ValueError | OSError)


@pytest.mark.parametrize(
    ("code", "reason", "text"),
    [(1006, "", "the connection has ended: 1006"), (1001, "bye", "the connection has ended: 1001 (bye)")],
)
def test_client_disconnected_keeps_code_and_reason(code: int, reason: str, text: str):
    """ClientDisconnected has the disconnect's code and reason, and says both."""
    error = ClientDisconnected(code, reason)
    assert (error.code, error.reason, str(error)) == (code, reason, text)


def test_connection_closed_keeps_how_it_ended():
    """ConnectionClosed has code, reason and both close frames, and says to which address the connection was."""
    close = Close(1001, "bye")
    error = ConnectionClosed(1001, "bye", close, close, "ws://h/chat")
    assert str(error) == "the connection to ws://h/chat has ended: 1001 (bye)"
    assert (error.code, error.reason, error.sent, error.received, error.clean) == (1001, "bye", close, close, True)
    assert not ConnectionClosed(1006, "", close, None).clean


@pytest.mark.parametrize("status", [301, 401, 403, 404, 429, 500, 501, 502, 503, 504])
def test_a_temporary_refusal(status: int):
    """A server or a proxy that is down itself, or has something down behind it, may answer otherwise later."""
    refused = HandshakeRefused("ws://h/", "why", status=status, headers=[], body=b"")
    assert (
        refused.temporary is ProxyRefused("ws://h/", "why", status=status).temporary is (status in (500, 502, 503, 504))
    )


def test_a_temporary_failure():
    """A timeout is one; of others it is said."""
    assert HandshakeTimeout("ws://h/", "why").temporary
    assert not HandshakeFailed("ws://h/", "why").temporary
    assert HandshakeFailed("ws://h/", "why", temporary=True).temporary


@pytest.mark.parametrize("code", [1000, 1001, 1005, 1006, 1011, 4000])
def test_a_normal_end(code: int):
    """An end is normal where whoever closed had nothing to complain about."""
    assert ConnectionClosed(code, "", None, None).normal is (code in (1000, 1001, 1005))


def test_a_refusal_keeps_the_answer():
    """HandshakeRefused is a HandshakeFailed with the server's answer, and where a redirection points."""
    error = HandshakeRefused("ws://h/", "it answered 302", status=302, headers=[], body=b"no", location="ws://i/")
    assert isinstance(error, HandshakeFailed)
    assert (error.status, error.headers, error.body, error.location) == (302, [], b"no", "ws://i/")
    assert str(error) == "no connection to ws://h/: it answered 302"


def test_a_handshake_overdue_is_a_timeout():
    """HandshakeTimeout is caught as either: a handshake that failed, or Python's TimeoutError."""
    assert issubclass(HandshakeTimeout, HandshakeFailed)
    assert issubclass(HandshakeTimeout, TimeoutError)


GONE = ClientDisconnected(1006, "")


def chained(error: BaseException, *, cause: BaseException | None = None, context: BaseException | None = None):
    error.__cause__ = cause
    error.__context__ = context
    return error


class Falsy(Exception):
    """An exception may be falsy: one that counts its parts and has none."""

    def __len__(self) -> int:
        return 0


CAUSED = {
    "itself": GONE,
    "from it": chained(KeyError(), cause=GONE),
    "while it was handled": chained(KeyError(), context=GONE),
    "from None while it was handled": chained(KeyError(), context=GONE),
    "from another while it was handled": chained(KeyError(), cause=ValueError(), context=GONE),
    "at the end of a chain": chained(KeyError(), context=chained(ValueError(), cause=chained(Falsy(), context=GONE))),
    "a group of it": ExceptionGroup("", [GONE]),
    "a group of nothing else": BaseExceptionGroup("", [GONE, chained(KeyError(), cause=GONE)]),
    "a group in a group": ExceptionGroup("", [ExceptionGroup("", [GONE, GONE]), GONE]),
    "a group raised while it was handled": chained(ExceptionGroup("", [KeyError()]), context=GONE),
}
NOT_CAUSED = {
    "another": KeyError(),
    "another that has lost its connection": ConnectionResetError(),
    "from another": chained(KeyError(), cause=ValueError()),
    "a group with another in it": ExceptionGroup("", [GONE, KeyError()]),
    "a group in a group with another": ExceptionGroup("", [GONE, ExceptionGroup("", [GONE, KeyError()])]),
}


@pytest.mark.parametrize("error", CAUSED.values(), ids=CAUSED)
def test_caused_by_a_disconnect(error: BaseException):
    """The disconnect, what was raised while one was handled, and groups of nothing but those are no failures."""
    assert caused_by_disconnect(error)


@pytest.mark.parametrize("error", NOT_CAUSED.values(), ids=NOT_CAUSED)
def test_not_caused_by_a_disconnect(error: BaseException):
    """Any other error is the application's own, one beside a disconnect in a group included."""
    assert not caused_by_disconnect(error)


def test_a_circular_chain_ends():
    """A chain that was made circular by hand is followed once around."""
    first, second = KeyError(), ValueError()
    first.__context__ = second
    second.__cause__ = first
    assert not caused_by_disconnect(first)


def test_a_real_chain():
    """What Python chains by itself is followed: an error in a handler, a finally, an exception group."""

    def application() -> None:
        try:
            try:
                raise ClientDisconnected(1006, "")
            finally:
                {}["clean up"]
        except KeyError as error:
            raise ExceptionGroup("tasks", [RuntimeError("again")]) from error

    with pytest.raises(ExceptionGroup) as caught:
        application()
    assert caused_by_disconnect(caught.value)
