"""`wscore run --workers`: processes behind one port, watched, replaced and ended by one that serves nobody itself."""

import asyncio
import contextlib
import os
import pty
import re
import signal
import socket
import ssl
import subprocess
import sys

import pytest
import trustme
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect, unix_connect

from ..real_time import TIMEOUT

PATIENT = ["--timeout-graceful-shutdown", "3600"]  # for ends that must not be by force
QUICK = ["--timeout-graceful-shutdown", "0.2", "--ws-close-timeout", "0.2"]  # for ends by force
SERVES = r"worker (\d+) serves"
RENEWED = "the code as it is now is served"

# `tells` answers with its process. What was there before its connection's end is finished: "finished" says so.
APPLICATION = """
import os
import anyio

VERSION = "first"


async def tells(scope, receive, send):
    if scope["type"] != "websocket":
        raise NotImplementedError
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": f"{os.getpid()} {VERSION}"})


async def starts_for_ever(scope, receive, send):
    os.write(1, b"starting\\n")  # whole, whoever else writes
    await anyio.sleep_forever()


async def takes_its_time(scope, receive, send):
    if scope["type"] != "websocket":
        raise NotImplementedError
    await receive()
    await send({"type": "websocket.accept"})
    await receive()
    await anyio.sleep(0.5)
    print("finished", flush=True)
"""


@pytest.fixture
def workers(command):
    """Start `wscore run workers:tells --workers 2`, or another application and number."""
    (command.folder / "workers.py").write_text(APPLICATION)

    def start(*arguments, app="workers:tells", number=2, pass_fds=()):
        return command.run(app, "--workers", str(number), *arguments, pass_fds=pass_fds)

    return start


def told(client) -> int:
    """Ask which process serves."""
    client.send("who")
    return int(client.recv(TIMEOUT).split()[0])


def wait_until_refused(url: str) -> None:
    """Wait until nobody listens there; it may still be served until then."""
    host, _, port = url.removeprefix("ws://").rpartition(":")
    while True:
        try:
            with (
                socket.create_connection((host, int(port)), TIMEOUT) as sock,
                contextlib.suppress(ConnectionResetError),
            ):
                sock.recv(1)  # where no worker accepts it any more, it ends with the last listening socket
        except ConnectionRefusedError:
            return


# -- serving


def test_the_address_is_printed_once_all_workers_serve(workers, backend):
    """One line, with the number of workers; several processes answer, and none is the one that was started."""
    running = workers("--backend", backend, number=3)
    line = running.line()
    match = re.fullmatch(
        rf"wscore serves workers:tells on (ws://127\.0\.0\.1:\d+) \({backend}, 3 workers\); Ctrl\+C stops it", line
    )
    assert match, (line, running.stderr)
    pids = {int(pid) for pid in running.logs(SERVES, 3)}
    assert len(pids) == 3
    with connect(match[1]) as client:
        assert told(client) in pids - {running.process.pid}


def test_log_lines_name_their_process(workers, backend):
    """The supervisor's and each worker's; the application's and the access log's as well."""
    running = workers("--backend", backend)
    with connect(running.url()) as client:
        pid = told(client)
    assert running.logs(rf"\[({running.process.pid})\] INFO wscore.server: worker {pid} serves")
    assert running.logs(rf"\[({pid})\] INFO wscore.access: ")


@pytest.mark.skipif(not socket.has_ipv6, reason="the system has no IPv6")
def test_all_addresses_of_a_host_are_served(workers, backend):
    """ "localhost" may be two of them: the workers share both sockets."""
    addresses = workers("--backend", backend, "--host", "localhost", number=1).url().split(" and ")
    assert addresses
    for address in addresses:
        with connect(address) as client:
            assert told(client)


def test_a_unix_socket_is_served_and_removed(workers, command, backend):
    """--uds works with workers; its path is gone at the end, and not when a worker ends."""
    running = workers("--backend", backend, "--uds", "s", number=1)
    assert running.url() == "unix:s"
    path = command.folder / "s"
    with unix_connect(str(path), "ws://localhost/") as client:
        told(client)
    running.signal(signal.SIGHUP)
    running.logs(RENEWED)
    with unix_connect(str(path), "ws://localhost/") as client:
        told(client)
    running.signal(signal.SIGTERM)
    assert running.ends() == 0
    assert not path.exists()


