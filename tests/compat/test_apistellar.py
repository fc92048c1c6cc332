"""apistellar's manner, program by program and row by row, over real sockets on both transports."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Dict  # noqa: UP035 - how programs write it

import anyio
import pytest

from wscore.app import App, InjectionError, Member
from wscore.compat import apistellar
from wscore.compat.apistellar import (
    URL,
    Application,
    ASGIReceive,
    ASGIScope,
    ASGISend,
    Component,
    Controller,
    Cookie,
    Header,
    Headers,
    Host,
    Method,
    Path,
    PathParams,
    Port,
    QueryParam,
    QueryParams,
    QueryString,
    Scheme,
    TypeEncoder,
    WebSocket,
    WebSocketDisconnect,
    WebSocketHandler,
    http,
    route,
    websocket,
)

from ..serving import BACKENDS, serving
from .peer import BINARY, CLOSE, TEXT, Peer
from .programs import program

OK = (TEXT, b'{"success": "ok"}')


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


Serve = Callable[..., int]


@pytest.fixture
def serve(backend: str) -> Iterator[Serve]:
    """`serve(handler, ...)` serves them on the backend and gives the port; `serve.stop()` waits for their end."""
    stack = ExitStack()

    def start(*handlers: Any, components: Any = ()) -> int:
        app = Application("test", handlers=handlers, components=components)
        return stack.enter_context(serving(app, backend))

    start.stop = stack.close  # type: ignore[attr-defined]
    with stack:
        yield start


def log_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        f"{record.levelname}:{record.name}:{record.getMessage()}"
        for record in caplog.records
        if record.name == "websocket"
    ]


# -- the document's programs


def test_the_documents_function(backend, caplog, capsys):
    """The first program gives the frames, the prints and the log lines that its document prints."""
    caplog.set_level(logging.DEBUG, "websocket")
    with (
        program("actions", backend) as module,
        serving(module.app, backend) as port,
        Peer(port, "/test/websocket") as peer,
    ):
        peer.send("hello,")
        assert peer.frame() == OK
        peer.send("world!")
        assert peer.frame() == OK
        peer.close()
        assert peer.frame() == (CLOSE, b"")
    assert capsys.readouterr().out.splitlines() == [
        "received hello, from /test/websocket",
        "received world! from /test/websocket",
    ]
    assert log_lines(caplog) == [
        "DEBUG:websocket:Websocket of /test/websocket connect.",
        "DEBUG:websocket:Websocket of /test/websocket disconnect.",
    ]


def test_the_documents_class(backend, capsys):
    """The second program gives the frames and the prints of its document, the connect's answer first."""
    with (
        program("actions", backend) as module,
        serving(module.app, backend) as port,
        Peer(port, "/test/websocket1") as peer,
    ):
        assert peer.frame() == OK
        for piece in ("hello,", "world"):
            peer.send(piece)
            assert peer.frame() == (TEXT, b"got piece: " + piece.encode())
            assert peer.frame() == OK
        peer.close()
        assert peer.frame() == (CLOSE, b"")
    assert capsys.readouterr().out.splitlines() == [
        "Websocket of /test/websocket1 connect. ",
        "Got total data: hello,world",
        "Websocket of /test/websocket1 disconnect. ",
    ]


# -- declaring


def test_the_decorator_gives_back_what_it_decorates_and_writes_routes_down():
    """The url is the handler's name unless one is given, a slash is put before it, and decorators may be stacked."""

    def talk(message): ...

    assert websocket()(talk) is talk
    assert websocket("other", name="named", documented=False, standalone=True)(talk) is talk
    assert talk.routes == [  # type: ignore[attr-defined]
        ("/talk", "GET", talk, "talk", True, False),
        ("/other", "GET", talk, "named_get", False, True),
    ]


def test_a_decorated_class_has_routes_of_its_own(serve):
    """Decorating a class that derives from a decorated one leaves the other's routes as they were."""

    @websocket("/base")
    class Base:
        def websocket_receive(self, message):
            return type(self).__name__

    @websocket("/derived")
    class Derived(Base): ...

    assert [each.url for each in Base.routes] == ["/base"]  # type: ignore[attr-defined]
    assert [each.url for each in Derived.routes] == ["/derived"]  # type: ignore[attr-defined]
    port = serve(Base, Derived)
    for path, name in (("/base", "Base"), ("/derived", "Derived")):
        with Peer(port, path) as peer:
            peer.send("who?")
            assert peer.text() == name


