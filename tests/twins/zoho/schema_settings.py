"""The shapes of what the org tells about itself: fields, users, modules, layouts, pipelines, list views.

Fields, users and modules have more keys than are named here: these are what anything depends on.
Source: zoho/crm-oas v8.0, read 2026-11-22.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from tests.twins.zoho.schema import Done, Id, Info, Open, Refusal, Strict, Time


class Unique(Strict):
    """Whether values of a field may repeat."""

    case_sensitive: bool | None = None


class Choice(Open):
    """A choice of a picklist."""

    display_value: str
    actual_value: str
    id: Id


class Definition(Open):
    """A field; the specification has some seventy keys, these are what anything depends on."""

    id: Id
    api_name: str
    field_label: str
    display_label: str
    data_type: str
    json_type: str
    length: int
    custom_field: bool
    system_mandatory: bool
    read_only: bool
    field_read_only: bool
    visible: bool
    unique: Unique
    external: dict[str, Any] | None
    lookup: dict[str, Any]
    pick_list_values: list[Choice]
    operation_type: dict[str, bool]
    view_type: dict[str, bool]


class Fields(Strict):
    """Fields of a module."""

    fields: list[Definition]


class MadeFields(Strict):
    """How the fields of a write fared."""

    fields: list[Done | Refusal]


class OrgOne(Open):
    """The org; what anything depends on."""

    id: Id
    company_name: str
    time_zone: str
    iso_code: str
    zgid: str
    license_details: dict[str, Any]


class OrgPage(Strict):
    """The org, as a list of one."""

    org: Annotated[list[OrgOne], Field(min_length=1, max_length=1)]


class User(Open):
    """A user."""

    id: Id
    full_name: str
    email: str
    status: str
    type__s: str
    role: dict[str, Any]
    profile: dict[str, Any]


class Users(Strict):
    """One user."""

    users: list[User]


class UsersPage(Strict):
    """A page of users."""

    users: list[User]
    info: Info


class ModuleOne(Open):
    """A module."""

    id: Id
    api_name: str
    module_name: str
    plural_label: str
    singular_label: str
    api_supported: bool
    generated_type: str


class Modules(Strict):
    """Modules."""

    modules: list[ModuleOne]


class Section(Open):
    """A section of a layout."""

    id: Id
    api_name: str
    display_label: str
    fields: list[dict[str, Any]]


class Layout(Open):
    """A layout."""

    id: Id
    name: str
    status: str
    sections: list[Section]


class Layouts(Strict):
    """Layouts."""

    layouts: list[Layout]


class Category(Strict):
    """A forecast category."""

    name: str
    id: Id


class Stage(Strict):
    """A stage of a pipeline."""

    display_value: str
    sequence_number: int
    forecast_category: Category
    actual_value: str
    id: Id
    forecast_type: Literal["Open", "Closed Won", "Closed Lost"]


class Pipeline(Strict):
    """A pipeline."""

    display_value: str
    default: bool
    maps: list[Stage]
    actual_value: str
    id: Id


class Pipelines(Strict):
    """Pipelines of a layout."""

    pipeline: list[Pipeline]


class View(Open):
    """A list view."""

    id: Id
    name: str
    display_value: str
    access_type: str
    system_defined: bool
    category: str
    created_time: Time | None
    modified_time: Time | None


class ViewsInfo(Info):
    """Where a page of list views stands."""

    default: Id
    translation: dict[str, str] | None = None


class Views(Strict):
    """One list view."""

    custom_views: list[View]


class ViewsPage(Strict):
    """List views of a module."""

    custom_views: list[View]
    info: ViewsInfo


class MadeViews(Strict):
    """How the list views of a write fared."""

    custom_views: list[Done | Refusal]
