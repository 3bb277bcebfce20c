"""Prompt files: what loads, what refuses to load and where, and which text is in force."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config import load as load_config
from sidecar.errors import ConfigError
from sidecar.infer.wire import SCHEMA
from sidecar.prompts import MAX_CHARS, canonical, examine, folder, live, load, parse

SHIPPED = Path(__file__).parents[2] / "prompts"
SMALL = """+++
name = "small"
version = "7"
+++

Read this.

## Rules

- Report changes only.

## Evidence

- Quote.

## Steps

- Open, done, drop.

## Summary

- Short.

## field: stage

### Counts

- booked: both sides agree.

### Does not count

- a wish for a time.
"""


def _fault(text: str, fields: set[str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, "prompts/small.md", fields)
    return str(caught.value)


def _line(text: str, words: str) -> int:
    return next(i for i, line in enumerate(text.split("\n"), 1) if words in line)


def test_the_shipped_prompts_load_against_the_default_fields() -> None:
    """What comes along works as it is: each field that a model is asked for has criteria, and no other field has."""
    settings = load_config(None, {})
    prompt = load(SHIPPED, settings.fields)["relationship"]
    asked = {name for name, field in settings.policy().fields.items() if field.grounding == "quoted"}
    assert {field.name for field in prompt.fields} == asked
    assert all(field.criteria and field.not_criteria for field in prompt.fields)


def test_the_shipped_criteria_speak_of_every_value() -> None:
    """A model is told what each allowed value means; seen to fail with one value taken out of the text."""
    policy = load_config(None, {}).policy()
    told = {field.name: field.criteria for field in load(SHIPPED)["relationship"].fields}
    silent = [
        f"{name}: {value}"
        for name, text in told.items()
        for value in policy.fields[name].values
        if f"`{value}`" not in text
    ]
    assert not silent


def test_the_shipped_rules_name_the_operations_of_the_wire() -> None:
    """The rules explain every word that an answer may hold; seen to fail with `conflict` taken out of the rules."""
    text = load(SHIPPED)["relationship"].text
    operation = SCHEMA["properties"]["ops"]["items"]["properties"]
    step = SCHEMA["properties"]["steps"]["items"]["properties"]
    words = [*operation["op"]["enum"], *operation["certainty"]["enum"], *step["op"]["enum"], "needs_full_reread"]
    assert not [word for word in words if f"`{word}`" not in text]


def test_rules_and_criteria_are_told_apart() -> None:
    """Fields that a config takes away don't reach the model, because their criteria are not in the rules."""
    prompt = parse(SMALL, "small.md")
    assert "both sides agree" not in prompt.text
    assert prompt.text.startswith("Read this.")
    assert (prompt.name, prompt.version, prompt.language) == ("small", "7", "en")
    (stage,) = prompt.fields
    assert (stage.criteria, stage.not_criteria) == ("- booked: both sides agree.", "- a wish for a time.")


def test_a_prompt_can_be_made_again_from_its_source() -> None:
    """What is stored when a prompt is adopted is the whole of it."""
    prompt = parse(SMALL, "small.md")
    assert parse(prompt.source, "elsewhere") == prompt


def test_white_space_at_line_ends_is_no_edit() -> None:
    """An editor that changes line ends doesn't make a candidate; seen to fail with a hash over the raw text."""
    windows = "\ufeff" + SMALL.replace("\n", "  \r\n") + "\r\n\r\n"
    assert parse(windows, "small.md") == parse(SMALL, "small.md")


@given(st.text(max_size=200))
def test_canonical_text_stays_canonical(text: str) -> None:
    """A text has one canonical form, so its hash can be checked by anybody."""
    assert canonical(canonical(text)) == canonical(text)


@given(st.integers(0, len(SMALL)), st.text(max_size=30))
def test_any_edit_loads_or_names_its_place(at: int, inserted: str) -> None:
    """Whatever an admin types, the answer is a prompt, or a ConfigError that names file and line."""
    try:
        parse(SMALL[:at] + inserted + SMALL[at:], "prompts/small.md")
    except ConfigError as error:
        assert error.setting is not None
        assert error.setting.startswith("prompts/small.md:")
        assert int(error.setting.rpartition(":")[2]) >= 1


def test_criteria_may_stand_in_the_front_matter() -> None:
    """A front matter's criteria take the place of a section."""
    text = SMALL.replace("+++\n\n", '[fields.budget]\ncriteria = "An amount."\n+++\n\n', 1)
    assert {f.name: f.criteria for f in parse(text, "small.md").fields}["budget"] == "An amount."


def test_criteria_said_twice_are_refused() -> None:
    """Which of two criteria holds is never guessed."""
    text = SMALL.replace("+++\n\n", '[fields.stage]\ncriteria = "An amount."\n+++\n\n', 1)
    assert _fault(text).startswith(f"prompts/small.md:{_line(text, '## field')}: the criteria of stage")


