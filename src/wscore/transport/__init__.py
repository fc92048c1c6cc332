"""What transports of every event loop share: sockets, TLS, listening, connecting. No event loop."""
