"""Runs a script over a connection: performs its steps, writes the conversation down, and says what it comes to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from .case import Case
from .link import Link, NoHalfClose
from .outcome import Failed, NotApplicable, Outcome, Result
from .peer import Peer
from .steps import Connect, EndWriting, Gone, NoAnswer, Note, Pause, Receive, Reply, Reset, Script, Send, Step
from .transcript import Transcript

__all__ = ["LONGEST", "Conversation"]

LONGEST: Final = 60.0
"""Seconds that a case may take in all, however much the peer has to say."""
FAREWELL: Final = 1.0
"""Seconds that a peer has to end the connection of a case that is decided; nothing depends on it."""


class Conversation:
    """A case that is being held: a script, a peer, and the connection to it."""

    def __init__(
        self,
        link: Link,
        *,
        patience: float,
        dial: Callable[[], Awaitable[Link]] | None = None,
        pushed_back: bytes = b"",
    ) -> None:
        """Begin on a connection, with bytes that have been read from it already.

        `dial` makes another, where the probe is the one that connects.
        """
        self._link = link
        self._patience = patience
        self._dial = dial
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()
        self._pushed_back = pushed_back
        self.transcript = Transcript()

    async def judge(self, case: Case, script: Script, peer: Peer) -> Result:
        """Hold the case, and return what it comes to."""
        says = ""
        try:
            async with asyncio.timeout(LONGEST):
                await self.hold(script)
            says = "; ".join(peer.remarks)
            outcome = Outcome.LENIENT if peer.remarks else Outcome.PASS
        except Failed as failed:
            outcome, says = Outcome.FAIL, str(failed)
        except NoAnswer as silence:
            outcome, says = Outcome.NO_ANSWER, str(silence)
        except NotApplicable as reason:
            outcome, says = Outcome.NOT_APPLICABLE, str(reason)
        except NoHalfClose:
            outcome, says = Outcome.NOT_APPLICABLE, "a TLS connection has no half-close"
        except TimeoutError:
            outcome, says = Outcome.NO_ANSWER, f"no end within {LONGEST:g} s"
        except OSError as error:
            outcome, says = Outcome.FAIL, f"no new connection: {error}"
        seconds = self._clock() - self._began
        rows = self.transcript.rows
        if outcome is not Outcome.NO_ANSWER and (peer.is_open or peer.role == "client"):
            await self._part(peer)
        self._link.abort()
        return Result(case.id, case.title, case.source, outcome, says, round(seconds, 6), rows)

    async def hold(self, script: Script) -> None:
        """Perform the steps of a script until it ends, with what it raises."""
        try:
            step = script.send(None)
            while True:
                try:
                    reply = await self._perform(step)
                except NoAnswer as silence:
                    step = script.throw(silence)
                else:
                    step = script.send(reply)
        except StopIteration:
            return
        finally:
            script.close()

    async def _perform(self, step: Step) -> Reply:
        match step:
            case Send(data, says, chop):
                self._write_down("probe", f"{says}{f' (in writes of {chop})' if chop else ''}", data)
                await self._link.send(data, chop)
            case Receive(waits_for, patience):
                return await self._receive(waits_for, self._patience if patience is None else patience)
            case Note(text):
                self._write_down("peer", text)
            case EndWriting():
                self._write_down("probe", "the end of the stream")
                self._link.end_writing()
            case Reset():
                self._write_down("probe", "a reset")
                self._link.reset()
            case Connect():
                await self._connect()
            case Pause(seconds):
                await asyncio.sleep(seconds)
        return None

    async def _receive(self, waits_for: str, patience: float) -> bytes | Gone:
        reply = self._pushed_back or await self._link.receive(patience)
        self._pushed_back = b""
        if reply is None:
            raise NoAnswer(f"no answer within {patience:g} s: {waits_for}")
        if isinstance(reply, bytes):
            self._write_down("peer", "", reply)
        return reply

    async def _connect(self) -> None:
        assert self._dial is not None, "only a probe that connects can connect again"
        self._link.abort()
        self._link = await self._dial()
        self._write_down("probe", "a new connection")

    async def _part(self, peer: Peer) -> None:
        """Leave as a good peer does, unseen: a close frame, and time to answer it."""
        await self._link.send(peer.farewell().data)
        if peer.role == "client":
            self._link.end_writing()
        try:
            async with asyncio.timeout(FAREWELL):
                while not isinstance(await self._link.receive(FAREWELL), Gone | None):
                    pass
        except TimeoutError:
            pass

    def _write_down(self, by: str, note: str, data: bytes | None = None) -> None:
        self.transcript.add(self._clock() - self._began, "probe" if by == "probe" else "peer", note, data)
