"""Each oddity of Salesforce's API seen once: sessions, calls of a day, conditions, collections, composites, losses."""

import contextlib
import http.client
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.support.facts import SetClock
from tests.support.served import until
from tests.twins.salesforce import Drop, Late, SalesforceTwin, expired, html, ids
from tests.twins.salesforce.asking import ROOT, Teller

PATIENCE_S = 0.1
CALLS = "sforce-limit-info"


def row(sobject: str, **values: Any) -> dict[str, Any]:
    """Return a row of a collection."""
    return {"attributes": {"type": sobject}, **values}


def part(method: str, path: str, name: str, body: Any = None, **headers: str) -> dict[str, Any]:
    """Return a part of a composite."""
    told: dict[str, Any] = {"method": method, "url": ROOT + path, "referenceId": name}
    told |= {} if body is None else {"body": body}
    return told | ({"httpHeaders": {key.replace("_", "-"): value for key, value in headers.items()}} if headers else {})


def composed(tell: Teller, *parts: Mapping[str, Any], together: bool = False) -> list[dict[str, Any]]:
    """Return the parts of a composite's answer."""
    heard = tell("POST", "/composite", {"allOrNone": together, "compositeRequest": list(parts)})
    assert heard.status == 200, heard.body
    return heard.body["compositeResponse"]


def codes(rows: list[dict[str, Any]]) -> list[str]:
    """Return the code of each row, empty where it was done."""
    return ["" if row["success"] else row["errors"][0]["statusCode"] for row in rows]


