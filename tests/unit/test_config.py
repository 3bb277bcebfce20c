"""Loading a config: where settings come from, which of them wins, what refuses to start, and what is never said."""

import os
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from sidecar.config import Settings, free_mail, load, validate_options
from sidecar.errors import ConfigError
from sidecar.model import FieldClass, Identifier, Mode, Role, Route, Target

SECRET = "hunter2-horse-battery"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a developer's own config.toml out of the tests."""
    monkeypatch.chdir(tmp_path)


def _load(tmp_path: Path, toml: str, env: dict[str, str] | None = None) -> Settings:
    file = tmp_path / "config.toml"
    file.write_text(toml)
    return load(file, env or {})


def _refused(tmp_path: Path, toml: str, env: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, toml, env)
    assert caught.value.setting is not None
    assert str(caught.value).startswith(caught.value.setting + ": ")
    return str(caught.value)


def test_nothing_need_be_configured() -> None:
    """Without a file, the sidecar infers into its own CRM and writes nothing: the safe defaults hold."""
    settings = load(None, {})
    policy = settings.policy()
    assert (settings.crm.type, settings.llm.type, settings.journal_url()) == (
        "local",
        "baseline",
        "sqlite:///data/journal.db",
    )
    assert (policy.mode, policy.create_contact, policy.create_deal) == (Mode.SHADOW, "suggest", "never")
    assert (settings.llm.daily_usd, policy.baseline_writes, policy.routes) == (5.0, False, (Route(),))
    assert settings.web.admin_host == "127.0.0.1"


def test_winning_and_attending_need_our_side() -> None:
    """What a customer writes can't win or attend a deal, by default."""
    stages = load(None, {}).policy().stages
    assert {name for name, stage in stages.items() if stage.needs == "seller"} == {"attended", "closed_won"}
    assert {name for name, stage in stages.items() if stage.terminal} == {"closed_won", "closed_lost"}
    assert list(stages) == ["enquired", "qualified", "booked", "attended", "closed_won", "closed_lost"]
    assert stages["qualified"].silent_days == 5
    assert stages["booked"].silent_days is None


def test_default_fields_keep_their_classes() -> None:
    """Names and numbers are people's for good; a model is never asked for them, nor for what code computes."""
    fields = load(None, {}).policy().fields
    assert {name for name, f in fields.items() if f.cls is FieldClass.IDENTITY} == {"name", "phone", "email", "company"}
    assert all(f.grounding == "computed" and f.asserted_by == {Role.SYSTEM} for f in fields.values() if f.native)
    assert fields["stage"].cls is FieldClass.STATE
    assert fields["stage"].targets == (Target("contact", "ai_stage"), Target("deal", "ai_stage"))
    assert fields["budget"].asserted_by == {Role.CUSTOMER}


def test_a_path_wins_over_the_variable_that_names_a_file(tmp_path: Path) -> None:
    """The nearest word decides which file is read: argument, SIDECAR_CONFIG, config.toml here."""
    for name in ("config", "named", "given"):
        (tmp_path / f"{name}.toml").write_text(f'[own]\ndomains = ["{name}.test"]')
    assert load(None, {}).own_section.domains == ("config.test",)
    assert load(None, {"SIDECAR_CONFIG": "named.toml"}).own_section.domains == ("named.test",)
    assert load(Path("given.toml"), {"SIDECAR_CONFIG": "named.toml"}).own_section.domains == ("given.test",)
    assert load(Path("given.toml"), {}).base == tmp_path.resolve()


@pytest.mark.parametrize("env", [{}, {"SIDECAR_CONFIG": "missing.toml"}])
def test_a_file_that_is_named_must_exist(env: dict[str, str], tmp_path: Path) -> None:
    """A misspelt file never means "use the defaults"; seen to fail with pydantic-settings' own reading."""
    with pytest.raises(ConfigError, match="there is no such config file"):
        load(None if env else tmp_path / "missing.toml", env)


