"""The lane in C does what the lane in Python does, whatever it is given, and holds nothing that it need not.

`.ci/memory` runs this file under AddressSanitizer and under valgrind.
"""

from __future__ import annotations

import gc
import os
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core import peer
from tests.core.lane_twins import IN_C, PythonLane, loaded
from wscore import Config, Stats
from wscore._core.frames import mask
from wscore._core.lane import Lane, PythonLaneBase

if not IN_C:
    pytest.skip("the C part is not built, or left out", allow_module_level=True)

from wscore._core.frames import _speedups

CONFIG = Config(max_queue=6, max_queue_size=300, max_message_size=200, max_output_size=60)


class Codec:
    """As much of a codec as a lane asks: whether a message is there in part, and the messages it has kept."""

    def __init__(self) -> None:
        self.idle: Any = True
        self.kept: list[str | bytes] = ["kept", b"\xff" * 40, "ä€😀"]

    def messages(self, count: int, size: int) -> tuple[list[str | bytes], int]:
        del size
        given, self.kept = self.kept[:count], self.kept[count:]
        return given, sum(len(each.encode() if isinstance(each, str) else each) for each in given)


class Named(str):
    """A str that is not exactly one."""

    __slots__ = ()


class Octets(bytes):
    """Bytes that are not exactly that."""

    __slots__ = ()


class Twin:
    """A lane of one kind, with its codec and its statistics, and what it answers."""

    def __init__(self, kind: type[Lane], *, masked: bool = True) -> None:
        self.stats = Stats()
        self.lane = kind(CONFIG, self.stats, masked=masked)
        self.codec = Codec()
        self.lane.attach(self.codec)  # type: ignore[arg-type]  # all of it that a lane asks
        self.lane.open = True

    def does(self, step: str, value: Any) -> Any:
        """Take a step; return what comes of it."""
        lane = self.lane
        match step:
            case "idle":
                self.codec.idle = value
            case "paused" | "asking" | "run":
                setattr(lane, step, value)
            case "put":
                lane.put(list(value), sum(len(each.encode() if isinstance(each, str) else each) for each in value))
            case "take":
                rest = lane.take(value)
                return rest if rest is None else bytes(rest)
            case _:
                result = getattr(lane, step)(*([] if value is None else [value]))
                return result if not isinstance(result, dict) else list(result.items())
        return None

    def shows(self) -> tuple[Any, ...]:
        """Everything that others read."""
        lane = self.lane
        flags = (lane.open, lane.full, lane.paused, lane.asking, lane.roomy, bool(lane), lane.connect_waits)
        numbers = (lane.run, lane.count, lane.size, lane.output_size, lane.output_limit, lane.taken)
        return flags, numbers, (lane.free_count, lane.free_size), self.stats, self.codec.kept


payloads = st.sampled_from(["", "a", "ä€😀", "a" * 130, b"", b"\xff", b"b" * 126, b"c" * 200])
frames = st.one_of(
    payloads.map(lambda each: peer.text(each) if isinstance(each, str) else peer.binary(each)),
    st.sampled_from(
        [
            peer.ping(b"p"),
            peer.text("a")[:3],
            peer.frame(1, b"\xff"),
            peer.binary(b"d" * 201),
            peer.frame(1, b"a" * 9, mask=None),
        ]
    ),
)
reads = st.lists(frames, max_size=8).map(b"".join)
said: st.SearchStrategy[Any] = st.one_of(
    payloads.map(lambda each: {"type": "websocket.send", "text" if isinstance(each, str) else "bytes": each}),
    st.sampled_from(
        [
            {"type": "websocket.send", "text": None, "bytes": b"x" * 65_536},
            {"type": "websocket.send", "text": "x" * 65_535, "bytes": None},
            {"type": "".join(("websocket", ".send")), "text": "a type that is equal, and not the same"},
            {"type": "websocket.send", "text": "a", "bytes": b"b"},
            {"type": "websocket.send", "text": None, "bytes": None},
            {"type": "websocket.send", "text": "\ud800"},
            {"type": "websocket.send", "text": Named("a")},
            {"type": "websocket.send", "bytes": bytearray(b"a")},
            {"type": "websocket.send", "text": b"a"},
            {"type": "websocket.send"},
            {"type": "websocket.close"},
            {"type": 1},
            {"type": None},
            {1: 2},
            {},
            None,
            "websocket.send",
            [("type", "websocket.send")],
        ]
    ).filter(lambda each: each is not None),
)
steps = st.one_of(
    st.tuples(st.just("take"), reads),
    st.tuples(st.just("take"), reads.map(memoryview)),
    st.tuples(st.just("receive"), st.none()),
    st.tuples(st.just("send"), said),
    st.tuples(st.sampled_from(["receive", "output", "next_payload", "next_message", "receive"]), st.none()),
    st.tuples(st.sampled_from(["drop_messages", "drop_output", "write_late_pong"]), st.none()),
    st.tuples(st.sampled_from(["write", "write_pong"]), st.binary(max_size=40)),
    st.tuples(st.just("put"), st.lists(payloads, max_size=20)),
    st.tuples(st.sampled_from(["idle", "paused", "asking"]), st.booleans()),
    st.tuples(st.just("run"), st.integers(0, 300)),
    st.tuples(st.sampled_from(["put_connect", "correct_disconnect"]), st.just({"type": "an end"})),
)


