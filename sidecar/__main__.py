"""`python -m sidecar`, and the `sidecar` command: starts the command line, and owns up to what nobody expected."""

import os
import sys

from sidecar.cli import app, logs
from sidecar.cli.render import tell
from sidecar.cli.session import DEBUG_VARIABLE, FAILED


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows few letters still prints
    if not os.environ.get(DEBUG_VARIABLE):
        logs.guard()
    try:
        app(prog_name="sidecar")
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        where = ", ".join(logs.places(error)[-1:])  # without its text, which may quote a customer: this ends up in logs
        tell(f"sidecar: a defect of ours: {type(error).__name__} at {where}")
        tell(f"sidecar: please report it; {DEBUG_VARIABLE}=1 shows what it says, and all of where it happened")
        raise SystemExit(FAILED) from None


if __name__ == "__main__":
    main()
