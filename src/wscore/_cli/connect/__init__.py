"""`wscore connect`."""

from .command import add_arguments

__all__ = ["add_arguments"]
