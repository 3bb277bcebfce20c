"""Every answer's shape in one place, with what says so.

Strict: no unknown key, no number as text. An answer that doesn't fit is a defect of the twin. The shapes are those of
the vendor's reference pages and its Node SDK (developers.pipedrive.com API v1 and v2, client-nodejs 32, 2026); the
pages' own examples are read by these models in the twin's tests. What requests may say is in `bodies`.
"""

from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from tests.twins.pipedrive.bodies import (
    Address,
    Attendee,
    Clock,
    Contactable,
    Custom,
    Date,
    Flag,
    Id,
    Money,
    Participant,
    Strict,
    Time1,
    Time2,
)


class Person(Strict):
    """A person of v2; the last five only while contact sync is on."""

    id: Id
    name: str
    first_name: str | None
    last_name: str | None
    owner_id: Id
    org_id: Id | None
    add_time: Time2
    update_time: Time2
    emails: list[Contactable]
    phones: list[Contactable]
    is_deleted: bool
    visible_to: int
    label_ids: list[int]
    picture_id: int | None
    custom_fields: Custom
    marketing_status: str | None = None
    job_title: str | None = None
    notes: str | None = None
    im: list[Contactable] | None = None
    birthday: Date | None = None
    postal_address: Address | None = None


class Organization(Strict):
    """An organization of v2."""

    id: Id
    name: str
    owner_id: Id
    add_time: Time2
    update_time: Time2
    is_deleted: bool
    visible_to: int
    address: Address | None
    label_ids: list[int]
    custom_fields: Custom


class Deal(Strict):
    """A deal of v2; what comes with products and marketing may be missing."""

    id: Id
    title: str
    creator_user_id: Id
    owner_id: Id
    value: int | float
    person_id: Id | None
    org_id: Id | None
    stage_id: Id
    pipeline_id: Id
    currency: str
    add_time: Time2
    update_time: Time2
    stage_change_time: Time2 | None
    status: Literal["open", "won", "lost", "deleted"]
    is_deleted: bool
    is_archived: bool = False
    archive_time: Time2 | None = None
    probability: int | float | None
    lost_reason: str | None
    visible_to: int
    close_time: Time2 | None
    won_time: Time2 | None
    lost_time: Time2 | None
    local_won_date: Date | None
    local_lost_date: Date | None
    local_close_date: Date | None
    expected_close_date: Date | None
    label_ids: list[int]
    origin: str
    origin_id: str | None
    channel: int | None
    channel_id: str | None
    acv: int | float | None
    arr: int | float | None
    mrr: int | float | None
    custom_fields: Custom


class Activity(Strict):
    """An activity of v2; it has no custom fields."""

    id: Id
    subject: str
    type: str
    owner_id: Id
    creator_user_id: Id
    is_deleted: bool
    add_time: Time2
    update_time: Time2
    deal_id: Id | None
    lead_id: str | None
    person_id: Id | None
    org_id: Id | None
    project_id: Id | None
    due_date: Date | None
    due_time: Clock | None
    duration: Clock | None
    busy: bool
    done: bool
    marked_as_done_time: Time2 | None
    location: Address | None
    participants: list[Participant]
    attendees: list[Attendee]
    public_description: str | None
    priority: int | None
    note: str | None


class Pipeline(Strict):
    """A pipeline of v2."""

    id: Id
    name: str
    order_nr: int
    is_deleted: bool
    is_deal_probability_enabled: bool
    add_time: Time2
    update_time: Time2 | None
    is_selected: bool


class Stage(Strict):
    """A stage of v2."""

    id: Id
    order_nr: int
    name: str
    is_deleted: bool
    deal_probability: int
    pipeline_id: Id
    is_deal_rot_enabled: bool
    days_to_rotten: int | None
    add_time: Time2
    update_time: Time2 | None


class Option(Strict):
    """A choice of an enum or a set; some native ones have words for ids."""

    id: int | str
    label: str
    color: str | None = None
    add_time: Time2 | None = None
    update_time: Time2 | None = None


class FieldOut(Strict):
    """A field of v2."""

    field_name: str
    field_code: str
    description: str | None = None
    field_type: str
    options: list[Option] | None
    subfields: list[dict[str, Any]] | None
    is_custom_field: bool
    is_optional_response_field: bool
    ui_visibility: dict[str, Any] | None = None
    important_fields: dict[str, Any] | None = None
    required_fields: dict[str, Any] | None = None


