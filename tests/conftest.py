"""What holds for every test: generated examples are the same on each run, and no test speaks to the outside world.

Determinism was chosen over luck: a red run must mean that the change is wrong, not that the dice fell otherwise. Those
who want luck set HYPOTHESIS_PROFILE=search, which looks further, and with new examples each time.
"""

import ipaddress
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

pytest_plugins = [
    "tests.support.databases",
    "tests.support.openings",
    "tests.support.secrecy",
    "tests.support.soundness",
]

# Tests assert no times, so neither do generated examples: a slow machine is not a wrong one.
_PATIENT = [HealthCheck.too_slow]
settings.register_profile(
    "ci", derandomize=True, max_examples=100, stateful_step_count=30, deadline=None, suppress_health_check=_PATIENT
)
settings.register_profile("quick", settings.get_profile("ci"), max_examples=10)
settings.register_profile(
    "search", max_examples=2_000, stateful_step_count=60, deadline=None, print_blob=True, suppress_health_check=_PATIENT
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# Hypothesis also draws the literals of our modules that are loaded, which depends on the tests that ran before in this
# process, and so on how xdist happened to deal the files: none are taken (6.170; seen in tests/unit/test_examples.py).
providers._get_local_constants = lambda: providers._local_constants


class OutsideConnectionError(AssertionError):
    """A test tried to reach another machine. No kin of OSError, lest the code under test take it for an outage."""


class Outside:
    """An audit hook that refuses connections to other machines unless `allowed`.

    Hooks can't be removed and see every socket of this process, those of libraries in C included; child processes are
    beyond it.
    """

    allowed = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in {"socket.connect", "socket.sendto"} or self.allowed:
            return
        address = arguments[1]
        if isinstance(address, tuple) and not _is_this_machine(str(address[0])):
            raise OutsideConnectionError(f"{event} to {address}")


def _is_this_machine(host: str) -> bool:
    if host in {"", "localhost"}:
        return True
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    return ip.is_loopback or ip.is_unspecified


_outside = Outside()
sys.addaudithook(_outside)


@pytest.fixture(autouse=True)
def _stay_on_this_machine(request: pytest.FixtureRequest) -> Iterator[None]:
    """Refuse connections to other machines, but for tests marked `live`, which exist to speak to real sandboxes."""
    _outside.allowed = request.node.get_closest_marker("live") is not None
    yield
    _outside.allowed = False


@pytest.fixture(autouse=True)
def logs_as_they_come() -> None:
    """Forget what a command of an earlier test said about logs; it would hide events from a test that listens."""
    structlog.reset_defaults()
