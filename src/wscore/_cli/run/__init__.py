"""`wscore run`."""

from .arguments import add_arguments

__all__ = ["add_arguments"]
