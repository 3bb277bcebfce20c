"""Pipedrive, through its community client as transport: persons, organizations, deals, notes, activities.

`ledger` speaks the port. Below it, each module has one concern: `writer` writes, `records`, `find`, `history` and
`feed` read, `provision` serves the operator, `account` remembers what the company is like, `memory` what was made and
looked for, `wire` calls the API (`transport` is the client, `pace` its limits, `faults` its refusals), and `vendor`,
`natives` and `values` know its words and values and are pure.

The trade-off: Pipedrive has no batches, no unique field and no conditional write, and every call costs of one daily
budget. So the adapter spends tokens on looking before it makes something, and remembers what it saw.
"""

from adapters.crms.pipedrive.ledger import PipedriveLedger
from adapters.crms.pipedrive.options import PipedriveOptions

__all__ = ["PipedriveLedger", "PipedriveOptions"]
