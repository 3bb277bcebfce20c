"""Settings that are each right and don't fit together refuse to start, with the key and what would be right."""

from pathlib import Path

import pytest

from sidecar.config import load
from sidecar.errors import ConfigError

ORDER = ("enquired", "qualified", "booked", "attended", "closed_won", "closed_lost")
MAPPED = "\n".join(f'{name} = "{i}"' for i, name in enumerate(ORDER))
ROUTE = '[[route]]\nname = "a"\n'
SHORT = '[stages]\norder = ["enquired", "booked", "closed_lost"]\n'


def _problems(tmp_path: Path, toml: str) -> list[str]:
    file = tmp_path / "config.toml"
    file.write_text(toml)
    try:
        load(file, {})
    except ConfigError as error:
        return str(error).split("\n")
    return []


TARGET = (
    "fields.budget.targets.0: write a record and one of its properties, such as contact.ai_budget; "
    "records are contact, company, deal"
)
WRONG = [
    ("a database that we can't speak to", '[journal]\nurl = "mysql://h/d"', "journal.url: write sqlite:///"),
    ("a journal that would vanish", '[journal]\nurl = "sqlite://"', "journal.url: write three slashes"),
    ("a password", '[journal]\nurl = "postgresql://u:p@h/d"', "journal.url: a password is never written here"),
    ("one port for all", "[web]\nport = 9\nadmin_port = 9", "web.admin_port: is the same as web.port"),
    ("links and no key", '[web]\npublic_url = "https://a.test"', "web.explain_key_env: is missing: the explain page"),
    ("a key and no links", '[web]\nexplain_key_env = "KEY"', "web.public_url: is missing: the explain page"),
    ("links in the clear", '[web]\npublic_url = "http://a.test"', "web.public_url: write https:// and a host"),
    ("a password in links", '[web]\npublic_url = "https://u:p@a.test"', "web.public_url: write https:// and a host"),
    ("markup in links", "[web]\npublic_url = 'https://a.test/\"><b>'", "web.public_url: write https:// and a host"),
    ("a key that is nowhere", '[web]\npublic_url = "https://a.test"\nexplain_key_env = "KEY"', "web.explain_key_env: "),
    ("a channel of the CRM's name", '[channels.ledger]\ntype = "imap"', "channels.ledger: is the name of the CRM"),
    ("a channel with a dot", '[channels."a.b"]\ntype = "imap"', "channels.a.b: name channels with"),
    ("two rhythms", '[channels.a]\ntype = "imap"\nevery_s = 1\ncron = "* * * * *"', "channels.a.cron: write either"),
    ("no cron", '[channels.a]\ntype = "imap"\ncron = "* * *"', "channels.a.cron: write five cron fields"),
    ("notes of no channel", '[notes]\nskip_channels = ["a"]', "notes.skip_channels: there is no such channel"),
    ("a stage in capitals", SHORT.replace("booked", "Booked"), "stages.order: name stages with lower-case"),
    ("a stage twice", SHORT.replace("booked", "enquired"), "stages.order: list two stages or more, each once"),
    ("a stage alone", '[stages]\norder = ["enquired"]', "stages.order: list two stages or more"),
    ("a table of no stage", '[stages.boked]\nto = ["booked"]', "stages.boked: there is no such stage in"),
    ("a way to nowhere", '[stages.booked]\nto = ["won"]', "stages.booked.to: there is no such stage; known are"),
    ("a way to itself", '[stages.booked]\nto = ["booked", "attended"]', "stages.booked.to: a stage doesn't"),
    ("a stage out of reach", '[stages.booked]\nto = ["qualified"]', "stages.attended: no transition leads here"),
    ("no stage", "[fields.stage]\nenabled = false", "fields.stage: is needed"),
    ("a stage that a person loses", '[fields.stage]\nclass = "observation"', "fields.stage: is needed"),
    ("stages in two places", '[fields.stage]\nvalues = ["a"]', "fields.stage.values: are the stages"),
    ("a field's name", '[fields.Pet]\nclass = "observation"', "fields.Pet: name fields with"),
    ("a field named step", '[fields.step]\nclass = "observation"', "fields.step: name fields with"),
    ("an enum of nothing", '[fields.pet]\nclass = "state"\ntype = "enum"', "fields.pet.values: list the values"),
    ("values of a text", '[fields.budget]\nvalues = ["a"]', "fields.budget.values: list the values of an enum"),
    ("a value with a space", '[fields.intent]\nvalues = ["to buy"]', "fields.intent.values: write values with"),
    ("a list in a value", '[fields.risks]\nvalues = ["a; b"]', "fields.risks.values: write values of 80 characters"),
    ("a list of nothing", '[fields.pet]\nclass = "state"\ntype = "enums"', "fields.pet.values: list the values"),
    ("a value twice", '[fields.risks]\nvalues = ["a", "A"]', "fields.risks.values: list each value once"),
    ("points of no field", "[score.intnet]\nbuy = 1", "score.intnet: there is no such field with a list of values"),
    ("points of a text", "[score.budget]\nlarge = 1", "score.budget: there is no such field with a list of values"),
    ("points of no value", "[score.intent]\nby = 1", "score.intent.by: there is no such value of intent; did you mean"),
    ("points beyond all", "[score.intent]\nbuy = 101", "score.intent.buy: should be less than or equal to 100"),
    ("a weight beyond all", "[score]\nstage = 101", "score.stage: should be less than or equal to 100"),
    ("a target twice", '[fields.budget]\ntargets = ["deal.ai_risks"]', "fields.budget.targets: deal.ai_risks is"),
    ("a target of nothing", '[fields.budget]\ntargets = ["ai_budget"]', TARGET),
    ("a target of no record", '[fields.budget]\ntargets = ["person.x"]', TARGET),
    ("a target with a space", '[fields.budget]\ntargets = ["deal.ai budget"]', TARGET),
    ("deals from no stage", '[crm.create]\ndeal = "boked"', "crm.create.deal: there is no such choice"),
    ("two routes of one name", ROUTE + 'match.address = ["a@b.test"]\n' + ROUTE, "route.1.name: "),
    ("a route behind all", ROUTE + ROUTE.replace('"a"', '"b"'), "route.1.match: nothing comes this far: route.0"),
    ("a route of no channel", ROUTE + 'match.channel = ["x"]', "route.0.match.channel: there is no such channel"),
    ("a phone without country", '[own]\naddresses = ["020 7946 0000"]', "own.addresses: write e-mail addresses"),
    ("an address as a domain", '[own]\ndomains = ["a@b.test"]', "own.domains: write domains alone"),
    ("a vendor without routes", '[crm]\ntype = "hubspot"', "route: a CRM's own stages must be mapped"),
    ("a map with holes", ROUTE + 'stages.booked = "x"', "route.0.stages.attended: is not mapped"),
    ("a map of no stage", ROUTE + f'[route.stages]\n{MAPPED}\nboked = "x"', "route.0.stages.boked: there is no"),
    ("a place without a name", ROUTE + f'[route.stages]\n{MAPPED}'.replace('"0"', '""'), "route.0.stages.enquired"),
]  # fmt: skip


