"""The app: it refuses to start on what it can't trust, makes adapters as late as it can, and gives everything back."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.app import App
from sidecar.errors import ConfigError, PermanentError
from sidecar.worker import BY_ERROR
from tests.support.houses import SECRET, House, buys
from tests.support.openings import Open, opener
from tests.support.served import until

PROMPT = Path("prompts/relationship.md").read_text()


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[Open]:
    """Opens houses, which are not started yet."""
    yield from opener(tmp_path, "sqlite:///journal.db", starts=False)


def another(house: House, **env: str) -> App:
    """Another process of the same config, its environment changed."""
    return App.from_file(house.folder / "config.toml", {"WEB_SECRET": SECRET, **env}, wait=False, clock=house.clock)


# Refusing to start --------------------------------------------------------------------------------------------------


def test_a_book_belongs_to_one_crm_account(open_house: Open) -> None:
    """Another account's records would be taken for ours; seen to fail with the account kept and not compared."""
    house = open_house()
    house.app.ready()
    with another(house, SIDECAR_CRM__PATH="other.db", SIDECAR_CRM__ACCOUNT="other") as app:
        with pytest.raises(ConfigError, match="belongs to the CRM account 'local', not 'other'") as refused:
            app.ready()
        assert refused.value.setting == "crm"
    with another(house) as app:
        app.ready()


@pytest.mark.parametrize(
    "route, named",
    [
        ('stages = { booked = "meeting" }', r"route default\.stages\.booked: 'meeting' is no stage"),
        ('pipeline = "other"', r"route default\.pipeline: there is no 'other' in the CRM; known are sales"),
        ('prompt = "nosuch"', r"route default\.prompt: there is no 'nosuch'; known are relationship"),
    ],
)
def test_a_route_that_leads_nowhere_refuses_to_start(open_house: Open, route: str, named: str) -> None:
    """What is wrong is named with its key before anything is written; seen to fail with the first stage taken."""
    mapped = "stages = { " + ", ".join(f'{s} = "{s}"' for s in STAGES) + " }\n" if "stages" not in route else ""
    house = open_house(after=f'[[route]]\nname = "default"\n{mapped}{_completed(route)}\n')
    with pytest.raises(ConfigError, match=named):
        house.app.ready()
    assert not house.app.ledger.show()  # type: ignore[attr-defined]  # the local ledger shows itself


STAGES = ("enquired", "qualified", "booked", "attended", "closed_won", "closed_lost")


def _completed(route: str) -> str:
    if not route.startswith("stages"):
        return route
    return "stages = { " + ", ".join(f'{s} = "{"meeting" if s == "booked" else s}"' for s in STAGES) + " }"


def test_a_section_that_is_wrong_is_named_by_its_key(open_house: Open) -> None:
    """An operator is told where to look; seen to fail with the option's bare name."""
    house = open_house()
    with (
        another(house, SIDECAR_CHANNELS__DROP__SETTLE_S="-1") as app,
        pytest.raises(ConfigError, match=r"channels\.drop"),
    ):
        assert app.channels


# Prompts ------------------------------------------------------------------------------------------------------------


def edited(house: House, text: str = PROMPT.replace("# Your work", "# Your work\n\nBe brief.")) -> None:
    """Somebody edits the prompt's file."""
    (house.folder / "prompts").mkdir(exist_ok=True)
    (house.folder / "prompts" / "relationship.md").write_text(text)


def test_an_edited_prompt_is_a_candidate_until_it_is_adopted_also_after_a_restart(open_house: Open) -> None:
    """Saving a file changes no customer's record; seen to fail with the file on disk in force."""
    house = open_house(buys())
    edited(house, PROMPT)
    first = house.app.prompts["relationship"]
    edited(house)
    for _ in range(2):
        in_force, candidates = house.app.prompt_states()
        assert in_force["relationship"] == first
        assert "Be brief." in candidates["relationship"].source
        assert house.app.prompts["relationship"] == first
        house.restart()
    house.hear("buy")
    assert "Be brief." not in house.llm.questions[-1].system
    house.app.shelf.adopt(house.app.prompt_states()[1]["relationship"], by="Eva")
    house.restart()
    house.hear("buy more")
    assert "Be brief." in house.llm.questions[-1].system
    assert not house.app.prompt_states()[1]


def test_what_is_adopted_in_one_process_is_in_force_in_all(open_house: Open) -> None:
    """`sidecar prompts adopt` beside a running server is enough; seen to fail with prompts read once at the start."""
    house = open_house(buys())
    edited(house, PROMPT)
    house.hear("buy")
    edited(house)
    with another(house) as app:
        app.shelf.adopt(app.prompt_states()[1]["relationship"], by="Eva")
    house.hear("buy more")
    assert "Be brief." in house.llm.questions[-1].system


