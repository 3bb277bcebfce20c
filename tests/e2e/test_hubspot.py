"""HubSpot's hints: a webhook that names a record brings what a rep did there before search knows of it.

What holds on every vendor's CRM is told in `test_vendors`.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
from hubspot.utils.signature import Signature

from tests.e2e.test_vendors import corrected, only, value
from tests.e2e.test_walk import CHAT, chat
from tests.support.crms.hubspot import HubSpotCrm
from tests.support.served import Sidecar, until
from tests.support.vendors import office, switch_on_unchecked


def test_a_webhook_brings_a_reps_edit_that_search_does_not_know_yet(tmp_path: Path) -> None:
    """HubSpot's own webhook hints at the record, so nobody waits for search; a forged one changes nothing."""
    url, secret = "https://crm.acme.test/hooks/ledger", "the-apps-client-secret"
    with HubSpotCrm(search_lag_s=600.0) as crm:
        box = office(
            tmp_path, crm, hook_url=url, hook_secret_env="HUBSPOT_APP_SECRET", secrets={"HUBSPOT_APP_SECRET": secret},
        )  # fmt: skip
        rule = {"match": "training", "answer": {"ops": [
            {"field": "stage", "value": "qualified", "evidence": [{"quote": "we need a training day"}]}
        ]}}  # fmt: skip
        (tmp_path / "script.json").write_text(json.dumps([rule]))
        switch_on_unchecked(box)
        with box.serve():
            assert box.post("web", chat(CHAT, datetime.now(UTC)), "msg-1") == 202
            until(lambda: value(crm, "deal", "stage") == "qualified", "the deal to be qualified")
            until(lambda: not box.json("work", "--state", "due")["work"], "idle")
            contact = only(crm, "contact")
            crm.edit("contact", contact.ref, {"name": "Ann Lee-Smith"})
            event = {
                "objectId": int(contact.ref), "propertyName": "lastname", "propertyValue": "Lee-Smith",
                "changeSource": "CRM_UI", "portalId": crm.twin.switches.portal_id,
                "subscriptionType": "contact.propertyChange",
            }  # fmt: skip
            assert hint(box, url, "somebody-else's", [event]) == 401
            assert hint(box, url, secret, [event]) == 202
            until(lambda: corrected(box) == {"name"}, "the correction")


def hint(box: Sidecar, url: str, secret: str, events: list[dict[str, Any]]) -> int:
    """Post events as HubSpot does, signed by its own SDK; returns the status."""
    body, stamp = json.dumps(events), str(int(datetime.now(UTC).timestamp() * 1000))
    signature = Signature.get_signature(secret, body, "v3", url, "POST", stamp)
    headers = {"X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": stamp}
    with httpx2.Client(trust_env=False, timeout=20) as client:
        return client.post(f"http://127.0.0.1:{box.port}/hooks/ledger", content=body, headers=headers).status_code
