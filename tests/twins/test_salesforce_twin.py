"""The Salesforce twin against what isn't ours: describes recorded from an org, a published client, published examples.

The describes judge field by field: what is told, what may be written, how long, which choices, what must be there.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import jwt
import pytest
import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceError,
    SalesforceExpiredSession,
    SalesforceGeneralError,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)
from simple_salesforce.login import SalesforceLogin

from tests.support.facts import SetClock
from tests.twins.salesforce import SalesforceTwin, ids, limit_exceeded, locked, not_acceptable, unavailable
from tests.twins.salesforce.asking import Teller

FIXTURES = Path(__file__).parents[1] / "fixtures" / "salesforce"
RECORDED = ("Account", "Contact", "Event", "Lead", "Opportunity", "OpportunityContactRole")
TEXTS = ("string", "textarea", "phone", "url", "combobox")
WRONG: dict[str, tuple[Any, ...]] = {
    "string": (1, True, ["x"], {"x": 1}), "textarea": (1.5,), "boolean": ("yes", 1, None), "double": ("1x", True),
    "currency": ("1",), "int": (1.5, "1"), "date": ("1.2.2026", 1, "2026-02-30"), "email": (1,), "reference": (1,),
    "datetime": ("2026-01-01 10:00:00", 1, "2026-01-01T10:00:00"), "picklist": (1,), "phone": (441,), "url": (1,),
}  # fmt: skip


class _Here(requests.Session):
    """Sends what is meant for any host to the twin: the client speaks https to whatever name it was told."""

    def __init__(self, twin: SalesforceTwin) -> None:
        super().__init__()
        self.twin, self.asked = twin, list[str]()

    def request(self, method: str, url: str, **more: Any) -> requests.Response:  # type: ignore[override]
        split = urlsplit(url)
        self.asked.append(f"{split.scheme}://{split.netloc}")
        there = urlsplit(self.twin.url)
        return super().request(
            method, urlunsplit((there.scheme, there.netloc, split.path, split.query, "")), timeout=10, **more
        )


@pytest.fixture
def session(salesforce: SalesforceTwin) -> Iterator[_Here]:
    """A session that finds the twin."""
    with _Here(salesforce) as session:
        yield session


@pytest.fixture
def client(salesforce: SalesforceTwin, session: _Here) -> Any:
    """The published client, whose attributes are objects of the org, with a session."""
    return Salesforce(
        session_id=salesforce.session(),
        instance_url=f"https://{salesforce.switches.my_domain}",
        session=session,
        version="68.0",
    )


def _recorded(sobject: str) -> dict[str, dict[str, Any]]:
    usual = json.loads((FIXTURES / "describe_defaults.json").read_text())
    fields = json.loads((FIXTURES / f"{sobject}.json").read_text())["fields"]
    return {field["name"]: {**usual, **field} for field in fields}


def _least(tell: Teller, sobject: str) -> dict[str, Any]:
    """Return what a new record must bring, by the recorded describe alone; an event besides when it is."""
    values: dict[str, Any] = {}
    for name, field in _recorded(sobject).items():
        if (
            field["createable"]
            and not field["nillable"]
            and not field["defaultedOnCreate"]
            and field["type"] != "boolean"
        ):
            values[name] = {"date": "2026-04-01", "reference": ""}.get(field["type"], "X")
            if field["type"] == "reference":
                parent = field["referenceTo"][0]
                values[name] = tell.made(parent, **_least(tell, parent))
    if sobject == "Event":
        values |= {"StartDateTime": "2026-04-01T10:00:00Z", "DurationInMinutes": 30}
    return values


@pytest.mark.parametrize("sobject", RECORDED)
def test_a_describe_is_as_it_was_recorded(tell: Teller, sobject: str) -> None:
    """Every field that an org's describe has is told with the same type, length, choices and permissions."""
    told = {field["name"]: field for field in tell("GET", f"/sobjects/{sobject}/describe").body["fields"]}
    for name, field in _recorded(sobject).items():
        for key, value in field.items():
            if key != "picklistValues":
                assert told[name][key] == value, (name, key)
        choices = [row if isinstance(row, str) else row["value"] for row in field["picklistValues"]]
        assert [row["value"] for row in told[name]["picklistValues"]] == choices, name
    more = {"RecordTypeId"} if sobject == "Opportunity" else set()
    assert told.keys() - _recorded(sobject).keys() == more
    whole = tell("GET", f"/sobjects/{sobject}/{tell.made(sobject, **_least(tell, sobject))}").body
    assert whole.keys() - {"attributes"} == told.keys()
    assert [name for name, field in _recorded(sobject).items() if not field["nillable"] and whole[name] is None] == []


