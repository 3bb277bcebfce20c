"""After each test, what it let out is searched for the suite's own secrets: captured output, captured logs.

So every test is a test of this as well, at the price of a few searches in texts that pytest holds anyway. What child
processes print is searched where they are started (`tests.support.served`).
"""

from collections.abc import Generator, Iterable

import pytest

from tests.support.canaries import SECRETS
from tests.support.offices import SECRET as OFFICE_SECRET
from tests.support.served import SECRET as SERVED_SECRET

KNOWN = frozenset({*SECRETS.values(), OFFICE_SECRET.decode(), SERVED_SECRET, SERVED_SECRET.removeprefix("whsec_")})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that let a secret out; one that fails already tells more by its own words."""
    report = yield
    if report.passed and (where := _letting_out(report.sections)):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: a secret stands in {', '.join(where)}"
    return report


def _letting_out(sections: Iterable[tuple[str, str]]) -> list[str]:
    return [name for name, text in sections if any(secret in text for secret in KNOWN)]