def test_a_controller_with_prefixes(serve):
    """A controller's prefix stands before its paths, and before those of the controllers derived from it."""

    @route("/websocket", name="view")
    class Outer(Controller):
        def __init__(self):
            self.calls = 0

        @websocket("/complex")
        class Handler(WebSocketHandler):
            async def websocket_receive(self, message):
                return "nested class"

        @websocket("/simple")
        async def simple(message, path: Path):
            return path

        @websocket("/first")
        def first(self, message):
            self.calls += 1
            return f"{self.calls} calls"

        @websocket("/second")
        async def second(message, self):
            self.calls += 1
            return f"{self.calls} calls"

    @route("/inner")
    class Inner(Outer):
        @websocket("/echo")
        async def echo(message):
            return message["text"]

    port = serve(Outer, Inner)
    for path, answer in (
        ("/websocket/complex", "nested class"),
        ("/websocket/simple", "/websocket/simple"),
        ("/websocket/first", "1 calls"),
        ("/websocket/second", "2 calls"),
        ("/websocket/inner/echo", "hello"),
    ):
        with Peer(port, path) as peer:
            peer.send("hello")
            assert peer.text() == answer


def test_an_application_serves_the_module_of_its_name(backend):
    """It looks when it is first used: what is decorated afterwards, controllers and components are found."""
    module = types.ModuleType("a_module_of_handlers")
    source = """
from __future__ import annotations
from wscore.compat.apistellar import Application, Component, Controller, websocket

app = Application(__name__)

class Greeting(str): ...

class GreetingComponent(Component):
    async def resolve(self) -> Greeting:
        return Greeting("hello")

@websocket("/function")
async def function(message, greeting: Greeting):
    return greeting

again = function  # the same one under another name

class Talk(Controller):
    @websocket("/controller")
    async def talk(message):
        return "controller"
"""
    sys.modules[module.__name__] = module
    try:
        exec(source, vars(module))
        with serving(module.app, backend) as port:
            for path, answer in (("/function", "hello"), ("/controller", "controller")):
                with Peer(port, path) as peer:
                    peer.send("")
                    assert peer.text() == answer
    finally:
        del sys.modules[module.__name__]


def test_an_application_without_a_module_fails_to_start(backend):
    """A name that no module has is an error when the server starts, with the way out in its text."""
    with pytest.raises(Exception) as failure, serving(Application("no.such.module"), backend):  # noqa: PT011
        pass
    assert "no module is called 'no.such.module'" in _words(failure.value)


def _words(error: BaseException) -> str:
    return " ".join(map(_words, error.exceptions)) if isinstance(error, BaseExceptionGroup) else str(error)


def test_a_class_without_receive_is_refused_where_it_is_decorated():
    """A class that only has the other two methods, or derives from WebSocketHandler, fails with the method's name."""
    with pytest.raises(InjectionError, match=r"class .*Half: expected a method websocket_receive"):

        @websocket("/half")
        class Half:
            async def websocket_connect(self, message): ...

    with pytest.raises(InjectionError, match="expected a method websocket_receive"):

        @websocket("/none")
        class Nothing(WebSocketHandler): ...


def test_a_parameter_that_nobody_provides_fails_at_registration():
    """The error names the handler and the parameter, before any connection."""

    @websocket("/body")
    async def reads_body(message, body: bytearray): ...

    with pytest.raises(InjectionError, match=r"reads_body: nobody provides parameter 'body' of type bytearray"):
        Application("test", handlers=[reads_body])


def test_a_handler_without_a_parameter_for_the_message_fails_at_registration():
    """Of a function and of a method."""

    @websocket("/nothing")
    async def nothing(): ...

    @websocket("/nothing")
    class Nothing:
        async def websocket_receive(self): ...

    for handler in (nothing, Nothing):
        with pytest.raises(InjectionError, match="expected a parameter for the message in websocket_receive"):
            Application("test", handlers=[handler])


# -- paths


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/user/7", "int 7"),
        ("/price/1.5", "float 1.5"),
        ("/room/blue", "str blue"),
        ("/bare/blue", "str blue"),
        ("/files/a/b/c", "str a/b/c"),
    ],
)
def test_path_parameters_come_by_name(serve, path, answer):
    """`{name}` is converted by the annotation, and `{+name}` takes the rest of the path."""

    def show(value: Any) -> str:
        return f"{type(value).__name__} {value}"

    @websocket("/user/{uid}")
    async def user(message, uid: int):
        return show(uid)

    @websocket("/price/{amount}")
    async def price(message, amount: float):
        return show(amount)

    @websocket("/room/{room}")
    class Room:
        def __init__(self, send): ...

        async def websocket_connect(self, message, room: str):
            self.room = room

        async def websocket_receive(self, message):
            return show(self.room)

    @websocket("/bare/{name}")
    async def bare(message, name):
        return show(name)

    @websocket("/files/{+rest}")
    async def files(message, rest: str):
        return show(rest)

    with Peer(serve(user, price, Room, bare, files), path) as peer:
        peer.send("")
        assert peer.text() == answer


