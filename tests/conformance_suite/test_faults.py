"""Each fault of a server is named by the case that is about it, and a server without one passes them all."""

from __future__ import annotations

import asyncio

import pytest
from tests.real_time import PATIENCE, scaled

from wscore.conformance.cases import chosen
from wscore.conformance.outcome import Outcome, Result
from wscore.conformance.servers import CannotTest, examine

from .faulty import faulty

FAIL, LENIENT, NO_ANSWER = Outcome.FAIL, Outcome.LENIENT, Outcome.NO_ANSWER

FAULTS = {
    "accepts any method": ("handshake.method.post", FAIL, "accepted the handshake"),
    "accepts any version": ("handshake.version.8", FAIL, "accepted the handshake"),
    "does not name its version": ("handshake.version.8", FAIL, "does not name its version"),
    "agrees to any extension": ("handshake.extension.unknown", FAIL, "was not asked for"),
    "masks its frames": ("frames.length.1-text", FAIL, "a frame that is masked"),
    "writes every length in 64 bits": ("frames.length.1-text", FAIL, "not in its shortest form"),
    "takes reserved bits": ("frames.rsv.4-text", FAIL, "took what it must not take"),
    "takes unmasked frames": ("frames.mask.unmasked-text", FAIL, "took what it must not take"),
    "takes reserved opcodes": ("frames.opcode.3", FAIL, "carried on"),
    "takes control frames in fragments": ("control.ping.fragment", FAIL, "took what it must not take"),
    "takes long control frames": ("control.pong.126", FAIL, "carried on"),
    "takes long lengths": ("frames.length.1-in-16-bits", LENIENT, "not in its shortest form"),
    "does not answer pings": ("control.ping.text", NO_ANSWER, "the pong"),
    "answers pings without their payload": ("control.ping.text", FAIL, "a pong b'' came"),
    "takes continuations without a start": ("fragments.continuation-alone", FAIL, "took what it must not take"),
    "takes a message within a message": ("fragments.text-in-text", FAIL, "took what it must not take"),
    "does not look at UTF-8": ("utf8.invalid.impossible.ff", FAIL, "text that is not UTF-8"),
    "loses what is beyond 64 KiB": ("frames.length.65536-binary", FAIL, "65,535 bytes came in place"),
    "sends binary back as text": ("frames.length.1-binary", FAIL, "came in place of the echo"),
    "takes a close frame of a byte": ("close.one-byte", LENIENT, "1002 would say why"),
    "echoes any close code": ("close.code.1005", FAIL, "1005, which must not be sent"),
    "does not look at reasons": ("close.reason.invalid-utf-8", LENIENT, "took the close frame"),
    "does not answer a close frame": ("close.code.1000", NO_ANSWER, "the close frame"),
    "echoes after a close frame": ("close.then.text", FAIL, "a text b'late' came in place"),
    "answers with another close code": ("close.code.1000", LENIENT, "answered 1000 with a close frame with 4000"),
    "sends on after its close frame": ("close.code.1000", FAIL, "a ping frame after its close frame"),
    "keeps the TCP connection open": ("close.code.1000", NO_ANSWER, "the end of the TCP connection"),
    "fails without a close frame": ("frames.opcode.3", LENIENT, "without a close frame"),
}


async def _held(fault: str, patterns: list[str], patience: float) -> list[Result]:
    async with faulty(fault) as server:
        return await examine(server, chosen("server", patterns), patience=patience)


@pytest.mark.parametrize(
    "fault",
    [pytest.param(f, marks=pytest.mark.realtime) if o is NO_ANSWER else f for f, (_, o, _) in FAULTS.items()],
)
def test_a_fault_is_named(fault: str) -> None:
    """The case that is about a fault says what the server does."""
    case, outcome, says = FAULTS[fault]
    # A server that does not answer is waited for in vain; what else answers takes milliseconds of the same time.
    patience = scaled(1.0) if outcome is NO_ANSWER else PATIENCE
    try:
        [result] = asyncio.run(_held(fault, [case], patience))
        found = (result.outcome, result.says)
    except CannotTest as error:  # with such a fault nothing can be tested
        found = (FAIL, str(error))
    assert found[0] is outcome, found
    assert says in found[1]


def test_no_fault_is_named_where_there_is_none() -> None:
    """Without a fault the same cases pass, strictly."""
    cases = sorted({case for case, _, _ in FAULTS.values()})
    results = asyncio.run(_held("", cases, PATIENCE))
    assert {result.id: result.says for result in results if result.outcome is not Outcome.PASS} == {}
    assert len(results) == len(cases)


def test_a_wrong_accept_is_no_websocket_server() -> None:
    """What computes another Sec-WebSocket-Accept is not tested at all: one line says why."""
    with pytest.raises(CannotTest, match="no WebSocket server that echoes: its 101 has Sec-WebSocket-Accept"):
        asyncio.run(_held("computes another accept", ["handshake.accept"], PATIENCE))


def test_what_came_before_a_reset_is_seen() -> None:
    """A close frame counts although the peer leaves at once, with a reset, while the probe is still writing."""
    patterns = [
        "sizes.1mib-text",
        "sizes.1mib-binary",
        "sizes.*-in-writes-of-*",
        "sizes.4mib-*",
        "security.announced.*",
    ]
    results = asyncio.run(_held("leaves large messages unread", patterns, PATIENCE))
    assert len(results) == 11
    for result in results:
        large = result.family == "sizes"
        assert result.outcome is (LENIENT if large else Outcome.PASS), (result.id, result.says)
        assert not large or "refuses the message with 1009" in result.says


def test_whole_families_pass_without_a_fault() -> None:
    """A small server that is correct passes all that is about frames; what it does not compress does not apply."""
    patterns = [
        "frames.length.*",
        "frames.rsv.*",
        "fragments.*",
        "control.*",
        "close.*",
        "utf8.cut.*",
        "deflate.wrong.*",
    ]
    results = asyncio.run(_held("", patterns, PATIENCE))
    for result in results:
        expected = Outcome.NOT_APPLICABLE if result.family == "deflate" else Outcome.PASS
        assert result.outcome is expected, (result.id, result.says)
