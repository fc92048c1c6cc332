"""The names and manners of other frameworks: one module each, over `wscore.app`, thin, with no machinery of its own.

But for `seldom`, whose client for tests stands on `wscore.ClientConnection`.
"""