def test_a_path_that_no_route_has_is_refused(serve):
    """The handshake fails."""
    with Peer(serve(), "/nowhere") as peer:
        assert peer.status == 404


def test_a_plain_request_is_told_to_upgrade():
    """A GET that asks for no websocket gets a 426 where the server hands it over."""

    async def ask() -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await Application("test", handlers=[])({"type": "http"}, None, send)
        return sent

    assert asyncio.run(ask())[0]["status"] == 426


# -- the life of a connection


def test_the_message_is_the_asgi_event_under_any_name(serve):
    """Each method gets its event first, whatever its parameter is called."""

    @websocket("/")
    class Events:
        def __init__(self, send):
            self.events = []

        async def websocket_connect(self, whatever):
            self.events.append(whatever)

        async def websocket_receive(self, event, /):
            self.events.append(event)
            return [{key: str(value) for key, value in each.items()} for each in self.events]

        async def websocket_disconnect(self, end):
            ends.append(end)

    ends: list[Any] = []
    port = serve(Events)
    with Peer(port, "/") as peer:
        peer.send("a")
        peer.frame()
        peer.send(b"b")
        assert peer.text() == (
            '[{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "a"}, '
            '{"type": "websocket.receive", "bytes": "b\'b\'"}]'
        )
        peer.close(4001, "bye")
        assert peer.end() == (4001, "bye")
    serve.stop()
    assert ends == [{"type": "websocket.disconnect", "code": 4001, "reason": "bye"}]


def test_one_object_for_each_connection(serve):
    """State on self belongs to the connection."""

    @websocket("/")
    class Counter:
        def __init__(self, send):
            self.count = 0

        def websocket_receive(self, message):
            self.count += 1
            return str(self.count)

    port = serve(Counter)
    with Peer(port, "/") as one, Peer(port, "/") as other:
        for peer, count in ((one, "1"), (one, "2"), (other, "1"), (one, "3")):
            peer.send("")
            assert peer.text() == count


def test_missing_methods_have_the_defaults(serve, caplog):
    """A class with nothing but `websocket_receive`, duck or derived, logs connect and disconnect as functions do."""
    caplog.set_level(logging.DEBUG, "websocket")

    @websocket("/duck")
    class Duck:
        async def websocket_receive(self, message):
            return "quack"

    @websocket("/derived")
    class Derived(WebSocketHandler):
        async def websocket_receive(self, message):
            await self.send("moo")

    port = serve(Duck, Derived)
    for path, sound in (("/duck", "quack"), ("/derived", "moo")):
        with Peer(port, path) as peer:
            peer.send("")
            assert peer.text() == sound
            peer.close()
            peer.end()
    serve.stop()
    assert sorted(log_lines(caplog)) == [
        "DEBUG:websocket:Websocket of /derived connect.",
        "DEBUG:websocket:Websocket of /derived disconnect.",
        "DEBUG:websocket:Websocket of /duck connect.",
        "DEBUG:websocket:Websocket of /duck disconnect.",
    ]


def test_one_message_after_the_other(serve):
    """The next message is not handled before the last one's answer was given, by an async or a sync handler."""
    running = threading.Lock()

    @websocket("/sync")
    def sync(message):
        assert running.acquire(blocking=False)
        threading.Event().wait(0.001)
        running.release()
        return message["text"]

    @websocket("/async")
    async def asynchronous(message):
        assert running.acquire(blocking=False)
        await anyio.sleep(0.001)
        running.release()
        return message["text"]

    port = serve(sync, asynchronous)
    for path in ("/sync", "/async"):
        with Peer(port, path) as peer:
            for number in range(20):
                peer.send(str(number))
            assert [peer.text() for _ in range(20)] == [str(number) for number in range(20)]


