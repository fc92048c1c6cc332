"""What cannot be done is one line on stderr that says what to do, with status 1 or 2 and no traceback."""

import socket
from pathlib import Path

import pytest
import trustme


@pytest.mark.parametrize(
    ("target", "status", "says"),
    [
        ("app", 2, ["'app' names no application", "MODULE:APP", "for example app:app"]),
        ("app.py", 2, ["names no application"]),
        (":echo", 2, ["names no application"]),
        ("app:", 2, ["names no application"]),
        ("nowhere:app", 1, ["no module 'nowhere'", "--app-dir"]),
        ("app.nowhere:app", 1, ["no module 'app.nowhere'"]),
        ("nowhere.deeper:app", 1, ["no module 'nowhere'"]),
        ("imports:app", 1, ["'imports' imports 'absent_package'", "not installed", "imports.py:2"]),
        ("syntax:app", 1, ["'syntax' cannot be imported", "SyntaxError", "syntax.py:3", 'python -c "import syntax"']),
        ("raises:app", 1, ["ZeroDivisionError: division by zero", "raises.py:4", 'python -c "import raises"']),
        ("exits:app", 1, ["SystemExit: 3", "exits.py:2"]),
        ("app:ehco", 1, ["module 'app'", "no attribute 'ehco'", "did you mean echo?"]),
        ("app:Namespace.iner", 1, ["'Namespace' has no attribute 'iner'", "did you mean inner?"]),
        ("app:quite_different", 1, ["no attribute 'quite_different'", "check the name"]),
        ("app:NOT_CALLABLE", 1, ["not an application", "int"]),
        ("app:plain", 1, ["app:plain is not an application", "write `async def`"]),
        ("app:wsgi", 1, ["app:wsgi is not an application", "WSGI", "(scope, receive, send)"]),
        ("app:make_slowly", 1, ["async function", "a factory cannot be async"]),
    ],
)
def test_a_target_that_cannot_be_loaded_is_explained(command, one_line, target, status, says):
    """Each way in which MODULE:APP can be wrong has a line of its own."""
    (command.folder / "imports.py").write_text("import sys\nimport absent_package\n")
    (command.folder / "syntax.py").write_text("a = 1\n\nb = = 2\n")
    (command.folder / "raises.py").write_text("def f():\n\n\n    return 1 / 0\nf()\n")
    (command.folder / "exits.py").write_text("import sys\nsys.exit(3)\n")
    result = command("run", target)
    line = one_line(result)
    assert result.returncode == status
    for part in says:
        assert part in line


@pytest.mark.parametrize(
    ("factory", "says"),
    [
        ("app:make_nothing", ["gave no application", "NoneType"]),
        ("app:make_slowly", ["async function"]),
        ("app:make_fails", ["LookupError: no settings were found", "app.py:"]),
    ],
)
def test_a_factory_that_gives_no_application_is_explained(command, one_line, factory, says):
    """A factory that fails, or gives something else, is one line too, however many its exception has."""
    result = command("run", factory, "--factory")
    line = one_line(result)
    assert result.returncode == 1
    for part in says:
        assert part in line


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--ws-max-size", "0"], ["--ws-max-size 0", "1 or more"]),
        (["--ws-max-size", "many"], ["--ws-max-size", "'many' is not a whole number"]),
        (["--ws-max-queue", "-1"], ["--ws-max-queue"]),
        (["--ws-ping-interval", "-1"], ["--ws-ping-interval -1", "seconds above 0"]),
        (["--ws-ping-timeout", "soon"], ["--ws-ping-timeout", "'soon' is not a number of seconds"]),
        (["--ws-close-timeout", "nan"], ["--ws-close-timeout nan"]),
        (["--handshake-timeout", "0"], ["--handshake-timeout 0"]),
        (["--timeout-graceful-shutdown", "-1"], ["--timeout-graceful-shutdown -1"]),
        (["--root-path", "api/"], ["--root-path api/", "starts with a slash"]),
        (["--port", "65536"], ["--port", "65536 is not a port"]),
        (["--port", "http"], ["--port", "'http' is not a whole number"]),
        (["--fd", "-1"], ["--fd"]),
        (["--uds", "s", "--fd", "3"], ["--fd", "--uds"]),
        (["--backend", "curio"], ["--backend", "curio", "asyncio", "trio"]),
        (["--log-level", "loud"], ["--log-level", "loud"]),
        (["--backend", "trio", "--loop", "uvloop"], ["--loop uvloop", "--backend asyncio"]),
        (["--ssl-keyfile", "key.pem"], ["--ssl-keyfile needs --ssl-certfile"]),
        (["--por", "1"], ["--por"]),
    ],
)
def test_an_option_that_cannot_work_is_refused_with_status_2(command, one_line, arguments, says):
    """A wrong option is named together with what was expected; abbreviations are none."""
    result = command("run", "app:echo", *arguments)
    line = one_line(result)
    assert result.returncode == 2
    for part in says:
        assert part in line


