"""The names and manners of other frameworks over `wscore.app`: one module each, thin, with no machinery of its own."""