@pytest.mark.parametrize("sobject", RECORDED)
def test_what_must_be_there_is_what_the_describe_says(tell: Teller, sobject: str) -> None:
    """A create without one of the fields that are never null and have no default is refused, and names it."""
    least = _least(tell, sobject)
    tell.made(sobject, **least)
    for name in least.keys() & _recorded(sobject).keys() - {"StartDateTime", "DurationInMinutes"}:
        for rest in ({**least, name: None}, {key: value for key, value in least.items() if key != name}):
            heard = tell("POST", f"/sobjects/{sobject}", rest)
            assert (heard.status, heard.body[0]["errorCode"]) == (400, "REQUIRED_FIELD_MISSING"), name
            assert heard.body[0]["fields"] == [name]


@pytest.mark.parametrize("sobject", RECORDED)
def test_what_may_be_written_is_what_the_describe_says(tell: Teller, sobject: str) -> None:
    """Fields that can't be created or updated are refused by name, on each of the two ways."""
    least = _least(tell, sobject)
    id = tell.made(sobject, **least)
    for name, field in _recorded(sobject).items():
        for method, path, allowed in (("POST", "", "createable"), ("PATCH", f"/{id}", "updateable")):
            if not field[allowed]:
                body = {**(least if method == "POST" else {}), name: None}
                status, code = tell.refused(method, f"/sobjects/{sobject}{path}", body)
                expected = "INVALID_FIELD" if name == "Id" else "INVALID_FIELD_FOR_INSERT_UPDATE"
                assert (status, code) == (400, expected), (method, name)


@pytest.mark.parametrize("sobject", RECORDED)
def test_texts_are_as_long_as_the_describe_says(tell: Teller, sobject: str) -> None:
    """A text of exactly its length is kept whole, one more character refuses the write."""
    id = tell.made(sobject, **_least(tell, sobject))
    for name, field in _recorded(sobject).items():
        if field["type"] not in TEXTS or not field["updateable"]:
            continue
        fits = "x" * field["length"]
        heard = tell("PATCH", f"/sobjects/{sobject}/{id}", {name: fits + "x"})
        assert (heard.status, heard.body[0]["errorCode"], heard.body[0]["fields"]) == (400, "STRING_TOO_LONG", [name])
        assert tell("PATCH", f"/sobjects/{sobject}/{id}", {name: fits}).status == 204
        assert tell("GET", f"/sobjects/{sobject}/{id}", fields=name).body[name] == fits


@pytest.mark.parametrize("sobject", RECORDED)
def test_restricted_choices_are_those_that_the_describe_lists(tell: Teller, sobject: str) -> None:
    """Outside its list a restricted picklist takes nothing; another picklist takes anything."""
    id = tell.made(sobject, **_least(tell, sobject))
    for name, field in _recorded(sobject).items():
        if field["type"] != "picklist" or not field["updateable"]:
            continue
        heard = tell("PATCH", f"/sobjects/{sobject}/{id}", {name: "no such choice"})
        if field["restrictedPicklist"]:
            code = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
            assert (heard.status, heard.body[0]["errorCode"]) == (400, code), name
        else:
            assert heard.status == 204, name
        for choice in field["picklistValues"][:3]:
            value = choice if isinstance(choice, str) else choice["value"]
            assert tell("PATCH", f"/sobjects/{sobject}/{id}", {name: value}).status == 204, (name, value)


@pytest.mark.parametrize("sobject", RECORDED)
def test_a_value_of_the_wrong_json_type_is_refused(tell: Teller, sobject: str) -> None:
    """Numbers in quotes, times without an offset, lists and whole numbers with a fraction are parser errors."""
    id = tell.made(sobject, **_least(tell, sobject))
    for name, field in _recorded(sobject).items():
        for value in WRONG.get(field["type"], ()) if field["updateable"] else ():
            refused = tell.refused("PATCH", f"/sobjects/{sobject}/{id}", {name: value})
            assert refused == (400, "JSON_PARSER_ERROR"), (name, value)
        assert tell.refused("PATCH", f"/sobjects/{sobject}/{id}", {f"{name}x": "y"}) == (400, "INVALID_FIELD")


