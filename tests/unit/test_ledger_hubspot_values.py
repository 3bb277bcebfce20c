"""What HubSpot keeps is what we meant: values, names, days and bodies go there and come back."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.crms.hubspot.natives import CODECS, NATIVE, with_mark, word_in
from adapters.crms.hubspot.values import from_vendor, moment, to_vendor
from adapters.crms.hubspot.vendor import Paths, association
from adapters.formats.rich_text import from_html, mark_of, marked, to_html, token, unmarked
from sidecar.errors import PermanentError
from sidecar.model import Value
from sidecar.ports import FieldSpec

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=200)


@given(st.one_of(st.integers(-(10**15), 10**15), st.floats(-(10**15), 10**15, allow_nan=False)))
def test_a_number_comes_back_equal(number: float) -> None:
    """No digit is lost on the way through HubSpot's texts; seen to fail with `str` for the float."""
    text = to_vendor("contact.ai_score", FieldSpec("ai_score", "number"), number)
    assert "e" not in text.lower()
    assert from_vendor("number", text) == number


@given(st.datetimes(timezones=st.sampled_from([UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")])))
def test_a_time_comes_back_as_the_same_instant(at: datetime) -> None:
    """An offset is not lost, and HubSpot's milliseconds are; seen to fail with it dropped."""
    if not 2 < at.year < 9998:
        return
    back = from_vendor("datetime", to_vendor("deal.x", FieldSpec("x", "datetime"), at.isoformat()))
    assert isinstance(back, str)
    read = datetime.fromisoformat(back)
    assert read == at.astimezone(UTC).replace(microsecond=at.microsecond // 1000 * 1000)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-01-05T09:00:00Z", "2026-01-05T09:00:00+00:00"),
        ("2026-01-05T09:00:00.123Z", "2026-01-05T09:00:00.123000+00:00"),
        ("2026-01-05", "2026-01-05T00:00:00+00:00"),
        ("1767603600000", "2026-01-05T09:00:00+00:00"),
    ],
)
def test_each_way_of_writing_a_time_is_read(text: str, at: str) -> None:
    """HubSpot writes times in several ways, by version and property; seen to fail with milliseconds required."""
    assert moment(text).isoformat() == at


@pytest.mark.parametrize(
    ("type_", "held", "value"),
    [
        ("bool", "true", True),
        ("bool", "", None),
        ("number", "5", 5),
        ("number", "5.0", 5),
        ("number", "many", "many"),
        ("date", "2026-02-28", "2026-02-28"),
        ("date", "1772236800000", "2026-02-28"),
        ("datetime", "soon", "soon"),
        ("enum", "low", "low"),
        ("text", "0", "0"),
        ("text", None, None),
    ],
)
def test_what_hubspot_holds_is_read_as_it_is(type_: str, held: str | None, value: Value) -> None:
    """A value that isn't of its type is shown, never guessed or dropped; seen to fail with None for nonsense."""
    assert from_vendor(type_, held) == value


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize("type_", ["text", "enum", "number", "date", "datetime", "bool"])
def test_nothing_clears(type_: str, value: Value) -> None:
    """None and the empty text empty a property of any type; seen to fail with a check before it."""
    assert to_vendor("contact.x", FieldSpec("x", type_), value) == ""


@pytest.mark.parametrize("type_", ["text", "enum", "number", "date", "datetime", "bool"])
def test_what_a_property_can_not_hold_is_not_sent(type_: str) -> None:
    """A value that isn't of its type is refused before it costs a call; seen to fail with `str` of any value."""
    with pytest.raises(PermanentError, match=r"contact\.x"):
        to_vendor("contact.x", FieldSpec("x", type_, options=("low",)), "\x00 nonsense")


@given(TEXT)
@example("&lt;b&gt; &amp;amp; &nbsp;x")
def test_a_text_comes_back_from_a_body(text: str) -> None:
    """What we wrote reads back, line by line, whatever is in it; seen to fail without escaping `&`."""
    assert from_html(to_html(text)) == text.replace("\r\n", "\n").replace("\r", "\n")


@given(TEXT)
def test_nothing_of_a_text_is_markup(text: str) -> None:
    """No tag but our own line breaks can come of what a customer wrote; seen to fail with `<` left as it is."""
    rest = to_html(text).replace("<br>", "")
    assert "<" not in rest
    assert ">" not in rest


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<div><p>Called <b>Ann</b>.</p><p>No answer.</p></div>", "Called Ann.\nNo answer."),
        ("<p>one</p>\n  <p>two</p>", "one\ntwo"),
        ("<ul><li>milk</li><li>eggs</li></ul>", "milk\neggs"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<p>a &lt;b&gt; &amp; c</p>", "a <b> & c"),
        ("<script>alert(1)</script>plain<style>p{}</style>", "plain"),
        ("wrapped\nin the source", "wrapped in the source"),
        ("", ""),
    ],
)
def test_what_a_person_formatted_reads_as_text(html: str, text: str) -> None:
    """A rep's rich text is read as they see it; seen to fail with tags stripped and blocks run together."""
    assert from_html(html) == text


@given(TEXT, st.text(st.characters(codec="ascii"), min_size=1, max_size=40))
def test_a_mark_is_found_and_taken_away(text: str, key: str) -> None:
    """A body carries its key and shows its text as before; seen to fail with the mark shown."""
    plain = text.rstrip()
    if mark_of(plain):
        return
    carried = marked(plain, token(key))
    assert mark_of(carried) == token(key)
    assert unmarked(carried) == plain
    assert word_in(with_mark(to_html(plain), token(key))) == token(key)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Ann", {"firstname": "Ann", "lastname": ""}),
        ("Ann Ó Briain", {"firstname": "Ann", "lastname": "Ó Briain"}),
        ("Dr. Ann B. Lee", {"firstname": "Dr.", "lastname": "Ann B. Lee"}),
        (None, {"firstname": "", "lastname": ""}),
    ],
)
def test_a_name_is_parted_and_joined(name: str | None, parts: dict[str, str]) -> None:
    """First and last name together read as the name that was written; seen to fail with the last word parted off."""
    native = NATIVE["contact"]["name"]
    codec, spec = CODECS[native.codec], FieldSpec("name")
    assert codec.to_vendor("contact.name", spec, name, native.vendor, UTC) == parts
    assert codec.from_vendor(spec, parts, native.vendor, UTC) == name


