"""Tokens at rest: sealed for one channel, replaced only by who has seen them, worthless without the key."""

import sqlite3
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.app.vault import Vault
from sidecar.config import load
from sidecar.errors import ConfigError, PermanentError
from sidecar.journal import Journal, backup, export
from sidecar.seal import Seal, keys_of
from tests.support.authorities import KEY, OTHER_KEY, vault

SECRET = {"refresh": "1//canary-refresh-token-of-the-mailbox", "access": "ya29.canary-access"}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Return a book."""
    with Journal.open("sqlite:///book.db", base=tmp_path) as opened:
        yield opened


@example(name="mail", text=b"", place=56)  # the last character of 28 bytes in base64 has bits that mean nothing
@given(name=st.text(max_size=40), text=st.binary(max_size=300), place=st.integers(0, 10_000))
def test_what_is_sealed_opens_for_its_name_alone(name: str, text: bytes, place: int) -> None:
    """The text comes back under its name; no other name, no other key and no changed character opens it."""
    seal, other = Seal(keys_of(KEY)), Seal(keys_of(OTHER_KEY))
    sealed = seal.seal(name, text)
    assert seal.open(name, sealed) == text
    assert sealed != seal.seal(name, text)
    at = place % (len(sealed) - 2)
    changed = sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :]
    for one, named, kept in ((seal, name + "x", sealed), (other, name, sealed), (seal, name, changed)):
        with pytest.raises(ConfigError):
            one.open(named, kept)


def test_a_key_is_changed_without_losing_a_token(journal: Journal, tmp_path: Path) -> None:
    """The first key seals and the others still open; once a token was replaced, the old key isn't needed."""
    old = vault(journal, tmp_path, KEY)
    assert old.save("mail", SECRET, None)
    both = vault(journal, tmp_path, OTHER_KEY, KEY)
    assert both.load("mail") == SECRET
    assert both.save("mail", {"refresh": "2"}, SECRET)
    assert vault(journal, tmp_path, OTHER_KEY).load("mail") == {"refresh": "2"}
    with pytest.raises(ConfigError, match="sidecar connect mail"):
        old.load("mail")


@pytest.mark.parametrize(
    "key",
    ["", "short", b64encode(b"x" * 32).decode(), b64encode(b"0123456789abcdef0123456789abcdef").decode(),
     b64encode(bytes(31)).decode(), b64encode(bytes(range(33))).decode(), "ключ", f"{KEY},short", ",".join([KEY] * 6)],
)  # fmt: skip
def test_a_key_that_is_none_is_refused_at_the_start(tmp_path: Path, key: str) -> None:
    """A short key, an example's or a word in base64 seals nothing: the config doesn't load, and doesn't repeat it."""
    file = tmp_path / "config.toml"
    file.write_text('[tokens]\nkey_env = "TOKENS_KEY"\n')
    with pytest.raises(ConfigError) as caught:
        load(file, {"TOKENS_KEY": key})
    assert "tokens.key_env" in str(caught.value)
    assert len(key) < 8 or key not in str(caught.value)


def test_without_a_key_the_setting_is_named(journal: Journal, tmp_path: Path) -> None:
    """Who connects a channel without a key hears which setting is missing, and how a key is made."""
    file = tmp_path / "config.toml"
    file.write_text("")
    with pytest.raises(ConfigError, match="openssl rand -base64 32") as caught:
        Vault(load(file, {}), journal).save("mail", SECRET, None)
    assert caught.value.setting == "tokens.key_env"


def test_the_tokens_of_one_channel_cant_be_laid_under_anothers_name(journal: Journal, tmp_path: Path) -> None:
    """Whoever can write into the database can't make one channel read with another's access."""
    kept = vault(journal, tmp_path)
    kept.save("mail", SECRET, None)
    journal.set_meta("tokens:other", str(journal.meta("tokens:mail")))
    with pytest.raises(ConfigError):
        kept.load("other")


def test_nobody_replaces_what_he_hasnt_seen(journal: Journal, tmp_path: Path) -> None:
    """A token is replaced only by who knows the one before, and forgotten without knowing it."""
    kept = vault(journal, tmp_path)
    assert kept.save("mail", {"n": 1}, None)
    assert not kept.save("mail", {"n": 2}, None)
    assert not kept.save("mail", {"n": 2}, {"n": 0})
    assert kept.load("mail") == {"n": 1}
    assert kept.forget("mail") and not kept.forget("mail")
    assert kept.load("mail") is None
    assert kept.save("mail", {"n": 3}, None)
    with pytest.raises(PermanentError):
        kept.save("mail", {"n": "x" * 70_000}, {"n": 3})


def test_of_many_who_replace_at_once_one_does(journal_url: str, tmp_path: Path) -> None:
    """Two processes' journals on one database, many threads: each value has exactly one successor."""
    with Journal.open(journal_url, base=tmp_path) as one, Journal.open(journal_url, base=tmp_path) as other:
        books = [vault(journal, tmp_path) for journal in (one, other)]
        assert books[0].save("race", {"n": 0}, None)
        for _ in range(5):
            won = _race(books, dict(books[0].load("race") or {}))
            assert len(won) == 1
            assert (books[1].load("race") or {})["by"] == won[0]


def _race(books: list[Vault], held: dict[str, Any]) -> list[int]:
    """Let six threads replace a value at once; return who did."""
    won: list[int] = []
    start = threading.Barrier(6)

    def replace(number: int) -> None:
        start.wait(20)
        if books[number % 2].save("race", {"n": held["n"] + 1, "by": number}, held):
            won.append(number)

    threads = [threading.Thread(target=replace, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return won


def test_neither_exports_nor_backups_nor_the_database_show_a_token(tmp_path: Path) -> None:
    """A token leaves the process sealed; seen to fail with the text in place of what seals it."""
    with Journal.open("sqlite:///book.db", base=tmp_path) as journal:
        vault(journal, tmp_path).save("mail", SECRET, None)
        told = b"".join(export(journal))
    backup("sqlite:///book.db", tmp_path / "copy.db", base=tmp_path)
    files = [path.read_bytes() for path in tmp_path.glob("*.db*") if path.is_file()]
    assert len(files) >= 2
    assert not any(secret.encode() in raw for secret in SECRET.values() for raw in (told, *files))
    assert not any(KEY.encode() in raw for raw in (told, *files))
    with sqlite3.connect(tmp_path / "copy.db") as copy:
        held = [value for (value,) in copy.execute("SELECT value FROM meta WHERE key = 'tokens:mail'")]
    copy.close()
    assert len(held) == 1 and held[0].startswith("1.")