def test_the_published_client_reads_every_answer(salesforce: SalesforceTwin, client: Any) -> None:
    """simple-salesforce creates, reads, upserts, queries over pages, lists changes and counts our calls."""
    salesforce.adds_field("contact", "AI_Key__c", externalId=True, unique=True)
    ann = client.Contact.create({"LastName": "Bee", "AI_Key__c": "k1"})
    assert ann["success"] and client.Contact.get(ann["id"])["Name"] == "Bee"
    assert client.Contact.update(ann["id"], {"FirstName": "Ann"}) == 204
    assert client.Contact.get_by_custom_id("AI_Key__c", "k1")["Name"] == "Ann Bee"
    assert client.Contact.upsert("AI_Key__c/k1", {"LastName": "Sea"}) == 200
    assert client.Contact.upsert("AI_Key__c/k2", {"LastName": "Dee"}) == 201
    salesforce.switches.batch = 1
    found = client.query_all("SELECT Id, Name FROM Contact ORDER BY Name")
    assert [row["Name"] for row in found["records"]] == ["Ann Sea", "Dee"] and found["done"]
    now = salesforce.org.now()
    span = (now - timedelta(minutes=5), now + timedelta(minutes=5))
    assert ann["id"] in client.Contact.updated(*span)["ids"]
    assert client.Contact.delete(ann["id"]) == 204
    assert [row["id"] for row in client.Contact.deleted(*span)["deletedRecords"]] == [ann["id"]]
    rows = [{"attributes": {"type": "Contact"}, "LastName": "Eff"}, {"attributes": {"type": "Contact"}}]
    said = client.restful("composite/sobjects", method="POST", json={"records": rows})
    assert [row["success"] for row in said] == [True, False]
    assert client.Contact.describe()["name"] == "Contact" and client.Contact.metadata()["recentItems"] == []
    assert len(client.describe()["sobjects"]) > 10 and client.limits()["DailyApiRequests"]["Remaining"] > 0
    assert client.api_usage["api-usage"].used == salesforce.limits.used()
    made = client.toolingexecute(
        "sobjects/CustomField", method="POST",
        json={"FullName": "Lead.AI__c", "Metadata": {"label": "AI", "type": "Text", "length": 9}},
    )  # fmt: skip
    assert made["success"]


def test_the_published_client_raises_what_each_status_means(salesforce: SalesforceTwin, client: Any) -> None:
    """300, 400, 401, 403, 404 and the rest come as the client's own errors, each with the body that tells the code."""
    salesforce.adds_field("contact", "Twice__c", externalId=True)
    for _ in range(2):
        client.Contact.create({"LastName": "Bee", "Twice__c": "t"})

    def code(kind: type[SalesforceError], call: Callable[[], Any]) -> tuple[int, Any]:
        with pytest.raises(kind) as caught:
            call()
        said: Any = caught.value.content
        is_list = isinstance(said, list) and said and isinstance(said[0], dict)
        return caught.value.status, said[0]["errorCode"] if is_list else said

    status, several = code(SalesforceMoreThanOneRecord, lambda: client.Contact.upsert("Twice__c/t", {"LastName": "B"}))
    assert (status, len(several)) == (300, 2)
    nobody = ids.make("003", 999)
    assert code(SalesforceResourceNotFound, lambda: client.Contact.get(nobody)) == (404, "NOT_FOUND")
    assert code(SalesforceMalformedRequest, lambda: client.query("SELECT FROM")) == (400, "MALFORMED_QUERY")
    assert code(SalesforceMalformedRequest, lambda: client.Contact.create({})) == (400, "REQUIRED_FIELD_MISSING")
    limited: Callable[[], Any] = lambda: client.query("SELECT Id FROM Lead")  # noqa: E731
    for fault, kind, expected in (
        (limit_exceeded(), SalesforceRefusedRequest, "REQUEST_LIMIT_EXCEEDED"),
        (locked(), SalesforceMalformedRequest, "UNABLE_TO_LOCK_ROW"),
        (unavailable(), SalesforceGeneralError, "SERVER_UNAVAILABLE"),
        (not_acceptable(), SalesforceGeneralError, str(not_acceptable().body)),
    ):
        salesforce.fault(fault)
        assert code(kind, limited) == (fault.status, expected)
    salesforce.end_sessions()
    assert code(SalesforceExpiredSession, limited) == (401, "INVALID_SESSION_ID")