@pytest.mark.parametrize(
    ("old", "new", "at", "said"),
    [
        ("+++\nname", "name", "name", "begins with front matter"),
        ('name = "small"', 'name = "small', "name =", "front matter: "),
        ('name = "small"', "name = 3", "name =", "front matter: name: should be a valid string"),
        ('version = "7"', 'versoin = "7"', "versoin", "there is no key 'versoin'; did you mean 'version'?"),
        ("## Rules", "## Rulez", None, "the section ## Rules is missing"),
        ("## Rules", "## Evidence", "## Evidence\n\n- Quote", "stands in line"),
        ("- Quote.", "", "## Evidence", "the section ## Evidence is empty"),
        ("## field: stage", "## field stage", "## field stage", "write the heading"),
        ("## field: stage", "## Field: stage", "## Field: stage", "write the heading"),
        ("## field: stage", "## feild: stage", "## feild", "did you mean ## field: stage?"),
        ("## field: stage", "## field: intent", None, "criteria of stage are missing"),
        ("### Counts", "### Coutns", "### Coutns", "under a field stand only"),
        ("- booked: both sides agree.", "", "## field", "nothing is said"),
        ("- a wish", "# More\n- a wish", "# More", "heading of this rank"),
    ],
)
def test_a_broken_prompt_names_its_line(old: str, new: str, at: str | None, said: str) -> None:
    """A broken prompt refuses to load and says where, so that it can be mended without reading it all."""
    text = SMALL.replace(old, new, 1)
    line = canonical(text).count("\n") if at is None else text[: text.rindex(at)].count("\n") + 1
    fault = _fault(text)
    assert said in fault
    assert fault.startswith(f"prompts/small.md:{line}: ")


def test_a_broken_front_matter_is_placed_once() -> None:
    """Two numbers for one line, the parser's and the file's, send an admin to the wrong one."""
    assert " line " not in _fault(SMALL.replace('name = "small"', "name = 2x", 1))


def test_a_field_that_is_not_configured_is_refused() -> None:
    """A misspelt field is found at the start and not by its absence; seen to fail without the names passed in."""
    fault = _fault(SMALL.replace("field: stage", "field: stagge"), {"stage", "intent"})
    assert "there is no field 'stagge'; did you mean 'stage'?" in fault


def test_a_prompt_without_bounds_is_refused() -> None:
    """A prompt that would be paid for with every message is refused."""
    fault = _fault(SMALL + "- more\n" * MAX_CHARS)
    assert f"a prompt has {MAX_CHARS} characters at most" in fault


def test_files_are_read_from_the_folder_and_named_for_their_prompt(tmp_path: Path) -> None:
    """A route names a prompt by its file, so the two names can't part."""
    (tmp_path / "small.md").write_text(SMALL)
    assert list(load(tmp_path)) == ["small"]
    (tmp_path / "other.md").write_text(SMALL)
    with pytest.raises(ConfigError, match=r"other\.md:1: its name is the file's"):
        load(tmp_path)


@pytest.mark.parametrize("made", [None, b"", b"+++\nname = 1\n\xff", b"x" * 4 * MAX_CHARS + b"x"])
def test_a_folder_without_readable_prompts_is_the_operators_to_mend(made: bytes | None, tmp_path: Path) -> None:
    """No folder, nothing in it, bytes that are no text, a file without end: each is a ConfigError."""
    place = tmp_path / "prompts"
    if made is not None:
        place.mkdir()
        (place / "small.md").write_bytes(made)
    with pytest.raises(ConfigError):
        load(place)


def test_prompts_beside_the_config_come_first(tmp_path: Path) -> None:
    """An operator's own prompts win over those that come along, which are the net."""
    assert (folder(tmp_path) / "relationship.md").is_file()
    (tmp_path / "prompts").mkdir()
    assert folder(tmp_path) == tmp_path / "prompts"


def test_an_edited_prompt_is_a_candidate() -> None:
    """An edit changes nothing until it is adopted; seen to fail with the file on disk put in force."""
    adopted = parse(SMALL, "small.md")
    edited = parse(SMALL.replace("Report changes only", "Report everything"), "small.md")
    in_force, candidates = live({"small": edited}, {"small": (adopted.sha256, adopted.source)})
    assert in_force == {"small": adopted}
    assert candidates == {"small": edited}


def test_the_first_prompt_is_in_force_at_once() -> None:
    """A new installation needs no ceremony, and an unchanged file is no candidate."""
    prompt = parse(SMALL, "small.md")
    assert live({"small": prompt}, {}) == ({"small": prompt}, {})
    assert live({"small": prompt}, {"small": (prompt.sha256, prompt.source)}) == ({"small": prompt}, {})


def test_an_adopted_prompt_outlives_its_file() -> None:
    """Deleting a file is an edit as well, and not adopted."""
    prompt = parse(SMALL, "small.md")
    assert live({}, {"small": (prompt.sha256, prompt.source)}) == ({"small": prompt}, {})


def test_a_text_that_was_not_adopted_is_refused() -> None:
    """What is in force is what was adopted, to the letter; seen to fail without the comparison of hashes."""
    prompt = parse(SMALL, "small.md")
    with pytest.raises(ConfigError, match="not the text that was adopted"):
        live({}, {"small": (replace(prompt, sha256="0" * 64).sha256, prompt.source)})


