"""The audit: recomputes everything from the chain alone. Imports nothing that needs the database."""
