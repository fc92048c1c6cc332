"""wscore on trio."""

from __future__ import annotations

import sys
from functools import partial

import trio

import wscore_trio
from bench.servers.echo_app import app

if __name__ == "__main__":
    trio.run(partial(wscore_trio.serve, app, "127.0.0.1", int(sys.argv[1]), access_log=False))
