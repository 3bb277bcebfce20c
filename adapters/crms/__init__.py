"""CRMs, one module per system, each under the same numbered promises (`tests/contract/ledger`).

An adapter says in `capabilities` what its CRM can do. What it can't do raises `UnsupportedFeature`; nothing is dropped
in silence, because a value that a CRM quietly cuts or skips would be journaled as posted and never looked at again.
"""