def test_an_inherited_socket_is_served(workers, backend):
    """--fd works with workers: what a service manager opened is handed on to them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        fd = listener.fileno()
        url = workers("--backend", backend, "--fd", str(fd), pass_fds=(fd,)).url()
        assert url == f"ws://127.0.0.1:{listener.getsockname()[1]}"
    with connect(url) as client:
        assert told(client)


def test_tls_is_served(workers, command, backend):
    """The certificate's options work with workers."""
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(command.folder / "both.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    url = workers("--backend", backend, "--ssl-certfile", "both.pem").url()
    assert url.startswith("wss://")

    async def ask() -> (
        None
    ):  # the blocking client shares a TLS object between two threads, and now and then loses bytes
        async with connect_async(url, ssl=context, open_timeout=TIMEOUT) as client:
            await client.send("who")
            assert int((await client.recv()).split()[0])

    asyncio.run(ask())


def test_the_installed_script_has_workers_too(command):
    """A worker is `python -m wscore`, but it looks for modules where the script does: not in the folder it runs in."""
    (command.folder / "workers.py").write_text(APPLICATION)
    (command.folder / "argparse.py").write_text("raise ImportError('not the one of the standard library')")
    code = "import sys; from wscore._cli.main import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-P", "-c", code, "run", "workers:tells", "--workers", "1", "--port", "0"],
        cwd=command.folder,
        env=command.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert "1 worker)" in line
            with connect(line.partition(" on ")[2].partition(" (")[0]) as client:
                assert told(client) != process.pid
            process.terminate()
            assert process.wait(TIMEOUT) == 0
        finally:
            process.kill()


# -- what cannot start


@pytest.mark.parametrize(
    ("backend", "target", "status", "says"),
    [
        ("asyncio", "workers", 2, "names no application"),  # what is loaded is loaded before a backend is
        ("asyncio", "nowhere:app", 1, "no module 'nowhere'"),
        ("trio", "workers:tels", 1, "did you mean tells?"),
        ("asyncio", "app:refuses_to_start", 1, "the application did not start: the database is away"),
        ("trio", "app:refuses_to_start", 1, "the application did not start: the database is away"),
        ("asyncio", "dies:app", 1, "the worker's process ended with status 7 before it served"),
    ],
)
def test_an_application_that_cannot_be_served_is_explained_once(command, one_line, backend, target, status, says):
    """Not once for each worker; with the status that one process would have."""
    (command.folder / "workers.py").write_text(APPLICATION)
    (command.folder / "dies.py").write_text("import os\nos._exit(7)\n")
    result = command("run", target, "--workers", "2", "--port", "0", "--backend", backend, "--log-level", "info")
    lines = result.stderr.splitlines()
    assert says in one_line(result), lines
    assert result.returncode == status