@given(st.dates(), st.sampled_from(["Europe/Berlin", "America/Los_Angeles", "Pacific/Auckland", "Asia/Kolkata", "UTC"]))
def test_a_day_is_the_account_s_day(day: object, zone_name: str) -> None:
    """A due day and a close date are the same day there and back, in any account's zone; seen to fail in UTC."""
    zone, text = ZoneInfo(zone_name), str(day)
    if not "0002" < text[:4] < "9998":
        return
    for kind, name in (("task", "due"), ("deal", "close_date")):
        native = NATIVE[kind][name]
        codec, spec = CODECS[native.codec], FieldSpec(name, "date")
        sent = codec.to_vendor(f"{kind}.{name}", spec, text, native.vendor, zone)
        assert codec.from_vendor(spec, sent, native.vendor, zone) == text


@pytest.mark.parametrize(
    ("kind", "name", "theirs", "ours"),
    [
        ("task", "status", "IN_PROGRESS", "open"),
        ("task", "status", "SOMETHING_NEW", "open"),
        ("task", "status", "COMPLETED", "done"),
        ("task", "priority", "MEDIUM", "normal"),
        ("task", "priority", "NONE", None),
        ("meeting", "status", "RESCHEDULED", "scheduled"),
        ("meeting", "status", "CANCELED", "cancelled"),
    ],
)
def test_words_of_hubspot_s_are_read_as_ours(kind: str, name: str, theirs: str, ours: str | None) -> None:
    """A status that we have no word for is read as the nearest one; seen to fail with KeyError."""
    native = NATIVE[kind][name]
    spec = FieldSpec(name, "enum", options=native.options)
    assert CODECS[native.codec].from_vendor(spec, {native.vendor[0]: theirs}, native.vendor, UTC) == ours


@pytest.mark.parametrize(("kind", "name"), [("task", "due"), ("note", "at"), ("meeting", "start")])
def test_a_time_that_must_be_there_can_t_be_cleared(kind: str, name: str) -> None:
    """HubSpot keeps no activity without a time, so clearing it is refused here; seen to fail with "" sent."""
    native = NATIVE[kind][name]
    with pytest.raises(PermanentError, match=f"{kind}.{name}"):
        CODECS[native.codec].to_vendor(f"{kind}.{name}", FieldSpec(name, native.type), None, native.vendor, UTC)


def test_the_version_is_one_setting() -> None:
    """A new version of the API changes one word; seen to fail with a version written into a path."""
    dated, numbered = Paths("2027-03"), Paths("v3")
    assert dated.objects("company", "batch", "read") == "/crm/objects/2027-03/companies/batch/read"
    assert numbered.objects("company", "batch", "read") == "/crm/v3/objects/companies/batch/read"
    assert dated.associations("deal", "contact") == "/crm/associations/2027-03/deals/contacts/batch/read"
    assert numbered.associations("deal", "contact") == "/crm/v4/associations/deals/contacts/batch/read"
    assert dated.account("details") == "/account-info/2027-03/details"
    assert dated.properties("deal", "a/b c") == "/crm/properties/2027-03/deals/a%2Fb%20c"


def test_association_types_are_the_sdk_s() -> None:
    """No number of ours stands against HubSpot's own table; seen to fail with two of them exchanged."""
    from hubspot.crm.association_type import AssociationType

    kinds = ("contact", "company", "deal", "note", "task", "meeting")
    for kind in kinds:
        for other in kinds:
            if (found := association(kind, other)) is not None:
                assert found == getattr(AssociationType, f"{kind.upper()}_TO_{other.upper()}")