def test_sync_handlers_run_in_worker_threads(serve):
    """A plain `def` does not run on the event loop, and its answer is used as an async one's."""

    @websocket("/loop")
    async def loop(message):
        return threading.current_thread().name

    @websocket("/thread")
    def thread(message):
        return threading.current_thread().name

    port = serve(loop, thread)
    names = []
    for path in ("/loop", "/thread"):
        with Peer(port, path) as peer:
            peer.send("")
            names.append(peer.text())
    assert names[0] != names[1]


# -- what is sent


@pytest.mark.parametrize(
    ("value", "frame"),
    [
        ("text", (TEXT, b"text")),
        ("", (TEXT, b"")),
        (b"binary", (BINARY, b"binary")),
        (bytearray(b"binary"), (BINARY, b"binary")),
        ({"success": "ok"}, (TEXT, b'{"success": "ok"}')),
        ({}, (TEXT, b"{}")),
        ([1, "\xe4"], (TEXT, rb'[1, "\u00e4"]')),
        (types.MappingProxyType({"a": 1}), (TEXT, b'{"a": 1}')),
        (0, (TEXT, b"0")),
        (False, (TEXT, b"false")),
    ],
)
@pytest.mark.parametrize("way", ["return", "send"])
def test_values_on_the_wire(serve, way, value, frame):
    """Returned and sent values go by the same rules: text, binary, and JSON with spaces, in ASCII."""

    @websocket("/")
    class Says(WebSocketHandler):
        async def websocket_receive(self, message):
            if way == "return":
                return value
            await self.send(value)
            return None

    with Peer(serve(Says), "/") as peer:
        peer.send("")
        assert peer.frame() == frame


def test_none_sends_nothing_and_leaves_the_connection_open(serve):
    """A handler that returns nothing, or sends None, is no end of the connection."""

    @websocket("/")
    class Quiet(WebSocketHandler):
        async def websocket_receive(self, message):
            await self.send(None)
            return message["text"] or None

    with Peer(serve(Quiet), "/") as peer:
        peer.send("")
        peer.send("now")
        assert peer.text() == "now"
        peer.close()
        assert peer.end() == (None, "")


def test_the_encoder_learns_types(serve, monkeypatch):
    """`TypeEncoder.register` makes further types encodable."""
    monkeypatch.setattr(TypeEncoder, "options", dict(TypeEncoder.options))
    TypeEncoder.register({complex: str})

    @websocket("/")
    async def number(message):
        return {"number": 1j}

    with Peer(serve(number), "/") as peer:
        peer.send("")
        assert peer.text() == '{"number": "1j"}'


@pytest.mark.parametrize("nothing", [None, "", {}, 0])
def test_what_connect_returns_is_sent_unless_it_is_falsy(serve, nothing):
    """The accept comes first, and then what is truthy, before anything else."""

    @websocket("/silent")
    class Silent:
        async def websocket_connect(self, message):
            return nothing

        async def websocket_receive(self, message):
            return "first"

    @websocket("/greets")
    class Greets(Silent):
        async def websocket_connect(self, message):
            return {"success": "ok"}

    port = serve(Silent, Greets)
    with Peer(port, "/silent") as peer:
        peer.send("")
        assert peer.text() == "first"
    with Peer(port, "/greets") as peer:
        assert peer.frame() == OK


def test_what_disconnect_returns_is_dropped(serve, caplog):
    """Nothing is sent behind the end, and no error comes of it."""

    @websocket("/")
    class Talks(WebSocketHandler):
        async def websocket_receive(self, message): ...

        async def websocket_disconnect(self, message):
            ended.append(message["code"])
            return {"too": "late"}

    ended: list[int] = []
    port = serve(Talks)
    with Peer(port, "/") as peer:
        peer.close(1001)
        assert peer.end() == (1001, "")
    serve.stop()
    assert ended == [1001]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_sending_at_any_time_from_other_tasks(serve):
    """`send` works from elsewhere while the connection is open, and raises WebSocketDisconnect when it is over."""

    @websocket("/")
    class Sends(WebSocketHandler):
        async def websocket_connect(self, message):
            senders.append(self.send)

        async def websocket_receive(self, message):
            for send in senders:
                await send(message["text"])

        async def websocket_disconnect(self, message):
            with pytest.raises(WebSocketDisconnect):
                await self.send("too late")
            ends.append(message["code"])

    senders: list[Any] = []
    ends: list[int] = []
    port = serve(Sends)
    with Peer(port, "/") as one, Peer(port, "/") as other:
        one.send("to all")
        assert one.text() == other.text() == "to all"
        for peer in (one, other):
            peer.close(1000)
            peer.end()
    serve.stop()
    assert ends == [1000, 1000]


