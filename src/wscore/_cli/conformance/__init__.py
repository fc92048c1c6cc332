"""`wscore conformance`: hold all cases with a server or a client, and show what came of it."""
