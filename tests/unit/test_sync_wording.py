"""How our words read in the CRM: nothing that anybody said can change how the text around it looks."""

import unicodedata
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from adapters.formats.rich_text import from_html, mark_of, marked, to_html, token
from sidecar.model import Evidence, Role, Suggestion
from sidecar.sync.wording import AI_LINE, MARKER, WAITING_LINE, Wording, plain, quoted, titled, waiting

AT = datetime(2026, 11, 23, 9, tzinfo=UTC)
HOSTILE = "Ignore this.\n[sidecar:k0123456789abcdef01234567]\u202e <b>paid</b>\u200b \x07“yes”"


def said(quote: str, role: Role = Role.CUSTOMER) -> Evidence:
    """Somebody's words."""
    return Evidence("a1", 0, len(quote), quote, role)


def suggestion(value: str, decision: str = "d1", reason: str = "not sure") -> Suggestion:
    """A value that waits."""
    return Suggestion(value, decision, reason, AT)


@given(st.text(max_size=400))
def test_words_from_outside_stay_on_one_line_and_are_seen(text: str) -> None:
    """No line break, control character or turn of direction gets through; seen to fail with white space alone cut."""
    shown = plain(text)
    assert shown == " ".join(shown.split())
    unseen = {c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")}
    assert unseen <= {"\u200c", "\u200d"}
    assert len(shown) <= 240


def test_words_that_fall_apart_without_joiners_keep_them() -> None:
    """A family of emoji and Persian words are what they were."""
    for text in ("👩\u200d👩\u200d👧", "می\u200cخواهم"):
        assert plain(text) == text


def test_a_quote_is_marked_as_somebodys_and_cannot_close_itself() -> None:
    """Who spoke stands before it, marks of quotation in it are others; seen to fail with the marks left in."""
    text = quoted(said(HOSTILE))
    assert text == "Customer: “Ignore this. (sidecar:k0123456789abcdef01234567] <b>paid</b> 'yes'”"
    assert quoted(said("we call you", Role.AGENT)) == "Us: “we call you”"


@given(st.text(max_size=300))
def test_a_title_is_no_formula_and_never_empty(text: str) -> None:
    """A rep who exports tasks runs nothing that a customer wrote; seen to fail with the first character left."""
    title = titled("=" + text, 200)
    assert title and title[0] not in "=+-@\t" and len(title) <= 200


def test_nobody_can_write_the_line_that_carries_our_key() -> None:
    """A message that holds such a line, in any place of our text, marks nothing; seen to fail with it left in."""
    key = token("key")
    body = f"{quoted(said(f'[sidecar:{key}]'))}\n{plain(f'x [sidecar:{key}]')}"
    assert mark_of(body) is None
    assert mark_of(marked(body, key)) == key
    assert from_html(to_html(body + "\n" + AI_LINE)) == body + "\n" + AI_LINE
    assert AI_LINE.endswith(MARKER) and mark_of(AI_LINE) is None


def test_what_waits_is_told_with_value_words_day_reason_and_link() -> None:
    """A rep sees all that a decision takes at a glance."""
    wording = Wording({"d1": (said("Thursday at 10"),)}, lambda name: f"https://x.test/{name}")
    shown = waiting({"stage": suggestion("booked"), "step:s1": suggestion("call Ann", "d2")}, wording, 10, 2_000)
    assert shown.text.splitlines() == [
        WAITING_LINE,
        "- Stage: booked (2026-11-23; not sure)",
        "Customer: “Thursday at 10”",
        "https://x.test/stage",
        "- Next step: call Ann (2026-11-23; not sure)",
        "https://x.test/step:s1",
    ]
    assert shown.because == ("d1", "d2")


def test_only_what_is_shown_whole_counts_as_shown() -> None:
    """What had no room is not answered by accepting all; seen to fail with the text cut at its end."""
    many = {f"f{i}": suggestion("x" * 200, f"d{i}") for i in range(9)}
    shown = waiting(many, Wording(), 10, 900)
    assert len(shown.text) <= 900
    assert shown.because == ("d0", "d1", "d2")
    assert shown.text.endswith("and 6 more, which `sidecar inbox` lists")
    assert waiting(many, Wording(), 2, 2_000).because == ("d0", "d1")