def test_sending_a_close(serve):
    """`send(text, "websocket.close")` is a close frame with 1000 and the text as its reason; disconnect is told."""

    @websocket("/")
    class Closes(WebSocketHandler):
        async def websocket_receive(self, message):
            await self.send("enough", "websocket.close")

        async def websocket_disconnect(self, message):
            ends.append((message["code"], message["reason"]))

    ends: list[Any] = []
    port = serve(Closes)
    with Peer(port, "/") as peer:
        peer.send("")
        assert peer.end() == (1000, "enough")
    serve.stop()
    assert ends == [(1000, "enough")]


@pytest.mark.parametrize(("greeting", "frames"), [("early", ["early", "late"]), ({}, ["late"])])
def test_sending_the_accept(serve, greeting, frames):
    """`send(value, "websocket.accept")` accepts and then sends what is truthy."""

    @websocket("/")
    class Accepts(WebSocketHandler):
        async def websocket_connect(self, message):
            await self.send(greeting, "websocket.accept")
            return "late"

        async def websocket_receive(self, message):
            await self.send("x", "websocket.nonsense")

    with Peer(serve(Accepts), "/") as peer:
        assert [peer.text() for _ in range(len(frames))] == frames
        peer.send("")
        assert peer.end()[0] == 1011


# -- the ends that are better


def test_raising_in_connect_refuses(serve, caplog):
    """The client gets a 403, the server logs the error, and disconnect is not called."""

    @websocket("/")
    class Guarded(WebSocketHandler):
        async def websocket_connect(self, message):
            raise PermissionError("no auth")

        async def websocket_receive(self, message): ...

        async def websocket_disconnect(self, message):
            raise AssertionError("never connected")

    port = serve(Guarded)
    with Peer(port, "/") as peer:
        assert peer.status == 403
    serve.stop()
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["no auth"]


@pytest.mark.parametrize("fault", ["raise", "unencodable"])
def test_a_crash_closes_with_1011_and_disconnect_is_called(serve, caplog, fault):
    """The error is logged, its text does not travel, `websocket_disconnect` hears of it, others go on."""

    @websocket("/")
    class Fails(WebSocketHandler):
        async def websocket_receive(self, message):
            if not message["text"]:
                return "fine"
            if fault == "raise":
                raise ZeroDivisionError("a secret")
            return object()

        async def websocket_disconnect(self, message):
            ends.append(message)

    ends: list[Any] = []
    port = serve(Fails)
    with Peer(port, "/") as peer, Peer(port, "/") as other:
        peer.send("now")
        code, reason = peer.end()
        assert code == 1011
        assert "secret" not in reason
        other.send("")
        assert other.text() == "fine"
        assert [each["code"] for each in ends] == [1011]
        other.close()
        other.end()
    serve.stop()
    kind = ZeroDivisionError if fault == "raise" else TypeError
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [kind]


def test_a_peer_that_resets_is_a_disconnect(serve):
    """`websocket_disconnect` gets 1006 when no close frame came."""
    ended = threading.Event()
    codes: list[int] = []

    @websocket("/")
    class Waits(WebSocketHandler):
        async def websocket_connect(self, message):
            return "ready"

        async def websocket_receive(self, message): ...

        async def websocket_disconnect(self, message):
            codes.append(message["code"])
            ended.set()

    with Peer(serve(Waits), "/") as peer:
        assert peer.text() == "ready"
        peer.reset()
        assert ended.wait(20)
    assert codes == [1006]


# -- injection


class Database:
    """A component's value."""


class DatabaseComponent(Component):
    def __init__(self, log: list[str]) -> None:
        self.log = log

    async def resolve(self, name: QueryParam = "") -> Database:  # type: ignore[assignment]
        self.log.append(f"open {name}")
        return Database()


