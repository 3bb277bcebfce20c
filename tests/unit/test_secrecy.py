"""The suite watches its own output: a secret that is printed or logged fails the test that let it out."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.canaries import PEOPLE, SECRETS, leaked

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("line", "ended"),
    [
        ("print('all is well')", 0),
        ("print(SECRET)", 1),
        ("logging.getLogger('x').warning('key %s', SECRET)", 1),
        ("sys.stderr.write('x' + SECRET + 'x')", 1),
    ],
)
def test_a_test_that_lets_a_secret_out_fails(line: str, ended: int, tmp_path: Path) -> None:
    """Output and logs of each test are searched; seen to fail with the hook left out."""
    test = tmp_path / "test_it.py"
    test.write_text(
        f"import logging, sys\nfrom tests.support.served import SECRET\ndef test_it():\n    '''It.'''\n    {line}\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.support.secrecy", "-p", "no:cacheprovider", "-c",
               str(tmp_path / "none.ini"), "--rootdir", str(tmp_path), str(test)]  # fmt: skip
    (tmp_path / "none.ini").write_text(f"[pytest]\npythonpath = {ROOT}\n")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == ended, done.stdout + done.stderr


@pytest.mark.parametrize("name", [*SECRETS, *PEOPLE])
def test_a_canary_is_found_in_every_form(name: str) -> None:
    """Plain, escaped, quoted, encoded: whatever a program does to a text that it passes on."""
    import base64
    import json
    from urllib.parse import quote_plus

    value = {**SECRETS, **PEOPLE}[name]
    forms = [value, value.upper(), json.dumps({"x": value}), quote_plus(value), value.encode().hex()]
    forms += [base64.b64encode(f"{'x' * n}{value}yz".encode()).decode() for n in range(4)]
    assert all(name in leaked(f"before {form} after") for form in forms)
    assert not leaked("a line about nobody, +44 20 7946 0000, eyJhbGciOi")
