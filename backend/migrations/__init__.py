"""The database's schema, as Alembic migrations that ship with the package."""