@pytest.mark.parametrize(("toml", "said"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_does_not_fit_refuses_to_start(toml: str, said: str, tmp_path: Path) -> None:
    """Each mistake is found before anything is written; seen to fail for each check that was taken out."""
    problems = _problems(tmp_path, toml)
    assert [problem for problem in problems if problem.startswith(said)], problems


RIGHT = [
    ("a vendor with a whole map", f'[crm]\ntype = "hubspot"\n[[route]]\nname = "a"\n[route.stages]\n{MAPPED}'),
    ("our own CRM without routes", '[crm]\ntype = "local"'),
    ("two free ports", "[web]\nport = 0\nadmin_port = 0"),
    ("fewer stages", SHORT),
    ("another stage", '[stages]\norder = ["new", "won"]\n[stages.new]\nto = ["won"]\n[stages.won]\nneeds = "system"'),
    ("deals from a stage on", '[crm.create]\ndeal = "booked"'),
    ("no password", '[journal]\nurl = "postgresql://u@h/d"'),
    ("a catch-all that comes last", '[[route]]\nname = "a"\nmatch.address = ["a@b.test"]\n[[route]]\nname = "b"'),
    ("weights of values that went", '[fields.intent]\nvalues = ["rent", "other"]\n[score.intent]\nrent = 20'),
    ("a target given up", '[fields.risks]\nenabled = false\n[fields.budget]\ntargets = ["deal.ai_risks"]'),
    ("a cron line", '[channels.a]\ntype = "imap"\ncron = "*/5 8-18 * * mon-fri"\n[notes]\nskip_channels = ["a"]'),
]


@pytest.mark.parametrize("toml", [case[1] for case in RIGHT], ids=[case[0] for case in RIGHT])
def test_what_fits_starts(toml: str, tmp_path: Path) -> None:
    """The checks refuse nothing that works, so that nobody learns to work around them."""
    assert _problems(tmp_path, toml) == []


@pytest.mark.parametrize("key, is_right", [("k" * 32, True), ("k" * 31, False), ("k" * 32 + ",short", False)])
def test_a_key_of_the_explain_page_that_could_be_guessed_refuses_to_start(
    key: str, is_right: bool, tmp_path: Path
) -> None:
    """A weak key is found by `check`, before it seals anything, and is not repeated; seen to fail without the check."""
    file = tmp_path / "config.toml"
    file.write_text('[web]\npublic_url = "https://a.test"\nexplain_key_env = "KEY"')
    if is_right:
        assert load(file, {"KEY": key}).web.explain_days == 14
        return
    with pytest.raises(ConfigError, match=r"^web\.explain_key_env: a key has fewer than 32 characters$"):
        load(file, {"KEY": key})


def test_fewer_stages_lose_only_their_own_transitions(tmp_path: Path) -> None:
    """Leaving a stage out of the order takes it out of the defaults' transitions as well, and nothing else."""
    (tmp_path / "config.toml").write_text(SHORT)
    policy = load(tmp_path / "config.toml", {}).policy()
    assert {name: stage.to for name, stage in policy.stages.items()} == {
        "enquired": ("booked", "closed_lost"),
        "booked": ("closed_lost",),
        "closed_lost": (),
    }
    assert policy.fields["stage"].values == ("enquired", "booked", "closed_lost")


def test_one_mistake_is_one_line(tmp_path: Path) -> None:
    """What follows from a mistake isn't reported beside it; seen to fail with every check run regardless."""
    toml = f'[stages]\norder = 7\n[[route]]\nname = "a"\n[route.stages]\n{MAPPED}'
    assert _problems(tmp_path, toml) == ["stages.order: should be a valid tuple"]
