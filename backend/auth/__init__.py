"""Who calls: API keys with scopes, member links, idempotency, the log of who did what."""
