"""The door's published description, thrown at a running sidecar by schemathesis: what is no webhook changes nothing.

The door of every channel that is called is open here, each with its own secret, and none of them is told to the tool.
So whatever it makes of the description, within it and beyond it, no answer may be of 5xx, each must be one that the
description names, and the book must be as empty afterwards as before.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

import adapters
from sidecar.journal import Journal
from tests.support.served import Sidecar, sidecar
from tests.twins.gong import shown, signing_key

DESCRIPTION = Path(__file__).parents[2] / "docs" / "openapi.json"
EXAMPLES = 60
JUDGES: Any = [
    getattr(schemathesis.checks, name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    )
]
CORE = """
[web]
host = "127.0.0.1"
port = 0
admin_port = 0
[journal]
url = "sqlite:///journal.db"
[crm]
type = "local"
path = "crm.db"
"""
MICROSOFT = """mailbox = "ann@ours.test"
tenant = "ours.test"
client_id = "c"
client_secret_env = "API_TOKEN"
client_state_env = "PLAIN_SECRET"
notification_url = "http://127.0.0.1/hooks/office"
login_url = "http://127.0.0.1:9"
graph_url = "http://127.0.0.1:9"
"""
CHANNELS: Mapping[str, str] = {
    "webhook": 'secret_env = "STANDARD_SECRET"',
    "meta": 'secret_env = "PLAIN_SECRET"\nverify_token_env = "VERIFY_TOKEN"',
    "chatwoot": 'account_id = 1\nbase_url = "http://127.0.0.1:9"\nsecret_env = "PLAIN_SECRET"\ntoken_env = "API_TOKEN"',
    "twilio": 'account_sid = "AC0123456789abcdef0123456789abcdef"\npublic_url = "http://127.0.0.1/hooks/twilio"\n'
    'auth_token_env = "PLAIN_SECRET"\nbase_url = "http://127.0.0.1:9"\nintelligence_url = "http://127.0.0.1:9"',
    "transcripts": 'secret_env = "STANDARD_SECRET"\ntranscripts = true',
    "zoom": 'account_id = "a"\nclient_id = "c"\nsecret_env = "PLAIN_SECRET"\nclient_secret_env = "API_TOKEN"\n'
    'base_url = "http://127.0.0.1:9"\nlogin_url = "http://127.0.0.1:9"\ntranscripts = true',
    "fireflies": 'secret_env = "PLAIN_SECRET"\ntoken_env = "API_TOKEN"\nbase_url = "http://127.0.0.1:9"',
    "aircall": 'api_id = "a"\ntoken_env = "API_TOKEN"\nsecret_env = "PLAIN_SECRET"\nbase_url = "http://127.0.0.1:9"',
    "dialpad": 'token_env = "API_TOKEN"\nsecret_env = "STANDARD_SECRET"\nbase_url = "http://127.0.0.1:9"\n'
    "transcripts = true",
    "gong": 'access_key = "a"\ntoken_env = "API_TOKEN"\npublic_url = "http://127.0.0.1/hooks/gong"\n'
    'public_key_env = "PUBLIC_KEY"\nbase_url = "http://127.0.0.1:9"\ntranscripts = true',
    "gmail": 'mailbox = "sales@ours.test"\nclient_id = "c"\ntopic = "projects/ours/topics/gmail"\npush_audience = "a"\n'
    'push_email = "p@ours.test"\nbase_url = "http://127.0.0.1:9"\ntoken_url = "http://127.0.0.1:9"\n'
    'certs_url = "http://127.0.0.1:9"',
    "gcalendar": 'calendar = "sales@ours.test"\nclient_id = "c"\nbase_url = "http://127.0.0.1:9"\n'
    'token_url = "http://127.0.0.1:9"',
    "calendly": 'secret_env = "PLAIN_SECRET"\ntoken_env = "API_TOKEN"\nbase_url = "http://127.0.0.1:9"',
    "intercom": 'secret_env = "PLAIN_SECRET"\ntoken_env = "API_TOKEN"\nbase_url = "http://127.0.0.1:9"',
    "calcom": 'secret_env = "PLAIN_SECRET"\ntoken_env = "API_TOKEN"\nbase_url = "http://127.0.0.1:9"',
    "microsoft365_mail": MICROSOFT,
    "microsoft365_calendar": MICROSOFT,
}
"""What each type of channel that is called needs in the config to begin with."""
SECRETS = {
    "PUBLIC_KEY": shown(signing_key("somebody")),
    "STANDARD_SECRET": "whsec_" + base64.b64encode(b"a secret of thirty-two bytes....").decode(),
    "PLAIN_SECRET": "fKq2-w8Zr-plum-orchard-47",
    "VERIFY_TOKEN": "mQ7-lantern-harbour-92",
    "API_TOKEN": "zT4-copper-meadow-58",
}


def test_every_door_is_tried() -> None:
    """No type of channel that is called is left out of this test."""
    called = {name for name in adapters.CHANNELS if adapters.load(adapters.CHANNELS, name).capabilities.webhook}
    assert called == set(CHANNELS)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    """Serve every channel that is called, and see at the end that nothing has come in."""
    folder = tmp_path_factory.mktemp("doors")
    sections = [f'[channels.{name}]\ntype = "{name}"\n{options}\n' for name, options in CHANNELS.items()]
    box = sidecar(folder, CORE + "".join(sections), SECRETS)
    with box.serve():
        yield box
    with Journal.open("sqlite:///journal.db", base=folder) as journal:
        assert journal.counts()["facts"] == 0


@pytest.mark.parametrize("channel", sorted(CHANNELS))
@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_what_is_no_webhook_changes_nothing(served: Sidecar, channel: str, method: str, mode: GenerationMode) -> None:
    """Generated requests get the answers that the description names, and never one of 5xx.

    Seen to fail with a time stamp read as a number without a guard.
    """
    schema = schemathesis.openapi.from_dict(json.loads(DESCRIPTION.read_bytes()))
    operation = schema["/hooks/{channel}"][method]
    cases = operation.as_strategy(generation_mode=mode)

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=cases, is_named=st.booleans())
    def throw(case: schemathesis.Case, is_named: bool) -> None:
        if is_named:
            case.path_parameters = {"channel": channel}
        response = case.call(base_url=f"http://127.0.0.1:{served.port}", timeout=20)
        case.validate_response(response, checks=JUDGES)

    throw()
