"""Writes reference/conformance.md from the cases of wscore.conformance: `python docs/generate_conformance.py`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from wscore.conformance.case import Case
from wscore.conformance.cases import CASES, chosen

PAGE: Final = Path(__file__).parent / "reference" / "conformance.md"

HEAD: Final = """\
# Conformance cases

<!-- Written by docs/generate_conformance.py from src/wscore/conformance/cases; edit those. -->

What `wscore conformance` tests: {all} cases, {server} of a server and {client} of a client. How to run them is in
[test a server or a client](../howto/test-a-server-or-client.md). `--only 'frames.*'` selects by id, and ids stay as
they are from version to version.

## Outcomes

| outcome | strict verdict | lenient verdict | when |
|---|---|---|---|
| pass | pass | pass | every MUST and every SHOULD of the rule is kept |
| lenient pass | fail | pass | every MUST is kept; a SHOULD, or what most do, is not: another close code, a late failure, a limit |
| fail | fail | fail | a MUST is broken |
| no answer | fail | fail | what had to come did not come within `--timeout`, 5 s by default |
| not applicable | | | the case is about something that the peer does not take part in: an extension that it declines |

No verdict depends on timing. After something that the peer must not take, the probe sends something that it would
answer: a ping, or a message where the application has to look at it. The answer to that proves that the peer carried
on; the close frame, or the end, that it did not. Where nothing can follow (half a frame, a header that announces
2**62 bytes), the probe waits for the whole `--timeout`, and silence is an outcome of its own. Floods and the largest messages come
last, one at a time, and have four times as long.

What the application behind a server sees is not tested: that would take more of the server than an echo.

The probe builds and reads its frames itself and imports no other part of wscore. Whatever the peer sends is held to the
rules in every case: masks, lengths, reserved bits, UTF-8, close codes, deflate windows, silence after a close frame.

## The protocol for a client under test

`wscore conformance client --port N` has the paths of Autobahn's fuzzingserver, so what drives a client through that
drives it through this. Every path is a WebSocket connection.

| path | what happens |
|---|---|
| `/getCaseCount` | one text message, the number of cases, then a close |
| `/runCase?case=N&agent=NAME` | a case. N counts from 1, or is an id. The client sends back each message as it came, with its kind, until the connection ends |
| `/getCaseInfo?case=N` | one text message, JSON: `id`, `description`, `source`; then a close |
| `/updateReports?agent=NAME` | a close: all cases are done, and the command prints its table and exits |

A case that the client did not connect for has the outcome "no answer".

## The JSON report

`--json FILE` writes one object: `format` ("wscore conformance report"), `version` (1), `tool`, `end` ("server" or
"client"), `name`, `started` (ISO 8601), `seconds`, `patience`, `counts` by outcome, and `cases`. Each of these has `id`,
`title`, `source`, `outcome`, `strict` and `lenient` (true, false, or null where there is nothing to judge), `says` (what
the peer did, where it did not pass), `seconds`, and the `conversation`: rows with `at` (seconds since the case began),
`by` ("probe" or "peer"), a `note`, and for bytes their `size` and the first 512 of them as `hex`. A row of the peer
without bytes is what the probe read out of those before it.

## Autobahn's cases

Autobahn|Testsuite 25.10.1 has 517. Each group of them, and the cases here that hold the same:

