"""The parts of the `wscore` command, one concern each: load, listen, serve, and the last resort."""
