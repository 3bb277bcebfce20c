"""`python -m sidecar`, and the `sidecar` command: starts the command line, and owns up to what nobody expected."""

import os
import sys

from sidecar.cli import app
from sidecar.cli.render import plain, tell
from sidecar.cli.session import DEBUG_VARIABLE, FAILED


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows few letters still prints
    try:
        app(prog_name="sidecar")
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        tell(f"sidecar: a defect of ours: {type(error).__name__}: {plain(error, 300)}")
        tell(f"sidecar: please report it; {DEBUG_VARIABLE}=1 shows where it happened")
        raise SystemExit(FAILED) from None


if __name__ == "__main__":
    main()
