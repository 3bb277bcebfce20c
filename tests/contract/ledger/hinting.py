"""A promise about the CRM's webhooks: L24. Signed, they name records; unsigned, they are nobody's."""

import pytest

from sidecar.errors import RejectedInput, UnsupportedFeature
from sidecar.ports import HookRequest
from tests.contract.ledger.crm import Crm


class HintingContract:
    """The CRM's own word on what people touched."""

    def test_l24_a_webhook_names_what_a_person_touched(self, crm: Crm) -> None:
        """L24: verified on its raw bytes, the record it is about; seed: every request is believed."""
        if not crm.ledger.capabilities.hints:
            with pytest.raises(UnsupportedFeature):
                crm.ledger.hinted(HookRequest({}, b"[]"))
            return
        made = crm.create()
        request: HookRequest = crm.harness.hint("contact", made.ref)  # type: ignore[attr-defined]  # where declared
        assert list(crm.ledger.hinted(request)) == [("contact", made.ref)]
        for forged in (HookRequest({}, request.body), HookRequest(request.headers, request.body + b" ")):
            with pytest.raises(RejectedInput):
                crm.ledger.hinted(forged)
