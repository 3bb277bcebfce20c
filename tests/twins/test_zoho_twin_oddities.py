"""Each of Zoho's oddities in data seen once: what is lost, what lags, what is gone, whose edit it was."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.facts import SetClock
from tests.support.zohos import ANN, ZohoAsker
from tests.twins.zoho import Author, ZohoTwin


@pytest.fixture
def twin(clock: SetClock) -> Iterator[ZohoTwin]:
    """An org."""
    with ZohoTwin(clock) as twin:
        yield twin


@pytest.fixture
def ask(twin: ZohoTwin) -> ZohoAsker:
    """A plain client with a token of ours."""
    return ZohoAsker(twin, twin.token)


def _coql(ask: ZohoAsker, where: str, columns: str = "id", more: str = "") -> Any:
    query = f"select {columns} from Contacts where {where} {more}"  # noqa: S608 - the twin's own language, no database
    heard = ask("POST", "/coql", {"select_query": query})
    return heard.body["data"] if heard.status == 200 else heard


def test_what_is_written_comes_back_as_the_vendor_keeps_it(ask: ZohoAsker) -> None:
    """An emoji becomes a question mark, a time takes the org's offset, an id is a text beyond a double's reach."""
    about = {
        "Event_Title": "Visit 👍🏽 ok ✓", "Start_DateTime": "2026-07-01T10:00:00+00:00",
        "End_DateTime": "2026-12-01T10:00:00-05:00",
    }  # fmt: skip
    id = ask.made("Events", about)
    row = ask.row("Events", id)
    assert row["Event_Title"] == "Visit ?? ok ✓"
    assert (row["Start_DateTime"], row["End_DateTime"]) == ("2026-07-01T12:00:00+02:00", "2026-12-01T16:00:00+01:00")
    assert isinstance(row["id"], str) and int(float(id)) != int(id)


def test_what_nobody_checks_is_dropped_or_kept_in_silence(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """A field that isn't there leaves no trace and a picklist takes any label, unless the org is switched to refuse."""
    id = ask.made("Contacts", {**ANN, "AI_stage": "x", "Lead_Source": "Told by a friend"})
    row = ask.row("Contacts", id)
    assert "AI_stage" not in row and row["Lead_Source"] == "Told by a friend"
    twin.switches.takes_unknown_options, twin.switches.refuses_unknown_fields = False, True
    heard = ask("PUT", "/Contacts", {"data": [{"id": id, "AI_stage": "x", "Lead_Source": "Never"}]})
    (refused,) = heard.body["data"]
    assert (heard.status, refused["code"]) == (400, "MULTIPLE_OR_MULTI_ERRORS")
    assert {each["details"]["api_name"] for each in refused["details"]["errors"]} == {"AI_stage", "Lead_Source"}


