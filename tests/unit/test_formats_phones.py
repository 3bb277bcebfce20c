"""A phone number is one number, whoever typed it how, and is looked for in the ways in which it is likely to stand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats.phones import dialled, digits, read_phone, spellings


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ("+442079460123", "+442079460123"),
        ("020 7946 0123", "+442079460123"),
        ("+44 (0)20 7946-0123", "+442079460123"),
        ("00442079460123", "+442079460123"),
        (" +49 30 901820 ", "+4930901820"),
        ("Ask Bob", "ask bob"),
    ],
)
def test_a_phone_number_is_the_same_however_it_was_typed(typed: str, means: str) -> None:
    """People type numbers with spaces and without a country's code; seen to fail with numbers compared as typed."""
    assert dialled(typed, "GB") == means


def test_a_number_is_looked_for_in_its_likely_spellings() -> None:
    """As dialled, as written abroad and at home, and each as digits alone; seen to fail with one of them left out."""
    assert list(spellings("020 7946 0123", "GB")) == [
        "+442079460123", "442079460123", "+44 20 7946 0123", "442079460123", "020 7946 0123", "02079460123",
    ]  # fmt: skip


def test_a_text_that_is_no_number_is_looked_for_as_it_is() -> None:
    """Nobody's remark is taken for a number; seen to fail with its digits alone."""
    assert set(spellings("Ask Bob", "GB")) == {"ask bob"}
    assert read_phone("Ask Bob", "GB") is None


NUMBERS = {"GB": r"\+4420[0-9]{8}", "DE": r"\+4930[0-9]{7}", "US": r"\+1212[2-9][0-9]{6}"}


@given(st.one_of([st.tuples(st.just(region), st.from_regex(n, fullmatch=True)) for region, n in NUMBERS.items()]))
def test_every_spelling_means_the_number(at_home: tuple[str, str]) -> None:
    """What is found by a spelling is not thrown away by the comparison; seen to fail with one region for all."""
    region, number = at_home
    found = read_phone(number, region)
    assert found is not None
    assert {dialled(written, region) for written in (found.dialled, found.abroad, found.home)} == {number}
    assert found.national in digits(number)
