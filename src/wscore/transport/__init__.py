"""Code shared by the transports of all event loops: sockets, TLS, listening, connecting. No event loop here."""
