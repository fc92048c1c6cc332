"""`wscore demo`: an example chat, and a conversation held with it over real sockets."""

from .command import add_arguments

__all__ = ["add_arguments"]
