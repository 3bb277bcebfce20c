"""What a request may say: strict, so that no unknown key and no number as text ever passes.

The shapes are the vendor's reference pages' and its Node SDK's (developers.pipedrive.com API v1 and v2, client-nodejs
32, 2026). What answers look like is in `schema`.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[int, Field(gt=0)]
Time2 = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
Time1 = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")]
Date = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$")]
Name = Annotated[str, Field(min_length=1, max_length=255)]
Custom = dict[str, Any]
Flag = Annotated[int, Field(ge=0, le=1)]


class Strict(BaseModel):
    """A shape that has these keys and no others, of these types and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


# What both sides say ------------------------------------------------------------------------------------------------


class Contactable(Strict):
    """One e-mail address or phone number of a person."""

    value: str
    primary: bool = False
    label: str | None = None


class Address(Strict):
    """An address in its parts; only `value` can be relied on."""

    value: str | None = None
    country: str | None = None
    admin_area_level_1: str | None = None
    admin_area_level_2: str | None = None
    locality: str | None = None
    sublocality: str | None = None
    route: str | None = None
    street_number: str | None = None
    subpremise: str | None = None
    postal_code: str | None = None


class Participant(Strict):
    """A person who takes part in an activity."""

    person_id: Id
    primary: bool = False


class Attendee(Strict):
    """Somebody who is invited to an activity."""

    email: str
    name: str | None = None
    status: str | None = None
    is_organizer: bool | None = None
    person_id: Id | None = None
    user_id: Id | None = None


# Requests -----------------------------------------------------------------------------------------------------------


class PersonIn(Strict):
    """`POST` and `PATCH /api/v2/persons`."""

    name: Name | None = None
    owner_id: Id | None = None
    org_id: Id | None = None
    add_time: Time2 | None = None
    update_time: Time2 | None = None
    emails: list[Contactable] | None = None
    phones: list[Contactable] | None = None
    visible_to: int | None = None
    label_ids: list[int] | None = None
    marketing_status: Literal["no_consent", "unsubscribed", "subscribed", "archived"] | None = None
    custom_fields: Custom | None = None
    job_title: str | None = None
    notes: str | None = None
    im: list[Contactable] | None = None
    birthday: Date | None = None
    postal_address: Address | None = None


class OrganizationIn(Strict):
    """`POST` and `PATCH /api/v2/organizations`."""

    name: Name | None = None
    owner_id: Id | None = None
    add_time: Time2 | None = None
    update_time: Time2 | None = None
    visible_to: int | None = None
    label_ids: list[int] | None = None
    address: Address | None = None
    custom_fields: Custom | None = None


class DealIn(Strict):
    """`POST` and `PATCH /api/v2/deals`."""

    title: Name | None = None
    owner_id: Id | None = None
    person_id: Id | None = None
    org_id: Id | None = None
    pipeline_id: Id | None = None
    stage_id: Id | None = None
    value: int | float | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    is_deleted: bool | None = None
    is_archived: bool | None = None
    archive_time: Time1 | None = None
    status: Literal["open", "won", "lost"] | None = None
    probability: Annotated[int | float, Field(ge=0, le=100)] | None = None
    lost_reason: Annotated[str, Field(max_length=150)] | None = None
    visible_to: int | None = None
    close_time: Time2 | None = None
    won_time: Time2 | None = None
    lost_time: Time2 | None = None
    expected_close_date: Date | None = None
    label_ids: list[int] | None = None
    custom_fields: Custom | None = None


class ActivityIn(Strict):
    """`POST` and `PATCH /api/v2/activities`."""

    subject: Name | None = None
    type: str | None = None
    owner_id: Id | None = None
    deal_id: Id | None = None
    lead_id: str | None = None
    person_id: Id | None = None
    org_id: Id | None = None
    project_id: Id | None = None
    due_date: Date | None = None
    due_time: Clock | None = None
    duration: Clock | None = None
    busy: bool | None = None
    done: bool | None = None
    location: Address | None = None
    participants: list[Participant] | None = None
    attendees: list[Attendee] | None = None
    public_description: str | None = None
    priority: int | None = None
    note: str | None = None


class OptionIn(Strict):
    """A choice to be added."""

    label: Name


class OptionId(Strict):
    """A choice to be taken away."""

    id: Id


class FieldIn(Strict):
    """`POST /api/v2/personFields` and its sisters."""

    field_name: Name
    field_type: Literal[
        "varchar", "text", "double", "phone", "date", "daterange", "time", "timerange", "set", "enum", "varchar_auto",
        "address", "monetary", "org", "people", "user",
    ]  # fmt: skip
    options: list[OptionIn] | None = None
    ui_visibility: dict[str, Any] | None = None
    important_fields: dict[str, Any] | None = None
    required_fields: dict[str, Any] | None = None
    description: str | None = None


class FieldChange(Strict):
    """`PATCH /api/v2/personFields/{field_code}`: the type can't be changed."""

    field_name: Name | None = None
    ui_visibility: dict[str, Any] | None = None
    important_fields: dict[str, Any] | None = None
    required_fields: dict[str, Any] | None = None
    description: str | None = None


class NoteIn(Strict):
    """`POST` and `PUT /v1/notes`."""

    content: Annotated[str, Field(min_length=1, max_length=100_000)] | None = None
    user_id: Id | None = None
    lead_id: str | None = None
    deal_id: Id | None = None
    person_id: Id | None = None
    org_id: Id | None = None
    project_id: Id | None = None
    add_time: Time1 | None = None
    pinned_to_lead_flag: Flag | None = None
    pinned_to_deal_flag: Flag | None = None
    pinned_to_organization_flag: Flag | None = None
    pinned_to_person_flag: Flag | None = None
    pinned_to_project_flag: Flag | None = None


class Money(Strict):
    """An amount with its currency."""

    amount: int | float
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class LeadIn(Strict):
    """`POST` and `PATCH /v1/leads`."""

    title: Name | None = None
    owner_id: Id | None = None
    person_id: Id | None = None
    organization_id: Id | None = None
    value: Money | None = None
    expected_close_date: Date | None = None
    label_ids: list[str] | None = None
    is_archived: bool | None = None


class MergeIn(Strict):
    """`PUT /v1/persons/{id}/merge`."""

    merge_with_id: Id


class WebhookIn(Strict):
    """`POST /v1/webhooks`; version 2.0 is the default since March 2025."""

    subscription_url: Annotated[str, Field(pattern=r"^https://")]
    event_action: Literal["create", "change", "delete", "*"]
    event_object: Literal[
        "activity", "deal", "lead", "note", "organization", "person", "pipeline", "stage", "user", "*"
    ]
    name: Name
    version: Literal["1.0", "2.0"] = "2.0"
    user_id: Id | None = None
    http_auth_user: str | None = None
    http_auth_password: str | None = None
