"""Lets failures inside the shared suites show their values, as those in test files do."""

import pytest

pytest.register_assert_rewrite(
    "tests.contract.channel",
    "tests.contract.engine",
    "tests.contract.ledger",
    "tests.contract.llm",
    "tests.contract.notifier",
)