class Ref(Strict):
    """Something that a found item points at."""

    id: Id
    name: str | None = None
    address: str | None = None


class Found(Strict):
    """What search tells of an item; parts that its type hasn't are left out."""

    id: Id
    type: Literal["person", "organization", "deal"]
    name: str | None = None
    title: str | None = None
    phones: list[str] | None = None
    emails: list[str] | None = None
    primary_email: str | None = None
    address: str | None = None
    value: int | float | None = None
    currency: str | None = None
    status: str | None = None
    is_archived: bool | None = None
    visible_to: int
    owner: Ref
    stage: Ref | None = None
    person: Ref | None = None
    organization: Ref | None = None
    custom_fields: list[str]
    notes: list[str]
    update_time: Time2 | None = None


class FoundItem(Strict):
    """An item with how well it fits."""

    result_score: float
    item: Found


class FieldHit(BaseModel):
    """What `itemSearch/field` answers: the id, and the value under the name of the field that was asked for."""

    id: Id


class Deleted(Strict):
    """What is left of a deleted record."""

    id: Id


class FoundItems(Strict):
    """What `itemSearch` and `{kind}/search` answer."""

    items: list[FoundItem]
    related_items: list[FoundItem] | None = None


class ChangeOut(Strict):
    """One line of a changelog."""

    field_key: str
    old_value: str | list[dict[str, Any]] | None
    new_value: str | list[dict[str, Any]] | None
    actor_user_id: Id
    time: Time1
    change_source: str | None
    change_source_user_agent: str | None
    is_bulk_update_flag: bool


class Note(Strict):
    """A note of v1."""

    id: Id
    user_id: Id
    deal_id: Id | None
    person_id: Id | None
    org_id: Id | None
    lead_id: str | None
    project_id: Id | None
    content: str
    add_time: Time1
    update_time: Time1
    active_flag: bool
    pinned_to_deal_flag: bool
    pinned_to_person_flag: bool
    pinned_to_organization_flag: bool
    pinned_to_lead_flag: bool
    pinned_to_project_flag: bool
    last_update_user_id: Id | None
    organization: dict[str, Any] | None
    person: dict[str, Any] | None
    deal: dict[str, Any] | None
    lead: dict[str, Any] | None
    project: dict[str, Any] | None
    user: dict[str, Any]


class User(Strict):
    """A user of v1; the company only in the answer of `users/me`."""

    id: Id
    name: str
    email: str
    active_flag: bool
    is_admin: Flag
    is_you: bool
    default_currency: str
    locale: str
    lang: int
    timezone_name: str
    timezone_offset: str
    role_id: int
    created: Time1
    modified: Time1
    company_id: Id | None = None
    company_name: str | None = None
    company_domain: str | None = None
    company_country: str | None = None


class ActivityType(Strict):
    """A type of activities; `key_string` is what an activity holds."""

    id: Id
    name: str
    key_string: str
    icon_key: str
    active_flag: bool
    order_nr: int
    is_custom_flag: bool


class Lead(Strict):
    """A lead of v1; its custom fields are those of deals, and the twin has none."""

    id: str
    title: str
    owner_id: Id
    creator_id: Id
    label_ids: list[str]
    value: Money | None
    expected_close_date: Date | None
    person_id: Id | None
    organization_id: Id | None
    is_archived: bool
    source_name: str
    was_seen: bool
    add_time: str
    update_time: str


class Webhook(Strict):
    """A subscription."""

    id: Id
    company_id: Id
    owner_id: Id
    user_id: Id
    event_action: str
    event_object: str
    subscription_url: str
    version: str
    is_active: Flag
    add_time: str
    type: str
    name: str
    http_auth_user: str | None


class Refusal(Strict):
    """Any refusal of the API itself."""

    success: Literal[False]
    error: str
    error_info: str | None = None
    code: str | None = None
    errorCode: int | None = None  # noqa: N815 (the vendor's name)
    data: None = None
    additional_data: None = None


def problems(model: type[BaseModel], body: Any) -> list[str]:
    """Return what is wrong with a body, one line each: `custom_fields: Input should be a valid dictionary`."""
    try:
        model.model_validate(body)
    except ValidationError as error:
        return [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()]
    return []
