"""`wscore run` serves what it is told to, where it is told to, and says where that is."""

import asyncio
import re
import socket
import ssl
import subprocess
import sys

import pytest
import trustme
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect, unix_connect

from ..real_time import TIMEOUT

RUNS_ON = {"asyncio": "asyncio", "trio": "trio"}


def test_the_address_is_printed_once_connections_are_accepted(command, backend):
    """The line on stdout names application, address and backend; a client can connect from then on."""
    running = command.run("app:echo", "--backend", backend)
    line = running.line()
    match = re.fullmatch(rf"wscore serves app:echo on (ws://127\.0\.0\.1:\d+) \({backend}\); Ctrl\+C stops it", line)
    assert match, (line, running.stderr)
    with connect(match[1]) as client:
        client.send("hello")
        assert client.recv(TIMEOUT) == "hello"
        client.send(b"\x00\xff")
        assert client.recv(TIMEOUT) == b"\x00\xff"
        client.send("who")
        assert client.recv(TIMEOUT) == f"{RUNS_ON[backend]} ws "


def test_the_address_is_printed_whatever_the_log_level(command, backend):
    """A script that asked for --port 0 reads the port even with --log-level critical."""
    running = command.run("app:echo", "--backend", backend, "--log-level", "critical")
    with connect(running.url()):
        pass
    assert running.stderr == ""


@pytest.mark.skipif(not socket.has_ipv6, reason="the system has no IPv6")
def test_an_ipv6_address_is_printed_in_brackets(command, backend):
    """The address can be pasted into a client."""
    url = command.run("app:echo", "--backend", backend, "--host", "::1").url()
    assert url.startswith("ws://[::1]:")
    with connect(url) as client:
        client.send("hello")
        assert client.recv(TIMEOUT) == "hello"


def test_a_unix_socket_is_served(command, backend):
    """--uds listens on a path instead of a port."""
    running = command.run("app:echo", "--backend", backend, "--uds", "s")
    assert running.url() == "unix:s"
    with unix_connect(str(command.folder / "s"), "ws://localhost/") as client:
        client.send("hello")
        assert client.recv(TIMEOUT) == "hello"


def test_an_inherited_socket_is_served(command, backend):
    """--fd serves the listening socket that the parent process opened."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        fd = listener.fileno()
        running = command.run("app:echo", "--backend", backend, "--fd", str(fd), pass_fds=(fd,))
        url = running.url()
        assert url == f"ws://127.0.0.1:{listener.getsockname()[1]}"
    with connect(url) as client:
        client.send("hello")
        assert client.recv(TIMEOUT) == "hello"


@pytest.mark.parametrize("in_one_file", [False, True])
def test_tls_is_served(command, backend, in_one_file):
    """With a certificate the address is wss://, and the application's scope says so; one file may hold both."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    if in_one_file:
        certificate.private_key_and_cert_chain_pem.write_to_path(command.folder / "both.pem")
        files = ["--ssl-certfile", "both.pem"]
    else:
        certificate.cert_chain_pems[0].write_to_path(command.folder / "cert.pem")
        certificate.private_key_pem.write_to_path(command.folder / "key.pem")
        files = ["--ssl-certfile", "cert.pem", "--ssl-keyfile", "key.pem"]
    context = ssl.create_default_context()
    authority.configure_trust(context)
    url = command.run("app:echo", "--backend", backend, *files).url()
    assert url.startswith("wss://127.0.0.1:")

    async def ask() -> str:  # the blocking client shares a TLS object between two threads, and now and then loses bytes
        async with connect_async(url, ssl=context, open_timeout=TIMEOUT) as client:
            await client.send("who")
            return str(await client.recv())

    assert asyncio.run(ask()) == f"{RUNS_ON[backend]} wss "


def test_uvloop_is_used_when_asked_for(command):
    """--loop uvloop runs the asyncio backend on uvloop's loop."""
    with connect(command.run("app:echo", "--loop", "uvloop").url()) as client:
        client.send("who")
        assert client.recv(TIMEOUT) == "uvloop ws "


def test_a_factory_is_called_without_being_named_one(command, backend):
    """As uvicorn does, where nothing else can be meant; the log says how to say so."""
    running = command.run("app:make", "--backend", backend)
    with connect(running.url()) as client:
        client.send("hello")
        assert client.recv(TIMEOUT) == "hello"
    assert "say --factory" in running.stderr


def test_an_application_of_asgi_2_is_served(command, backend):
    """A class that takes the scope, and is called again with receive and send."""
    with connect(command.run("app:Double", "--backend", backend).url()) as client:
        client.send("hello")
        assert client.recv(TIMEOUT) == "hello"


def test_a_crash_at_startup_is_told_and_the_application_served(command, backend):
    """With --lifespan auto, what is raised in a startup that was taken is in the log, with its traceback."""
    running = command.run("app:crashes_at_startup", "--backend", backend)
    with connect(running.url()) as client:
        client.send("hello")
        assert client.recv(TIMEOUT) == "hello"
    assert "ERROR wscore.error: lifespan: the application raised RuntimeError: database is down" in running.stderr
    assert "Traceback (most recent call last)" in running.stderr


def test_a_factory_is_called(command, backend):
    """--factory serves what the function returns."""
    with connect(command.run("app:make", "--factory", "--backend", backend).url()) as client:
        client.send("hello")
        assert client.recv(TIMEOUT) == "hello"


def test_an_application_may_be_an_attribute_of_an_attribute(command):
    """MODULE:APP takes dots after the colon, as uvicorn does."""
    with connect(command.run("app:Namespace.inner").url()) as client:
        client.send("hello")
        assert client.recv(TIMEOUT) == "hello"


