"""${message}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}

# House rules. Each migration is a transaction with a lock_timeout and a statement_timeout (Limits in
# migrations/connection.py), since whoever uses a table that it changes has to wait for it. One that
# rewrites a big table may give itself longer: op.execute("SET LOCAL statement_timeout = '30min'").
# It meets databases where `SQLModel.metadata.create_all()` made the change already: say
# `if_not_exists=True` or `if_exists=True` where an operation has it.


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
