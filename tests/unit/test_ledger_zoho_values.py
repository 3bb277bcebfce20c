"""What Zoho's adapter makes of values, names and queries, without a network."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.crms.zoho import ZohoOptions, coql
from adapters.crms.zoho.natives import NATIVE, host_of
from adapters.crms.zoho.signs import LAST_KEPT, spelled, unspelled
from adapters.crms.zoho.values import Definition, from_vendor, to_vendor
from adapters.crms.zoho.vendor import author_kind, source
from sidecar.errors import PermanentError
from sidecar.model import AuthorKind, Source
from sidecar.ports import FieldSpec

NAMES = {name: Definition(name, "text", length=chars) for name, chars in (("First_Name", 40), ("Last_Name", 80))}
TEXTS = st.text(st.characters(codec="utf-8"))


@example("⟦thumbs up sign⟧")
@given(TEXTS | st.text("⟦⟧👍🏽a u+1f44d "))
@settings(max_examples=200, deadline=None)
def test_every_text_survives_signs_that_zoho_loses(text: str) -> None:
    """Nothing above the basic plane is sent, and what is read back is what was written.

    Seen to fail with the bracket itself not spelled.
    """
    sent = spelled(text)
    assert all(ord(sign) <= LAST_KEPT for sign in sent)
    assert unspelled(sent) == text


def test_an_emoji_can_be_read_by_a_rep() -> None:
    """A thumb is words between brackets; what a person typed between such brackets is left alone."""
    assert spelled("ok 👍") == "ok ⟦thumbs up sign⟧"
    assert unspelled("see ⟦the plan⟧ and ⟦a⟧") == "see ⟦the plan⟧ and ⟦a⟧"
    assert spelled("\U0010ffff") == "⟦u+10ffff⟧"


@given(st.text(st.characters(min_codepoint=32, codec="utf-8")))
@settings(max_examples=200, deadline=None)
def test_a_quoted_value_ends_where_it_ends(text: str) -> None:
    """Whatever a customer is called, it stays one value of a query: quotes within it are doubled, and undone again."""
    if not coql.can_ask(text):
        with pytest.raises(ValueError, match="can't hold"):
            coql.quoted(text)
        return
    sent = coql.quoted(text)
    assert (sent[0], sent[-1]) == ("'", "'")
    assert "'" not in sent[1:-1].replace("''", "")
    assert sent[1:-1].replace("''", "'") == text


def test_conditions_are_joined_two_by_two() -> None:
    """COQL refuses a third condition beside two; a list holds at most fifty values, and a name is never a value."""
    assert coql.either(["a = 1", "b = 2", "c = 3"]) == "((a = 1 or b = 2) or c = 3)"
    assert coql.one_of("Email", ["x", "o'y"]) == "Email in ('x', 'o''y')"
    for values in ([], ["x"] * 51):
        with pytest.raises(ValueError, match="1 to 50"):
            coql.one_of("Email", values)
    with pytest.raises(ValueError, match="no name"):
        coql.select("Contacts where id is not null", ("id",), "id is not null")


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("Ann", None, "Ann"),
        ("Ann Ó B.", "Ann Ó", "B."),
        ("x" * 41 + " y", None, "x" * 41 + " y"),
        ("y " + "x" * 80, "y", "x" * 80),
    ],
)
def test_a_name_is_parted_so_that_it_fits(name: str, first: str | None, last: str) -> None:
    """The last word is the last name, or more of it where the first names would be too long."""
    native = NATIVE["contact"]["name"]
    sent = native.to_vendor("contact.name", FieldSpec("name"), name, NAMES)
    assert sent == {"First_Name": first, "Last_Name": last}
    assert native.from_vendor(sent) == name


def test_a_name_that_fits_nowhere_is_refused() -> None:
    """No name is cut, and none is emptied: Zoho keeps no contact without one."""
    native = NATIVE["contact"]["name"]
    for name in ("x" * 81, None, "  "):
        with pytest.raises(PermanentError, match=r"contact\.name") as caught:
            native.to_vendor("contact.name", FieldSpec("name"), name, NAMES)
        assert "x" * 10 not in str(caught.value)


@pytest.mark.parametrize(
    "at", ["2026-01-05T09:00:00+00:00", "2026-01-05T09:00:07+00:00", "2026-01-05T09:00:07.000250+00:00"]
)
def test_a_notes_time_is_its_title(at: str) -> None:
    """Zoho's notes have no time that could be set; a title that a person wrote is no time."""
    native = NATIVE["note"]["at"]
    assert native.from_vendor(native.to_vendor("note.at", FieldSpec("at", "datetime"), at, {})) == at
    for title in ("Call with Ann", "AI note of 2026-02-31 09:00 UTC", None):
        assert native.from_vendor({"Note_Title": title}) is None


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("acme.test", "acme.test"),
        ("https://www.Acme.test/de?x=1", "acme.test"),
        ("//acme.test", "acme.test"),
        ("http://[bad", ""),
        ("", ""),
    ],
)
def test_a_website_is_a_domain(typed: str, host: str) -> None:
    """Whoever typed an address how, its domain identifies the company."""
    assert host_of(typed) == host


