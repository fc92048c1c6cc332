"""`wscore connect`."""
