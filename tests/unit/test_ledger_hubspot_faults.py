"""Who must act when HubSpot refuses, and how much it may be asked at once: the table, and the limits of search."""

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.crms.hubspot.faults import (
    Asked,
    Refusal,
    error_of,
    existing_id,
    problem_in,
    row_error,
    scopes_in,
)
from adapters.crms.hubspot.search import Filter, _packed, _split
from adapters.crms.hubspot.shapes import Problem
from adapters.http.patience import Again
from sidecar.errors import ConfigError, PermanentError, TemporaryError, UnknownOutcome

NOW = datetime(2026, 7, 1, 20, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
VALUE = "0171 SECRET_WORDS of a customer"


def _error(status: int, body: Any = "", headers: dict[str, str] | None = None, effect: bool = False) -> Exception:
    text = body if isinstance(body, str) else json.dumps(body)
    return error_of(status, headers or {}, text, Asked("batch_update", effect, NOW, BERLIN))


@pytest.mark.parametrize(
    ("status", "body", "expected", "words"),
    [
        (400, {"category": "VALIDATION_ERROR", "message": VALUE}, Refusal, "VALIDATION_ERROR"),
        (404, {"category": "OBJECT_NOT_FOUND", "message": VALUE}, Refusal, "404"),
        (404, "", ConfigError, "crm.version"),
        (301, "", ConfigError, "crm.base_url"),
        (409, {"category": "CONFLICT", "message": VALUE}, Refusal, "409"),
        (422, {"message": VALUE}, Refusal, "422"),
        (401, {"category": "INVALID_AUTHENTICATION", "message": VALUE}, ConfigError, "crm.token_env"),
        (403, {"category": "FORBIDDEN", "message": VALUE}, ConfigError, "crm.token_env"),
        (403, f"<html>{VALUE}</html>", TemporaryError, "edge"),
        (530, f"<html>{VALUE}</html>", ConfigError, "530"),
        (423, {"message": VALUE}, Again, "locked"),
        (477, {"message": VALUE}, Again, "moving"),
        (429, {"policyName": "TEN_SECONDLY_ROLLING", "message": VALUE}, Again, "429"),
        (429, {"policyName": "DAILY", "message": VALUE}, TemporaryError, "midnight"),
        (500, f"<html>{VALUE}</html>", Again, "500"),
        (502, f"<html>{VALUE}</html>", Again, "502"),
        (523, f"<html>{VALUE}</html>", Again, "523"),
        (418, {"message": VALUE}, PermanentError, "418"),
    ],
)
def test_each_status_names_who_must_act(status: int, body: Any, expected: type[Exception], words: str) -> None:
    """The table of the house, and nothing of the body in any error; seen to fail with the message passed on."""
    error = _error(status, body)
    assert type(error) is expected
    assert words in str(error)
    assert "SECRET" not in str(error)
    assert "0171" not in str(error)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 521, 523, 524])
def test_a_failure_after_sending_is_an_unknown_outcome(status: int) -> None:
    """What may have been done is not called undone; seen to fail with `Again` for writes."""
    assert type(_error(status, "<html></html>", effect=True)) is UnknownOutcome


@pytest.mark.parametrize(
    ("status", "headers", "body", "wait_s"),
    [
        (429, {"retry-after": "7"}, {}, 7.0),
        (429, {"x-hubspot-ratelimit-interval-milliseconds": "10000"}, {}, 10.0),
        (429, {}, {}, 10.0),
        (429, {}, {"policyName": "SECONDLY"}, 1.0),
        (429, {"retry-after": "99999999"}, {}, 86_400.0),
        (429, {"retry-after": "tomorrow"}, {}, 10.0),
        (423, {}, {}, 2.0),
        (423, {"retry-after": "1"}, {}, 2.0),
        (477, {"retry-after": "3600"}, {}, 3600.0),
    ],
)
def test_the_wait_is_what_hubspot_asks_for(status: int, headers: dict[str, str], body: Any, wait_s: float) -> None:
    """Retry-After, else the interval, else the window of the policy; seen to fail with the header ignored."""
    error = _error(status, body, headers)
    assert isinstance(error, TemporaryError)
    assert error.retry_after_s == wait_s


def test_a_day_that_is_used_up_ends_at_the_account_s_midnight() -> None:
    """It is 22:00 in Berlin, so two hours are left; seen to fail with UTC's midnight."""
    error = _error(429, {"policyName": "DAILY"})
    assert isinstance(error, TemporaryError)
    assert not isinstance(error, Again)
    assert error.retry_after_s == 2 * 3600 + 1


