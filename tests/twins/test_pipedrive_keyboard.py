"""The twin as a server of its own: what a person who tries the Pipedrive path types into it."""

import io
import subprocess
import sys

from tests.twins.pipedrive import PipedriveTwin
from tests.twins.pipedrive.__main__ import PipedriveKeyboard

LINES = """create contact name=Bee email=ann@x.test phone=+442079460001
create deal title=Roof value=#250 person_id=#101
create task subject=Call deal_id=#201
edit contact 101 email= name="Ann Bee"
edit contact 999 name=Eve
edit task 301 done=true
automate deal 201 title="Roof, large"
show contact
show deal
show task
show note
merge contact 101 102
delete deal 201
limit 5
fail 503
heal
calls
nonsense

"""


def test_the_twin_can_be_run_and_typed_into() -> None:
    """It tells where it is, does what a line says, and refuses what can't be done without ending."""
    command = [sys.executable, "-m", "tests.twins.pipedrive", "--port", "0"]
    ended = subprocess.run(command, input=LINES, capture_output=True, text=True, timeout=60, check=True)
    told = ended.stdout
    assert "PIPEDRIVE_TOKEN=" in told and 'base_url = "http://127.0.0.1:' in told
    assert "101 {" in told and "'name': 'Ann Bee'" in told and "+442079460001" in told and "ann@x.test" not in told
    assert "'title': 'Roof, large'" in told and "'value': 250" in told and "'done': True" in told
    assert told.count("refused: ") == 2 and "Unknown syntax: nonsense" in told
    assert ended.stderr == ""


def test_custom_fields_go_by_their_names_and_choices_by_their_labels() -> None:
    """A person doesn't know a field's code, nor a choice's number; seen to fail with both typed in as they are."""
    with PipedriveTwin() as twin:
        said = io.StringIO()
        keys = PipedriveKeyboard(twin, stdout=said)
        code = twin.adds_field("contact", "AI Stage", "enum", ("enquired", "booked"))
        keys.onecmd("create contact name=Bee")
        id = int(said.getvalue())
        keys.onecmd(f'edit contact {id} "ai stage=booked"')
        keys.onecmd("show contact")
        options = twin.company.definitions["persons"][code].options
        assert options[twin.value("contact", id, code)] == "booked" and "'AI Stage': 'booked'" in said.getvalue()
        keys.onecmd(f'edit contact {id} "AI Stage="')
        assert twin.value("contact", id, code) is None