# What a prompt serves, and by whom it is answered -------------------------------------------------------------------


def _front(line: str, text: str = SMALL) -> str:
    return text.replace('version = "7"\n', f'version = "7"\n{line}\n', 1)


def test_a_prompt_serves_every_field_unless_it_lists_some() -> None:
    """A prompt of before goes on as it did; one that lists its fields is asked for no other."""
    assert parse(SMALL, "small.md").serving("budget")
    listed = parse(_front('fields = ["stage", "intent"]'), "small.md")
    assert listed.serves == ("stage", "intent")
    assert listed.serving("intent")
    assert not listed.serving("budget")


def test_a_prompt_may_name_its_model_and_effort() -> None:
    """What the config says holds where the prompt says nothing."""
    assert (parse(SMALL, "small.md").model, parse(SMALL, "small.md").effort) == ("", "")
    named = parse(_front('model = "claude-sonnet-5-5"\neffort = "medium"'), "small.md")
    assert (named.model, named.effort) == ("claude-sonnet-5-5", "medium")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("fields = []", "list the names of the fields"),
        ("fields = [3]", "list the names of the fields"),
        ('fields = ["stage", "stage"]', "stage is listed twice"),
        ('fields = ["stage", "intnet"]', "there is no field 'intnet'; did you mean 'intent'?"),
        ('model = "two words"', "front matter: model: "),
    ],
)
def test_what_a_prompt_can_t_serve_is_named_with_its_line(line: str, said: str) -> None:
    """A misspelt field isn't found by its absence from every record."""
    fault = _fault(_front(line), {"stage", "intent"})
    assert fault.startswith("prompts/small.md:4: ")
    assert said in fault


def test_criteria_of_a_field_that_is_not_served_are_refused() -> None:
    """Words that reach no model would be tuned in vain; seen to fail without the comparison."""
    text = _front('fields = ["intent"]') + "\n## field: intent\n\n- buy.\n"
    assert _fault(text).startswith(f"prompts/small.md:{_line(text, '## field: stage')}: stage is none of the fields")


def test_a_field_that_is_asked_for_needs_criteria() -> None:
    """No model is left to guess what counts; seen to fail with the stage alone looked for."""
    needed = {"stage", "budget"}
    with pytest.raises(ConfigError, match="the criteria of budget are missing"):
        parse(SMALL, "small.md", needed, needed)
    served = _front('fields = ["stage"]')
    assert parse(served, "small.md", needed, needed).serves == ("stage",)
    with pytest.raises(ConfigError, match=r"small\.md:4: the criteria of budget"):
        parse(_front('fields = ["stage", "budget"]'), "small.md", needed, needed)


EXAMPLE = """
### Example

text: We have 400 EUR a month, not more.
  It can't be 4000.
quote: 400 EUR a month
value: 400 EUR a month
"""


def test_an_example_is_read_whole() -> None:
    """A text may have several lines, and keeps them."""
    (stage,) = parse(SMALL + EXAMPLE + EXAMPLE, "small.md").fields
    assert len(stage.examples) == 2
    assert stage.examples[0].text == "We have 400 EUR a month, not more.\n  It can't be 4000."
    assert (stage.examples[0].quote, stage.examples[0].value) == ("400 EUR a month", "400 EUR a month")
    assert stage.not_criteria == "- a wish for a time."


@pytest.mark.parametrize(
    ("old", "new", "at", "said"),
    [
        ("quote: 400 EUR a month", "quote: 40 EUR a month", "quote:", "is not in its text"),
        ("quote: 400 EUR a month", "quote: can", "quote:", "is not in its text"),
        ("value: 400 EUR a month", "", "### Example", "has no value"),
        ("text: We have", "We have", "We have", "an example has the lines text: ..."),
        ("### Example", "### Exmaple", "### Exmaple", "under a field stand only"),
        ("### Example", "### Counts", "### Counts", "stands twice"),
    ],
)
def test_an_example_that_is_not_true_refuses_to_load(old: str, new: str, at: str, said: str) -> None:
    """An example with a quote that nobody wrote teaches a model to make quotes up; seen to fail without the search."""
    text = SMALL + EXAMPLE.replace(old, new, 1)
    fault = _fault(text)
    assert said in fault
    assert fault.startswith(f"prompts/small.md:{text[: text.rindex(at)].count(chr(10)) + 1}: ")


def test_no_prompt_is_a_heap_of_examples() -> None:
    """Criteria say more in fewer words, and each word is paid for with every message."""
    assert "5 examples at most" in _fault(SMALL + 6 * EXAMPLE)


def test_a_broken_file_keeps_no_other_from_loading(tmp_path: Path) -> None:
    """Who mends one prompt goes on working with the others."""
    (tmp_path / "small.md").write_text(SMALL)
    (tmp_path / "other.md").write_text("no front matter")
    prompts, broken = examine(tmp_path)
    assert list(prompts) == ["small"]
    assert "other.md:1: a prompt begins" in str(broken["other"])
