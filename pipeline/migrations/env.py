"""Alembic's entry: run inside the transaction that `Database.upgrade` opened."""

from alembic import context

from pipeline.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