def test_a_broken_edit_is_named_and_stops_nobody_who_works(open_house: Open) -> None:
    """What was adopted goes on being asked."""
    house = open_house(buys())
    edited(house, PROMPT)
    house.start().hear("buy")
    edited(house, "no front matter")
    for _ in range(2):
        assert "relationship.md:1: " in str(house.app.shelf.states().broken["relationship"])
        house.hear("buy more")
        assert house.llm.heard[-1][-1] == "buy more" and not house.journal.paused()
        house.restart()
        house.start()


def test_nobody_starts_by_a_prompt_that_never_loaded(open_house: Open) -> None:
    """Where nothing was adopted there is nothing to go on with, and the reason names file and line."""
    house = open_house(buys())
    edited(house, "no front matter")
    with pytest.raises(ConfigError, match=r"relationship\.md:1: "):
        house.start()


def test_a_route_s_new_prompt_that_does_not_load_is_named_by_its_line(open_house: Open) -> None:
    """The reason is the file's fault and not that there is no such prompt; seen to fail without the look."""
    mapped = "stages = { " + ", ".join(f'{s} = "{s}"' for s in STAGES) + " }"
    house = open_house(buys(), after=f'[[route]]\nname = "default"\nprompt = "other"\n{mapped}\n')
    edited(house, PROMPT)
    (house.folder / "prompts" / "other.md").write_text("no front matter")
    with pytest.raises(ConfigError, match=r"other\.md:1: a prompt begins with front matter"):
        house.start()


def test_a_former_prompt_is_put_in_force_again_in_every_process(open_house: Open) -> None:
    """Who took up a bad prompt is back in one step, beside a running server."""
    house = open_house(buys())
    edited(house, PROMPT)
    house.hear("buy")
    first = house.app.prompts["relationship"]
    edited(house)
    house.app.shelf.adopt(house.app.prompt_states()[1]["relationship"], by="Eva", report="report-1", reason="shorter")
    with another(house) as app:
        assert app.shelf.rollback("relationship", by="Ben") == first
    house.hear("buy more")
    assert "Be brief." not in house.llm.questions[-1].system
    told = [(a.how, a.by, a.report, a.reason) for a in house.app.shelf.history("relationship")]
    assert told == [
        ("first", "the sidecar", "", ""),
        ("adopt", "Eva", "report-1", "shorter"),
        ("rollback", "Ben", "", ""),
    ]
    assert list(house.app.prompt_states()[1]) == ["relationship"], "the file stays, as a candidate"


def test_one_goes_back_step_by_step_and_no_further_than_the_first(open_house: Open) -> None:
    """Not the last two in turn, and any former one by its hash; seen to fail with each rollback taken for a step on."""
    house = open_house(buys())
    edited(house, PROMPT)
    shelf, shas = house.app.shelf, [house.app.prompts["relationship"].sha256]
    for word in ("one", "two"):
        edited(house, PROMPT.replace("# Your work", f"# Your work\n\nBe {word}."))
        shas.append(shelf.adopt(shelf.states().candidates["relationship"], by="Eva").sha256)
    assert shelf.rollback("relationship", by="Eva").sha256 == shas[1]
    assert shelf.rollback("relationship", by="Eva").sha256 == shas[0]
    with pytest.raises(PermanentError, match="nothing was in force before"):
        shelf.rollback("relationship", by="Eva")
    assert shelf.rollback("relationship", shas[2][:10], by="Eva").sha256 == shas[2]
    assert shelf.rollback("relationship", by="Eva").sha256 == shas[0], "what was in force before it"
    with pytest.raises(PermanentError, match="names 0 versions"):
        shelf.rollback("relationship", "f" * 64, by="Eva")


def test_a_playground_takes_up_an_edit_by_itself(open_house: Open) -> None:
    """The next conversation is read by the edited file, a broken one changes nothing, and what somebody went back from
    is not taken up again; seen to fail without the look at the last step."""
    house = open_house(buys(), after="[prompts]\nauto_adopt = true\n")
    edited(house, PROMPT)
    house.hear("buy")
    edited(house)
    house.hear("buy more")
    assert "Be brief." in house.llm.questions[-1].system
    edited(house, "no front matter")
    house.hear("buy again")
    assert "Be brief." in house.llm.questions[-1].system
    edited(house)
    house.app.shelf.rollback("relationship", by="Eva")
    house.restart()
    house.hear("buy once more")
    assert "Be brief." not in house.llm.questions[-1].system, "what somebody went back from isn't taken up again"


# Lifetimes ----------------------------------------------------------------------------------------------------------