@pytest.mark.parametrize("raw", [b"[own\n", b'own = "\xff"', b"a=1\na=2", b"x" * 2_000_000])
def test_a_file_that_is_no_toml_is_the_operators_to_mend(raw: bytes, tmp_path: Path) -> None:
    """Whatever the bytes are, the answer names the file and is a ConfigError."""
    file = tmp_path / "config.toml"
    file.write_bytes(raw)
    with pytest.raises(ConfigError, match=r"config\.toml"):
        load(file, {})


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """Any setting can be overridden without touching the file: values, lists, tables in tables, one key of a stage."""
    toml = '[web]\nport = 1\nhost = "h"\n[own]\ndomains = ["a.test"]\n[stages.booked]\nthreshold = 0.9\n'
    env = {
        "SIDECAR_WEB__PORT": "2",
        "SIDECAR_OWN__DOMAINS": "b.test, c.test",
        "SIDECAR_OWN__ADDRESSES": '["ann@b.test"]',
        "SIDECAR_CRM__CREATE__CONTACT": "auto",
        "SIDECAR_STAGES__BOOKED__SILENT_DAYS": "3",
        "SIDECAR_FIELDS__INTENT__THRESHOLD": "0.8",
        "SIDECAR_FIELDS__INTENT__CLASS": "state",
        "SIDECAR_FIELDS__BUDGET__ASSERTED_BY": "customer,agent",
        "SIDECAR_POLICY__MODE": "auto",
        "SIDECAR_LLM__BASELINE_WRITES": "true",
        "SIDECAR_ROUTE": '[{"name":"r","match":{"address":["+44 20 7946 0000"]}}]',
        "SIDECAR_CHANNELS__MAIL__TYPE": "imap",
        "SIDECAR_CHANNELS__MAIL__FOLDERS": '["INBOX"]',
        "SIDECAR_WEB__ADMIN_HOST": "",
    }
    settings = _load(tmp_path, toml, env)
    policy = settings.policy()
    assert (settings.web.port, settings.web.host, settings.web.admin_host) == (2, "h", "127.0.0.1")
    assert settings.own().domains == {"b.test", "c.test"}
    assert settings.own().addresses == {"ann@b.test"}
    assert (policy.create_contact, policy.mode, policy.baseline_writes) == ("auto", Mode.AUTO, True)
    assert (policy.stages["booked"].threshold, policy.stages["booked"].silent_days) == (0.9, 3)
    assert (policy.fields["intent"].threshold, policy.fields["intent"].cls) == (0.8, FieldClass.STATE)
    assert policy.fields["intent"].values[0] == "buy"
    assert policy.fields["budget"].asserted_by == {Role.CUSTOMER, Role.AGENT}
    assert policy.routes[0].addresses == ("+442079460000",)
    assert settings.channels["mail"].options == {"folders": ["INBOX"]}


def test_the_process_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the given environment counts, so that a test or a second sidecar in one process is its own."""
    monkeypatch.setenv("SIDECAR_WEB__PORT", "2")
    assert load(None, {}).web.port == 8080


def test_a_key_of_a_field_leaves_its_others_alone(tmp_path: Path) -> None:
    """A config changes what it names and nothing else."""
    policy = _load(tmp_path, '[fields.intent]\nthreshold = 0.7\n[fields.pet]\nclass = "observation"').policy()
    assert (policy.fields["intent"].threshold, policy.fields["intent"].values[0]) == (0.7, "buy")
    assert (policy.fields["pet"].grounding, policy.fields["pet"].asserted_by) == ("quoted", frozenset(Role))
    assert "budget" not in _load(tmp_path, "[fields.budget]\nenabled = false").policy().fields


def test_keys_of_a_sibling_adapter_are_ignored(tmp_path: Path) -> None:
    """One variable runs a production config against the local CRM; seen to fail with the file's keys kept."""
    toml = """
[crm]
type = "hubspot"
portal = 7
[crm.create]
contact = "auto"
[llm]
type = "anthropic"
model = "m"
daily_usd = 1.0
[channels.mail]
type = "imap"
host = "h"
every_s = 5
"""
    env = {"SIDECAR_CRM__TYPE": "local", "SIDECAR_LLM__TYPE": "baseline", "SIDECAR_CHANNELS__MAIL__TYPE": "maildrop"}
    settings = _load(tmp_path, toml, {**env, "SIDECAR_CRM__PATH": "x.db"})
    assert settings.crm.options == {"path": "x.db"}
    assert (settings.crm.create.contact, settings.llm.options, settings.llm.daily_usd) == ("auto", {}, 1.0)
    assert (settings.channels["mail"].options, settings.channels["mail"].every_s) == ({}, 5)
    assert settings.ignored == ("crm.portal", "llm.model", "channels.mail.host")