def test_clearing_differs_from_leaving_out(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """Null and the empty text clear, what isn't named stays; a person's clearing of a picklist leaves its none."""
    name = twin.adds_field("contact", "AI stage", "picklist", ("enquired", "booked"))
    id = ask.made("Contacts", {**ANN, name: "booked", "Title": "Dr"})
    ask("PUT", "/Contacts", {"data": [{"id": id, "Title": "", "Phone": None}]})
    row = ask.row("Contacts", id)
    assert (row["Title"], row["Phone"], row["Email"], row[name]) == (None, None, "Ann@x.test", "booked")
    twin.person_edits("contact", id, {name: None})
    assert ask.row("Contacts", id)[name] == "-None-"


def test_rows_fare_for_themselves(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """Part of a request may be done and part refused, with 207 or, where an org is so, with a plain success."""
    rows = [ANN, {"First_Name": "X"}, {"Last_Name": "Y", "Email": "y"}]
    heard = ask("POST", "/Contacts", {"data": rows})
    assert heard.status == 207
    assert [row["code"] for row in heard.body["data"]] == ["SUCCESS", "MANDATORY_NOT_FOUND", "INVALID_DATA"]
    twin.switches.mixed_status = twin.switches.failed_status = 200
    assert ask("POST", "/Contacts", {"data": rows}).status == 200
    assert ask("POST", "/Contacts", {"data": rows[1:]}).status == 200 and len(twin.all("contact")) == 2


def test_an_upsert_finds_by_what_is_unique(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """A unique field makes one record of a row that is sent twice, within a request, too; activities have no upsert."""
    key = twin.adds_field("contact", "AI key", unique=True)
    row = {**ANN, key: "k1"}
    body = {"data": [row, {**row, "Title": "Dr"}], "duplicate_check_fields": [key], "trigger": []}
    first, second = ask("POST", "/Contacts/upsert", body).body["data"]
    assert (first["action"], second["action"], second["duplicate_field"]) == ("insert", "update", key)
    assert first["details"]["id"] == second["details"]["id"]
    assert ask("POST", "/Contacts", {"data": [row]}).body["data"][0]["code"] == "DUPLICATE_DATA"
    wrong = ask("POST", "/Contacts/upsert", {**body, "duplicate_check_fields": ["Title"]})
    assert (wrong.status, wrong.body["details"]["supported_values"]) == (400, ["Email", key])
    for module in ("Notes", "Tasks", "Events"):
        heard = ask("POST", f"/{module}/upsert", body)
        assert (heard.status, heard.body["data"][0]["code"]) == (400, "INVALID_MODULE")


def test_an_upsert_among_several_takes_the_one_changed_last(clock: SetClock, twin: ZohoTwin, ask: ZohoAsker) -> None:
    """People made two with one address; the system's own check field then finds the one that was touched last."""
    old, new = (twin.person_creates("contact", ANN) for _ in range(2))
    clock.move(60)
    twin.person_edits("contact", old, {"Title": "Dr"})
    heard = ask("POST", "/Contacts/upsert", {"data": [{"Last_Name": "Bo", "Email": "ANN@X.test"}]})
    assert heard.body["data"][0]["details"]["id"] == old and twin.value("contact", new, "Last_Name") == "Bee"


def test_a_stale_write_is_refused_by_the_second(clock: SetClock, twin: ZohoTwin, ask: ZohoAsker) -> None:
    """A change after the time named is a 412; one within that very second isn't seen, and our own write counts, too."""
    id = ask.made("Contacts", ANN)
    read = ask.row("Contacts", id)["Modified_Time"]
    twin.person_edits("contact", id, {"Title": "Dr"})
    headers = {"If-Unmodified-Since": read}
    assert ask("PUT", "/Contacts", {"data": [{"id": id, "Department": "A"}]}, headers).status == 200
    clock.move(1)
    assert ask("PUT", "/Contacts", {"data": [{"id": id, "Department": "A"}]}).status == 200
    heard = ask("PUT", "/Contacts", {"data": [{"id": id, "Department": "B"}]}, headers)
    assert (heard.status, heard.body["data"][0]["code"]) == (412, "ALREADY_MODIFIED")
    assert twin.value("contact", id, "Department") == "A"


@pytest.mark.parametrize("refuses_all", [False, True])
def test_a_stale_row_refuses_itself_or_all(clock: SetClock, twin: ZohoTwin, ask: ZohoAsker, refuses_all: bool) -> None:
    """The documents leave open which; where it is all, one refusal answers for them and nothing is written."""
    twin.switches.stale_refuses_all = refuses_all
    stale, fresh = (ask.made("Contacts", ANN) for _ in range(2))
    headers = {"If-Unmodified-Since": ask.row("Contacts", fresh)["Modified_Time"]}
    clock.move(1)
    twin.person_edits("contact", stale, {"Title": "Dr"})
    rows = [{"id": id, "Department": "A"} for id in (fresh, stale)]
    heard = ask("PUT", "/Contacts", {"data": rows}, headers)
    told = (heard.status, [row["code"] for row in heard.body["data"]])
    assert told == ((412, ["ALREADY_MODIFIED"]) if refuses_all else (207, ["SUCCESS", "ALREADY_MODIFIED"]))
    assert twin.value("contact", fresh, "Department") == (None if refuses_all else "A")


def test_nothing_modified_is_a_304_and_nothing_at_all_a_204(clock: SetClock, ask: ZohoAsker) -> None:
    """Empty answers have no body: none of a module, none of the ids, no such id, nothing since."""
    assert ask("GET", "/Contacts", fields="id").status == 204
    id = ask.made("Contacts", ANN)
    since = {"If-Modified-Since": ask.row("Contacts", id)["Modified_Time"]}
    for heard in (
        ask("GET", "/Contacts", fields="id", ids="1"), ask("GET", "/Contacts/1"), ask("GET", "/Contacts/deleted"),
        ask("GET", "/Contacts", headers=since, fields="id"), ask("GET", f"/Contacts/{id}", headers=since),
    ):  # fmt: skip
        assert heard.status in (204, 304) and heard.body == ""
    clock.move(1)
    ask("PUT", f"/Contacts/{id}", {"data": [{"Title": "Dr"}]})
    assert ask("GET", "/Contacts", headers=since, fields="id").body["data"] == [{"id": id}]


def test_pages_go_by_number_to_two_thousand_and_by_token_beyond(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """The eleventh page has no number; a token leads there, and only with the request that it was given for."""
    by = twin.person()
    for number in range(2003):
        twin.org.add("Contacts", {"Last_Name": f"B{number}"}, by)
    query: dict[str, Any] = {"fields": "Last_Name", "sort_by": "id", "sort_order": "asc"}
    tenth = ask("GET", "/Contacts", page="10", **query).body
    assert tenth["info"]["more_records"] and tenth["data"][-1]["Last_Name"] == "B1999"
    assert ask("GET", "/Contacts", page="11", **query).body["code"] == "DISCRETE_PAGINATION_LIMIT_EXCEEDED"
    token = tenth["info"]["next_page_token"]
    last = ask("GET", "/Contacts", page_token=token, **query).body
    assert [row["Last_Name"] for row in last["data"]] == ["B2000", "B2001", "B2002"]
    assert last["info"]["next_page_token"] is None and not last["info"]["more_records"]
    other = ask("GET", "/Contacts", page_token=token, **{**query, "sort_order": "desc"})
    assert other.body["code"] == "TOKEN_BOUND_DATA_MISMATCH"
    both = ask("GET", "/Contacts", page_token=token, page="2", **query)
    assert both.body["code"] == "AMBIGUITY_DURING_PROCESSING"


def test_search_is_behind_and_vague_where_a_query_is_not(clock: SetClock, twin: ZohoTwin, ask: ZohoAsker) -> None:
    """What is new isn't found and what is gone is, until the lag is over; `equals` finds what contains, COQL not."""
    twin.switches.search_lag_s = 30
    id = ask.made("Contacts", {**ANN, "Department": "Roofs and walls"})
    assert ask("GET", "/Contacts/search", email="ann@x.test").status == 204
    assert _coql(ask, "Email = 'ann@x.test'") == [{"id": id}]
    clock.move(30)
    queries: list[dict[str, Any]] = [
        {"email": "ann@x"}, {"phone": "7946 0001"}, {"word": "bee"}, {"criteria": "(Department:equals:Roofs)"},
        {"criteria": "((Last_Name:equals:Nobody) or (Email:equals:ann-x.test))"},
        {"criteria": "(Modified_Time:greater_equal:2026-03-02T12:00:00+00:00)"},
    ]  # fmt: skip
    for query in queries:
        assert [row["id"] for row in ask("GET", "/Contacts/search", **query).body["data"]] == [id], query
    assert _coql(ask, "Department = 'Roofs'").status == 204
    twin.person_deletes("contact", id)
    assert ask("GET", "/Contacts/search", email="ann@x.test").status == 200
    assert _coql(ask, "id is not null").status == 204
    clock.move(30)
    assert ask("GET", "/Contacts/search", email="ann@x.test").status == 204


def test_a_searched_value_is_escaped(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """Brackets and commas that aren't escaped break the criteria; escaped, they are part of the value."""
    id = ask.made("Accounts", {"Account_Name": "Roofs (north), Ltd"})
    good = ask("GET", "/Accounts/search", criteria="(Account_Name:equals:Roofs \\(north\\)\\, Ltd)")
    assert good.body["data"][0]["id"] == id
    for bad in ("(Account_Name:equals:Roofs (north))", "Account_Name:equals:x", "(Nothing:equals:x)"):
        assert ask("GET", "/Accounts/search", criteria=bad).status == 400


@pytest.mark.parametrize(
    ("where", "status"),
    [
        ("((Email = 'ann@x.test') and (Phone in ('1', '+44 20 7946 0001')))", 200),
        ("(First_Name like 'A%' and Last_Name not like '%z%')", 200),
        ("((Modified_Time between '2026-03-02T12:00:00+00:00' and '2026-03-02T14:00:00+01:00') or (Title = 'x'))", 200),
        ("Title is null", 200), ("First_Name != 'O''Hara'", 200), ("Email_Opt_Out = false", 204),
        ("Email is not null and Phone is not null and Title is null", 400), ("Description = 'x'", 400),
        (f"id in ({', '.join(map(repr, map(str, range(51))))})", 400), ("First_Name = 'O'Hara'", 400),
        ("Title = x", 400), ("(Title = 'x'", 400), ("Nothing = 'x'", 400), ("Email >= 'a'", 400),
        ("First_Name like 'A%n'", 400), ("id is not null order by id, id desc", 400),
        ("Modified_Time > '2026-03-02T12:00:00Z'", 400), ("Title = 'x' limit 2001", 400),
    ],
)  # fmt: skip
def test_queries_are_read_strictly(ask: ZohoAsker, where: str, status: int) -> None:
    """Two conditions a bracket, fifty values a list, quotes doubled, no text of several lines, no made-up column."""
    ask.made("Contacts", ANN)
    found = _coql(ask, where)
    assert (200 if isinstance(found, list) else found.status) == status


def test_queries_hold_quotes_and_no_notes(ask: ZohoAsker) -> None:
    """A doubled quote is one quote of the value; notes are in no query at all."""
    id = ask.made("Contacts", {"Last_Name": "O'Hara"})
    ask.made("Contacts", {"Last_Name": "O''Hara"})
    assert _coql(ask, "Last_Name = 'O''Hara'") == [{"id": id}]
    heard = ask("POST", "/coql", {"select_query": "select id from Notes where id is not null"})
    assert (heard.status, heard.body["code"]) == (400, "INVALID_MODULE")


def test_queries_sort_page_and_follow_lookups(ask: ZohoAsker) -> None:
    """Order, limit and offset in both spellings; a lookup is its id alone, and a column behind it is followed."""
    company = ask.made("Accounts", {"Account_Name": "Roof Ltd"})
    for name in ("C", "a", "B"):
        ask.made("Contacts", {"Last_Name": name, "Account_Name": company})
    rows = _coql(ask, "id is not null", "Last_Name, Account_Name", "order by Last_Name desc limit 1, 2")
    assert [row["Last_Name"] for row in rows] == ["B", "a"] and rows[0]["Account_Name"] == {"id": company}
    (row,) = _coql(ask, "id is not null", "Account_Name.Account_Name", "order by Last_Name limit 1 offset 2")
    assert row["Account_Name.Account_Name"] == "Roof Ltd"


def test_writes_set_workflows_off_unless_told_not_to(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """A rule fires on an API's write by default, bears the name of whoever wrote, and is silent with an empty list."""
    rule = twin.adds_workflow("contact", lambda held: held.get("Title") == "Dr", {"Department": "Doctors"}, "Titles")
    quiet = ask.made("Contacts", {**ANN, "Title": "Dr"})
    assert twin.fired == [] and twin.value("contact", quiet, "Department") is None
    (made,) = ask("POST", "/Contacts", {"data": [{**ANN, "Title": "Dr"}]}).body["data"]
    id = made["details"]["id"]
    assert twin.fired == [("Titles", id)]
    last, first = ask("GET", f"/Contacts/{id}/__timeline").body["__timeline"]
    assert (first["action"], first["source"], first["automation_details"]) == ("added", "crm_api", None)
    assert last["automation_details"] == {"type": "workflow_rule", "rule": {"name": "Titles", "id": rule}}
    assert (last["source"], last["done_by"]["id"]) == ("workflow", twin.our_user)
    refused = ask("POST", "/Contacts", {"data": [ANN], "trigger": ["all"]})
    assert refused.body["data"][0]["details"]["api_name"] == "trigger"


def test_the_timeline_tells_people_from_programs(clock: SetClock, twin: ZohoTwin, ask: ZohoAsker) -> None:
    """Browser, phone, another program and a rule differ by source and name; values are texts, cut at 255 signs."""
    name = twin.adds_field("contact", "AI notes", "textarea")
    id = ask.made("Contacts", ANN)
    twin.person_edits("contact", id, {"Title": "Dr"})
    twin.person_edits("contact", id, {"Title": None, name: "x" * 300}, Author(twin.person(2).user_id, "crm_mobile"))
    twin.automation_edits("contact", id, {"Email_Opt_Out": True})
    twin.program_edits("contact", id, {"Title": "Dr"})
    ask("PUT", f"/Contacts/{id}", {"data": [{"Title": "Dr"}]})
    told = ask("GET", f"/Contacts/{id}/__timeline").body["__timeline"]
    assert [(row["source"], row["done_by"]["name"]) for row in told] == [
        ("crm_api", "Bob Sales"), ("workflow", "Ann Sales"), ("crm_mobile", "Bob Sales"), ("crm_ui", "Ann Sales"),
        ("crm_api", "Side Car"),
    ]  # fmt: skip
    assert told[1]["field_history"] == [{"api_name": "Email_Opt_Out", "_value": {"old": None, "new": "true"}}]
    assert told[2]["field_history"] == [
        {"api_name": "Title", "_value": {"old": "Dr", "new": None}},
        {"api_name": name, "_value": {"old": None, "new": "x" * 255}},
    ]
    page = ask("GET", f"/Contacts/{id}/__timeline", per_page="2").body
    rest = ask("GET", f"/Contacts/{id}/__timeline", page_token=page["info"]["next_page_token"]).body
    assert page["__timeline"] + rest["__timeline"] == told


def test_a_merge_is_a_job_after_which_the_loser_is_nowhere(clock: SetClock, twin: ZohoTwin, ask: ZohoAsker) -> None:
    """Only the master's timeline leads from the loser to it; the list of what is gone names nobody."""
    twin.switches.merge_delay_s = 60
    ann, bob = ask.made("Contacts", ANN), ask.made("Contacts", {"Last_Name": "Bo", "Title": "Dr"})
    deal = ask.made("Deals", {"Deal_Name": "Roof", "Stage": "Qualification", "Contact_Name": bob})
    body = {"merge": [{"data": [{"id": bob, "_fields": [{"api_name": "Title"}]}]}]}
    (job,) = ask("POST", f"/Contacts/{ann}/actions/merge", body).body["merge"]
    assert job["code"] == "SCHEDULED" and ask.row("Contacts", bob)["Title"] == "Dr"
    clock.move(60)
    status = ask("GET", f"/Contacts/{ann}/actions/merge", job_id=job["details"]["job_id"]).body["merge"][0]["status"]
    assert status == "completed" and ask("GET", f"/Contacts/{bob}").status == 204
    assert ask.row("Contacts", ann)["Title"] == "Dr" and ask.row("Deals", deal)["Contact_Name"]["id"] == ann
    (gone,) = ask("GET", "/Contacts/deleted").body["data"]
    assert (gone["id"], gone["type"], gone["deleted_by"], gone["display_name"]) == (bob, "permanent", None, None)
    entry = ask("GET", f"/Contacts/{ann}/__timeline").body["__timeline"][0]
    assert (entry["action"], entry["record"]["id"]) == ("find_and_merge_duplicate", bob)


def test_what_is_gone_is_listed_since_a_time(clock: SetClock, twin: ZohoTwin, ask: ZohoAsker) -> None:
    """The recycle bin tells by whom, the latest first; restored, a record is back under its id."""
    first, second = (ask.made("Contacts", ANN) for _ in range(2))
    ask("DELETE", f"/Contacts/{first}")
    at = ask("GET", "/Contacts/deleted").body["data"][0]["deleted_time"]
    clock.move(60)
    twin.person_deletes("contact", second)
    rows = ask("GET", "/Contacts/deleted").body["data"]
    assert [(row["id"], row["deleted_by"]["name"]) for row in rows] == [(second, "Ann Sales"), (first, "Side Car")]
    late = ask("GET", "/Contacts/deleted", headers={"If-Modified-Since": at}).body["data"]
    assert [row["id"] for row in late] == [second]
    twin.person_restores("contact", second)
    assert ask("GET", f"/Contacts/{second}").status == 200
    assert ask("DELETE", "/Contacts", ids=f"{first},{second}").status == 207
    twin.purges("contact", first)
    assert ask("GET", "/Contacts/deleted", type="permanent").body["data"][0]["id"] == first
    twin.switches.lists_deleted_notes = False
    assert ask("GET", "/Notes/deleted").body["data"][0]["code"] == "INVALID_MODULE"


def test_a_blueprint_holds_the_stage_alone(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """A deal in a blueprint takes other fields; a stage of another pipeline is refused beside its own."""
    deal = ask.made("Deals", {"Deal_Name": "Roof", "Stage": "Qualification", "Pipeline": "Partners"})
    wrong = ask("PUT", "/Deals", {"data": [{"id": deal, "Stage": "Needs Analysis"}]})
    assert wrong.body["data"][0]["code"] == "DEPENDENT_MISMATCH"
    twin.enters_blueprint(deal)
    held = ask("PUT", "/Deals", {"data": [{"id": deal, "Stage": "Closed Won"}]})
    assert held.body["data"][0]["code"] == "RECORD_IN_BLUEPRINT"
    assert ask("PUT", "/Deals", {"data": [{"id": deal, "Amount": 1}]}).status == 200
    assert ask("POST", "/Deals", {"data": [{"Deal_Name": "x", "Stage": "Nothing"}]}).status == 400


def test_an_activity_is_about_a_record_of_a_named_module(ask: ZohoAsker) -> None:
    """`What_Id` needs `$se_module`, and both must be so; a closed task knows when."""
    deal = ask.made("Deals", {"Deal_Name": "Roof", "Stage": "Qualification"})
    task = {"Subject": "Call", "What_Id": {"id": deal}}
    codes = [
        ask("POST", "/Tasks", {"data": [{**task, **more}]}).body["data"][0]["code"]
        for more in ({}, {"$se_module": "Contacts"}, {"$se_module": "Deals"})
    ]  # fmt: skip
    assert codes == ["DEPENDENT_FIELD_MISSING", "INVALID_DATA", "SUCCESS"]
    id = ask.made("Tasks", {**task, "$se_module": "Deals"})
    assert ask.row("Tasks", id)["Closed_Time"] is None
    ask("PUT", f"/Tasks/{id}", {"data": [{"Status": "Completed"}]})
    row = ask.row("Tasks", id)
    assert (row["Closed_Time"], row["$se_module"]) == ("2026-03-02T13:00:00+01:00", "Deals")
    found = ask("GET", f"/Deals/{deal}/Tasks", fields="Subject").body
    assert found["info"]["count"] == 2
