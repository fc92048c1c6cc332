"""RedisBackplane with a real Redis: two of them in one process are what two processes are."""

from __future__ import annotations

import contextlib
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import pytest
import trustme
from anyio.streams.tls import TLSListener

from wscore.app import App, Envelope, Member, RedisBackplane, Registry, WebSocket

from ..real_time import PATIENCE, scaled
from ..redis_server import RedisServer, needs_redis
from .memory import connected

pytestmark = pytest.mark.anyio


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


class Process:
    """A backplane, and what it has delivered."""

    def __init__(self, redis: RedisServer, **options: Any) -> None:
        self.backplane = RedisBackplane(redis.url, **options)
        self.got: list[Envelope] = []
        self.deliver: Callable[[Envelope], object] = self.got.append

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Process]:
        async with self.backplane.running(lambda envelope: self.deliver(envelope)):
            yield self

    async def gets(self, number: int) -> list[Envelope]:
        """Wait until so many messages are there."""
        await until(lambda: len(self.got) >= number)
        return self.got

    def say(self, room: str, data: str | bytes) -> None:
        self.backplane.publish(Envelope(data, room, None, frozenset()))


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that Redis, or another process, is about to do. The condition may be async."""
    with anyio.fail_after(PATIENCE):
        while True:
            found = condition()
            if await found if isinstance(found, Awaitable) else found:
                return
            await anyio.sleep(0.005)


async def shows(backplane: RedisBackplane, room: str, ids: list[str]) -> None:
    """Wait until a backplane finds these ids in a room elsewhere."""

    async def found() -> bool:
        return sorted(await backplane.present(room)) == sorted(ids)

    await until(found)
    assert await backplane.count(room) == len(ids)


async def heard(sender: Process, receiver: Process, room: str) -> None:
    """Wait until the one listens to the room: what is sent before reaches nobody."""
    with anyio.fail_after(PATIENCE):
        before = len(receiver.got)
        while len(receiver.got) == before:
            sender.say(room, "?")
            await anyio.sleep(0.02)
        sender.say(room, "the last one")
        await until(lambda: receiver.got[-1].data == "the last one")
    receiver.got.clear()


# -- messages


def process(redis: RedisServer) -> App:
    app = App(registry=Registry(backplane=RedisBackplane(redis.url)))

    @app.websocket("/{room}")
    async def chat(websocket: WebSocket, member: Member, room: str, registry: Registry) -> None:
        member.enter(room)
        await websocket.accept()
        await member.send(member.id)
        while True:
            to, _, text = (await websocket.receive_text()).partition(" ")
            if to == "all":
                registry.broadcast(room, text, exclude=[member.id])
            else:
                registry.send_to(to, text.encode())

    return app


@needs_redis
async def test_two_processes_are_one_room(redis: RedisServer) -> None:
    """Rooms, ids, `exclude`, text and binary reach across, and nobody gets anything twice."""
    one, two = process(redis), process(redis)
    async with (
        one.registry.running(),
        two.registry.running(),
        connected(one, "/blue") as a,
        connected(two, "/blue") as b,
        connected(two, "/red") as c,
    ):
        ids: list[str] = []
        for peer in (a, b, c):
            await peer.accepted()
            ids.append(await peer.text())
        for registry in (one.registry, two.registry):

            async def both(registry: Registry = registry) -> bool:
                return sorted(await registry.present("blue")) == sorted(ids[:2])

            await until(both)
            assert [await registry.count(room) for room in ("blue", "red", "green")] == [2, 1, 0]
        a.say("all h\xe4llo")
        assert await b.text() == "h\xe4llo"
        b.say("all back")
        assert await a.text() == "back"
        c.say(f"{ids[0]} \xff")
        assert (await a.next())["bytes"] == b"\xc3\xbf"
        one.registry.broadcast("blue", "last", exclude=[ids[1]])
        one.registry.broadcast("red", "last")
        assert await a.text() == "last"
        assert await c.text() == "last"
        assert [*a.left(), *b.left(), *c.left()] == []


@needs_redis
async def test_messages_keep_their_senders_order(redis: RedisServer) -> None:
    """Each arrives once, and those of one sender as they were sent, be they for a room or for an id."""
    async with Process(redis).running() as one, Process(redis).running() as two, Process(redis).running() as three:
        three.backplane.entered("blue", "me")
        await heard(one, three, "blue")
        for number in range(500):
            one.say("blue", f"one {number}")
            two.backplane.publish(Envelope(f"two {number}", None, "me", frozenset()))
            if number % 50 == 0:
                await anyio.lowlevel.checkpoint()
        got = [str(envelope.data) for envelope in await three.gets(1000)]
        for sender in ("one", "two"):
            assert [text for text in got if text.startswith(sender)] == [f"{sender} {number}" for number in range(500)]
        assert len(got) == 1000
        assert three.backplane.counters.received >= 1000


@needs_redis
async def test_a_process_listens_to_the_rooms_it_has_members_in(redis: RedisServer) -> None:
    """From the first member to the last, and to the channel of ids."""

    def channels() -> set[str]:
        return set(redis("PUBSUB", "CHANNELS")) - {""}

    async with Process(redis, prefix="p:").running() as one:
        backplane = one.backplane
        assert channels() == {"p:ids"}
        for room, id in (("blue", "1"), ("blue", "2"), ("red", "1")):
            backplane.entered(room, id)
        await until(lambda: channels() == {"p:ids", "p:room:blue", "p:room:red"})
        backplane.left("blue", "1")
        backplane.left("red", "1")
        await until(lambda: channels() == {"p:ids", "p:room:blue"})
        backplane.left("blue", "2")
        backplane.entered("blue", "3")
        backplane.left("blue", "3")
        await until(lambda: channels() == {"p:ids"})
    await until(lambda: channels() == set())
    assert redis("KEYS", "*") == [""]


@needs_redis
async def test_prefixes_keep_applications_apart(redis: RedisServer) -> None:
    """The same room under another prefix is another room."""
    first, second, other = (Process(redis, prefix=prefix) for prefix in ("a:", "a:", "b:"))
    async with first.running(), second.running(), other.running():
        for each in (second, other):
            each.backplane.entered("blue", "1")
        await heard(first, second, "blue")
        first.say("blue", "a")
        await second.gets(1)
        assert other.got == []
        assert await other.backplane.count("blue") == 0


@needs_redis
@pytest.mark.realtime
async def test_a_broadcast_costs_redis_one_command(redis: RedisServer) -> None:
    """However many members get it, in however many processes: nothing but the PUBLISH."""
    async with Process(redis).running() as one, Process(redis).running() as two, Process(redis).running() as three:
        for each in (two, three):
            for id in range(50):
                each.backplane.entered("blue", str(id))
            await heard(one, each, "blue")
        await anyio.sleep(scaled(0.2))  # until nobody tells any more who has entered
        redis("CONFIG", "RESETSTAT")
        for number in range(100):
            one.say("blue", str(number))
        await two.gets(100)
        await three.gets(100)
        await until(lambda: one.backplane.counters.published >= 100)
        calls = redis.calls()
        assert calls.pop("publish") == 100
        assert set(calls) <= {"config|resetstat", "info"}


@needs_redis
async def test_names_of_rooms_forge_no_lines_in_the_log(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever names a room may be anybody: what is not printable is spelled out."""
    async with Process(redis).running() as one, Process(redis).running() as two:
        room = "b\n\x1b[31m\u202e"
        two.backplane.entered(room, "1")
        await heard(one, two, room)
        redis("PUBLISH", f"wscore:room:{room}", "junk")
        await until(lambda: two.backplane.counters.malformed == 1)
    (line,) = [record.getMessage() for record in caplog.records if "none of ours" in record.getMessage()]
    assert line.startswith("a message in Redis' channel wscore:room:b\\n\\x1b[31m\\u202e is none of ours")