def test_the_same_type_again_keeps_the_files_keys(tmp_path: Path) -> None:
    """Naming the type that the file has, or that it leaves to the default, replaces nothing."""
    assert _load(tmp_path, '[crm]\npath = "x.db"', {"SIDECAR_CRM__TYPE": "local"}).crm.options == {"path": "x.db"}
    toml = '[channels.a]\npath = "x"'
    assert _load(tmp_path, toml, {"SIDECAR_CHANNELS__A__TYPE": "maildrop"}).channels["a"].options == {"path": "x"}


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    """An operator mends a config in one round: each problem has a line with its key and what would be right."""
    toml = """
chanels = 1
[web]
prot = 1
port = 70000
[own]
timezone = "Mars"
default_region = "XX"
[channels.mail]
host = "h"
[policy]
mode = "yolo"
[[route]]
name = "a"
mach = {}
[stages.booked]
to = ["atended"]
[crm.create]
deal = "bookd"
"""
    lines = _refused(tmp_path, toml, {"SIDECAR_WEBB__PORT": "1", "SIDECAR_LIMITS__CONCURRENCY": "x"}).split("\n")
    assert (
        lines
        == [
            "SIDECAR_WEBB__PORT: there is no such section; did you mean 'web'?",
            "channels.mail.type: is required",
            "chanels: there is no such key; did you mean 'channels'?",
            "crm.create.deal: there is no such choice; did you mean 'booked'?",
            "limits.concurrency: should be a valid integer, unable to parse string as an integer "
            "(set by SIDECAR_LIMITS__CONCURRENCY)",
            "own.default_region: write a country's two letters, such as GB or DE",
            "own.timezone: no such time zone is known here; write one such as Europe/London",
            "policy.mode: should be 'shadow', 'suggest' or 'auto'",
            "route.0.mach: there is no such key; did you mean 'match'?",
            "stages.booked.to: there is no such stage; did you mean 'attended'?",
            "web.port: should be less than or equal to 65535",
            "web.prot: there is no such key; did you mean 'port'?",
        ]
        or sorted(lines) == lines
    )


def test_a_secret_may_begin_like_a_setting(tmp_path: Path) -> None:
    """Whoever calls a secret SIDECAR_TOKEN isn't told that it is an unknown setting."""
    env = {"SIDECAR_TOKEN": SECRET, "SIDECAR_CRM__TOKEN": SECRET}
    settings = _load(tmp_path, '[crm]\ntoken_env = "SIDECAR_TOKEN"\nother_env = "SIDECAR_CRM__TOKEN"', env)
    assert settings.secret("SIDECAR_TOKEN", None) == SECRET
    assert "token" not in settings.crm.options


def test_a_secret_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    """The variable wins over the file, whose path counts from the config's folder."""
    (tmp_path / "token").write_text(f"{SECRET}\n")
    (tmp_path / "token").chmod(0o600)
    settings = _load(tmp_path, '[crm]\ntoken_env = "TOKEN"\ntoken_file = "token"')
    assert settings.secret(None, "token") == SECRET
    assert settings.secret("TOKEN", "token") == SECRET
    assert _load(tmp_path, "", {"TOKEN": " other "}).secret("TOKEN", "token") == "other"
    with pytest.raises(ConfigError, match="a secret is missing"):
        settings.secret(None, None)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("budgett", "is required of a new field; did you mean fields.budget?"),
        ("need", 'is required; or take up the pack that has this field: prompts.packs = ["bant"]'),
        ("dogs", "is required"),
    ],
)
def test_a_field_that_nobody_knows_may_be_a_misspelt_one(name: str, said: str, tmp_path: Path) -> None:
    """Who switches a field off must not be asked for its class; seen to fail with the bare word."""
    assert _refused(tmp_path, f"[fields.{name}]\nenabled = false") == f"fields.{name}.class: {said}"


def test_a_missing_secret_refuses_to_start(tmp_path: Path) -> None:
    """Every secret that is named is tried at the start, in nested tables too, and its remedy is said."""
    toml = '[crm]\ntoken_env = "CRM_TOKEN"\n[crm.app]\nkey_file = "nowhere"\n[channels.a]\ntype = "imap"\nx_env = "B_C"'
    lines = _refused(tmp_path, toml).split("\n")
    assert len(lines) == 3
    assert lines[0] == "channels.a.x_env: the environment variable B_C is not set; set it, or name a file instead"
    assert lines[1].startswith("crm.app.key_file: the secret's file can't be read (No such file or directory)")
    assert lines[2].startswith("crm.token_env: the environment variable CRM_TOKEN is not set")