def test_no_command_is_one_line(command, one_line):
    """`wscore` alone says that a command is missing."""
    result = command()
    assert "COMMAND" in one_line(result)
    assert result.returncode == 2


def test_a_busy_port_is_explained(command, one_line, backend):
    """Another listener on the port: which one, and how to get another."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = command("run", "app:echo", "--backend", backend, "--port", str(port))
    line = one_line(result)
    assert result.returncode == 1
    assert f"another program listens on 127.0.0.1:{port}" in line
    assert "--port 0" in line


def test_a_host_that_does_not_resolve_is_explained(command, one_line, backend):
    """A host name that nobody knows is named."""
    result = command("run", "app:echo", "--backend", backend, "--host", "nowhere.invalid", "--port", "0")
    assert "'nowhere.invalid' does not resolve" in one_line(result)
    assert result.returncode == 1


def test_a_foreign_address_is_explained(command, one_line, backend):
    """An address of another machine (RFC 5737 keeps this one for examples) cannot be listened on."""
    result = command("run", "app:echo", "--backend", backend, "--host", "192.0.2.1", "--port", "0")
    assert "192.0.2.1 is no address of this machine" in one_line(result)
    assert result.returncode == 1


def test_a_privileged_port_is_explained(command, one_line, backend):
    """A port that needs privileges is named together with the way out."""
    # Whether port 80 is refused depends on the user and the container: here the system's answer is given.
    (command.folder / "sitecustomize.py").write_text(
        "import socket\n"
        "class Socket(socket.socket):\n"
        "    def bind(self, address):\n"
        "        raise PermissionError(13, 'Permission denied')\n"
        "socket.socket = Socket\n"
    )
    command.finds_modules_in_its_folder()
    result = command("run", "app:echo", "--backend", backend, "--port", "80")
    line = one_line(result)
    assert result.returncode == 1
    assert "not allowed to listen on 127.0.0.1:80" in line
    assert "--port 8000" in line


def test_a_unix_socket_without_its_folder_is_explained(command, one_line, backend):
    """A path in a folder that does not exist."""
    result = command("run", "app:echo", "--backend", backend, "--uds", "absent/s")
    assert "absent/s: its folder does not exist" in one_line(result)
    assert result.returncode == 1


def test_a_unix_socket_with_too_long_a_path_is_explained(command, one_line, backend):
    """The system's limit for the path of a unix socket."""
    result = command("run", "app:echo", "--backend", backend, "--uds", "s" * 200)
    assert "100 bytes" in one_line(result)
    assert result.returncode == 1


def test_a_unix_socket_path_that_is_a_file_is_explained(command, one_line, backend):
    """A file that is no socket stays as it is."""
    (command.folder / "file").write_text("precious")
    result = command("run", "app:echo", "--backend", backend, "--uds", "file")
    assert "file" in one_line(result)
    assert result.returncode == 1
    assert (command.folder / "file").read_text() == "precious"


def test_an_inherited_descriptor_that_is_none_is_explained(command, one_line):
    """--fd with a number that nothing stands behind."""
    result = command("run", "app:echo", "--fd", "99")
    assert "--fd 99 is not an open socket" in one_line(result)
    assert result.returncode == 1