@needs_redis
async def test_what_others_publish_there_ends_nothing(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """It is counted, the first is a warning, and the next message of ours is delivered."""
    async with Process(redis).running() as one, Process(redis).running() as two:
        two.backplane.entered("blue", "1")
        await heard(one, two, "blue")
        for channel in ("wscore:room:blue", "wscore:ids"):
            for junk in ("", "hello", "wscore1 " + "0" * 32 + " t []\\n", b"wscore1 \xff\xfe"):
                redis("PUBLISH", channel, junk)
        one.say("blue", "ours")
        assert (await two.gets(1))[0].data == "ours"
        assert two.backplane.counters.malformed == 8
    warnings = [record.getMessage() for record in caplog.records if "none of ours" in record.getMessage()]
    assert sorted(warnings) == [  # one of each process
        "a message in Redis' channel wscore:ids is none of ours: it does not begin with wscore1",
        "a message in Redis' channel wscore:room:blue is none of ours: it does not begin with wscore1",
    ]


@needs_redis
async def test_a_flood_waits_in_redis_and_not_here(redis: RedisServer) -> None:
    """Who delivers more slowly than others publish holds what was read last, and no more."""
    async with Process(redis).running() as one, Process(redis).running() as two:
        two.backplane.entered("blue", "1")
        await heard(one, two, "blue")
        session = two.backplane._session
        assert session is not None
        buffered: list[int] = []
        statistics = session._listening._push_message_buffer_out.statistics

        def deliver(envelope: Envelope) -> None:
            two.got.append(envelope)
            buffered.append(statistics().current_buffer_used)

        two.deliver = deliver
        flood = ["EVAL", f"for i = 1, 50000 do redis.call('PUBLISH', 'wscore:room:blue', '{'wscore1 ' + 'f' * 32}"]
        flood[1] += " t []\\n' .. i) end"
        await anyio.to_thread.run_sync(lambda: redis(*flood, "0"))
        assert [envelope.data for envelope in await two.gets(50_000)] == [str(i + 1) for i in range(50_000)]
        assert max(buffered) < 10_000


# -- presence


@needs_redis
async def test_presence_is_known_everywhere(redis: RedisServer) -> None:
    """Who enters and leaves; a name of any form; the same id in two processes is two members."""
    async with Process(redis).running() as one, Process(redis).running() as two:
        odd = "a:b\n\ud800\xe4"
        one.backplane.entered(odd, odd)
        one.backplane.entered(odd, "1")
        two.backplane.entered(odd, "1")
        await shows(one.backplane, odd, ["1"])
        await shows(two.backplane, odd, ["1", odd])
        one.backplane.left(odd, "1")
        assert await one.backplane.count(odd) == 1  # its own are told before it asks
        await shows(two.backplane, odd, [odd])


@needs_redis
@pytest.mark.realtime
async def test_members_of_a_process_that_died_are_forgotten(redis: RedisServer) -> None:
    """Once their entries have expired; those of a process that lives are renewed, and nothing stays in Redis."""
    expiry = scaled(1.0)
    async with Process(redis, expiry=expiry).running() as lives:
        async with anyio.create_task_group() as tasks:

            async def live_shortly() -> None:
                async with Process(redis, expiry=expiry).running() as dies:
                    dies.backplane.entered("blue", "dead")
                    await anyio.sleep_forever()

            tasks.start_soon(live_shortly)
            lives.backplane.entered("blue", "1")
            await shows(lives.backplane, "blue", ["dead"])
            tasks.cancel_scope.cancel()  # without a word: its entries stay
        assert await lives.backplane.present("blue") == ["dead"]
        died = anyio.current_time()
        await shows(lives.backplane, "blue", [])
        async with Process(redis).running() as other:
            with anyio.fail_after(PATIENCE):
                while anyio.current_time() < died + 1.5 * expiry:
                    assert await other.backplane.present("blue") == ["1"]
                    await anyio.sleep(0.05)
        await until(lambda: redis("ZCARD", "wscore:presence:blue") == ["1"])
        lives.backplane.left("blue", "1")
        await until(lambda: redis("KEYS", "*") == [""])


# -- losses


@needs_redis
async def test_a_restart_of_redis_is_survived(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """It listens again, tells again who is there, sends what waited, counts what found no room; the log has it."""
    async with Process(redis, max_queue=3).running() as one, Process(redis).running() as two:
        one.backplane.entered("blue", "1")
        two.backplane.entered("blue", "2")
        await heard(one, two, "blue")
        redis.kill()
        await until(lambda: not one.backplane.connected and not two.backplane.connected)
        for number in range(5):
            one.say("blue", str(number))
        assert one.backplane.counters.dropped == 2
        assert (await one.backplane.present("blue"), await one.backplane.count("blue")) == ([], 0)
        two.backplane.entered("red", "2")  # is told when there is somebody to tell
        await anyio.to_thread.run_sync(redis.start)
        assert [envelope.data for envelope in await two.gets(3)] == ["0", "1", "2"]
        assert await one.backplane.present("blue") == ["2"]
        assert await one.backplane.count("red") == 1
        one.say("red", "and on")
        assert [envelope.data for envelope in await two.gets(4)][3:] == ["and on"]
        for each in (one, two):
            await until(lambda: each.backplane.connected)  # noqa: B023  # called within this turn
            assert each.backplane.counters.losses == 1
        assert one.backplane.counters.unconfirmed == 0
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("Redis at")]
    assert len([line for line in lines if "is away, and other processes with it" in line]) == 2
    assert sorted(re.sub(r"after \S+ s", "after", line).partition(" is back ")[2] for line in lines)[2:] == [
        "after; 0 messages were dropped meanwhile",
        "after; 2 messages were dropped meanwhile",
    ]


@needs_redis
async def test_redis_that_does_not_answer_is_lost(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody waits for it; what was sent and not answered is counted apart, and not sent twice; one line is logged."""
    async with Process(redis, timeout=0.3).running() as one, Process(redis, timeout=0.3).running() as two:
        two.backplane.entered("blue", "2")
        await heard(one, two, "blue")
        redis.signal(signal.SIGSTOP)
        for number in range(5):
            one.say("blue", str(number))
        await until(lambda: not one.backplane.connected)
        assert one.backplane.counters.unconfirmed == 5
        one.say("blue", "later")
        await anyio.sleep(1)  # attempts to which nobody answers
        redis.signal(signal.SIGCONT)
        await until(lambda: two.got and two.got[-1].data == "later")
        got = [envelope.data for envelope in two.got]
        assert len(got) == len(set(got))
    assert {record.name for record in caplog.records} == {"wscore.app"}
    # One of each process, and none of the other where that had nothing to ask meanwhile.
    assert caplog.text.count("is away") == caplog.text.count("is back") in (1, 2)


@needs_redis
async def test_what_is_dropped_while_redis_hangs_is_counted(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It may hang for long before it is given up: what found no room by then belongs to it."""
    async with Process(redis, timeout=0.5, max_queue=3).running() as one, Process(redis).running() as two:
        two.backplane.entered("blue", "2")
        await heard(one, two, "blue")
        for _ in range(4):  # a burst that has nothing to do with it
            one.say("blue", "burst")
        await two.gets(3)
        earlier = one.backplane.counters.dropped
        assert earlier == 1
        one.say("blue", "and on")
        await two.gets(4)
        redis.signal(signal.SIGSTOP)
        one.say("blue", "sent")
        await anyio.sleep(0.1)
        for number in range(10):
            one.say("blue", str(number))
        assert one.backplane.counters.dropped == earlier + 7
        await until(lambda: not one.backplane.connected)
        one.say("blue", "no room either")
        redis.signal(signal.SIGCONT)
        await until(lambda: one.backplane.connected)
    (line,) = [record.getMessage() for record in caplog.records if "is back after" in record.getMessage()]
    assert line.endswith("; 8 messages were dropped meanwhile, and 1 more may not have arrived")


@needs_redis
async def test_redis_may_come_later(caplog: pytest.LogCaptureFixture) -> None:
    """The application starts without it, says so, and finds it when it is there."""
    with RedisServer() as redis:
        redis.kill()
        async with Process(redis).running() as one:
            assert not one.backplane.connected
            assert "is away, and other processes with it" in caplog.text
            await anyio.to_thread.run_sync(redis.start)
            await until(lambda: one.backplane.connected)
            assert one.backplane.counters.losses == 0


@needs_redis
async def test_what_redis_refuses_is_said(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """A wrong password, and a user who may not subscribe: the reason is in the log, and the application runs."""
    redis("ACL", "SETUSER", "deaf", "on", ">secret", "~*", "+@all", "-subscribe", "&*")
    for user, password, says in (("deaf", "wrong", "invalid username-password"), ("deaf", "secret", "no permissions")):
        caplog.clear()
        url = f"unix://{user}:{password}@{redis.path}"
        async with RedisBackplane(url, timeout=1).running(lambda envelope: None):
            (line,) = [record.getMessage() for record in caplog.records if "is away" in record.getMessage()]
            assert says in line
            assert password not in line


@needs_redis
async def test_what_redis_does_not_publish_is_dropped(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """Counted and logged, and the next one is sent."""
    redis("ACL", "SETUSER", "default", "resetchannels", "&wscore:ids", "&wscore:room:blue")
    async with Process(redis).running() as one, Process(redis).running() as two:
        two.backplane.entered("blue", "1")
        await heard(one, two, "blue")
        one.say("red", "not allowed")
        one.say("blue", "allowed")
        assert (await two.gets(1))[0].data == "allowed"
        await until(lambda: one.backplane.counters.dropped == 1)  # the other may have it before we have the answer
        assert one.backplane.connected
    assert caplog.text.count("Redis refuses something") == 1


@needs_redis
async def test_without_presence_messages_still_arrive(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """Where Redis takes no entries, out of memory say, rooms go on; who is elsewhere is not known then."""
    redis("CONFIG", "SET", "maxmemory", "1")
    async with Process(redis).running() as one, Process(redis).running() as two:
        two.backplane.entered("blue", "1")
        await heard(one, two, "blue")
        one.say("blue", "x")
        assert (await two.gets(1))[0].data == "x"
        assert await one.backplane.present("blue") == []
        assert one.backplane.counters.losses == 0
    assert "OOM" in caplog.text


@needs_redis
async def test_tls_is_spoken_and_the_name_is_checked(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """With a context that trusts the authority it connects; with a certificate for somebody else it does not."""
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def forward(stream: anyio.abc.ByteStream) -> None:
        with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            async with stream, await anyio.connect_unix(redis.path) as inner, anyio.create_task_group() as tasks:

                async def copy(source: anyio.abc.ByteStream, to: anyio.abc.ByteStream) -> None:
                    with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                        while True:
                            await to.send(await source.receive())

                tasks.start_soon(copy, inner, stream)
                await copy(stream, inner)
                tasks.cancel_scope.cancel()

    for name, connects in (("127.0.0.1", True), ("example.org", False)):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name).configure_cert(context)
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with (
            TLSListener(listener, context, standard_compatible=False) as listener,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(listener.serve, forward)
            backplane = RedisBackplane(f"rediss://127.0.0.1:{port}", ssl=trusting)
            async with backplane.running(lambda envelope: None):
                assert backplane.connected is connects
            tasks.cancel_scope.cancel()
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text


# -- beginning and end


@needs_redis
async def test_last_words_are_sent(redis: RedisServer) -> None:
    """What is queued when the application ends goes out first."""
    async with Process(redis).running() as two:
        async with Process(redis).running() as one:
            two.backplane.entered("blue", "1")
            await heard(one, two, "blue")
            for number in range(300):
                one.say("blue", str(number))
        assert len(await two.gets(300)) == 300


@needs_redis
async def test_it_runs_again(redis: RedisServer) -> None:
    """After its end it may be run once more; while it runs it may not."""
    one = Process(redis)
    for _ in range(2):
        async with one.running(), Process(redis).running() as other:
            with pytest.raises(RuntimeError, match="each registry needs its own"):
                async with one.running():
                    pass
            one.backplane.entered("blue", "1")
            await heard(other, one, "blue")
            one.backplane.left("blue", "1")


@needs_redis
async def test_an_error_of_the_application_stays_what_it_is(redis: RedisServer) -> None:
    """It is not made a group."""
    with pytest.raises(LookupError, match="on purpose"):
        async with Process(redis).running():
            raise LookupError("on purpose")


async def test_without_running_this_process_is_all(caplog: pytest.LogCaptureFixture) -> None:
    """Where no lifespan runs: nobody waits, one warning says so, and what is not sent is counted."""
    backplane = RedisBackplane("redis://localhost")
    registry = Registry(backplane=backplane)
    for _ in range(3):
        registry.broadcast("blue", "x")
    backplane.entered("blue", "1")
    assert (await registry.count("blue"), backplane.connected, backplane.counters.dropped) == (0, False, 3)
    assert caplog.text.count("does not run") == 1


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("localhost:6379", "not the scheme 'localhost'"),
        ("http://localhost", "not the scheme 'http'"),
        ("", "not the scheme ''"),
        ("redis://", "expected a host"),
        ("redis://host:port", "Port could not be cast"),
        ("redis://host:99999", "out of range"),
        ("redis://host/zero", "expected the number of a database, not 'zero'"),
        ("redis://host?db=x", "invalid literal"),
        ("unix://", "expected a path"),
    ],
)
def test_an_url_that_leads_nowhere_is_refused(url: str, says: str) -> None:
    """At once, in one line, with what was expected."""
    with pytest.raises(ValueError, match=r"^RedisBackplane: ") as refused:
        RedisBackplane(url)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("wrong", [{"expiry": 0}, {"timeout": 0}, {"max_queue": 0}, {"max_queue_size": 0}])
def test_limits_must_be_possible(wrong: dict[str, Any]) -> None:
    """Nothing expires at once, no queue holds nothing."""
    with pytest.raises(ValueError, match="RedisBackplane: expiry"):
        RedisBackplane("redis://localhost", **wrong)


def test_without_the_extra_one_line_says_what_to_install() -> None:
    """And `wscore.app` is imported all the same, without loading it."""
    code = (
        "import sys; sys.modules['coredis'] = None; from wscore.app import RedisBackplane; RedisBackplane('redis://h')"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    expected = "ImportError: RedisBackplane needs coredis, which is not installed: pip install 'wscore[redis]'"
    assert result.stderr.splitlines()[-1] == expected
    code = "import sys, wscore.app; print('coredis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
