"""The twin as a server of its own: what a person who tries the Zoho path types into it."""

import io
import subprocess
import sys

from tests.twins.zoho import ZohoTwin
from tests.twins.zoho.__main__ import ZohoKeyboard

LINES = """create contact Last_Name=Bee Email=ann@x.test
create contact Email=eve@x.test
show contact

fail 503
heal
calls
nonsense

"""


def test_the_twin_can_be_run_and_typed_into() -> None:
    """It tells where it is, does what a line says, and refuses what can't be done without ending."""
    command = [sys.executable, "-m", "tests.twins.zoho", "--port", "0"]
    ended = subprocess.run(command, input=LINES, capture_output=True, text=True, timeout=60, check=True)
    told = ended.stdout
    assert "ZOHO_REFRESH_TOKEN=" in told and 'accounts_url = "http://127.0.0.1:' in told
    assert "'Last_Name': 'Bee'" in told
    assert told.count("refused: ") == 1 and "Unknown syntax: nonsense" in told
    assert ended.stderr == ""


def test_each_deed_of_its_people_is_done() -> None:
    """A person's, a workflow's and a program's edit, a lock, a merge and a deletion."""
    with ZohoTwin() as twin:
        keys = ZohoKeyboard(twin, stdout=io.StringIO())
        one, two = (twin.person_creates("contact", {"Last_Name": name}) for name in ("Bee", "Fox"))
        keys.onecmd(f"edit contact {one} Phone=+442079460001 Email=")
        keys.onecmd(f"automate contact {one} First_Name=Ann")
        keys.onecmd(f"program contact {one} Title=Dr")
        keys.onecmd(f"merge contact {one} {two}")
        keys.onecmd(f"lock contact {one}")
        (left,) = twin.all("contact")
        assert (left.id, left.is_locked) == (one, True)
        held = {name: left.values.get(name) for name in ("Phone", "First_Name", "Title")}
        assert held == {"Phone": "+442079460001", "First_Name": "Ann", "Title": "Dr"}
        keys.onecmd(f"delete contact {one}")
        assert not twin.all("contact")
