"""Zoho CRM, version 8 of its API, by a thin client of our own: contacts, accounts, deals, notes, tasks, events.

`ledger` speaks the port. Below it, each module has one concern: `writer` writes, `records`, `find`, `history`, `walk`
and `feed` read, `provision` and `views` serve the operator, `org` remembers what the org is like, `wire` calls the API
(`tokens` holds the one access token, `shelf` keeps it, `credits` counts, `faults` names refusals, `coql` is its query
language), and `vendor`, `natives`, `values` and `signs` know its words and values and are pure.

The trade-off: what must be exact is asked of the database by queries, a call for each module, and never of search,
which lags. That costs a credit more for each batch than writing blindly would.
"""

from adapters.crms.zoho.ledger import ZohoLedger
from adapters.crms.zoho.options import ZohoOptions

__all__ = ["ZohoLedger", "ZohoOptions"]
