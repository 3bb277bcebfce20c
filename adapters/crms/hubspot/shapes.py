"""HubSpot's answers, as far as we read them: parsed once, here, by pydantic; what is not read is not required.

An answer that doesn't have these shapes (truncated, a proxy's page, another API) raises `ValidationError`, which the
wire turns into an error that says what is known of the call. Errors are strict in nothing, since HubSpot words them in
several ways.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from adapters.crms.hubspot.values import moment


def _as_text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)]
Held = Annotated[str | None, BeforeValidator(_as_text)]
Moment = Annotated[datetime, BeforeValidator(lambda value: moment(str(value)))]


class Shape(BaseModel):
    """Part of an answer; its errors don't repeat what stood there."""

    model_config = ConfigDict(hide_input_in_errors=True, populate_by_name=True, frozen=True)


class Written(Shape):
    """One entry of a property's history."""

    value: Held = None
    at: Moment = Field(alias="timestamp")
    source_type: str = Field("", alias="sourceType")
    source_id: Annotated[str, BeforeValidator(lambda v: "" if v is None else str(v))] = Field("", alias="sourceId")
    label: Annotated[str, BeforeValidator(lambda v: v or "")] = Field("", alias="sourceLabel")
    user: Annotated[str, BeforeValidator(lambda v: "" if v is None else str(v))] = Field("", alias="updatedByUserId")


class Next(Shape):
    """Where the next page begins."""

    after: Text = ""


class Paging(Shape):
    """The end of a page."""

    next: Next | None = None


class Ref(Shape):
    """A record that is named."""

    id: Text


class Refs(Shape):
    """Records that are named; with more of them on another page."""

    results: list[Ref] = []
    paging: Paging | None = None


class Thing(Shape):
    """A record."""

    id: Text
    properties: dict[str, Held] = {}
    history: dict[str, list[Written]] | None = Field(None, alias="propertiesWithHistory")
    trace: str | None = Field(None, alias="objectWriteTraceId")
    updated_at: Moment | None = Field(None, alias="updatedAt")
    archived_at: Moment | None = Field(None, alias="archivedAt")
    associations: dict[str, Refs] | None = None


class Problem(Shape):
    """An error, of a whole request or of one row."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    status: Text = ""
    category: str = ""
    message: str = ""
    policy: str = Field("", alias="policyName")
    context: Any = None
    errors: list[Any] | None = None
    sub_category: Any = Field(None, alias="subCategory")
    code: Any = None

    def traces(self) -> tuple[str, ...]:
        """Return the rows that it is about."""
        named = self.context.get("objectWriteTraceId") if isinstance(self.context, Mapping) else None
        if isinstance(named, str):
            return (named,)
        return tuple(str(trace) for trace in named) if isinstance(named, list) else ()


class Things(Shape):
    """A batch's or a page's records, with what went wrong in it."""

    results: list[Thing] = []
    errors: list[Problem] | None = None
    paging: Paging | None = None
    total: int | None = None

    @property
    def after(self) -> str:
        """Where the next page begins, empty at the end."""
        return self.paging.next.after if self.paging and self.paging.next else ""


class Target(Shape):
    """The other end of an association."""

    id: Text = Field(alias="toObjectId")


class Ends(Shape):
    """What one record is associated with."""

    start: Ref = Field(alias="from")
    to: list[Target] = []
    paging: Paging | None = None

    @property
    def after(self) -> str:
        """Where the next page of its associations begins."""
        return self.paging.next.after if self.paging and self.paging.next else ""


class Associations(Shape):
    """A batch of associations."""

    results: list[Ends] = []
    errors: list[Problem] | None = None


class PairMade(Shape):
    """Two records that are associated."""

    start: Ref = Field(alias="from")
    end: Ref = Field(alias="to")


class Pairs(Shape):
    """A batch of associations that were made, with what went wrong in it."""

    results: list[PairMade] = []
    errors: list[Problem] | None = None


class Option(Shape):
    """An option of an enumeration."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    value: Text
    label: Text = ""


class Meta(Shape):
    """What may be done with a property."""

    read_only_value: bool = Field(False, alias="readOnlyValue")


class Definition(Shape):
    """A property as the account defines it."""

    name: str
    label: str = ""
    type: str = "string"
    field_type: str = Field("", alias="fieldType")
    group: str = Field("", alias="groupName")
    options: list[Option] = []
    unique: Annotated[bool, BeforeValidator(bool)] = Field(False, alias="hasUniqueValue")
    calculated: Annotated[bool, BeforeValidator(bool)] = False
    external: Annotated[bool, BeforeValidator(bool)] = Field(False, alias="externalOptions")
    archived: Annotated[bool, BeforeValidator(bool)] = False
    meta: Meta | None = Field(None, alias="modificationMetadata")


class Definitions(Shape):
    """The properties of a kind."""

    results: list[Definition]


class Named(Shape):
    """A property group."""

    name: str


class Groups(Shape):
    """The property groups of a kind."""

    results: list[Named]


class HeldList(Shape):
    """A list of records."""

    id: Text = Field(alias="listId")


class Listed(Shape):
    """One list, as it is answered when it is found or made."""

    list: HeldList


class Stage(Shape):
    """A stage of a pipeline."""

    id: Text
    label: str = ""
    order: int = Field(0, alias="displayOrder")


class DealPipeline(Stage):
    """A pipeline, its stages inline."""

    stages: list[Stage] = []


class Pipelines(Shape):
    """The pipelines of deals."""

    results: list[DealPipeline]


class Owner(Shape):
    """Somebody who can own records."""

    id: Text
    email: str | None = None


class Owners(Shape):
    """A page of owners."""

    results: list[Owner]
    paging: Paging | None = None


class Account(Shape):
    """The account that a token belongs to."""

    portal: Text = Field(alias="portalId")
    type: str = Field("", alias="accountType")
    zone: str = Field("", alias="timeZone")


class Usage(Shape):
    """One day's use of the account's calls."""

    used: float = Field(0, alias="currentUsage")
    limit: float = Field(0, alias="usageLimit")


class Usages(Shape):
    """The daily usage of a private app's calls."""

    results: list[Usage] = []


class Token(Shape):
    """What HubSpot says of a private app's token."""

    app: Text = Field("", alias="appId")
    portal: Text = Field("", alias="hubId")
    scopes: list[str] = []


class Flow(Shape):
    """A workflow; of a list only what stands here."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    id: Text
    name: str = ""
    enabled: bool = Field(False, alias="isEnabled")
    type_id: str = Field("", alias="objectTypeId")


class Flows(Shape):
    """A page of workflows."""

    results: list[Flow] = []
    paging: Paging | None = None


def texts_in(value: Any, depth: int = 6) -> Iterator[str]:
    """Yield every text in a part of an answer, at any depth that HubSpot uses."""
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, Mapping):
        for inner in value.values():
            yield from texts_in(inner, depth - 1)
    elif depth and isinstance(value, list):
        for inner in value[:100]:
            yield from texts_in(inner, depth - 1)