"""

AUTOBAHN: Final[tuple[tuple[str, int, str, str], ...]] = (
    ("1.1", 8, "text messages by length", "frames.length.*-text frames.chopped.*"),
    ("1.2", 8, "binary messages by length", "frames.length.*-binary frames.chopped.*"),
    ("2", 11, "pings and pongs", "control.ping.* control.pong.*"),
    ("3", 7, "reserved bits", "frames.rsv.*"),
    ("4.1, 4.2", 10, "reserved opcodes", "frames.opcode.*"),
    ("5", 20, "fragmentation", "fragments.*"),
    ("6.1", 3, "empty text", "frames.length.0-text fragments.empty-*-text"),
    ("6.2", 4, "valid UTF-8 in any fragments", "utf8.valid.greek utf8.cut.*"),
    ("6.3", 2, "invalid UTF-8 in any fragments", "utf8.invalid.surrogate.* utf8.cut.*-spoilt"),
    ("6.4", 4, "how soon invalid UTF-8 is seen", "utf8.fail-fast.*"),
    ("6.5 to 6.7, 6.9, 6.11, 6.22, 6.23", 70, "code points at their limits", "utf8.valid.* utf8.invalid.cut.*"),
    ("6.8, 6.10", 5, "sequences of five and six bytes", "utf8.invalid.long.* utf8.invalid.impossible.*"),
    ("6.12", 8, "continuation bytes alone", "utf8.invalid.continuation.*"),
    ("6.13", 5, "start bytes alone", "utf8.invalid.lonely.*"),
    ("6.14, 6.15", 11, "sequences that are cut", "utf8.invalid.cut.*"),
    ("6.16", 3, "impossible bytes", "utf8.invalid.impossible.*"),
    ("6.17 to 6.19", 15, "overlong forms", "utf8.invalid.overlong.*"),
    ("6.20, 6.21", 15, "surrogates", "utf8.invalid.surrogate.*"),
    ("7.1", 6, "closing, and what comes after it", "close.then.* close.after-message close.empty"),
    ("7.3", 6, "payloads of close frames", "close.empty close.one-byte close.reason.* close.too-long"),
    ("7.5", 1, "a reason that is not UTF-8", "close.reason.invalid-utf-8"),
    ("7.7", 13, "valid close codes", "close.code.1??? close.code.3??? close.code.4???"),
    ("7.9", 9, "invalid close codes", "close.code.*"),
    ("7.13", 2, "close codes of 5000 and 65535", "close.code.5000 close.code.65535"),
    ("9.1, 9.2", 12, "messages of up to 16 MiB", "sizes.*mib-text sizes.*mib-binary"),
    ("9.3, 9.4", 18, "messages of 4 MiB in fragments", "sizes.*-in-fragments-of-*"),
    ("9.5, 9.6", 12, "messages of 1 MiB in pieces", "sizes.*-in-writes-of-* frames.chopped.*"),
    ("9.7, 9.8", 12, "a thousand messages", "frames.many.* security.flood.empty-messages"),
    (
        "10",
        1,
        "a message in fragments of a stack's choice",
        "fragments.hundred-text sizes.1mib-text-in-fragments-of-1024",
    ),
    ("12", 90, "compressed messages by size and kind", "deflate.message.* deflate.many.* deflate.stream.*"),
    ("13", 126, "compression with other parameters", "deflate.window.* deflate.takeover.* deflate.many.*"),
)

TAIL: Final = """
Autobahn's sections 1 to 7 and 10, 247 cases, were held with four servers that were tested here as well: wscore, websockets
17.4, aiohttp 3.14.5, uvicorn 0.54 with wsproto. Both find the same, and weigh two things differently. To close with
another code than the fitting one is a lenient pass here, and a failure there (websockets in 7.1.5, aiohttp in 7.9.5): by
RFC 6455 5.5.1 an endpoint "typically" echoes the code, and 7.1.7 has it as a SHOULD. To fail a connection without a close
frame, which is the same SHOULD, is a lenient pass here, and OK there (uvicorn with wsproto).

Here a group may have fewer cases: where Autobahn sends a thousand messages of each of 18 sizes, a few sizes at the
edges say as much in a hundredth of the time. What Autobahn does not have: opening handshakes, negotiation of
permessage-deflate, masking rules, lengths in more bytes than they need, clients' requests, windows and contexts that
the peer does not keep to, and everything under `security`.

"""

FAMILIES: Final = {
    "handshake": "The opening handshake",
    "frames": "Frames",
    "fragments": "Fragmentation",
    "control": "Pings and pongs",
    "close": "Closing",
    "utf8": "UTF-8",
    "sizes": "Large messages",
    "deflate": "Compression",
    "security": "What an attacker sends",
}


def render() -> str:
    """Return the page."""
    head = HEAD.format(all=len(CASES), server=len(chosen("server")), client=len(chosen("client")))
    return head + "\n".join(_autobahn()) + "\n" + TAIL + "\n".join(_families()) + "\n"


def matching(patterns: str) -> list[Case]:
    """Return the cases that one of the patterns, with spaces between them, matches."""
    return [case for case in CASES if any(fnmatchcase(case.id, pattern) for pattern in patterns.split())]


def _autobahn() -> Iterator[str]:
    yield "| Autobahn | cases | about | here | cases |"
    yield "|---|---|---|---|---|"
    for group, count, about, patterns in AUTOBAHN:
        ids = ", ".join(f"`{pattern}`" for pattern in patterns.split())
        yield f"| {group} | {count} | {about} | {ids} | {len(matching(patterns))} |"


def _families() -> Iterator[str]:
    yield "An edge case is a row of [this project's own list](edge-cases.md)."
    for family, title in FAMILIES.items():
        yield f"\n## {title}\n"
        yield "| id | what has to happen | source | of | edge case |"
        yield "|---|---|---|---|---|"
        for case in CASES:
            if case.family == family:
                ends = ", ".join(end for end in ("server", "client") if case.concerns(end))
                yield f"| `{case.id}` | {case.title.replace('|', '&#124;')} | {case.source} | {ends} | {case.edge} |"


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` compare it."""
    if "--check" in arguments:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != render())
    PAGE.write_text(render(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
