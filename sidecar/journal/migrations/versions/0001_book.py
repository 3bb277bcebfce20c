"""The book, its projections and the state of this installation, as they were at first.

Plain DDL, frozen here: a migration that followed today's table definitions would change its meaning tomorrow.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BOOK = """
CREATE TABLE fact (
    seq {integer} NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    party TEXT,
    recorded_at BIGINT NOT NULL,
    sha256 TEXT NOT NULL
);
CREATE INDEX ix_fact_kind_seq ON fact (kind, seq);
CREATE INDEX ix_fact_party_seq ON fact (party, seq);
CREATE TABLE payload (
    fact_id TEXT NOT NULL REFERENCES fact (id),
    part TEXT NOT NULL,
    body {blob} NOT NULL,
    PRIMARY KEY (fact_id, part)
);
CREATE TABLE because (
    effect TEXT NOT NULL REFERENCES fact (id),
    cause TEXT NOT NULL REFERENCES fact (id),
    effect_kind TEXT NOT NULL,
    PRIMARY KEY (effect, cause)
) {without_rowid};
CREATE INDEX ix_because_cause_effect_kind ON because (cause, effect_kind);
CREATE TABLE text (
    sha256 TEXT NOT NULL PRIMARY KEY,
    body {blob} NOT NULL
);
CREATE TABLE erased (
    fact_id TEXT NOT NULL PRIMARY KEY REFERENCES fact (id),
    at BIGINT NOT NULL,
    reason TEXT NOT NULL
)"""

PROJECTIONS = """
CREATE TABLE party (
    id TEXT NOT NULL PRIMARY KEY,
    merged_into TEXT
);
CREATE INDEX ix_party_merged_into ON party (merged_into);
CREATE TABLE identifier (
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    party TEXT NOT NULL,
    PRIMARY KEY (kind, value)
);
CREATE INDEX ix_identifier_party ON identifier (party);
CREATE TABLE activity_index (
    activity_id TEXT NOT NULL PRIMARY KEY,
    channel TEXT NOT NULL,
    account TEXT NOT NULL,
    external_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    version TEXT NOT NULL,
    at BIGINT NOT NULL,
    thread TEXT NOT NULL,
    relates_to TEXT
);
CREATE INDEX ix_activity_index_external_id ON activity_index (channel, account, external_id);
CREATE INDEX ix_activity_index_relates_to ON activity_index (channel, account, relates_to);
CREATE INDEX ix_activity_index_thread ON activity_index (channel, account, thread);
CREATE TABLE match_index (
    match_id TEXT NOT NULL PRIMARY KEY,
    activity_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    after TEXT NOT NULL,
    party TEXT,
    pending BOOLEAN NOT NULL
);
CREATE INDEX ix_match_index_activity_id ON match_index (activity_id);
CREATE INDEX ix_match_index_party_at ON match_index (party, at, activity_id);
CREATE INDEX ix_match_index_pending ON match_index (party, at, activity_id) WHERE pending;
CREATE INDEX ix_match_index_question ON match_index (at, activity_id) WHERE outcome IN ('ambiguous', 'unknown');
CREATE TABLE waiting (
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    activity_id TEXT NOT NULL,
    PRIMARY KEY (kind, value, activity_id)
);
CREATE INDEX ix_waiting_activity_id ON waiting (activity_id);
CREATE TABLE standing (
    party TEXT NOT NULL PRIMARY KEY,
    doc TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    stage TEXT NOT NULL,
    review BOOLEAN NOT NULL,
    urgency TEXT NOT NULL,
    score FLOAT,
    last_activity_at BIGINT,
    watch_at BIGINT,
    updated_at BIGINT NOT NULL
);
CREATE INDEX ix_standing_last_activity_at ON standing (last_activity_at);
CREATE INDEX ix_standing_review ON standing (last_activity_at) WHERE review;
CREATE INDEX ix_standing_watch_at ON standing (watch_at) WHERE watch_at IS NOT NULL;
CREATE TABLE record_link (
    ledger TEXT NOT NULL,
    kind TEXT NOT NULL,
    ref TEXT NOT NULL,
    party TEXT NOT NULL,
    PRIMARY KEY (ledger, kind, ref)
);
CREATE INDEX ix_record_link_party ON record_link (party);
CREATE TABLE spend (
    quarter BIGINT NOT NULL PRIMARY KEY,
    nano_usd BIGINT NOT NULL,
    calls BIGINT NOT NULL
);
CREATE TABLE alert_open (
    id TEXT NOT NULL PRIMARY KEY,
    rule TEXT NOT NULL,
    subject TEXT NOT NULL,
    about TEXT NOT NULL,
    party TEXT,
    rank FLOAT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX ix_alert_open_party ON alert_open (party);
CREATE INDEX ix_alert_open_rule ON alert_open (rule, subject, about);
CREATE TABLE channel_seen (
    channel TEXT NOT NULL,
    account TEXT NOT NULL,
    deliveries BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (channel, account)
)"""

STATE = """
CREATE TABLE cursor (
    channel TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (channel, name)
);
CREATE TABLE work (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    touched BIGINT NOT NULL,
    done BIGINT NOT NULL,
    first_at BIGINT,
    due_at BIGINT,
    not_before BIGINT,
    ready_at BIGINT NOT NULL,
    lease_owner TEXT,
    lease_until BIGINT,
    lease_s FLOAT,
    fence BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    crashes BIGINT NOT NULL,
    parked_reason TEXT,
    PRIMARY KEY (kind, key)
);
CREATE INDEX ix_work_lease_owner ON work (lease_owner) WHERE lease_owner IS NOT NULL;
CREATE INDEX ix_work_parked ON work (kind, key) WHERE parked_reason IS NOT NULL;
CREATE INDEX ix_work_ready_at ON work (ready_at) WHERE touched > done AND parked_reason IS NULL;
CREATE TABLE owner (
    id TEXT NOT NULL PRIMARY KEY,
    since BIGINT NOT NULL
);
CREATE TABLE pause (
    scope TEXT NOT NULL PRIMARY KEY,
    reason TEXT NOT NULL,
    since BIGINT NOT NULL
);
CREATE TABLE meta (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
)"""

APPEND_ONLY = ("fact", "because", "text", "erased")


def upgrade() -> None:
    """Make every table, and the triggers that keep the book append-only."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    types = {
        "integer": "INTEGER" if is_sqlite else "BIGINT",
        "blob": "BLOB" if is_sqlite else "BYTEA",
        "without_rowid": "WITHOUT ROWID" if is_sqlite else "",
    }
    for group in (BOOK, PROJECTIONS, STATE):
        for statement in group.format(**types).split(";"):
            op.execute(statement.strip())
    if is_sqlite:
        _guard_sqlite()
    else:
        _guard_postgresql()


