"""How one org is, and how it behaves where the vendor's documents are silent: the harder reading is the default."""

from dataclasses import dataclass, field


@dataclass
class Switches:
    """Change them at any time.

    `audiences`: what a JWT may be meant for, beside the org's own address. `session_s`: how long a session lives after
    its last call. `hidden`: objects that the integration user may not see; `read_only`: whether it may write nothing.
    `line_ends`: what a line end becomes in a text of several lines. `composite_conditions`: whether conditional headers
    of a subrequest count; `index_references`: whether `@{ref[0].id}` is understood. `collection_field`: whether an
    unknown field in one row refuses the whole "request", or that "row". `activity_external_ids`: whether fields of
    activities may be external ids. `untracked_history`: whether the history of an object without tracking is "empty" or
    "missing". `list_views`: whether the UI API makes list views. `batch`: most records in one answer of a query.
    """

    name: str = "Roofs & Co"
    my_domain: str = "roofs.my.salesforce.com"
    audiences: tuple[str, ...] = ("https://login.salesforce.com", "https://test.salesforce.com")
    consumer_key: str = "3MVG9twin"
    consumer_secret: str = "twin-secret"
    username: str = "sidecar.integration@roofs.test"
    grants: frozenset[str] = frozenset({"jwt", "client_credentials"})
    session_s: float = 7200.0
    versions: tuple[int, int] = (31, 68)
    hidden: set[str] = field(default_factory=set)
    read_only: bool = False
    line_ends: str = "\r\n"
    composite_conditions: bool = True
    index_references: bool = False
    collection_field: str = "request"
    activity_external_ids: bool = True
    untracked_history: str = "empty"
    list_views: bool = True
    batch: int = 2000
    uri_limit: int = 16_384
