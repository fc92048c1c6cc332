"""A conformance suite for WebSocket servers and clients in any language: `wscore conformance`.

It judges with nothing of what it judges: its frames are built and read here, deliberately simply, and it imports no
other part of wscore. From the bottom up:

    frames, deflate, heads   bytes in, bytes out: frames, compressed messages, HTTP heads
    steps                    what a script asks for: send these bytes, wait for some
    outcome, transcript      a verdict, and the conversation that led to it
    messages                 what a peer's frames amount to, and what it must never send
    peer                     the end under test, as a script talks to it; server_peer and client_peer open it
    case, cases/             one script for each rule, with its id and its section of the RFC; no sockets, no clock
    conversation, link       runs a script over a socket
    servers, clients         all cases against a server, or for the clients that connect
    reports/                 the terminal's table, JSON, JUnit, HTML
"""
