"""The CRMs that a test's sidecar can be given, one class each: a twin of the vendor's API, and its people's screens.

What must hold on every CRM is tested over this table, so that a vendor who is added takes part in all of it by a line.
Nothing here uses the adapters: what stands in a CRM and who wrote it is read from the twin's own state.
"""

from collections.abc import Mapping
from importlib import import_module

from tests.support.crms.crm import Crm

__all__ = ["CRMS", "Crm", "crm_class"]

CRMS: Mapping[str, str] = {
    "hubspot": "tests.support.crms.hubspot:HubSpotCrm",
    "pipedrive": "tests.support.crms.pipedrive:PipedriveCrm",
    "salesforce": "tests.support.crms.salesforce:SalesforceCrm",
    "zoho": "tests.support.crms.zoho:ZohoCrm",
}
"""Every vendor's ledger by its name in the adapters' table, as "module:Class"."""


def crm_class(name: str) -> type[Crm]:
    """Return the class of a vendor's CRM."""
    module, _, cls = CRMS[name].partition(":")
    found: type[Crm] = getattr(import_module(module), cls)
    return found