def test_the_injectable_types(serve):
    """All parts of the request are there by annotation, in each method, once per connection."""
    got: dict[str, Any] = {}

    @websocket("/at/{place}")
    async def asks(
        message,
        path: Path,
        url: URL,
        scheme: Scheme,
        host: Host,
        port: Port,
        query_string: QueryString,
        query_params: QueryParams,
        a: QueryParam,
        headers: Headers,
        x_token: Header,
        path_params: PathParams,
        place: str,
        method: Method,
        scope: ASGIScope,
        receive: ASGIReceive,
        send: ASGISend,
        session: Cookie,
        user_id: Cookie,
        cookies: Dict[str, Cookie],  # noqa: UP006
        more_cookies: dict[str, Cookie],
        connection: WebSocket,
        path_again: http.Path,
        missing: QueryParam = "default",  # type: ignore[assignment]
        missing_header: Header = None,  # type: ignore[assignment]
    ):
        got.update(locals())
        return "ok"

    number = serve(asks)
    headers = {"X-Token": "secret", "Cookie": "session=abc; b=2; user-id=7"}
    with Peer(number, "/at/home?a=1&a=2&b=%C3%A4", headers=headers) as peer:
        peer.send("")
        assert peer.text() == "ok"
    assert got["path"] == got["path_again"] == "/at/home"
    assert got["url"] == f"ws://127.0.0.1:{number}/at/home?a=1&a=2&b=%C3%A4"
    assert got["url"].components.query == got["query_string"] == "a=1&a=2&b=%C3%A4"
    assert (got["scheme"], got["host"], got["port"], got["method"]) == ("ws", "127.0.0.1", number, "GET")
    assert got["query_params"]["b"] == "\xe4"
    assert got["a"] == "1"  # the first
    assert got["x_token"] == got["headers"]["X-TOKEN"] == "secret"
    assert got["path_params"] == {"place": got["place"]} == {"place": "home"}
    assert got["scope"]["type"] == "websocket"
    assert callable(got["receive"])
    assert callable(got["send"])
    assert got["session"] == "abc"
    assert got["cookies"] == got["more_cookies"] == {"session": "abc", "b": "2", "user-id": "7"}
    assert got["user_id"] == "7"
    assert got["connection"].subprotocols == []
    assert got["missing"] == "default"
    assert got["missing_header"] is None


@pytest.mark.parametrize("kind", [QueryParam, Header, Cookie])
def test_a_parameter_that_the_client_leaves_out_refuses_it(serve, caplog, kind):
    """Without a default the handshake gets a 403, and the reason is in the log at DEBUG; it is no server's error."""
    caplog.set_level(logging.DEBUG, "websocket")

    async def asks(message, token): ...

    asks.__annotations__["token"] = kind
    port = serve(websocket("/asks")(asks))
    with Peer(port, "/asks") as peer:
        assert peer.status == 403
    serve.stop()
    assert log_lines(caplog) == [f"DEBUG:websocket:Websocket of /asks refused: {kind.__name__}: token not found!"]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_components_are_made_once_for_each_connection(serve):
    """Every method and message gets the same value, and a second connection one of its own."""
    opened: list[str] = []

    @websocket("/")
    class Asks(WebSocketHandler):
        async def websocket_connect(self, message, database: Database):
            self.database = database

        async def websocket_receive(self, message, database: Database):
            return "same" if database is self.database else "another"

    port = serve(Asks, components=[DatabaseComponent(opened)])
    for name in ("one", "two"):
        with Peer(port, f"/?name={name}") as peer:
            for _ in range(3):
                peer.send("")
                assert peer.text() == "same"
    assert opened == ["open one", "open two"]


def test_the_constructor_is_injected_behind_send(serve):
    """`__init__(self, send, ...)` may ask for what the methods may; wscore's own types are there as well."""

    @websocket("/")
    class Joins:
        def __init__(self, emit, member: Member, path: Path):
            self.member, self.path, self.emit = member, path, emit

        async def websocket_connect(self, message):
            self.member.enter("room")

        async def websocket_receive(self, message):
            await self.emit(f"{self.path} {sorted(self.member.rooms)}")

    with Peer(serve(Joins), "/") as peer:
        peer.send("")
        assert peer.text() == "/ ['room']"


def test_choosing_the_subprotocol_and_the_close_code(serve):
    """A parameter annotated `WebSocket` does what apistellar had no way for: accept, refuse and close as one likes."""

    @websocket("/")
    class Chooses(WebSocketHandler):
        async def websocket_connect(self, message, connection: WebSocket):
            await connection.accept(subprotocol="chat")

        async def websocket_receive(self, message, connection: WebSocket):
            await connection.close(4000, "chosen")

    with Peer(serve(Chooses), "/", subprotocols=["other", "chat"]) as peer:
        assert peer.subprotocol == "chat"
        peer.send("")
        assert peer.end() == (4000, "chosen")


def test_an_application_is_an_app():
    """What `App` offers, its registry among it, is there."""
    assert isinstance(Application("test", handlers=[]), App)
    assert apistellar.Application("test", handlers=[]).registry.rooms() == []
