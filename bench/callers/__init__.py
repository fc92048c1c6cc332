"""The clients that are measured, each a program: `python -m bench.callers.MODULE PORT`."""
