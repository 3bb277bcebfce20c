"""A link shows what it was made for, to whoever holds it, until its day; any other path shows nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import ConfigError, RejectedInput
from sidecar.links import MIN_KEY_CHARS, Links, keys_in

KEY, OLD = "k" * MIN_KEY_CHARS, "o" * MIN_KEY_CHARS
BASE = "https://sidecar.northwind.test"
SAID = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
PARTY = "party-" + "3fa2" * 8


def _path(links: Links, record: str = PARTY, field: str = "stage", since: datetime = SAID) -> str:
    url = links.url(record, field, since)
    assert url.startswith(BASE + "/")
    return url.removeprefix(BASE)


def _refused(links: Links, path: str, now: datetime = SAID) -> int:
    with pytest.raises(RejectedInput) as refused:
        links.read(path, now)
    return refused.value.status


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(NAMES, NAMES | st.just(""))
def test_a_link_shows_what_it_was_made_for(record: str, field: str) -> None:
    """Whatever a CRM calls its records, the link survives the way through a URL, and is plain ASCII without a query."""
    links = Links(BASE, [KEY])
    path = _path(links, record, field)
    assert path.isascii()
    assert not set(path) & set("?#&<>\"' ")
    assert path[-1].isalnum()
    linked = links.read(path, SAID)
    assert (linked.record, linked.field) == (record, field)


def test_a_link_stays_the_same_within_a_day() -> None:
    """What is made twice on one day is one URL."""
    links = Links(BASE, [KEY])
    assert {links.url(PARTY, "stage", SAID + timedelta(hours=h)) for h in range(14)} == {
        links.url(PARTY, "stage", SAID)
    }
    assert links.url(PARTY, "stage", SAID + timedelta(days=1)) != links.url(PARTY, "stage", SAID)


def test_a_link_holds_for_its_days_and_then_is_gone() -> None:
    """The last day counts whole, and the first moment after it is told from a path that never was a link."""
    links = Links(BASE, [KEY], days=14)
    path = _path(links)
    assert links.read(path, datetime(2026, 11, 16, 23, 59, tzinfo=UTC)).until == datetime(2026, 11, 17).date()  # noqa: DTZ001
    assert _refused(links, path, datetime(2026, 11, 17, tzinfo=UTC)) == 410


def _note(links: Links, made: datetime, words: str = "On Thursday", field: str = "") -> str:
    return f"{words}\nWhy: {links.url(PARTY, field, made)}\nand {links.url(PARTY, 'stage', made)}"


def test_a_text_is_not_made_anew_for_its_links_alone() -> None:
    """Whoever composes it days later keeps what is out; seen to fail compared whole."""
    links, now = Links(BASE, [KEY]), SAID + timedelta(days=40)
    held = _note(links, SAID)
    assert held != _note(links, now)
    assert links.alike(held, _note(links, now), SAID - timedelta(days=400), now)
    assert links.alike(held, _note(links, now), SAID, now)
    assert links.alike(held, _note(links, now), None, now)
    assert not links.alike(held, _note(links, now, words="On Friday"), SAID, now)
    assert not links.alike(held, _note(links, now, field="intent"), SAID, now)
    assert not links.alike(held, _note(Links("https://elsewhere.test", [KEY]), now), SAID, now)


def test_words_that_are_newer_than_a_link_make_it_anew() -> None:
    """A link holds for its days from the newest words, too; words of the future, which a forger dates, ask nothing."""
    links, now = Links(BASE, [KEY]), SAID + timedelta(days=3)
    held = _note(links, SAID)
    assert not links.alike(held, _note(links, now), SAID + timedelta(days=1), now)
    assert links.alike(held, _note(links, now), SAID.replace(year=2099), now)


def test_what_looks_like_a_link_in_a_message_makes_nothing_anew() -> None:
    """A customer's copy of a dead link would have its note rewritten each day; seen to fail with all links' days."""
    links, now = Links(BASE, [KEY]), SAID + timedelta(days=3)
    copied = f'"{BASE}/explain/{PARTY}/1-00001-{"a" * 32}"'
    assert links.alike(_note(links, SAID, copied), _note(links, now, copied), SAID, now)


@pytest.mark.parametrize("year", [1, 1969, 2099, 9999])
def test_a_date_that_somebody_made_up_buys_no_time(year: int) -> None:
    """A mail dated 2099 makes a link, and neither an error nor one that holds for decades."""
    links = Links(BASE, [KEY])
    path = _path(links, since=datetime(year, 12, 31, 23, tzinfo=UTC))
    assert _refused(links, path) == 410


def test_fewer_days_hold_for_links_that_are_out() -> None:
    """An operator who shortens the days shortens them at once."""
    path = _path(Links(BASE, [KEY], days=60))
    assert Links(BASE, [KEY], days=60).read(path, SAID).record == PARTY
    assert _refused(Links(BASE, [KEY], days=14), path) == 410


def test_nothing_in_a_link_can_be_changed() -> None:
    """Another record, field, day or seal, anything cut off or put on: 404; seen to fail with the day left unsealed."""
    links = Links(BASE, [KEY])
    path = _path(links)
    for at, letter in enumerate(path):
        for other in {"a", "1", "/", "%41", ""} - {letter}:
            assert _refused(links, path[:at] + other + path[at + 1 :]) == 404
    for changed in (
        path + "/",
        path + "a",
        path + "\n",
        path.upper(),
        path.replace("/stage", ""),
        path.replace("p", "%70"),
    ):
        assert _refused(links, changed) == 404


@pytest.mark.parametrize(
    "path", ["", "/", "/explain/", "/explain", "/explain/a/1-20000-", "/explain/" + "a" * 5_000, "\x00"]
)
def test_a_path_that_is_no_link_is_nothing(path: str) -> None:
    """A stranger's path is refused before anything is looked up."""
    assert _refused(Links(BASE, [KEY]), path) == 404


def test_a_key_is_changed_in_two_steps() -> None:
    """Links of the old key hold while it is listed second, and none holds once it is gone."""
    path = _path(Links(BASE, [OLD]))
    assert Links(BASE, keys_in(f"{KEY}\n{OLD}\n")).read(path, SAID).record == PARTY
    assert _refused(Links(BASE, [KEY]), path) == 404
    assert _path(Links(BASE, [KEY, OLD])) == _path(Links(BASE, [KEY]))


@pytest.mark.parametrize("keys", [[], ["short"], [KEY, "short"], [KEY] * 6])
def test_a_weak_key_refuses_to_start(keys: list[str]) -> None:
    """A key that could be guessed never seals anything."""
    with pytest.raises(ConfigError):
        Links(BASE, keys)


def test_a_path_before_ours_may_be_kept_or_cut_by_the_proxy() -> None:
    """Behind a proxy that serves us under a path, a link is read whether the proxy hands that path on or not."""
    links = Links("https://northwind.test/ai/", [KEY])
    url = links.url("contact:17", "", SAID)
    assert url.startswith("https://northwind.test/ai/explain/contact:17/1-")
    path = url.removeprefix("https://northwind.test")
    assert links.read(path, SAID) == links.read(path.removeprefix("/ai"), SAID)
