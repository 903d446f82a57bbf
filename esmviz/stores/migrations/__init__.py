"""Steps of the schema, run by Alembic; each is one file in ``versions``, written by hand and never changed later."""