def test_an_inherited_socket_that_does_not_listen_is_explained(command):
    """--fd with a socket that was only bound."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.set_inheritable(True)
        running = command.run("app:echo", "--fd", str(bound.fileno()), pass_fds=(bound.fileno(),))
        assert running.ends() == 1
    assert "does not listen" in running.stderr
    assert "Traceback" not in running.stderr


def _pem(folder: Path) -> tuple[str, str]:
    certificate = trustme.CA().issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    return "cert.pem", "key.pem"


def test_a_missing_certificate_is_explained(command, one_line):
    """Which of the two files cannot be read is said."""
    certificate, _ = _pem(command.folder)
    assert "--ssl-certfile none.pem" in one_line(command("run", "app:echo", "--ssl-certfile", "none.pem"))
    line = one_line(command("run", "app:echo", "--ssl-certfile", certificate, "--ssl-keyfile", "none.pem"))
    assert "--ssl-keyfile none.pem" in line


def test_files_that_are_no_certificate_are_explained(command, one_line):
    """Not PEM, a certificate without its key, and a key of another certificate."""
    certificate, key = _pem(command.folder)
    (command.folder / "text.pem").write_text("hello")
    trustme.CA().issue_cert("127.0.0.1").private_key_pem.write_to_path(command.folder / "other.pem")
    assert "do not hold a certificate" in one_line(
        command("run", "app:echo", "--ssl-certfile", "text.pem", "--ssl-keyfile", key)
    )
    assert "--ssl-keyfile" in one_line(command("run", "app:echo", "--ssl-certfile", certificate))
    result = command("run", "app:echo", "--ssl-certfile", certificate, "--ssl-keyfile", "other.pem")
    assert "is not the key of the certificate" in one_line(result)
    assert result.returncode == 1


def test_a_key_with_a_passphrase_is_refused_and_not_asked_for(command, one_line):
    """A service has no terminal to ask on."""
    from cryptography.hazmat.primitives import serialization as s

    certificate, key = _pem(command.folder)
    private = s.load_pem_private_key((command.folder / key).read_bytes(), None)
    (command.folder / key).write_bytes(
        private.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"secret"))
    )
    result = command("run", "app:echo", "--ssl-certfile", certificate, "--ssl-keyfile", key)
    assert "has a passphrase" in one_line(result)
    assert result.returncode == 1


@pytest.mark.parametrize(("package", "arguments"), [("trio", ["--backend", "trio"]), ("uvloop", ["--loop", "uvloop"])])
def test_a_missing_extra_is_named_with_the_command_that_installs_it(command, one_line, package, arguments):
    """Without trio or uvloop the line says what to type."""
    (command.folder / "sitecustomize.py").write_text(f"import sys\nsys.modules[{package!r}] = None\n")
    command.finds_modules_in_its_folder()
    result = command("run", "app:make", "--factory", *arguments)
    assert f"pip install 'wscore[{package}]'" in one_line(result)
    assert result.returncode == 1


def test_a_startup_that_fails_stops_with_the_applications_message(command, one_line, backend):
    """lifespan.startup.failed: the message is the line, without line ends."""
    result = command("run", "app:refuses_to_start", "--backend", backend, "--port", "0", "--log-level", "critical")
    assert "the application did not start: the database is away" in one_line(result)
    assert result.returncode == 1


def test_a_framework_that_fails_to_start_is_told_from_the_end(command, backend):
    """Starlette's message is a traceback: the line it is about comes first, and then all of it with its lines."""
    result = command("run", "app:framework", "--factory", "--backend", backend, "--log-level", "critical")
    first, second, *_, last = result.stderr.splitlines()
    assert first == "wscore: the application did not start: RuntimeError: database is down"
    assert second == "Traceback (most recent call last):"
    assert last == "RuntimeError: database is down"
    assert result.returncode == 1


def test_a_workers_framework_that_fails_to_start_is_told_likewise(command):
    """Once, whatever the number of workers."""
    result = command("run", "app:framework", "--factory", "--workers", "2", "--port", "0", "--log-level", "critical")
    assert result.stderr.splitlines()[0] == "wscore: the application did not start: RuntimeError: database is down"
    assert result.stderr.count("Traceback (most recent call last):\n") == 1
    assert result.returncode == 1


def test_an_application_that_raises_where_it_must_not_is_told_likewise(command, backend):
    """With --lifespan on an exception is a failure to start: a line, and the traceback."""
    result = command("run", "app:crashes_at_startup", "--backend", backend, "--port", "0", "--lifespan", "on")
    first, second, *_, last = result.stderr.splitlines()
    assert first.startswith("wscore: the application did not start: the application raised RuntimeError")
    assert first.endswith("database is down")
    assert second == "Traceback (most recent call last):"
    assert last == "RuntimeError: database is down"
    assert result.returncode == 1


def test_an_application_that_exits_in_its_startup_is_told_likewise(command, backend):
    """sys.exit() there is a failure to start, and not the exit of the server."""
    result = command("run", "app:exits_at_startup", "--backend", backend, "--port", "0")
    first = result.stderr.splitlines()[0]
    assert first == (
        "wscore: the application did not start: the application raised SystemExit in its lifespan: --dsn is missing"
    )
    assert result.returncode == 1


def test_an_interrupt_in_the_startup_is_the_operators(command, backend):
    """KeyboardInterrupt is no failure of the application: the command ends as it does wherever that comes."""
    result = command("run", "app:interrupts_at_startup", "--backend", backend, "--port", "0")
    assert result.returncode == 130


def test_the_demo_explains_a_busy_port(command, one_line, backend):
    """`wscore demo --port` uses the same lines."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        result = command("demo", "--backend", backend, "--port", str(other.getsockname()[1]))
    assert "another program listens on" in one_line(result)
    assert result.returncode == 1
