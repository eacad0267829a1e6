"""Alembic runs inside the transaction that candil.store.open gives it."""

from alembic import context

from candil.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