def _guard_sqlite() -> None:
    refusals = [(table, "UPDATE", "") for table in (*APPEND_ONLY, "payload")]
    refusals += [(table, "DELETE", "") for table in APPEND_ONLY]
    refusals += [("payload", "DELETE", "WHEN NOT EXISTS (SELECT 1 FROM erased WHERE fact_id = OLD.fact_id)")]
    for table, action, condition in refusals:
        op.execute(
            f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} {condition} "
            f"BEGIN SELECT RAISE(ABORT, 'the book is append-only'); END"
        )


def _guard_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN RAISE EXCEPTION 'the book is append-only' USING ERRCODE = 'restrict_violation'; END $$"
    )
    op.execute(
        "CREATE FUNCTION refuse_unmarked() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN IF EXISTS (SELECT 1 FROM erased WHERE fact_id = OLD.fact_id) THEN RETURN OLD; END IF; "
        "RAISE EXCEPTION 'the book is append-only' USING ERRCODE = 'restrict_violation'; END $$"
    )
    for table in APPEND_ONLY:
        op.execute(_statement_trigger(table, "UPDATE OR DELETE OR TRUNCATE"))
    op.execute(_statement_trigger("payload", "UPDATE OR TRUNCATE"))
    op.execute(
        "CREATE TRIGGER payload_no_delete BEFORE DELETE ON payload FOR EACH ROW EXECUTE FUNCTION refuse_unmarked()"
    )


def _statement_trigger(table: str, events: str) -> str:
    return (
        f"CREATE TRIGGER {table}_no_change BEFORE {events} ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
