"""The reference ledger: a small CRM in one SQLite file, complete enough that every promise of the port can be tested.

It exists for the demo and for whoever has no CRM, and as the yardstick for the vendors' adapters: versions with
conditional writes, history with authors, duplicate rules, merges, a recycle bin, associations, pipelines and a change
feed behave here as the port says. So that the weaker paths can be walked as well, its options take abilities away
(`conditional_write = false`) or make its search lag (`search_lag_s`).

It may not know the journal: this file is the customer's data, the journal is ours, and nothing is shared but the port.
The trade-off: one writer at a time, each write flushed to disk before it is confirmed. That suits one office, not a
call centre; who outgrows it has a real CRM.

`ledger` speaks the port and the people's side, `fields` knows types and values (pure), `rows` holds the SQL, `store`
the file, its transactions and their errors.
"""

from adapters.crms.local.ledger import PERSON, LocalLedger, LocalOptions

__all__ = ["PERSON", "LocalLedger", "LocalOptions"]
