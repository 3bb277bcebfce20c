"""What is printed: strangers' words do nothing to a terminal, and lose nothing in JSON."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.cli.render import add, block, emit, many, plain, short, show, table

BIDI = "\u202e\u2066\u200f\u061c"


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b2Jgone", "gone"),
        ("\x1b]0;title\x07rest", "]0;titlerest"),
        ("a\x08\x08b\x00c\x7fd", "abcd"),
        (f"in{BIDI}voice", "invoice"),
        ("one\r\ntwo\u2028three\tfour", "one two three four"),
        ("half \ud83d a pair", "half \ufffd a pair"),
        ("日本 🙂 Zoë", "日本 🙂 Zoë"),
        (None, ""),
        (0.5, "0.5"),
    ],
)
def test_a_strangers_text_is_one_harmless_line(hostile: object, harmless: str) -> None:
    """No control reaches the terminal, and no word is lost; seen to fail without `_CONTROL`."""
    assert plain(hostile) == harmless


@given(st.text())
def test_no_text_whatever_keeps_a_control(text: str) -> None:
    """Whatever somebody writes, a terminal gets letters and line ends; seen to fail with \\x85 left out."""
    kept = {c for c in block(text) if ord(c) < 32 or 127 <= ord(c) < 160 or c in BIDI or "\ud800" <= c <= "\udfff"}
    assert kept <= {"\n", "\t"}


def test_a_block_keeps_its_lines() -> None:
    """A prompt or a raw mail is still readable line by line."""
    assert block("one\r\ntwo\n\x1b[1mthree") == "one\ntwo\nthree"


def test_a_long_text_is_cut_where_that_is_asked() -> None:
    """A table's cell has a bound, and says that something is missing."""
    assert plain("word " * 50, 12) == "word word w…"
    assert plain("short", 12) == "short"


def test_markup_is_printed_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    """Square brackets and emoji codes from outside stay what they are; seen to fail with markup left on."""
    made = table("said", "score>")
    add(made, "[bold red]hi[/] :smile: [link=http://x.test]here[/link]", 7)
    show(made, "[i]line[/i]")
    printed = capsys.readouterr().out
    assert "[bold red]hi[/] :smile: [link=http://x.test]here[/link]" in printed
    assert "[i]line[/i]" in printed


def test_what_is_piped_has_no_colours_and_is_not_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe gets plain, whole lines; seen to fail with rich's own width of eighty."""
    monkeypatch.delenv("COLUMNS", raising=False)
    made = table("a", "b", "c")
    add(made, "x" * 60, "y" * 60, "z" * 60, style="bold red")
    show(made)
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "x" * 60 + "   " + "y" * 60 in printed


def test_json_is_exact_and_safe_to_look_at(capsys: pytest.CaptureFixture[str]) -> None:
    """A program reads the very text, while a terminal that shows the JSON obeys nothing in it."""
    hostile = f'\x1b[31m\x9b\x7f{BIDI}\ud83d "quoted" \\ Zoë'
    emit({"said": hostile, "at": datetime(2026, 1, 2, tzinfo=UTC), "raw": b"\xff", "in": {"b", "a"}})
    printed = capsys.readouterr().out
    assert not set(printed) & {"\x1b", "\x9b", "\x7f", *BIDI}
    assert "Zoë" in printed
    assert json.loads(printed) == {
        "said": hostile, "at": "2026-01-02T00:00:00+00:00", "raw": "/w==", "in": ["a", "b"],
    }  # fmt: skip


def test_what_has_no_form_in_json_is_refused() -> None:
    """JSON never holds a Python object's address."""
    with pytest.raises(TypeError, match="no form in JSON"):
        emit({"thing": object()})


def test_ids_are_shortened_and_nothing_else_is() -> None:
    """An id keeps its kind and what tells it apart."""
    assert short("party-" + "0123456789abcdef" * 2) == "party-0123456789ab"
    assert short("contact-17") == "contact-17"


def test_numbers_agree_with_their_nouns() -> None:
    """One value is not one values."""
    assert (many(1, "value", "values"), many(0, "value", "values")) == ("1 value", "0 values")
