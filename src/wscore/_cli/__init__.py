"""The parts of the `wscore` command, one concern each: load, listen, serve, supervise, and the last resort."""