def test_a_busy_port_is_explained(command, one_line, backend):
    """In the words of a single process."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = command("run", "app:echo", "--backend", backend, "--workers", "2", "--port", str(port))
    assert f"another program listens on 127.0.0.1:{port}" in one_line(result)
    assert result.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--workers", "0"], "0 is not a number of processes: 1 or more"),
        (["--workers", "many"], "'many' is not a whole number"),
        (["--workers", "2", "--reload"], "--reload and --workers exclude each other"),
        (["--workers", "2", "--backend", "trio", "--loop", "uvloop"], "--loop uvloop"),
        (["--workers", "2", "--ws-max-size", "0"], "--ws-max-size 0"),
    ],
)
def test_options_that_cannot_work_are_refused_with_status_2(command, one_line, arguments, says):
    """Before any process is started."""
    result = command("run", "app:echo", *arguments)
    assert says in one_line(result)
    assert result.returncode == 2


# -- the end


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_workers_gracefully(workers, backend, number):
    """Each client gets its 1012, the status is 0, and nobody listens any more."""
    running = workers("--backend", backend, *PATIENT)
    url = running.url()
    with connect(url) as client:
        told(client)
        running.signal(number)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(TIMEOUT)
    assert closed.value.rcvd.code == 1012
    assert running.ends() == 0
    assert "Traceback" not in running.stderr
    wait_until_refused(url)


def test_ctrl_c_on_a_terminal_is_one_signal_for_a_worker(workers, backend):
    """It goes to the whole process group, where a second one would abort what the application finishes."""
    running = workers("--backend", backend, *PATIENT, app="workers:takes_its_time")
    with connect(running.url()):
        os.killpg(running.process.pid, signal.SIGINT)
        assert running.line() == "finished"
        assert running.ends() == 0


def test_a_service_manager_may_signal_every_process(workers, backend):
    """systemd does so by default: a worker that is ending already is not aborted by the signal that is passed on."""
    running = workers("--backend", backend, *PATIENT, app="workers:takes_its_time", number=1)
    with connect(running.url()):
        (pid,) = running.logs(SERVES)
        os.kill(int(pid), signal.SIGTERM)
        running.logs(rf"\[{pid}\] INFO wscore.server: shutting down")
        running.signal(signal.SIGTERM)
        assert running.line() == "finished"
        assert running.ends() == 0


def test_a_signal_while_workers_start_ends_them(workers, backend):
    """There is nothing to wait for, and it is no failure."""
    running = workers("--backend", backend, app="workers:starts_for_ever")
    assert [running.line(), running.line()] == ["starting", "starting"]
    running.signal(signal.SIGTERM)
    assert running.ends() == 0
    assert "Traceback" not in running.stderr


def test_a_second_signal_aborts(command, backend):
    """An application with an hour to end in is given up, with status 1 and one line."""
    running = command.run("app:ends_for_ever", "--backend", backend, "--workers", "2", *PATIENT)
    running.url()
    running.signal(signal.SIGTERM)
    running.logs(r"\d+\] INFO wscore.server: shutting down", 2)
    running.signal(signal.SIGINT)
    assert running.ends() == 1
    assert running.stderr.splitlines()[-1] == "wscore: aborted by a second signal"


def test_a_blocked_worker_cannot_hold_up_the_end(command, backend):
    """It prints the line that blocks, as a single process does, and the status says that it was by force."""
    running = command.run("app:blocks", "--backend", backend, "--workers", "2", *QUICK)
    with connect(running.url()) as client:
        client.send("block")
        assert running.line() == "blocking"
        running.signal(signal.SIGTERM)
        assert running.ends() == 1
    assert "in blocks" in running.stderr
    assert running.stderr.splitlines()[-1] == "wscore: 1 worker had to be ended by force"


def test_a_worker_that_hears_no_signal_is_killed(workers):
    """A stopped process stands for one that never returns from C code."""
    running = workers(*QUICK)
    with connect(running.url()) as client:
        pid = told(client)
        os.kill(pid, signal.SIGSTOP)
        running.signal(signal.SIGTERM)
        assert running.ends() == 1
    assert f"worker {pid} does not end: it is killed" in running.stderr


@pytest.mark.parametrize("app", ["workers:tells", "app:blocks"])
def test_workers_whose_supervisor_is_killed_end_by_themselves(workers, backend, app):
    """No orphans: gracefully, and where the event loop is blocked by force."""
    running = workers("--backend", backend, *QUICK, app=app)
    url = running.url()
    pids = {int(pid) for pid in running.logs(SERVES, 2)}
    with connect(url) as client:
        client.send("who")
        assert running.line() == "blocking" if app == "app:blocks" else client.recv(TIMEOUT)
        running.signal(signal.SIGKILL)
        running.ends()
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(TIMEOUT)
    if app == "workers:tells":
        assert closed.value.rcvd.code == 1012
    wait_until_refused(url)
    assert {int(pid) for pid in re.findall(r"\[(\d+)\] INFO wscore.server: shutting down", running.stderr)} <= pids


@pytest.mark.parametrize(
    ("arguments", "nohup"), [(["--workers", "2"], False), (["--workers", "2"], True), (["--reload"], False)]
)
def test_it_ends_with_its_terminal(command, arguments, nohup):
    """A hangup is a SIGHUP as well, but nobody asks for new workers with it; `nohup` is for those who mean to go on."""
    (command.folder / "workers.py").write_text(APPLICATION)
    terminal, inner = pty.openpty()
    ignored = f"signal.signal(signal.SIGHUP, signal.SIG_{'IGN' if nohup else 'DFL'}); "  # whatever we were started with
    code = f"import os, signal, sys; os.login_tty({inner}); {ignored}os.execv(sys.executable, sys.argv[1:])"
    run = [sys.executable, "-m", "wscore", "run", "workers:tells", "--port", "0", *arguments]
    with (
        subprocess.Popen(
            [sys.executable, "-c", code, *run], cwd=command.folder, env=command.environment, pass_fds=[inner]
        ) as process,
        os.fdopen(terminal, "rb", buffering=0) as screen,
    ):
        try:
            os.close(inner)
            shown = b""
            while not (found := re.search(rb" on (ws://\S+) \(.*\n", shown)):
                shown += screen.read(1000)
            screen.close()
            url = found[1].decode()
            if nohup:
                with connect(url, open_timeout=TIMEOUT) as client:
                    told(client)
                process.terminate()
            process.wait(TIMEOUT)
            wait_until_refused(url)
        finally:
            process.kill()


# -- a worker that dies, and workers that are replaced


def test_a_worker_that_ends_by_itself_is_replaced(workers, backend):
    """SIGTERM to one of them is a way to replace that one."""
    running = workers("--backend", backend, number=1)
    url = running.url()
    with connect(url) as client:
        pid = told(client)
        os.kill(pid, signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(TIMEOUT)
    assert closed.value.rcvd.code == 1012
    running.logs(rf"worker {pid}: (the worker's process ended with status 0); another takes its place")
    with connect(url) as client:  # it waits in the listening socket until there is a worker
        assert told(client) != pid


def test_new_code_is_served_after_sighup(workers, command, backend):
    """All workers have loaded it when the log says so."""
    running = workers("--backend", backend)
    url = running.url()
    (command.folder / "workers.py").write_text(APPLICATION.replace("first", "the second"))
    running.signal(signal.SIGHUP)
    running.logs(RENEWED)
    with connect(url) as client:
        client.send("who")
        assert client.recv(TIMEOUT).endswith(" the second")


def test_code_that_cannot_be_loaded_replaces_nobody(workers, command, backend):
    """The old workers serve on, their clients notice nothing, and one line says why."""
    running = workers("--backend", backend)
    with connect(running.url()) as client:
        pid = told(client)
        (command.folder / "workers.py").write_text("import absent_package\n")
        running.signal(signal.SIGHUP)
        running.logs(r"imports 'absent_package'.*; the workers that serve stay, and none is replaced")
        assert told(client) == pid
    running.signal(signal.SIGTERM)
    assert running.ends() == 0
    assert running.stderr.count("absent_package") == 1


def test_a_killed_worker_takes_only_its_own_clients_along(workers, backend):
    """50 clients on two workers, one killed: its clients see a loss, the others nothing, and it is replaced."""
    running = workers("--backend", backend)
    url = running.url()
    first = running.logs(SERVES, 2)

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:

            async def client():
                return await stack.enter_async_context(connect_async(url, open_timeout=TIMEOUT, compression=None))

            clients = await asyncio.gather(*(client() for _ in range(50)))
            while len(by_pid := await ask(clients)) < 2:  # the system may give them all to one
                clients.append(await client())
            victim = max(by_pid, key=lambda pid: len(by_pid[pid]))
            os.kill(victim, signal.SIGKILL)
            for lost in by_pid.pop(victim):
                with pytest.raises(ConnectionClosed) as closed:
                    await asyncio.wait_for(lost.recv(), TIMEOUT)
                assert closed.value.rcvd is None
            (survivors,) = by_pid.values()
            assert await ask(survivors) == by_pid
            (successor,) = {*await asyncio.to_thread(running.logs, SERVES, 3)} - {*first}
            while int(successor) not in await ask([await client()]):
                pass
            assert await ask(survivors) == by_pid

    asyncio.run(main())
    running.signal(signal.SIGTERM)
    assert running.ends() == 0


async def ask(clients) -> dict:
    """Sort clients by the process that serves them."""
    by_pid: dict = {}
    for client in clients:
        await client.send("who")
    for client in clients:
        by_pid.setdefault(int((await asyncio.wait_for(client.recv(), TIMEOUT)).split()[0]), []).append(client)
    return by_pid


def test_workers_are_replaced_without_refusing_a_connection(workers, backend):
    """SIGHUP under 50 talking clients: each gets 1012, connects again at once, and is served every time."""
    running = workers("--backend", backend)
    url = running.url()
    old = {int(pid) for pid in running.logs(SERVES, 2)}

    async def main() -> None:
        renewed = asyncio.Event()
        all_talk = asyncio.Semaphore(0)
        codes = set()

        async def client() -> tuple[int, int]:
            talking, ends = False, 0
            while True:
                async with connect_async(url, open_timeout=TIMEOUT, compression=None) as connection:
                    try:
                        while True:
                            last = renewed.is_set()
                            await connection.send("who")
                            pid = int((await asyncio.wait_for(connection.recv(), TIMEOUT)).split()[0])
                            if not talking:
                                talking = True
                                all_talk.release()
                            if last:
                                return pid, ends
                            with contextlib.suppress(TimeoutError):
                                await asyncio.wait_for(renewed.wait(), 0.1)  # ten messages a second each
                    except ConnectionClosed as closed:
                        codes.add(closed.rcvd and closed.rcvd.code)
                        ends += 1

        async def newcomers() -> None:
            while not renewed.is_set():
                async with connect_async(url, open_timeout=TIMEOUT, compression=None):
                    await asyncio.sleep(0.01)  # the workers need the machine as well

        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(newcomers())
            clients = [group.create_task(client()) for _ in range(50)]
            for _ in clients:
                await all_talk.acquire()
            running.signal(signal.SIGHUP)
            await asyncio.to_thread(running.logs, RENEWED)
            renewed.set()
        assert codes == {1012}
        for each in clients:
            pid, ends = each.result()
            assert pid not in old
            assert ends >= 1

    asyncio.run(main())
    running.signal(signal.SIGTERM)
    assert running.ends() == 0
    assert "Traceback" not in running.stderr
