"""Intercom into the book by the real command: what it posts, what it only tells when asked, and nothing twice."""

import hmac
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.contract.hooked import FIRST
from tests.e2e.test_bookings import begun, book, post
from tests.support.served import Sidecar, until
from tests.twins.intercom import IntercomTwin
from tests.twins.wire.faults import Status


def hook(box: Sidecar, body: bytes) -> int:
    """Post a body as Intercom signs it."""
    digest = hmac.new(FIRST.encode(), body, "sha1").hexdigest()
    return post(box, "intercom", body, {"X-Hub-Signature": f"sha1={digest}"})


def test_what_is_posted_and_what_was_lost_come_in_once(tmp_path: Path) -> None:
    """A webhook that came twice, replies that it left out, and an outage end with each message once, a note in no talk.

    The contact's number, which no webhook holds, names the same party.
    """
    with IntercomTwin() as twin:
        box = begun(tmp_path, "intercom", twin.url, twin.token)
        now = datetime.now(UTC)
        contact = twin.joins(email="ann@customer.test", phone="+447700900123")
        talk = twin.begins(contact, "Our budget is 4000 pounds. Can I come on Thursday?", now)
        outage = twin.fault(Status(503, {"type": "error.list"}))
        with box.serve():
            body = twin.webhook("conversation.user.created", talk, now)
            assert [hook(box, body), hook(box, body)] == [200, 200]
            assert post(box, "intercom", body, {"X-Hub-Signature": "sha1=" + "0" * 40}) == 401
            lost = twin.answers(talk, "Thursday at ten is fine.", now + timedelta(seconds=1))
            note = twin.notes(talk, "He seems difficult.", now + timedelta(seconds=2))
            asked = twin.calls("conversation")
            until(lambda: twin.calls("conversation") >= asked + 3, "a whole poll behind the last message")
        assert outage.struck == 1
        box.run("run", "--until-idle")
        facts = book(box)
        found = Counter((a["kind"], a["external_id"]) for a in facts["activity"])
        assert found == Counter(
            {
                ("message", f"source:{talk}"): 1,
                ("message", f"part:{lost}"): 1,
                ("status", f"part:{note}"): 1,
                ("status", f"contact:{contact}"): 1,
            }
        )
        assert len([d for d in facts["delivery"] if d["key"].startswith("notif_")]) == 1
        links = {(i["kind"], i["value"]) for m in facts["match"] for i in m["links"]}
        assert {("email", "ann@customer.test"), ("phone", "+447700900123")} <= links
        assert len({m["party"] for m in facts["match"] if m["party"]}) == 1
        assert facts["inference"]
        assert "difficult" not in json.dumps([facts[kind] for kind in ("activity", "inference", "claim", "match")])