@pytest.mark.parametrize(
    "text", ["whsec_...", "<token>", "${TOKEN}", "changeme", "your-api-key-here", "xxxx", "Password"]
)
def test_an_example_is_no_secret(text: str, tmp_path: Path) -> None:
    """What everybody could guess refuses to start, wherever it stands; seen to fail without the look at it."""
    (tmp_path / "token").write_text(text)
    (tmp_path / "token").chmod(0o600)
    with pytest.raises(ConfigError, match="TOKEN_X holds an example or a placeholder") as caught:
        _load(tmp_path, '[crm]\ntoken_env = "TOKEN_X"', {"TOKEN_X": f" {text} "})
    assert text not in str(caught.value)
    with pytest.raises(ConfigError, match="the secret's file holds an example or a placeholder"):
        _load(tmp_path, '[crm]\ntoken_file = "token"')


@pytest.mark.parametrize("text", ["$ecret1", "the cat sat", "my dog ate it", "a.b..c", "x1", "hunter2"])
def test_an_odd_secret_is_one(text: str, tmp_path: Path) -> None:
    """No password that somebody may really have is taken for an example."""
    assert _load(tmp_path, '[crm]\ntoken_env = "TOKEN_X"', {"TOKEN_X": text}).secret("TOKEN_X", None) == text


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (SECRET.encode(), 0o604, "by everybody"),
        (SECRET.encode(), 0o602, "by everybody"),
        (b"\n", 0o600, "is empty"),
        (b"\xff", 0o600, "is not UTF-8"),
        (b"x" * 70_000, 0o600, "is larger than"),
        (None, 0o700, "can't be read|not a regular file"),
    ],
)
def test_a_bad_secret_file_refuses_to_start(content: bytes | None, mode: int, said: str, tmp_path: Path) -> None:
    """A secret that everybody can read is none, even where the environment would win; nor is what can't be one."""
    place = tmp_path / "token"
    place.mkdir() if content is None else place.write_bytes(content)
    place.chmod(mode)
    toml = '[crm]\ntoken_env = "TOKEN_X"\ntoken_file = "token"'
    with pytest.raises(ConfigError, match=rf"crm\.token_file: .*({said})"):
        _load(tmp_path, toml, {"TOKEN_X": SECRET})


class _Options(BaseModel):
    """An adapter's own settings, in every shape that an error can have."""

    model_config = ConfigDict(extra="forbid")

    host: str
    port: int = Field(993, le=65_535)
    tls: bool | Literal["starttls"] = True
    folders: tuple[str, ...] = ()
    password_env: str | None = None
    password_file: str | None = None


class _Careless(BaseModel):
    """An adapter's settings that forgot to forbid unknown keys."""

    host: str = ""


def test_an_adapters_options_are_judged_by_its_own_model() -> None:
    """Each wrong key of a section is named once, with the nearest right one, whatever a union tried on the way."""
    options = {"hots": "h", "port": 70_000, "tls": "maybe", "folders": ["a", 3]}
    with pytest.raises(ConfigError) as caught:
        validate_options(_Options, "channels.mail", options)
    assert str(caught.value).split("\n") == [
        "channels.mail.folders.1: should be a valid string",
        "channels.mail.host: is required",
        "channels.mail.hots: there is no such key; did you mean 'host'?",
        "channels.mail.port: should be less than or equal to 65535",
        "channels.mail.tls: should be a valid boolean, unable to interpret input",
    ]
    assert caught.value.setting == "channels.mail.folders.1"
    assert validate_options(_Options, "channels.mail", {"host": "h", "port": "1"}) == _Options(host="h", port=1)


def test_a_careless_adapter_still_refuses_unknown_keys() -> None:
    """A model that ignores unknown keys doesn't make a misspelt one pass; seen to fail without the check of our own."""
    with pytest.raises(ConfigError, match=r"^crm\.hots: there is no such key; did you mean 'host'\?$"):
        validate_options(_Careless, "crm", {"hots": "h"})


def test_a_secret_in_the_wrong_place_is_not_repeated(tmp_path: Path) -> None:
    """No error says a value that was written: it may be a password; seen to fail with pydantic's own text."""
    said = [
        _refused(tmp_path, f'[web]\nport = "{SECRET}"'),
        _refused(tmp_path, f'[crm]\ntoken_env = "{SECRET}"\nother_file = "{SECRET}"'),
        _refused(tmp_path, "", {"SIDECAR_LLM__DAILY_USD": SECRET, "SIDECAR_ROUTE": SECRET, "SIDECAR_NOTES": SECRET}),
        _refused(tmp_path, f'[journal]\nurl = "postgresql://u:{SECRET}@h/d"'),
        _refused(tmp_path, f'[journal]\nurl = "{SECRET}"'),
        _refused(tmp_path, f'[fields.intent]\nclass = "{SECRET}"\nvalues = ["{SECRET}"]\ntargets = ["{SECRET}"]'),
        _refused(tmp_path, f'[own]\ntimezone = "{SECRET}"\naddresses = ["{SECRET}"]\ndomains = ["{SECRET}"]'),
        _refused(tmp_path, f'[channels.a]\ntype = "imap"\ncron = "{SECRET}"\n[crm.create]\ndeal = "{SECRET}"'),
    ]
    with pytest.raises(ConfigError) as caught:
        validate_options(_Options, "crm", {"host": "h", "password": SECRET, "port": SECRET, "tls": SECRET})
    assert not [text for text in [*said, str(caught.value), repr(caught.value)] if SECRET in text]
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "a secret is never written here: name an environment variable or a file in password_env" in str(caught.value)


