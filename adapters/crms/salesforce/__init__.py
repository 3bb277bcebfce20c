"""Salesforce, through its community client as transport: contacts or leads, accounts, opportunities, tasks, events.

`ledger` speaks the port. Below it, each module has one concern: `writer` writes (`rows` sends collections), `records`,
`find`, `history`, `feed` and `walk` read, `provision` and `readiness` serve the operator, `org` remembers what the org
is like, `wire` calls the API (`transport` is the client and its session, `budget` the day's calls, `faults` the
refusals), and `soql`, `vendor`, `natives` and `values` know its language, words and values and are pure.

The trade-off: calls are what is scarce, so everything goes in collections of 200 and in composites; updates that rely
on a reading go by 25, because Salesforce takes a condition for one record only.
"""

from adapters.crms.salesforce.ledger import SalesforceLedger
from adapters.crms.salesforce.options import SalesforceOptions

__all__ = ["SalesforceLedger", "SalesforceOptions"]
