"""HubSpot, through the vendor's SDK as transport: contacts, companies, deals, notes, tasks, meetings, associations.

`ledger` speaks the port. Below it, each module has one concern: `writer` and `rows` write, `records`, `find`, `history`
and `feed` read, `provision` and `readiness` serve the operator, `portal` remembers what the account is like, `search`
and `wire` call the API (`transport` is the SDK, `pace` its limits, `faults` its refusals, `shapes` its answers), and
`vendor`, `natives` and `values` know its words and values and are pure.

The trade-off: HubSpot has no conditional write and no reliable feed, and search lags. So the adapter spends calls on
looking (a reading after each update, a fresh reading of each search hit) and never on sending twice.
"""

from adapters.crms.hubspot.ledger import HubSpotLedger
from adapters.crms.hubspot.options import HubSpotOptions

__all__ = ["HubSpotLedger", "HubSpotOptions"]
