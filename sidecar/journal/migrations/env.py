"""Runs migrations on the connection, and in the transaction, that `journal.schema` hands over.

Alembic loads this file; there is no alembic.ini and no second way in. SQLite's DDL is transactional once the driver
keeps its hands off BEGIN, which Alembic doesn't assume, so it is said here.
"""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
