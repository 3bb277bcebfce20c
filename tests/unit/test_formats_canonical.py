"""What counts as a text, a date, a moment or a number, for every CRM alike."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats.canonical import OPTIONS_SHOWN, TYPES, an_option, checked, whole
from sidecar.errors import PermanentError
from sidecar.model import Value
from sidecar.ports import FieldSpec

SPECS = {
    "text": FieldSpec("x", "text", max_chars=40),
    "long_text": FieldSpec("x", "long_text", max_chars=400),
    "enum": FieldSpec("x", "enum", options=("a", "b")),
    "number": FieldSpec("x", "number"),
    "date": FieldSpec("x", "date"),
    "datetime": FieldSpec("x", "datetime"),
    "bool": FieldSpec("x", "bool"),
}
VALUES = st.one_of(
    st.booleans(), st.integers(), st.floats(), st.text(st.characters(), max_size=60), st.dates().map(str),
    st.datetimes(timezones=st.timezones()).map(datetime.isoformat), st.sampled_from(["a", "b"]),
)  # fmt: skip


def test_every_type_is_tried_here() -> None:
    """A new type gets its tests; seen to fail with one taken out of SPECS."""
    assert tuple(sorted(SPECS)) == TYPES


@pytest.mark.parametrize("kind", SPECS)
@given(value=VALUES)
def test_a_value_is_kept_whole_or_refused(kind: str, value: Value) -> None:
    """No value is changed but a time's offset; seen to fail with texts stripped."""
    try:
        kept = checked("contact.x", SPECS[kind], value)
    except PermanentError as error:
        assert "contact.x" in str(error)
        return
    if kind == "datetime":
        assert datetime.fromisoformat(str(kept)) == datetime.fromisoformat(str(value))
        assert str(kept).endswith("+00:00")
    else:
        assert kept == value
        assert type(kept) is type(value)
    assert checked("contact.x", SPECS[kind], kept) == kept


@given(text=st.text("Ann said yes é<'\"%{", min_size=41, max_size=60))
def test_a_refusal_never_quotes_the_value(text: str) -> None:
    """An error may reach a log, and a customer's words may not; seen to fail with the value in the message."""
    for spec, value in [(spec, text) for name, spec in SPECS.items() if name != "long_text"] + [
        (SPECS["long_text"], text + "\x00"),
        (SPECS["long_text"], text + "\ud800"),
    ]:
        with pytest.raises(PermanentError) as refused:
            checked("contact.x", spec, value)
        assert text not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("number", 10**15 + 1),
        ("number", float("-inf")),
        ("number", "12"),
        ("number", True),
        ("date", "20260131"),
        ("date", "2026-1-31"),
        ("date", "2026-01-31T00:00:00+00:00"),
        ("datetime", "2026-01-31"),
        ("datetime", "0001-01-01T00:00:00+05:00"),
        ("bool", 1),
        ("bool", "true"),
        ("enum", "A"),
        ("text", True),
        ("text", "a\x00b"),
        ("text", "half \ud800"),
    ],
)
def test_near_misses_are_refused(kind: str, value: Value) -> None:
    """What only looks like the type is not guessed into it; seen to fail with `bool` taken for a number's kin."""
    with pytest.raises(PermanentError):
        checked("contact.x", SPECS[kind], value)


def test_a_time_is_kept_as_the_same_instant_in_utc() -> None:
    """Two ways of writing one instant read back alike; seen to fail with times kept as typed."""
    spellings = ("2026-07-01T12:00:00+02:00", "2026-07-01T10:00:00Z", "2026-07-01T05:00:00-05:00")
    assert {checked("note.x", SPECS["datetime"], s) for s in spellings} == {"2026-07-01T10:00:00+00:00"}


@pytest.mark.parametrize(("count", "more"), [(OPTIONS_SHOWN, ""), (OPTIONS_SHOWN + 7, "and 7 more")])
def test_a_refusal_names_few_options(count: int, more: str) -> None:
    """A thousand owners don't fill a log line; seen to fail with all of them joined."""
    options = [f"o{number}" for number in range(count)]
    with pytest.raises(PermanentError) as refused:
        an_option("deal.owner", "nobody", options)
    assert more in str(refused.value)
    assert f"o{OPTIONS_SHOWN}" not in str(refused.value)


@pytest.mark.parametrize(
    ("number", "read"), [(5.0, 5), (5.5, 5.5), (1e300, 1e300), (float("nan"), None), (float("inf"), None)]
)
def test_a_number_is_read_as_it_was_meant(number: float, read: Value) -> None:
    """5.0 is 5, and what is no number is nothing; seen to fail with `int` for each that is whole."""
    assert whole(number) == read
    assert type(whole(number)) is type(read)
