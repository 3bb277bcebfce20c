"""`try`: what a prompt that is not in force would say about one party that is stored, in seconds.

It asks the model once and keeps nothing: no fact, no belief, no change. What it asks is paid for, and stands in no
budget of the day.
"""

from math import inf
from typing import TYPE_CHECKING, Annotated

import typer

from sidecar.cli.evaluate import Effort, Kind, ModelName
from sidecar.cli.render import add, emit, many, plain, show, table, tell
from sidecar.cli.session import AsJson, example, find_party, session

if TYPE_CHECKING:
    from sidecar.evaluate.attempt import Attempt

QUOTE_CHARS = 160

PromptName = Annotated[
    str, typer.Argument(metavar="PROMPT", help="A file (new.md), a name (its edited file), NAME@in-force or NAME@HASH.")
]
Party = Annotated[
    str, typer.Option("--party", "-p", help="The party: its id or the beginning of one, a name, an address.")
]


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    epilog = example(
        "sidecar try relationship --party 'Ann Lee'",
        "sidecar try new.md --party ann@okafor-bakery.test --model claude-sonnet-5-5",
    )
    app.command("try", epilog=epilog)(_try)


def _try(
    ctx: typer.Context,
    prompt: PromptName,
    party: Party,
    llm: Kind = "",
    model: ModelName = "",
    effort: Effort = "",
    as_json: AsJson = False,
) -> None:
    """Show what a prompt would say about a stored party, beside what is in force. Nothing of it is kept."""
    from sidecar.app.trying import Wanted, side
    from sidecar.evaluate.attempt import attempt

    with session(ctx).open() as app:
        standing = find_party(app.journal, party)
        one = side(app.settings, Wanted(prompt, llm, model, effort), app.clock, "", opened=app)
        done = attempt(app.journal, standing, one, app.settings.llm.daily_usd or inf)
    if as_json:
        emit(done)
    else:
        _show(done)


def _show(done: "Attempt") -> None:
    read = many(done.activities, "activity", "activities")
    show(f"{done.name or done.party}, {read} read by {done.prompt} {done.prompt_sha256[:12]} and {done.model}")
    if done.left_out:
        tell(f"{many(done.left_out, 'older activity was', 'older activities were')} left out: there is no room for all")
    if not done.usable:
        tell("The model's answer could not be used, so it says nothing.")
    made = table("it says", "value", "how sure", "verdict", "words", airy=True)
    for said in done.statements:
        words = tuple(f"“{plain(quote.quote, QUOTE_CHARS)}”" for quote in said.quotes) or ("",)
        sure = f"{said.certainty} ({said.confidence:g})" + (
            "" if said.verified or not said.quotes else ", not verified"
        )
        value = plain(said.value, QUOTE_CHARS) if said.op != "clear" else "(cleared)"
        add(made, said.field, value, sure, (said.verdict, said.reason), words)
    beside = table("field", "in force", "would be", "")
    for one in done.fields:
        texts = (plain(value, QUOTE_CHARS) for value in (one.in_force, one.would_be))
        add(beside, one.field, *texts, "differs" if one.differs else "")
    show(made if done.statements else "It says nothing.", "", beside if done.fields else "Nothing is believed.", "")
    show(f"{many(done.calls, 'question', 'questions')}, {done.tokens:,} tokens, ${done.usd:.4f}, {done.ms:,} ms")
