"""Alembic's entry: one connection, one transaction for all that is missing, under a lock so that two starts do not race."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=None, transactional_ddl=True)
with context.begin_transaction():
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7205759403)")
    context.run_migrations()