def test_the_published_client_logs_in_both_ways(session: _Here) -> None:
    """A JWT signed for the app and the app's secret each give a session; the answer names the host to speak to."""
    with SalesforceTwin() as salesforce:
        session.twin = salesforce
        switches = salesforce.switches
        more: dict[str, Any] = {"session": session, "consumer_key": switches.consumer_key}
        ways: tuple[dict[str, Any], ...] = (
            {"username": switches.username, "privatekey": salesforce.private_key},
            {"consumer_secret": switches.consumer_secret, "domain": "roofs.my"},
        )
        for way in ways:
            token, host = SalesforceLogin(**more, **way)
            assert host == switches.my_domain
            assert Salesforce(session_id=token, instance=host, session=session).query("SELECT Id FROM Lead")["done"]
        with pytest.raises(SalesforceAuthenticationFailed, match="invalid_client"):
            SalesforceLogin(**more, consumer_secret="wrong", domain="roofs.my")
        assert salesforce.logins == 2


def test_an_assertion_must_be_for_this_app_user_and_server_and_fresh(salesforce: SalesforceTwin, tell: Teller) -> None:
    """Another key, algorithm, audience, app, user or time gets no session, and a reason that names which."""
    now = salesforce.org.clock()
    claims = {"iss": salesforce.switches.consumer_key, "sub": salesforce.switches.username, "aud": "https://login.salesforce.com",
              "exp": int((now + timedelta(minutes=3)).timestamp())}  # fmt: skip

    def asked(key: str = "", algorithm: str = "RS256", **other: Any) -> Any:
        signed = jwt.encode({**claims, **other}, key or salesforce.private_key, algorithm=algorithm)
        form = f"grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion={signed}".encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return tell("POST", "/services/oauth2/token", form, headers)

    told = asked().body
    assert told["instance_url"] == "https://roofs.my.salesforce.com" and told["id"].endswith(f"/{salesforce.user}")
    who = tell("GET", "/services/oauth2/userinfo", headers={"Authorization": f"Bearer {told['access_token']}"}).body
    assert (who["user_id"], who["organization_id"]) == (salesforce.user, salesforce.org.id)
    assert asked(key="x" * 40, algorithm="HS256").body["error_description"] == "invalid assertion"
    assert asked(aud="https://example.test").body["error_description"] == "audience is invalid"
    assert asked(sub="nobody@roofs.test").body["error_description"] == "user hasn't approved this consumer"
    assert asked(iss="other").body["error"] == "invalid_client_id"
    for seconds in (-1, 3600):
        assert asked(exp=int(now.timestamp()) + seconds).body["error"] == "invalid_grant"
    assert datetime.fromtimestamp(int(told["issued_at"]) / 1000, UTC) == now


def test_dependent_requests_run_in_one_call_as_in_the_published_example(tell: Teller) -> None:
    """An account, its data in a contact, its owner and a describe with a header of its own, each by its reference.

    Source: REST API guide, "Execute Dependent Requests in a Single API Call", read 2026-11: the same five steps.
    """
    root = "/services/data/v68.0/sobjects"
    address = {"MailingStreet": "@{info.BillingStreet}", "MailingCity": "@{info.BillingAddress.city}"}
    parts = [
        {"method": "POST", "url": f"{root}/Account", "referenceId": "made",
         "body": {"Name": "Roofs", "BillingStreet": "Market Street 1", "BillingCity": "Bath"}},
        {"method": "GET", "url": f"{root}/Account/@{{made.id}}", "referenceId": "info"},
        {"method": "POST", "url": f"{root}/Contact", "referenceId": "contact",
         "body": {"lastname": "Doe", "Title": "CTO of @{info.Name}", "AccountId": "@{info.Id}", **address}},
        {"method": "GET", "url": f"{root}/User/@{{info.OwnerId}}?fields=Name,companyName", "referenceId": "owner"},
        {"method": "GET", "url": f"{root}/Account/describe", "referenceId": "describe",
         "httpHeaders": {"If-Modified-Since": "Sun, 31 May 2026 18:13:37 GMT"}},
    ]  # fmt: skip
    told = tell("POST", "/composite/", {"allOrNone": True, "compositeRequest": parts}).body["compositeResponse"]
    assert [part["httpStatusCode"] for part in told] == [201, 200, 201, 200, 304]
    contact = tell("GET", f"/sobjects/Contact/{told[2]['body']['id']}").body
    assert (contact["Title"], contact["MailingCity"]) == ("CTO of Roofs", "Bath")
    assert contact["AccountId"] == told[0]["body"]["id"] and contact["MailingAddress"]["street"] == "Market Street 1"
    assert told[0]["httpHeaders"]["Location"] == f"{root}/Account/{told[0]['body']['id']}"
    assert told[3]["body"]["Name"] == "Sidecar Integration" and told[4]["body"] is None


