"""A run under virtual time that cannot end."""

__all__ = ["Hang"]


class Hang(AssertionError):
    """Nothing will ever happen, or the same again and again; the text says where each task waits."""