def test_every_answer_tells_the_calls_of_a_rolling_day(
    clock: SetClock, salesforce: SalesforceTwin, tell: Teller
) -> None:
    """Refusals count and tell as well, beyond the last call nothing says until when, and after a day one is free."""
    salesforce.limits.daily = 3
    assert tell("GET", "/limits").headers[CALLS] == "api-usage=1/3"
    assert tell("GET", "/nothing").headers[CALLS] == "api-usage=2/3"
    clock.move(3600)
    parts = [part("GET", "/query?q=SELECT+Id+FROM+Lead", f"q{at}") for at in range(3)]
    assert len(composed(tell, *parts)) == 3 and salesforce.limits.used() == 3
    spent = tell("GET", "/limits")
    assert (spent.status, spent.body[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert "retry-after" not in spent.headers and spent.headers[CALLS] == "api-usage=3/3"
    clock.move(timedelta(hours=23).total_seconds())
    salesforce.end_sessions()
    tell.token = salesforce.session()
    assert tell("GET", "/limits").body["DailyApiRequests"] == {"Max": 3, "Remaining": 1}


def test_a_session_ends_when_it_is_idle_or_when_somebody_ends_it(
    clock: SetClock, salesforce: SalesforceTwin, tell: Teller
) -> None:
    """Each call keeps it alive; a 401 is a list of errors, or a page where an edge answers; it isn't a call."""
    for _ in range(3):
        clock.move(salesforce.switches.session_s)
        assert tell("GET", "/limits").status == 200
    clock.move(salesforce.switches.session_s + 1)
    heard = tell("GET", "/limits")
    assert (heard.status, heard.body[0]["errorCode"], CALLS in heard.headers) == (401, "INVALID_SESSION_ID", False)
    tell.token = salesforce.session()
    salesforce.fault(expired(page=True))
    heard = tell("GET", "/limits")
    assert heard.status == 401 and heard.body.startswith("<html>")
    salesforce.end_sessions()
    assert tell.refused("GET", "/limits") == (401, "INVALID_SESSION_ID")


def test_what_was_done_may_go_untold_or_be_done_later(salesforce: SalesforceTwin, tell: Teller) -> None:
    """A dropped answer and a late application leave the client without one, and the org changed."""
    ann = tell.made("Contact", LastName="Bee")
    salesforce.fault(Drop(), method="PATCH")
    with pytest.raises(http.client.RemoteDisconnected):
        tell("PATCH", f"/sobjects/Contact/{ann}", {"Title": "Boss"})
    assert salesforce.value("contact", ann, "Title") == "Boss"
    salesforce.fault(Late(after_s=60), method="POST")
    impatient = Teller(salesforce, timeout_s=PATIENCE_S)
    with contextlib.closing(impatient), pytest.raises(TimeoutError):
        impatient("POST", "/sobjects/Contact", {"LastName": "Dee"})
    assert len(salesforce.all("contact")) == 1
    until(salesforce.hasten, "the late work")
    assert len(salesforce.all("contact")) == 2
    salesforce.fault(html(502, after_work=True), method="DELETE")
    assert tell("DELETE", f"/sobjects/Contact/{ann}").body.startswith("<html>")
    assert len(salesforce.all("contact")) == 1


def test_a_condition_knows_whole_seconds_of_the_last_edit(
    clock: SetClock, salesforce: SalesforceTwin, tell: Teller
) -> None:
    """A person's edit a second later refuses our write without a body; one within the same second slips through."""
    ann = tell.made("Contact", LastName="Bee")
    read = tell("GET", f"/sobjects/Contact/{ann}").headers["last-modified"]
    since = {"If-Unmodified-Since": read}
    salesforce.person_edits("contact", ann, {"Title": "Boss"})
    assert tell("PATCH", f"/sobjects/Contact/{ann}", {"Title": "Us"}, since).status == 204
    clock.move(1)
    salesforce.person_edits("contact", ann, {"Title": "Boss"})
    heard = tell("PATCH", f"/sobjects/Contact/{ann}", {"Title": "Us"}, since)
    assert (heard.status, heard.body) == (412, "") and salesforce.value("contact", ann, "Title") == "Boss"
    assert tell("PATCH", f"/sobjects/Contact/{ann}", {"Title": "U"}, {"If-Unmodified-Since": "soon"}).status == 400
    clock.move(1)
    salesforce.system_touches("contact", ann)
    now = tell("GET", f"/sobjects/Contact/{ann}").headers["last-modified"]
    assert tell("GET", f"/sobjects/Contact/{ann}", None, {"If-Modified-Since": now}).status == 304
    assert tell("DELETE", f"/sobjects/Contact/{ann}", None, since).status == 204, "deletes know no condition"


def test_only_accounts_have_tags_to_match(salesforce: SalesforceTwin, tell: Teller) -> None:
    """An account's write with an old tag is refused, with a tag that is none a 400; a contact's tag means nothing."""
    roofs, ann = tell.made("Account", Name="Roofs"), tell.made("Contact", LastName="Bee")
    tag = tell("GET", f"/sobjects/Account/{roofs}").headers["etag"]
    assert "etag" not in tell("GET", f"/sobjects/Contact/{ann}").headers
    assert tell("PATCH", f"/sobjects/Account/{roofs}", {"Site": "a"}, {"If-Match": f'"x", {tag}'}).status == 204
    assert tell("PATCH", f"/sobjects/Account/{roofs}", {"Site": "b"}, {"If-Match": tag}).status == 412
    assert tell("PATCH", f"/sobjects/Account/{roofs}", {"Site": "b"}, {"If-Match": "bare"}).status == 400
    assert tell("PATCH", f"/sobjects/Contact/{ann}", {"Title": "b"}, {"If-Match": tag}).status == 204
    assert salesforce.value("account", roofs, "Site") == "a"


def test_a_collection_answers_200_whatever_became_of_its_rows(salesforce: SalesforceTwin, tell: Teller) -> None:
    """Each row has its own fate in its own place; with allOrNone one bad row undoes the others, and they say so."""
    rows = [row("Contact", LastName="A"), row("Contact", FirstName="B"), row("Account", Name="C")]
    heard = tell("POST", "/composite/sobjects", {"records": rows})
    assert (heard.status, codes(heard.body)) == (200, ["", "REQUIRED_FIELD_MISSING", ""])
    heard = tell("POST", "/composite/sobjects", {"allOrNone": True, "records": rows})
    undone = "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert (heard.status, codes(heard.body)) == (200, [undone, "REQUIRED_FIELD_MISSING", undone])
    assert (len(salesforce.all("contact")), len(salesforce.all("account"))) == (1, 1)
    (ann,), (roofs,) = salesforce.all("contact"), salesforce.all("account")
    gone = tell.made("Contact", LastName="Gone")
    salesforce.person_deletes("contact", gone)
    changes = [row("Contact", id=ann.id, Title="x"), row("Contact", Title="x"), row("Contact", id="x", Title="x"),
               row("Contact", id=gone, Title="x"), row("Contact", id=ids.make("003", 99), Title="x"),
               row("Contact", id=roofs.id, Title="x")]  # fmt: skip
    assert codes(tell("PATCH", "/composite/sobjects", {"records": changes}).body) == [
        "", "MISSING_ARGUMENT", "MALFORMED_ID", "ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID",
    ]  # fmt: skip
    twice = {"records": [row("Contact", id=id, Title="y") for id in (ann.id, ann.id)]}
    assert codes(tell("PATCH", "/composite/sobjects", twice).body) == ["DUPLICATE_VALUE", "DUPLICATE_VALUE"]
    read = tell("POST", "/composite/sobjects/Contact", {"ids": [gone, ann.id], "fields": ["Title"]}).body
    assert read[0] is None and read[1]["Title"] == "x"
    assert read == tell("GET", "/composite/sobjects/Contact", ids=f"{gone},{ann.id}", fields="Title").body
    deleted = tell("DELETE", "/composite/sobjects", ids=f"{ann.id},{gone}", allOrNone="true").body
    assert codes(deleted) == [undone, "ENTITY_IS_DELETED"] and len(salesforce.all("contact")) == 1


def test_a_collection_has_its_bounds(salesforce: SalesforceTwin, tell: Teller) -> None:
    """Two hundred rows, ten runs of one object, setup objects by themselves; a wrong field refuses the whole."""
    for rows, code in (
        ([row("Contact", LastName="A")] * 201, "EXCEEDED_ID_LIMIT"),
        ([row("Contact", LastName="A"), row("Account", Name="A")] * 6, "LIMIT_EXCEEDED"),
        ([row("Contact", LastName="A"), row("PermissionSet", Name="A", Label="A")], "MIXED_DML_OPERATION"),
        ([row("Contact", LastName="A"), row("Contact", LastName="A", Colour="red")], "INVALID_FIELD"),
        ([row("Contact", LastName=1)], "JSON_PARSER_ERROR"), ([row("Nothing", Name="A")], "INVALID_TYPE"),
        ([{"LastName": "A"}], "INVALID_TYPE"), ([], "MISSING_ARGUMENT"),
    ):  # fmt: skip
        assert tell.refused("POST", "/composite/sobjects", {"records": rows}) == (400, code), code
    assert salesforce.all("contact") == []
    salesforce.switches.collection_field = "row"
    rows = [row("Contact", LastName="A"), row("Contact", LastName="A", Colour="red")]
    assert codes(tell("POST", "/composite/sobjects", {"records": rows}).body) == ["", "INVALID_FIELD"]


def test_an_external_id_makes_or_changes_one_record(salesforce: SalesforceTwin, tell: Teller) -> None:
    """The same id twice in a collection refuses both rows, several holders are a 300, only external ids count."""
    salesforce.adds_field("contact", "Key__c", externalId=True)
    rows = [row("Contact", Key__c="k1", LastName="A"), row("Contact", Key__c="k2", LastName="B"),
            row("Contact", Key__c="k2", LastName="C"), row("Contact", LastName="D")]  # fmt: skip
    path = "/composite/sobjects/Contact/Key__c"
    said = tell("PATCH", path, {"records": rows}).body
    assert codes(said) == ["", "DUPLICATE_VALUE", "DUPLICATE_VALUE", "MISSING_ARGUMENT"] and said[0]["created"]
    again = tell("PATCH", path, {"records": [row("Contact", Key__c="K1", LastName="A2")]}).body
    assert (again[0]["created"], again[0]["id"]) == (False, said[0]["id"]), "ids don't mind case"
    tell.made("Contact", LastName="Twin", Key__c="k1")
    for method, body in (("GET", None), ("PATCH", {"LastName": "X"})):
        heard = tell(method, "/sobjects/Contact/Key__c/k1", body)
        assert (heard.status, len(heard.body)) == (300, 2)
    assert tell.refused("PATCH", path.replace("Key__c", "Title"), {"records": rows[:1]}) == (404, "NOT_FOUND")
    assert tell("PATCH", "/sobjects/Contact/Key__c/a%2Fb c".replace(" ", "%20"), {"LastName": "E"}).status == 201
    assert tell.found("SELECT Key__c FROM Contact WHERE LastName = 'E'") == [{"Key__c": "a/b c"}]
    assert tell.refused("PATCH", "/sobjects/Contact/Key__c/k9?updateOnly=true", {"LastName": "F"}) == (404, "NOT_FOUND")
    body = {"LastName": "G", "Key__c": "k8"}
    assert tell.refused("PATCH", "/sobjects/Contact/Key__c/k8", body) == (400, "INVALID_FIELD")


def test_a_parent_may_be_named_by_its_external_id(salesforce: SalesforceTwin, tell: Teller) -> None:
    """A known one is looked up; an unknown or empty one is refused; who and what a task is about can't be named so."""
    salesforce.adds_field("account", "Key__c", externalId=True)
    roofs = tell.made("Account", Name="Roofs", Key__c="k1")
    ann = tell.made("Contact", LastName="Bee", Account={"Key__c": "k1"})
    assert salesforce.value("contact", ann, "AccountId") == roofs
    for key in ("k2", ""):
        heard = tell("POST", "/sobjects/Contact", {"LastName": "Bee", "Account": {"Key__c": key}})
        assert heard.status == 400 and heard.body[0]["message"].startswith("Foreign key external ID:")
    task = {"Subject": "Call", "What": {"Key__c": "k1"}}
    assert tell.refused("POST", "/sobjects/Task", task) == (400, "INVALID_FIELD")


def test_parts_of_a_composite_refer_to_what_earlier_ones_answered(salesforce: SalesforceTwin, tell: Teller) -> None:
    """What depends on a failed part isn't done, the rest is; a list can be indexed, but not one that is all."""
    said = composed(
        tell, part("POST", "/sobjects/Account", "a", {"Name": "Roofs"}),
        part("POST", "/sobjects/Contact", "c", {"LastName": "Bee", "AccountId": "@{a.id}"}),
        part("POST", "/sobjects/Contact", "bad", {"FirstName": "Ann"}),
        part("PATCH", "/sobjects/Contact/@{bad.id}", "late", {"Title": "x"}),
        part("GET", "/query?q=SELECT+Id+FROM+Contact", "q"),
        part("PATCH", "/sobjects/Contact/@{q.records[0].Id}", "done", {"Title": "y"}),
        part("POST", "/composite/sobjects", "rows", {"records": [row("Account", Name="B")]}),
        part("PATCH", "/sobjects/Account/@{rows[0].id}", "index", {"Site": "z"}),
    )  # fmt: skip
    assert [each["httpStatusCode"] for each in said] == [201, 201, 400, 400, 200, 204, 200, 400]
    assert {said[at]["body"][0]["errorCode"] for at in (3, 7)} == {"PROCESSING_HALTED"}
    (ann,) = salesforce.all("contact")
    assert ann.values["Title"] == "y" and ann.values["AccountId"] == said[0]["body"]["id"]
    salesforce.switches.index_references = True
    said = composed(
        tell, part("POST", "/composite/sobjects", "rows", {"records": [row("Account", Name="B")]}),
        part("PATCH", "/sobjects/Account/@{rows[0].id}", "index", {"Site": "z"}),
    )  # fmt: skip
    assert said[1]["httpStatusCode"] == 204


def test_a_composite_together_undoes_everything(salesforce: SalesforceTwin, tell: Teller) -> None:
    """The outer flag rules over a collection's own, and those that were fine say that they were halted."""
    parts = [
        part("POST", "/sobjects/Account", "a", {"Name": "Roofs"}),
        part("POST", "/composite/sobjects", "c",
             {"allOrNone": False, "records": [row("Contact", LastName="A"), row("Contact", Title="B")]}),
    ]  # fmt: skip
    said = composed(tell, *parts, together=True)
    assert said[0]["body"][0]["errorCode"] == "PROCESSING_HALTED" and said[0]["httpStatusCode"] == 400
    assert codes(said[1]["body"]) == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]
    assert salesforce.all("account") == salesforce.all("contact") == []
    said = composed(tell, *parts)
    assert codes(said[1]["body"]) == ["", "REQUIRED_FIELD_MISSING"] and len(salesforce.all("account")) == 1


def test_a_composite_has_its_bounds(salesforce: SalesforceTwin, tell: Teller) -> None:
    """Twenty-five parts, five of them queries or collections, each named once, no headers that it inherits."""
    query, get = part("GET", "/query?q=SELECT+Id+FROM+Lead", "q"), part("GET", "/sobjects/User/x", "g")
    for parts, code in (
        ([{**get, "referenceId": f"g{at}"} for at in range(26)], "LIMIT_EXCEEDED"),
        ([{**query, "referenceId": f"q{at}"} for at in range(6)], "LIMIT_EXCEEDED"),
        ([query, query], "INVALID_INPUT"), ([{**query, "referenceId": "a-b"}], "INVALID_INPUT"),
        ([part("GET", "/query?q=SELECT+Id+FROM+Lead", "q", Authorization="Bearer x")], "INVALID_INPUT"),
        ([{**query, "retry": 1}], "JSON_PARSER_ERROR"), ([], "JSON_PARSER_ERROR"),
    ):  # fmt: skip
        assert tell.refused("POST", "/composite", {"compositeRequest": parts}) == (400, code), code
    said = composed(tell, part("GET", "/limits", "l"), part("GET", "/nothing", "n"))
    assert [each["httpStatusCode"] for each in said] == [400, 404]


def test_a_condition_counts_in_a_part_of_a_composite_unless_the_org_ignores_it(
    clock: SetClock, salesforce: SalesforceTwin, tell: Teller
) -> None:
    """Each guarded row is a part of its own; where such headers are ignored, a person's edit is overwritten."""
    ann = tell.made("Contact", LastName="Bee")
    read = tell("GET", f"/sobjects/Contact/{ann}").headers["last-modified"]
    clock.move(1)
    salesforce.person_edits("contact", ann, {"Title": "Boss"})
    guarded = part("PATCH", f"/sobjects/Contact/{ann}", "p", {"Title": "Us"}, If_Unmodified_Since=read)
    assert [each["httpStatusCode"] for each in composed(tell, guarded)] == [412]
    assert salesforce.value("contact", ann, "Title") == "Boss"
    salesforce.switches.composite_conditions = False
    assert [each["httpStatusCode"] for each in composed(tell, guarded)] == [204]


def test_a_duplicate_rule_refuses_unless_its_header_allows(salesforce: SalesforceTwin, tell: Teller) -> None:
    """An alert refuses the API without the header, a block always; the answer lists whom it takes for the same."""
    ann = tell.made("Contact", LastName="Bee", Email="a@x.test")
    twice, allowed = {"LastName": "B", "Email": "A@x.test"}, {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
    salesforce.adds_duplicate_rule("contact", "Email")
    heard = tell("POST", "/sobjects/Contact", twice)
    assert (heard.status, heard.body[0]["errorCode"]) == (400, "DUPLICATES_DETECTED")
    (match,) = heard.body[0]["duplicateResult"]["matchResults"]
    assert [each["record"]["Id"] for each in match["matchRecords"]] == [ann]
    rows = {"records": [row("Contact", **twice)]}
    assert codes(tell("POST", "/composite/sobjects", rows).body) == ["DUPLICATES_DETECTED"]
    assert tell("POST", "/sobjects/Contact", twice, {"Sforce-Duplicate-Rule-Header": "allowSave=false"}).status == 400
    assert codes(tell("POST", "/composite/sobjects", rows, allowed).body) == [""]
    salesforce.adds_duplicate_rule("contact", "Email", allows=False)
    assert tell("POST", "/sobjects/Contact", twice, allowed).status == 400
    assert tell("PATCH", f"/sobjects/Contact/{ann}", {"Title": "x"}).status == 204, "the rule's fields aren't written"


def test_what_an_admin_forbids_and_what_is_locked_is_refused(salesforce: SalesforceTwin, tell: Teller) -> None:
    """A validation rule refuses in the admin's words; a lock passes by itself; a unique value has one holder."""
    salesforce.adds_validation("deal", "Amount first", lambda values: values["Amount"] is None, ["Amount"])
    deal = {"Name": "Roof", "StageName": "Prospecting", "CloseDate": "2026-04-01"}
    heard = tell("POST", "/sobjects/Opportunity", deal)
    assert heard.body == [
        {"message": "Amount first", "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "fields": ["Amount"]}
    ]
    roof = tell.made("Opportunity", **deal, Amount=1.005)
    assert tell("GET", f"/sobjects/Opportunity/{roof}").body["Amount"] == 1.01
    salesforce.locks(roof)
    rows = {"records": [row("Opportunity", id=roof, Amount=2)]}
    assert codes(tell("PATCH", "/composite/sobjects", rows).body) == ["UNABLE_TO_LOCK_ROW"]
    assert codes(tell("PATCH", "/composite/sobjects", rows).body) == [""]
    assert tell.refused("PATCH", f"/sobjects/Opportunity/{roof}", {"Amount": 1e17}) == (
        400, "NUMBER_OUTSIDE_VALID_RANGE")  # fmt: skip
    salesforce.adds_field("contact", "One__c", externalId=True, unique=True)
    tell.made("Contact", LastName="A", One__c="x")
    assert tell.refused("POST", "/sobjects/Contact", {"LastName": "B", "One__c": "X"}) == (400, "DUPLICATE_VALUE")


def test_paths_versions_and_bodies_are_refused_as_an_api_does(salesforce: SalesforceTwin, tell: Teller) -> None:
    """Unknown paths and versions are 404, other methods 405, bodies that aren't JSON 400 or 415, long addresses 414."""
    assert [each["version"] for each in tell("GET", "/services/data").body][-1] == "68.0"
    for method, path, body, expected in (
        ("GET", "/sobjects/Nothing/describe", None, 404), ("GET", "/services/data/v69.0/limits", None, 404),
        ("PUT", "/limits", None, 405), ("POST", "/sobjects/Contact", b"{", 400),
        ("POST", "/sobjects/Contact", b"[]", 400),
        ("GET", "/query?q=" + "x" * 17_000, None, 414), ("GET", "/sobjects/Contact/0", None, 404),
        ("GET", "/services/data/v60.0/ui-api/list-info/Contact/x", None, 404),
    ):  # fmt: skip
        assert tell(method, path, body).status == expected, path
    assert tell("POST", "/sobjects/Contact", b"{}", {"Content-Type": "text/plain"}).status == 415
    salesforce.switches.hidden = {"Opportunity"}
    assert tell("GET", "/sobjects/Opportunity/describe").status == 404
    assert tell.refused("GET", "/query", q="SELECT Id FROM Opportunity") == (400, "INVALID_TYPE")
    salesforce.switches.read_only = True
    refused = tell.refused("POST", "/sobjects/Contact", {"LastName": "A"})
    assert refused == (403, "INSUFFICIENT_ACCESS_OR_READONLY")
    assert not tell("GET", "/sobjects/Contact/describe").body["createable"]