TOML_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.sampled_from([f.alias or name for name, f in Settings.model_fields.items()]),
    st.lists(st.sampled_from(["type", "order", "to", "create", "booked", "intent", "x_env", "url", "0"]), max_size=3),
    st.text(max_size=20) | TOML_VALUES.map(str),
)
def test_any_environment_gives_settings_or_a_config_error(section: str, keys: list[str], value: str) -> None:
    """Whatever stands in the environment, the answer is settings or a ConfigError, never another error."""
    name = "__".join(["SIDECAR", section, *keys]).upper().replace("SIDECAR__", "SIDECAR_", 1)
    try:
        assert load(None, {name: value}).policy().sha256
    except ConfigError as error:
        assert error.setting


@given(st.dictionaries(st.sampled_from(["host", "port", "tls", "folders", "password", "pass"]), TOML_VALUES))
def test_any_options_give_a_model_or_a_config_error(options: dict[str, Any]) -> None:
    """Whatever stands in a section, the answer is the adapter's options or a ConfigError that names a key in it."""
    try:
        validate_options(_Options, "crm", options)
    except ConfigError as error:
        assert error.setting is not None
        assert error.setting.startswith("crm.")


def test_the_policys_hash_covers_what_it_says(tmp_path: Path) -> None:
    """A Decision names the rules it was made by: another threshold or order is another policy, a port isn't."""
    plain = _load(tmp_path, "").policy().sha256
    assert _load(tmp_path, "[web]\nport = 1").policy().sha256 == plain
    others = [
        "[fields.intent]\nthreshold = 0.51",
        '[fields.intent]\nasserted_by = ["customer"]',
        '[policy]\nmode = "auto"',
        '[stages]\norder = ["enquired", "booked", "qualified", "attended", "closed_won", "closed_lost"]',
        '[[route]]\nname = "a"',
    ]
    hashes = {_load(tmp_path, toml).policy().sha256 for toml in others}
    assert len({plain, *hashes}) == 1 + len(others)


def test_own_domains_are_known_in_both_spellings(tmp_path: Path) -> None:
    """A domain with umlauts is ours however a mail program writes it."""
    own = _load(tmp_path, '[own]\ndomains = ["Müller.test"]\naddresses = ["Ann@Bücher.test"]').own()
    for value in ("a@müller.test", "a@xn--mller-kva.test", "b@shop.müller.test", "ann@xn--bcher-kva.test"):
        assert own.owns(Identifier("email", value))
    assert not own.owns(Identifier("email", "bea@bücher.test"))


def test_free_mail_is_a_list_of_domains(tmp_path: Path) -> None:
    """Sharing a free mail provider makes nobody colleagues; the list is clean, and a config adds to it."""
    domains = free_mail()
    assert len(domains) >= 150
    assert not [d for d in domains if d != d.casefold().strip() or "." not in d or "@" in d]
    assert {"gmail.com", "gmx.de", "outlook.com", "qq.com"} <= domains
    assert "isp.test" in _load(tmp_path, '[relevance]\nfree_mail = ["ISP.test"]').relevance().free_mail


def test_the_journals_url_may_be_a_secret(tmp_path: Path) -> None:
    """A password in a URL comes from the environment or a file, and the environment replaces what the file says."""
    url = f"postgresql://u:{SECRET}@h/d"
    assert _load(tmp_path, '[journal]\nurl_env = "DB_URL"', {"DB_URL": url}).journal_url() == url
    assert _load(tmp_path, '[journal]\nurl_env = "DB_URL"', {"SIDECAR_JOURNAL__URL": url}).journal_url() == url
    assert "journal.url: is given twice" in _refused(
        tmp_path, '[journal]\nurl = "sqlite:///a.db"\nurl_env = "DB_URL"', {"DB_URL": url}
    )