PUBLISHED_LIST = {
    "listViewApiName": "MyAccountListView", "label": "Accounts opened this year", "visibility": "Public",
    "filterLogicString": "(1 OR 2) AND 3", "scope": {"apiName": "entity"},
    "filteredByInfo": [
        {"fieldApiName": "Name", "operandLabels": ["This", "That"], "operator": "Equals"},
        {"fieldApiName": "Phone", "operandLabels": ["919"], "operator": "StartsWith"},
        {"fieldApiName": "AnnualRevenue", "operandLabels": ["1000000"], "operator": "GreaterThan"},
    ],
}  # fmt: skip


def test_answers_hold_what_the_guides_examples_hold(salesforce: SalesforceTwin, tell: Teller) -> None:
    """Pages of a query, deleted and changed records, results of collections and a list view have the published keys.

    Source: REST API guide ("Query", "sObject Get Deleted", "sObject Collections") and User Interface API guide ("Create
    a List View for an Object", "List Info"), read 2026-11.
    """
    made = [tell.made("Account", Name=f"A{at}") for at in range(2)]
    salesforce.switches.batch = 1
    page = tell("GET", "/query/", q="SELECT Name FROM Account").body
    assert page.keys() == {"totalSize", "done", "nextRecordsUrl", "records"}
    url = f"/services/data/v68.0/sobjects/Account/{made[0]}"
    assert page["records"] == [{"attributes": {"type": "Account", "url": url}, "Name": "A0"}]
    salesforce.person_deletes("account", made[1])
    now = salesforce.org.now()
    span: dict[str, Any] = {
        "start": (now - timedelta(hours=1)).isoformat(),
        "end": (now + timedelta(hours=1)).isoformat(),
    }
    gone = tell("GET", "/sobjects/Account/deleted/", **span).body
    assert gone.keys() == {"deletedRecords", "earliestDateAvailable", "latestDateCovered"}
    assert gone["deletedRecords"] == [{"id": made[1], "deletedDate": "2026-03-02T12:00:00.000+0000"}]
    assert tell("GET", "/sobjects/Account/updated/", **span).body.keys() == {"ids", "latestDateCovered"}
    rows = [{"attributes": {"type": "Account"}, "Name": "C"}, {"attributes": {"type": "Account"}}]
    good, bad = tell("POST", "/composite/sobjects", {"allOrNone": False, "records": rows}).body
    assert good == {"id": good["id"], "success": True, "errors": []} and bad.keys() == {"success", "errors"}
    assert bad["errors"][0].keys() == {"statusCode", "message", "fields"}
    view = tell("POST", "/ui-api/list-info/Account", PUBLISHED_LIST)
    assert view.status == 201 and view.body.keys() >= {
        "cloneable", "createable", "deletable", "displayColumns", "filterLogicString", "filteredByInfo", "id", "label",
        "orderedByInfo", "updateable", "userPreferences", "visibility", "visibilityEditable",
    }  # fmt: skip


def test_an_answer_that_no_describe_fits_is_a_defect_of_the_twin(clock: SetClock) -> None:
    """A flag that is a text, a date that is none and a text that is a number end the test that made the twin say so."""
    for name, value in (("IsDeleted", "no"), ("CloseDate", "soon"), ("Name", 5)):
        with pytest.raises(AssertionError, match=name), SalesforceTwin(clock) as twin, closing(Teller(twin)) as tell:
            roof = tell.made("Opportunity", Name="Roof", StageName="Prospecting", CloseDate="2026-04-01")
            record = twin.org.records["Opportunity"][roof]
            twin.org.records["Opportunity"][roof] = replace(record, values={**record.values, name: value})
            tell("GET", f"/sobjects/Opportunity/{roof}", fields=f"Name,{name}")


def test_ids_get_the_suffix_that_the_vendor_publishes() -> None:
    """Ids of the vendor's own examples keep their last three characters when these are worked out anew."""
    for known in ("001D000000IRFmaIAH", "001D000000IomazIAB", "003RO0000035WQgYAM", "01gD0000002HU6KIAW"):
        assert ids.lengthened(known[:15]) == known
    assert ids.parsed("001D000000IRFmaIAX") is None and ids.parsed("001D000000IRFma") == "001D000000IRFmaIAH"
