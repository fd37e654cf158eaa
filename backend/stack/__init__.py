"""The local stack: an embedded PostgreSQL, a local chain, and our own processes, all in one folder."""
