"""The twin as a server of its own: what a person who tries the Salesforce path types into it."""

import subprocess
import sys

LINES = """create lead LastName=Bee Company=Roofs Email=ann@x.test
create deal Name=Roof StageName=Prospecting CloseDate=2026-04-01 Amount=#250
edit lead 00QWs0000000001MAA Email=
edit lead 00QWs0000000009MAA Email=eve@x.test
create contact FirstName=Eve
track deal StageName
convert 00QWs0000000001MAA
show contact
show deal
limit 5
sessions
fail 503
heal
calls
nonsense

"""


def test_the_twin_can_be_run_and_typed_into() -> None:
    """It tells where it is, does what a line says, and refuses what can't be done without ending."""
    command = [sys.executable, "-m", "tests.twins.salesforce", "--port", "0"]
    ended = subprocess.run(command, input=LINES, capture_output=True, text=True, timeout=60, check=True)
    told = ended.stdout
    assert "SALESFORCE_SECRET=twin-secret" in told and 'base_url = "http://127.0.0.1:' in told
    assert "\n00QWs0000000001" in told and "'LastName': 'Bee'" in told and "'Email'" not in told
    assert "'Amount': 250.0" in told and "'Contact': '003Ws" in told
    assert told.count("refused: ") == 2 and "Unknown syntax: nonsense" in told
    assert ended.stderr == ""
