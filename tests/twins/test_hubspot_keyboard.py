"""The twin as a server of its own: what a person who tries the HubSpot path types into it."""

import subprocess
import sys

LINES = """create contact email=ann@x.test firstname=Ann
edit contact 50001 firstname=
edit contact 7 firstname=Eve
show contact
scopes crm.objects.contacts.read
tokens another
down
up
calls
nonsense

"""


def test_the_twin_can_be_run_and_typed_into() -> None:
    """It tells where it is, does what a line says, and refuses what can't be done without ending."""
    command = [sys.executable, "-m", "tests.twins.hubspot", "--port", "0", "--portal", "7"]
    ended = subprocess.run(command, input=LINES, capture_output=True, text=True, timeout=60, check=True)
    told = ended.stdout
    assert "HUBSPOT_TOKEN=pat-eu1-twin" in told and 'base_url = "http://127.0.0.1:' in told
    assert "\n50001\n" in told and "'email': 'ann@x.test'" in told and "'firstname'" not in told
    assert told.count("refused: ") == 1 and "Unknown syntax: nonsense" in told
    assert ended.stderr == ""
