"""Every answer's shape in one place, with what says so.

Strict: no unknown key where the specification knows all of them, no number as text, ids as texts. An answer that
doesn't fit is a defect of the twin. The shapes are those of zoho/crm-oas v8.0 (read 2026-11-22), whose own examples are
read by these models in the twin's tests. What the org tells about itself is in `schema_settings`.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Id = Annotated[str, Field(pattern=r"^\d{1,19}$")]
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([+-]\d\d:\d\d|Z)$")]
Code = Annotated[str, Field(pattern=r"^[A-Z_]{3,50}$")]


class Strict(BaseModel):
    """Takes nothing that isn't named, and nothing for something else."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)


class Open(BaseModel):
    """Takes more than is named: fields of modules are the org's own."""

    model_config = ConfigDict(extra="allow", strict=True, populate_by_name=True)


class Named(Strict):
    """A user or record by name and id."""

    name: str
    id: Id
    email: str | None = None
    zuid: str | None = None


class Refusal(Strict):
    """A refusal of a whole request."""

    code: Code
    message: str
    details: dict[str, Any]
    status: Literal["error"]


class Written(Strict):
    """What is told of a record that was written."""

    id: Id
    created_time: Time = Field(alias="Created_Time")
    modified_time: Time = Field(alias="Modified_Time")
    created_by: Named = Field(alias="Created_By")
    modified_by: Named = Field(alias="Modified_By")
    approval_state: str | None = Field(None, alias="$approval_state")


class Gone(Strict):
    """What is told of a record that was deleted."""

    id: Id


class Done(Strict):
    """A row that fared well; the last two on upsert."""

    code: Literal["SUCCESS"]
    message: str
    details: Written | Gone
    status: Literal["success"]
    action: Literal["insert", "update"] | None = None
    duplicate_field: str | None = None


class Rows(Strict):
    """How the rows of a write fared, in their order."""

    data: Annotated[list[Done | Refusal], Field(min_length=1, max_length=100)]


class Record(Open):
    """A record: what every one has, where it was asked for."""

    id: Id
    owner: Named | None = Field(None, alias="Owner")
    created_time: Time | None = Field(None, alias="Created_Time")
    modified_time: Time | None = Field(None, alias="Modified_Time")
    created_by: Named | None = Field(None, alias="Created_By")
    modified_by: Named | None = Field(None, alias="Modified_By")


class Info(Strict):
    """Where a page stands."""

    per_page: int
    count: int
    page: int
    more_records: bool


class ListInfo(Info):
    """Where a page of a module stands."""

    sort_by: str | None = None
    sort_order: Literal["asc", "desc"] | None = None
    next_page_token: str | None
    previous_page_token: str | None
    page_token_expiry: Time | None
    call: bool | None = None
    email: bool | None = None


class SearchInfo(Info):
    """Where a page of a search stands."""

    sort_by: str | None = None
    sort_order: Literal["asc", "desc"] | None = None


class Records(Strict):
    """One record."""

    data: Annotated[list[Record], Field(min_length=1, max_length=1)]


class RecordsPage(Strict):
    """A page of a module or a related list."""

    data: Annotated[list[Record], Field(min_length=1, max_length=200)]
    info: ListInfo


class SearchPage(Strict):
    """A page of a search."""

    data: Annotated[list[Record], Field(min_length=1, max_length=200)]
    info: SearchInfo


class CoqlInfo(Strict):
    """Where the answer of a query stands."""

    count: int
    more_records: bool


class CoqlPage(Strict):
    """What a query found."""

    data: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=2000)]
    info: CoqlInfo


class Deleted(Strict):
    """A record that is gone; without names where it is gone for good."""

    id: Id
    display_name: str | None
    type: Literal["recycle", "permanent"]
    deleted_time: Time
    deleted_by: Named | None
    created_by: Named | None


class DeletedPage(Strict):
    """A page of what is gone."""

    data: Annotated[list[Deleted], Field(min_length=1, max_length=200)]
    info: Info


class OldNew(Strict):
    """A value before and after, as the timeline shows it."""

    new: Annotated[str, Field(max_length=255)] | None
    old: Annotated[str, Field(max_length=255)] | None


class Change(Strict):
    """One field's change."""

    api_name: str
    value: OldNew = Field(alias="_value")


class Module(Strict):
    """The module of a record in the timeline."""

    api_name: str
    id: str


class Pointed(Strict):
    """A record in the timeline."""

    module: Module | None
    name: str | None
    id: str | None


class Rule(Strict):
    """An automation's rule."""

    name: str
    id: Id


class Automation(Strict):
    """What an automation did."""

    type: str
    rule: Rule


class TimelineEntry(Strict):
    """One line of a timeline."""

    audited_time: Time
    action: Literal["added", "updated", "deleted", "restored", "find_and_merge_duplicate", "converted"]
    id: Id
    source: Literal[
        "crm_ui", "crm_mobile", "crm_api", "workflow", "import", "findandmerge", "mass_update", "bulkapi", "convert"
    ]
    done_by: Named | None
    related_record: Pointed | None
    automation_details: Automation | None
    record: Pointed
    extension: dict[str, Any] | None
    type: Literal["timeline", "signal"]
    field_history: list[Change] | None


class TimelineInfo(Info):
    """Where a page of a timeline stands."""

    next_page_token: str | None
    previous_page_token: str | None


class TimelinePage(Strict):
    """A page of a timeline."""

    timeline: Annotated[list[TimelineEntry], Field(min_length=1, max_length=200, alias="__timeline")]
    info: TimelineInfo


class Job(Strict):
    """A job."""

    job_id: Id


class Merge(Strict):
    """A merge, done or to be done."""

    code: Literal["SUCCESS", "SCHEDULED"]
    message: str
    details: Gone | Job
    status: Literal["success"]


class Merges(Strict):
    """A merge, as a list of one."""

    merge: list[Merge]


class Response(Strict):
    """What a request within a composite was answered."""

    headers: dict[str, str]
    body: Any
    status_code: int


class Responded(Strict):
    """The details of a request within a composite."""

    response: Response


class Sub(Strict):
    """A request within a composite that was run."""

    code: Literal["SUCCESS"]
    message: str
    status: Literal["success"]
    details: Responded


class Composite(Strict):
    """A composite."""

    requests: Annotated[list[Sub | Refusal], Field(alias="__composite_requests", max_length=5)]


class Token(Strict):
    """An access token."""

    access_token: str
    api_domain: str
    token_type: Literal["Bearer"]
    expires_in: int
    scope: str | None = None


def problems(model: type[BaseModel], value: Any) -> list[str]:
    """Return what of a value a model doesn't fit."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        return [f"{model.__name__}.{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
    return []