@settings(max_examples=int(os.environ.get("WSCORE_EXAMPLES", "500")), deadline=None)
@given(script=st.lists(steps, max_size=40), masked=st.sampled_from([True, True, False]))
def test_step_by_step(script: list[tuple[str, Any]], masked: bool) -> None:
    """Whatever the steps, both give the same, show the same, and count the same."""
    ours, theirs = Twin(Lane, masked=masked), Twin(PythonLane, masked=masked)
    for step, value in script:
        if ours.lane.full and step in ("take", "receive"):
            ours.lane.paused = theirs.lane.paused = True  # as the table does, before either is called
        assert ours.does(step, value) == theirs.does(step, value), step
        assert ours.shows() == theirs.shows(), step


@pytest.mark.parametrize("masked", [True, False])
def test_every_cut_of_a_read(masked: bool) -> None:
    """Wherever a read ends, the same messages are taken from it and the same is left."""
    key = b"\x37\xfa\x21\x3d" if masked else None
    data = b"".join(
        (
            peer.frame(1, b"a" * 5, mask=key),
            peer.frame(2, b"\xff" * 126, mask=key),
            peer.frame(1, "ä€😀".encode(), mask=key),
            peer.frame(2, b"", mask=key),
            peer.frame(9, b"p", mask=key),
            peer.frame(1, b"b", mask=key),
        )
    )
    for end in range(len(data) + 1):
        cut = bytes(bytearray(data[:end]))  # memory of its own, so that whoever looks beyond it is seen to
        for read in (cut, memoryview(cut)):
            ours, theirs = Twin(Lane, masked=masked), Twin(PythonLane, masked=masked)
            assert ours.does("take", read) == theirs.does("take", read)
            assert ours.shows() == theirs.shows()
            for _ in range(7):
                assert ours.does("receive", None) == theirs.does("receive", None)
            assert ours.shows() == theirs.shows()


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 9, 100])
def test_the_order_of_messages_and_of_output(count: int) -> None:
    """Messages and bytes come out in their order, also where their memory grows, moves and is given back."""
    config = Config(max_queue=1000)
    lane = Lane(config, Stats(), masked=True)
    expected: list[str | bytes] = []
    got: list[str | bytes | None] = []
    for number in range(count * 5):
        run: list[str | bytes] = [f"{number} {place}" for place in range(number % count + 1)]
        expected += run
        lane.put(run, 0)
        got += [lane.next_payload() for _ in range(number % count)]
        lane.write(b"%d," % number)
    while lane.count:
        got.append(lane.next_payload())
    assert got == expected
    assert lane.size == 0
    assert lane.output() == b"".join(b"%d," % number for number in range(count * 5))