def test_the_application_folder_comes_first(command):
    """--app-dir is looked at before anything that is installed, the standard library included."""
    folder = command.folder / "inner"
    folder.mkdir()
    (folder / "this.py").write_text((command.folder / "app.py").read_text())
    with connect(command.run("this:echo", "--app-dir", "inner").url()) as client:
        client.send("hello")
        assert client.recv(TIMEOUT) == "hello"


def test_an_applications_own_loggers_are_seen(command, backend):
    """The root logger has the level and a handler: the application's lines stand beside wscore's."""
    running = command.run("app:echo", "--backend", backend)
    with connect(running.url() + "/room"):
        pass
    running.process.terminate()
    assert running.ends() == 0
    assert "INFO app: accepted /room" in running.stderr
    assert "INFO wscore.access: " in running.stderr


def test_the_access_log_can_be_left_out(command, backend):
    """--no-access-log takes away wscore's lines for connections and nothing else."""
    running = command.run("app:echo", "--backend", backend, "--no-access-log")
    with connect(running.url() + "/room"):
        pass
    running.process.terminate()
    assert running.ends() == 0
    assert "INFO app: accepted /room" in running.stderr
    assert "wscore.access" not in running.stderr


def test_a_higher_log_level_leaves_out_the_access_records(command):
    """--log-level warning shows neither of them."""
    running = command.run("app:echo", "--log-level", "warning")
    with connect(running.url()):
        pass
    running.process.terminate()
    assert running.ends() == 0
    assert running.stderr == ""


def test_limits_reach_the_server(command, backend):
    """--ws-max-size is inclusive, --root-path is in the scope, and compression can be left out."""
    url = command.run(
        "app:echo",
        "--backend",
        backend,
        *("--ws-max-size", "10", "--root-path", "/api", "--no-ws-per-message-deflate", "--ws-ping-interval", "none"),
    ).url()
    with connect(url, compression="deflate") as client:
        assert client.protocol.extensions == []
        client.send("who")
        assert client.recv(TIMEOUT).endswith(" /api")
        client.send("x" * 10)
        assert client.recv(TIMEOUT) == "x" * 10
        client.send("x" * 11)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(TIMEOUT)
    assert closed.value.rcvd.code == 1009


def test_compression_is_on_unless_switched_off(command, backend):
    """A client that offers permessage-deflate gets it."""
    with connect(command.run("app:echo", "--backend", backend).url()) as client:
        assert [extension.name for extension in client.protocol.extensions] == ["permessage-deflate"]


def test_connections_above_the_limit_get_503(command, backend):
    """--limit-concurrency counts open connections."""
    url = command.run("app:echo", "--backend", backend, "--limit-concurrency", "1").url()
    with connect(url) as client:
        with pytest.raises(InvalidStatus, match="503"):
            connect(url)
        client.send("hello")
        assert client.recv(TIMEOUT) == "hello"


def test_zero_and_none_switch_off(command):
    """0 and "none" mean no limit and no pings; everything is served as before."""
    options = ["--limit-concurrency", "0", "--ws-ping-interval", "0", "--ws-ping-timeout", "none"]
    with connect(command.run("app:echo", *options).url()) as client:
        client.send("hello")
        assert client.recv(TIMEOUT) == "hello"


def test_every_option_of_the_issue_is_in_the_help(command):
    """`wscore run --help` lists the options by uvicorn's names, and each default."""
    result = command("run", "--help")
    assert result.returncode == 0
    for option in (
        *("--backend", "--host", "--port", "--uds", "--fd", "--app-dir", "--factory", "--loop", "--ssl-certfile"),
        *("--ssl-keyfile", "--root-path", "--log-level", "--no-access-log", "--ws-max-size", "--ws-ping-interval"),
        *("--ws-ping-timeout", "--ws-close-timeout", "--ws-max-queue", "--ws-per-message-deflate"),
        *("--no-ws-per-message-deflate", "--handshake-timeout", "--accept-timeout", "--timeout-graceful-shutdown"),
        *("--limit-concurrency", "--lifespan", "--workers", "--reload"),
    ):
        assert option in result.stdout
    assert "16777216" in result.stdout
    assert "--worker " not in result.stdout  # what a supervisor adds is its own affair


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_only_the_transport_that_was_asked_for_is_loaded(command, backend):
    """`--backend trio` serves without wscore_asyncio, and the other way round."""
    other = {"asyncio": "trio", "trio": "asyncio"}[backend]
    (command.folder / "sitecustomize.py").write_text(f"import sys\nsys.modules['wscore_{other}'] = None\n")
    command.finds_modules_in_its_folder()
    with connect(command.run("app:echo", "--backend", backend).url()) as client:
        client.send("hello")
        assert client.recv(TIMEOUT) == "hello"


def test_the_version_is_printed(command):
    """`wscore --version` gives one line, with status 0."""
    result = command("--version")
    assert result.returncode == 0
    assert result.stdout.startswith("wscore ")
    assert len(result.stdout.splitlines()) == 1


def test_python_m_wscore_is_named_wscore(command):
    """The help shows the command by its name, however it was started."""
    result = command("--help")
    assert result.stdout.startswith("usage: wscore ")


def test_the_installed_command_is_the_same(command):
    """The script that pip makes calls what `python -m wscore` calls."""
    script = (
        "import sys; from importlib.metadata import entry_points as e; sys.exit(e(name='wscore')['wscore'].load()())"
    )
    code = script if _is_installed() else "import sys; from wscore._cli.main import main; sys.exit(main())"
    result = subprocess.run(
        [sys.executable, "-c", code, "--version"],
        env=command.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, command("--version").stdout)


def _is_installed() -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return bool(version("wscore"))
    except PackageNotFoundError:
        return False
