"""What reading has cost, by model, prompt, channel, route, party and sender; and why work waits.

The old table knew only money per quarter of an hour. The new one is filled from the inferences in the book, a page at a
time, once. Plain DDL and plain JSON, frozen here.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

QUARTER_US = 15 * 60 * 1_000_000
PAGE = 500
DDL = """
CREATE TABLE spent (
    dimension TEXT NOT NULL,
    name TEXT NOT NULL,
    quarter BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    escalations BIGINT NOT NULL,
    nano_usd BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cache_read_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    PRIMARY KEY (dimension, name, quarter)
);
CREATE INDEX ix_spent_quarter ON spent (dimension, quarter);
DROP TABLE spend;
ALTER TABLE work ADD COLUMN waits_for TEXT"""


def upgrade() -> None:
    """Make the table, fill it from the book, and let work say what it waits for."""
    for statement in DDL.split(";"):
        op.execute(statement.strip())
    connection = op.get_bind()
    after = 0
    while page := connection.execute(_READ, {"after": after, "most": PAGE}).all():
        rows = [row for held in page for row in _rows(held.party, held.recorded_at, bytes(held.body))]
        connection.execute(_ADD, rows)
        after = page[-1].seq


_READ = sa.text(
    "SELECT fact.seq, fact.party, fact.recorded_at, payload.body FROM fact "
    "JOIN payload ON payload.fact_id = fact.id AND payload.part = 'body' "
    "WHERE fact.kind = 'inference' AND fact.seq > :after ORDER BY fact.seq LIMIT :most"
)
_ADD = sa.text("""
INSERT INTO spent (dimension, name, quarter, calls, escalations, nano_usd, input_tokens, output_tokens,
    cache_read_tokens, cache_write_tokens)
VALUES (:dimension, :name, :quarter, 1, 0, :nano_usd, :input_tokens, :output_tokens,
    :cache_read_tokens, :cache_write_tokens)
ON CONFLICT (dimension, name, quarter) DO UPDATE SET
    calls = spent.calls + 1,
    nano_usd = spent.nano_usd + excluded.nano_usd,
    input_tokens = spent.input_tokens + excluded.input_tokens,
    output_tokens = spent.output_tokens + excluded.output_tokens,
    cache_read_tokens = spent.cache_read_tokens + excluded.cache_read_tokens,
    cache_write_tokens = spent.cache_write_tokens + excluded.cache_write_tokens""")


def _rows(party: str | None, recorded_at: int, body: bytes) -> list[dict[str, object]]:
    said = json.loads(body)
    kinds = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    numbers: dict[str, object] = {name: int(said.get(name) or 0) for name in kinds}
    numbers |= {"nano_usd": round(float(said.get("cost_usd") or 0.0) * 1_000_000_000)}
    names = [
        ("total", ""),
        ("model", said.get("model")),
        ("prompt", f"{said.get('prompt', '')}@{said.get('prompt_sha256', '')[:12]}"),
        ("party", party),
    ]
    quarter = recorded_at - recorded_at % QUARTER_US
    return [
        {"dimension": dimension, "name": name, "quarter": quarter, **numbers}
        for dimension, name in names
        if name or dimension == "total"
    ]