def test_an_extension_that_was_built_earlier() -> None:
    """Where the C part has no lane yet, the lane is Python's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(_speedups, "LaneBase")
        older = loaded("lane_on_an_older_extension", accelerated=True)
    assert mask.ACCELERATED
    assert older.Lane.__base__ is older.PythonLaneBase
    assert not issubclass(Lane, PythonLaneBase)


class Key:
    """A key of a dict that looks like "text" until it is asked, and then does something."""

    def __init__(self, then: Callable[[], object]) -> None:
        self.then = then

    def __hash__(self) -> int:
        return hash("text")

    def __eq__(self, other: object) -> bool:
        self.then()
        return False


def with_key(then: Callable[[], object]) -> dict[Any, Any]:
    """A message with such a key, which comes before "text"."""
    armed = False
    message: dict[Any, Any] = {"type": "websocket.send", Key(lambda: armed and then()): 1, "text": "a" * 20}
    armed = True
    return message


def test_a_message_that_changes_while_it_is_looked_at() -> None:
    """A key that clears its dict, drops the output, or raises harms nobody."""
    twin = Twin(Lane)
    twin.lane.write(b"before")
    cleared = with_key(lambda: cleared.clear())
    assert twin.lane.send(cleared) in (True, False)
    twin.lane.output()
    assert twin.lane.send(with_key(lambda: twin.lane.write(b"meanwhile") or twin.lane.output()))
    assert twin.lane.output() == b"\x81\x14" + b"a" * 20

    def fails() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        twin.lane.send(with_key(fails))
    assert twin.lane.output() == b""


def test_what_it_refuses() -> None:
    """What no caller of ours does is refused with an exception, and changes nothing."""
    bare: Any = Lane.__new__(Lane)
    for step, value in (("take", [b""]), ("send", [{}]), ("put", [[], 0])):
        with pytest.raises(RuntimeError):
            getattr(bare, step)(*value)
    assert (bare.receive(), bare.output(), bare.next_payload()) == (None, b"", None)
    unattached: Any = Lane(CONFIG, Stats(), masked=True)
    with pytest.raises(AttributeError):
        unattached.take(b"")
    twin = Twin(Lane)
    lane: Any = twin.lane
    for call, value in (
        (lane.put, (("a",), 1)),
        (lane.put, ([1], 1)),
        (lane.put, (["\ud800"], 1)),
        (lane.put, ([],)),
        (lane.write, ("text",)),
        (lane.write, (Octets(b"a subclass"),)),
        (lane.take, ("text",)),
    ):
        with pytest.raises((TypeError, UnicodeEncodeError)):
            call(*value)
    assert twin.shows() == Twin(Lane).shows()
    base: Any = _speedups.LaneBase
    for arguments in ((), (CONFIG, object(), True, 1), (object(), Stats(), True, 1), (CONFIG, Stats(), True, "1")):
        with pytest.raises((TypeError, AttributeError)):
            base(*arguments)
    with pytest.raises(TypeError):
        base(CONFIG, Stats(), True, turn=1)


def test_a_message_taken_meanwhile() -> None:
    """A garbage collection may run anything while a message is given, `receive` too: each is given, and once."""
    twin = Twin(Lane)
    taken: list[Any] = []

    class Garbage:
        """A cycle that takes a message when it is found."""

        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            taken.append(twin.lane.receive())

    texts = [str(number) for number in range(60)]
    threshold = gc.get_threshold()
    gc.set_threshold(1, 1000)
    try:
        for at in range(0, 60, 2):
            twin.lane.put([*texts[at : at + 2]], 0)
            Garbage()
            taken += [twin.lane.receive(), twin.lane.receive()]
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    while twin.lane.count:
        taken.append(twin.lane.receive())
    assert sorted((each["text"] for each in taken if each is not None), key=int) == texts


def test_failures_of_the_codec_come_through() -> None:
    """An exception while the codec is asked is passed on."""
    twin = Twin(Lane)

    class Undecided:
        def __bool__(self) -> bool:
            raise ZeroDivisionError

    twin.codec.idle = Undecided()
    with pytest.raises(ZeroDivisionError):
        twin.lane.take(b"abc")
    twin.lane.put(["a"], 1)
    twin.lane.paused = True
    twin.codec.messages = None  # type: ignore[method-assign,assignment]
    with pytest.raises(TypeError):
        twin.lane.receive()


def test_limits_beyond_any_memory() -> None:
    """A limit that no number of the machine holds is no limit."""
    huge = Config(max_queue=1 << 70, max_queue_size=1 << 70, max_message_size=1 << 62, max_output_size=1 << 70)
    lane = Lane(huge, Stats(), masked=True)
    lane.put(["a"], 1)
    assert not lane.full
    assert lane.free_count == sys.maxsize - 1


def live() -> None:
    """Spend a life that uses everything, and ends with something in every place."""
    twin = Twin(Lane)
    twin.lane.put_connect({"type": "websocket.connect"})
    for _ in range(3):
        twin.lane.take(peer.text("ä" * 50) + peer.binary(bytes(100)) + peer.ping(b"p"))
        twin.does("receive", None)
        twin.lane.send({"type": "websocket.send", "text": "ä" * 50})
        twin.lane.send({"type": "websocket.send", "text": "\ud800"})
        twin.lane.send({"type": "websocket.send", "bytes": bytes(100)})
        twin.lane.write_pong(b"pong")
        twin.lane.output()
        twin.lane.put(["x" * 70, b"y" * 70], 140)
        twin.lane.next_payload()
        twin.lane.drop_messages()
    twin.lane.paused = True
    twin.lane.put(["x" * 70, b"y" * 70] * 10, 1400)
    twin.lane.receive()
    for _ in range(20):
        twin.lane.write(bytes(70))
    twin.lane.write_pong(b"late" * 20)
    twin.codec.lane = twin.lane  # type: ignore[attr-defined]  # a cycle, as a connection's may be


def test_a_life_leaves_nothing() -> None:
    """Five hundred lives more, cycles and all, take no more memory than five hundred did."""

    def lives() -> int:
        for _ in range(500):
            live()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        lives()  # Python keeps some memory of its own for the next
        before = lives()
        after = lives()
    finally:
        tracemalloc.stop()
    assert after - before < 8_000  # the smallest object left by each would be 16,000 at least


def test_what_it_gives_belongs_to_who_asked() -> None:
    """A message, a frame and what waits have no owner besides those that have them."""
    twin = Twin(Lane)
    twin.lane.take(peer.binary(bytes(50)))
    message: Any = twin.lane.receive()
    assert sys.getrefcount(message) == 2
    payload = message.pop("bytes")
    assert sys.getrefcount(payload) == 2
    twin.lane.send({"type": "websocket.send", "bytes": bytes(50)})
    frame = twin.lane.output()
    assert sys.getrefcount(frame) == 2
    twin.lane.write(frame)
    assert sys.getrefcount(frame) == 3
    twin.lane.drop_output()
    twin.lane.put([frame], len(frame))
    assert sys.getrefcount(frame) == 3
    del twin
    assert sys.getrefcount(frame) == 2