def test_what_a_field_would_round_is_refused() -> None:
    """A number with more places than its field, parts of a second, more digits than fit: refused by name, not cut."""
    number, whole = Definition("N", "double", length=16, decimals=4), Definition("I", "integer", length=9)
    at = Definition("T", "datetime")
    assert to_vendor("x", FieldSpec("n", "number"), 1.2345, number) == 1.2345
    assert to_vendor("x", FieldSpec("n", "number"), 5.0, whole) == 5.0
    for spec, value, definition in (
        (FieldSpec("n", "number"), 1.23456, number),
        (FieldSpec("n", "number"), 0.5, whole),
        (FieldSpec("n", "number"), 10**9, whole),
        (FieldSpec("t", "datetime"), "2026-01-05T09:00:00.5+00:00", at),
    ):
        with pytest.raises(PermanentError, match=r"contact\.ai"):
            to_vendor("contact.ai", spec, value, definition)


def test_what_zoho_tells_is_read_as_ours() -> None:
    """Nothing chosen is nothing, times are UTC, and what isn't of its type is a text and nobody's guess."""
    assert from_vendor("enum", "-None-") is None
    assert from_vendor("datetime", "2026-03-29T03:30:00+02:00") == "2026-03-29T01:30:00+00:00"
    assert from_vendor("number", "7.50") == 7.5
    assert from_vendor("number", "many") == "many"
    assert from_vendor("bool", "Yes") is True
    assert from_vendor("datetime", "soon") == "soon"


@pytest.mark.parametrize(
    ("entry", "kind", "way"),
    [
        ({"source": "crm_ui", "done_by": {"id": "1"}}, AuthorKind.PERSON, Source.PERSON),
        ({"source": "crm_ui", "done_by": {"id": "us"}}, AuthorKind.PERSON, Source.PERSON),
        ({"source": "crm_ui", "done_by": None}, AuthorKind.UNKNOWN, Source.UNKNOWN),
        ({"source": "crm_api", "done_by": {"id": "us"}}, AuthorKind.US, Source.US),
        ({"source": "crm_api", "done_by": {"id": "1"}}, AuthorKind.AUTOMATION, Source.INTEGRATION),
        ({"source": "workflow", "done_by": {"id": "1"}}, AuthorKind.AUTOMATION, Source.AUTOMATION),
        (
            {"source": "crm_ui", "done_by": {"id": "1"}, "automation_details": {"type": "workflow_rule"}},
            AuthorKind.AUTOMATION,
            Source.AUTOMATION,
        ),
        ({"source": "data_import", "done_by": {"id": "1"}}, AuthorKind.AUTOMATION, Source.IMPORT),
        ({"source": "something_new", "done_by": {"id": "1"}}, AuthorKind.UNKNOWN, Source.UNKNOWN),
    ],
)
def test_a_timeline_tells_who_stands_behind_an_edit(entry: dict[str, object], kind: AuthorKind, way: Source) -> None:
    """A rule acts in the name of whoever set it off, a token in that of its user; what isn't known is not guessed."""
    assert (author_kind(entry, "us"), source(entry, "us")) == (kind, way)


@pytest.mark.parametrize(
    "given",
    [
        {"accounts_url": "http://accounts.zoho.eu"},
        {"accounts_url": "https://x@accounts.zoho.eu"},
        {"base_url": "https://www.zohoapis.eu/crm"},
        {"data_center": "de"},
        {"concurrency": 0},
        {"clientid": "typing error"},
    ],
)
def test_settings_that_would_hurt_are_refused(given: dict[str, object]) -> None:
    """Secrets are sent over https alone, to a host alone; a mistyped key is no setting."""
    with pytest.raises(ValidationError):
        ZohoOptions.model_validate(given)


def test_each_data_center_has_its_accounts() -> None:
    """Tokens are had where the org's data are, and nowhere else."""
    assert ZohoOptions.model_validate({"data_center": "com.au"}).accounts == "https://accounts.zoho.com.au"
    assert ZohoOptions.model_validate({"data_center": "ca"}).accounts == "https://accounts.zohocloud.ca"
    assert ZohoOptions.model_validate({"accounts_url": "http://127.0.0.1:9/"}).accounts == "http://127.0.0.1:9"