def test_looking_at_the_book_opens_no_crm_and_no_model(open_house: Open) -> None:
    """A command pays only for what it uses; seen to fail with all adapters made at the start."""
    house = open_house()
    with another(house, SIDECAR_CRM__PATH="/proc/nowhere/crm.db", SIDECAR_LLM__PATH="nosuch.json") as app:
        assert app.journal.counts()["facts"] == 0
        assert "ledger" not in app.__dict__ and "llm" not in app.__dict__
        with pytest.raises(ConfigError):
            assert app.ledger.account()


def test_a_process_is_ready_once_it_has_seen_its_crm(open_house: Open) -> None:
    """Nobody is sent to a process that is still starting; seen to fail with nothing asked."""
    house = open_house()
    with another(house) as app:
        assert app.problems() == ["starting"]
        app.ready()
        assert app.problems() == []


def test_the_day_of_installation_is_the_first_start_s(open_house: Open) -> None:
    """It stays what it was; seen to fail with the time of each start."""
    house = open_house()
    first = house.journal.installed_at
    assert first == house.clock()
    house.clock.move(86_400)
    house.restart()
    assert house.journal.installed_at == first


def test_what_was_opened_is_given_back(open_house: Open) -> None:
    """A closed app leaves no thread, no lock and no name behind; seen to fail with the journal left open."""
    before = set(threading.enumerate())
    house = open_house(buys())
    house.app.ready()
    house.hear("buy")
    owner = house.journal.owner
    house.app.close()
    house.app.close()
    left = set(threading.enumerate()) - before
    assert not [t.name for t in left if t.name.startswith(("journal", "work", "leases"))]
    assert not list(house.folder.glob("*.owners/*")), owner
    house.restart()
    assert house.fields()["intent"] == "buy"


def test_a_start_takes_off_the_brakes_that_errors_put_on_and_no_others(open_house: Open) -> None:
    """A mended config goes on by itself, a person's order stands; seen to fail with all brakes taken off."""
    house = open_house()
    house.journal.pause("llm", BY_ERROR + "the key was refused")
    house.journal.pause("ledger", "we move house")
    house.app.ready()
    assert set(house.journal.paused()) == {"ledger"}


def test_a_policy_that_allows_more_holds_for_those_who_say_nothing_new(open_house: Open) -> None:
    """On our own CRM the config alone decides, so it decides for all; seen to fail with nothing made due at a start."""
    house = open_house(buys(), env={"SIDECAR_CRM__CREATE__CONTACT": "suggest"})
    house.start()
    house.hear("buy")
    assert not house.records("contact")
    house.restart()
    house.start().work()
    assert not house.records("contact")
    with another(house, SIDECAR_CRM__CREATE__CONTACT="auto") as app:
        app.dry_run = True
        app.ready()
    house.restart(SIDECAR_CRM__CREATE__CONTACT="auto")
    house.start().work()
    assert len(house.records("contact")) == 1


def test_a_dry_run_does_everything_but_the_last_write(open_house: Open) -> None:
    """It infers and decides, and the CRM stays as it was; seen to fail with syncs among the work that is done."""
    house = open_house(buys())
    house.app.dry_run = True
    house.app.ready()
    house.hear("buy")
    assert house.fields()["intent"] == "buy"
    assert not house.app.ledger.show()  # type: ignore[attr-defined]  # the local ledger shows itself
    house.restart()
    house.start().work()
    assert len(house.records("contact")) == 1


def test_a_run_polls_everything_and_takes_in_what_people_did_meanwhile(open_house: Open) -> None:
    """`run --until-idle` is a whole round; seen to fail with the CRM asked only before the work."""
    house = open_house(buys())
    house.mail("Zoe <zoe@x.test>", "I want to buy")
    house.app.run_until_idle(timeout_s=60)
    (contact,) = house.records("contact")
    house.mail("Ann <ann@x.test>", "I want to buy")
    house.clock.move(60)
    house.llm.meanwhile = lambda _: house.app.ledger.edit(  # type: ignore[attr-defined]  # the local ledger
        "contact", contact.ref, {"ai_intent": "inform"}
    )
    assert house.app.run_until_idle(timeout_s=60) > 3
    assert (house.fields("ann")["intent"], house.fields("zoe")["intent"]) == ("buy", "inform")


def test_a_served_app_works_until_it_is_told_to_stop(open_house: Open) -> None:
    """What comes in while it runs is done by its own threads, and they end; seen to fail with no worker started."""
    house = open_house(buys(), more="inference.quiet_s = 0")
    house.app.ready()
    stop = threading.Event()
    server = threading.Thread(target=house.app.serve, args=(stop,))
    server.start()
    try:
        house.say("I want to buy")
        until(lambda: house.records("contact"), "a contact in the CRM")
    finally:
        stop.set()
        server.join(30)
    assert not server.is_alive()
    assert len(house.records("contact")) == 1 and house.fields()["intent"] == "buy"
