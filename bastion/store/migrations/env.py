"""What alembic runs: the migrations, on the connection and in the transaction that `bastion.store.schema` opened."""

from alembic import context

from bastion.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
