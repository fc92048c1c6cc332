"""The core: no I/O, no clock, no randomness; what may be imported here is one contract in pyproject.toml."""