@pytest.mark.parametrize(
    ("problem", "expected", "words"),
    [
        (
            {"status": "error", "category": "VALIDATION_ERROR",
             "message": f'Property values were not valid: [{{"isValid":false,"message":"{VALUE}",'
                        '"error":"PROPERTY_DOESNT_EXIST","name":"ai_stage"}]'},
            ConfigError, "contact.ai_stage",
        ),
        (
            {"status": "error", "category": "VALIDATION_ERROR", "message": VALUE,
             "errors": [{"message": VALUE, "code": "INVALID_OPTION", "context": {"propertyName": ["ai_stage"]}}]},
            PermanentError, "contact.ai_stage: HubSpot refused it (INVALID_OPTION, VALIDATION_ERROR)",
        ),
        ({"category": "CONFLICT", "message": "Contact exists. Existing ID: 123"}, PermanentError, "contact 123"),
        (
            {"category": "VALIDATION_ERROR", "message": 'errors: [{"message":"email is bad","name":"ai_stage"}]'},
            PermanentError, "contact.ai_stage: ",
        ),
        ({"category": "RATE_LIMITS", "message": VALUE}, TemporaryError, "too many"),
        ({"category": "INTERNAL_ERROR", "message": VALUE}, UnknownOutcome, "INTERNAL_ERROR"),
        ({"status": "503"}, UnknownOutcome, "503"),
        ({"category": "MISSING_SCOPES", "errors": [{"context": {"requiredScopes": ["crm.objects.deals.write"]}}]},
         ConfigError, "crm.objects.deals.write"),
        ({}, PermanentError, "no reason"),
    ],
)  # fmt: skip
def test_each_row_names_who_must_act(problem: dict[str, Any], expected: type[Exception], words: str) -> None:
    """A row's error names property, code and id, and quotes no value; seen to fail with the message passed on."""
    error = row_error("contact", Problem.model_validate(problem), {"ai_stage", "email"})
    assert type(error) is expected
    assert words in str(error)
    assert "SECRET" not in str(error)


@pytest.mark.parametrize(
    "text",
    ["Contact already exists. Existing ID: 4711", "an existing object with id 4711 has it", "Existing ID: [4711]"],
)
def test_the_holder_of_a_value_is_found(text: str) -> None:
    """The id of who holds a unique value is read in each of its wordings; seen to fail with one wording."""
    assert existing_id(problem_in(json.dumps({"message": text}))) == "4711"


@pytest.mark.parametrize("body", ["", "<html>", "[]", '"text"', "null", '{"status": {}}', "{" * 5000, '{"errors": 5}'])
def test_nonsense_is_no_problem(body: str) -> None:
    """Whatever stands in an error's body, the status alone decides; seen to fail with `json.loads` unguarded."""
    assert problem_in(body).category == ""
    assert scopes_in(problem_in(body)) == []
    assert isinstance(_error(502, body), Again)


def test_scopes_are_read_from_a_context_that_is_a_text() -> None:
    """The dated versions' documents show one that is no object; seen to fail with objects alone."""
    context = "{missingScopes=[crm.objects.deals.read, crm.objects.deals.write], of=x.test}"
    problem = problem_in(json.dumps({"category": "MISSING_SCOPES", "errors": [{"context": context}]}))
    assert scopes_in(problem) == ["crm.objects.deals.read", "crm.objects.deals.write"]


def test_what_looks_like_a_scope_is_none_elsewhere() -> None:
    """A customer's domain in an error's context is not shown as a scope; seen to fail with the whole context read."""
    context = {"requiredGranularScopes": ["crm.objects.deals.write", "automation"], "value": ["ann@customer.test"]}
    body = json.dumps({"category": "MISSING_SCOPES", "context": context, "errors": [{"context": {"ids": "x.test"}}]})
    assert scopes_in(problem_in(body)) == ["automation", "crm.objects.deals.write"]


def test_searches_keep_their_limits() -> None:
    """Five groups, 18 filters and 3,000 characters a search, and nothing left out; seen to fail with one big search."""
    phones = tuple(f"+4420794{n:05d}" for n in range(700))
    short = tuple(str(n) for n in range(150))
    addresses = [[Filter("hs_additional_emails", "CONTAINS_TOKEN", (f"a{n}@x.test",))] for n in range(23)]
    groups = [[Filter("phone", "IN", phones)], [Filter("zip", "IN", short)], *addresses]
    searches = list(_packed([part for group in groups for part in _split(group)]))
    asked = [f for search in searches for group in search for f in group]
    assert all(len(f.values) <= 100 for f in asked)
    assert {v for f in asked for v in f.values} == {*phones, *short, *(f"a{n}@x.test" for n in range(23))}
    for search in searches:
        body = {"filterGroups": [{"filters": [f.body() for f in group]} for group in search],
                "properties": ["hs_object_id"], "limit": 200, "after": "9800"}  # fmt: skip
        assert len(search) <= 5
        assert len(json.dumps(body)) <= 3_000
