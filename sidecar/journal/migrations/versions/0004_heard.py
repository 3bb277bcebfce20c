"""How much audio was heard, by model and quarter of an hour: what a day's bound is held against, and what it cost.

Made empty: what was heard before noted neither its length nor its price. Plain DDL, frozen here.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

DDL = """
CREATE TABLE heard (
    model TEXT NOT NULL,
    quarter BIGINT NOT NULL,
    files BIGINT NOT NULL,
    audio_ms BIGINT NOT NULL,
    nano_usd BIGINT NOT NULL,
    PRIMARY KEY (model, quarter)
)"""


def upgrade() -> None:
    """Make the table."""
    op.execute(DDL.strip())
