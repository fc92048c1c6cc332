"""The `wscore` command."""
