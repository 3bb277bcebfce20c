"""Settings of the `[crm]` section for type `salesforce`, each with the bound that keeps a typing error from hurting."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from adapters.http.options import Address, Reach


class SalesforceOptions(Reach):
    """How to reach one Salesforce org, as which user, and how hard it may be asked."""

    base_url: Address | None = Field(None, description="The org's My Domain, https://yours.my.salesforce.com")
    auth: Literal["jwt", "client_credentials"] = Field("jwt", description="How a session is got from the client app")
    client_id: str = Field("", max_length=512, description="Consumer key of the External Client App")
    username: str = Field("", max_length=255, description="The integration user, for auth jwt")
    audience: str = Field("", max_length=255, description="Whom a JWT is for; by the host: login or test")
    secret_env: str | None = Field("SALESFORCE_SECRET", description="Variable with the private key or client secret")
    secret_file: str | None = Field(None, description="File that holds it")
    version: str = Field("68.0", pattern=r"^\d{2,3}\.0$", description="Version of the API")
    person: Literal["contact", "lead"] = Field("contact", description="What a new person becomes")
    history: bool = Field(True, description="Whether field history may be read to tell who wrote what")
    conditional_write: bool = Field(True, description="Whether an update names the state that it relies on")
    allow_duplicates: bool = Field(False, description="Whether duplicate rules that only warn are passed over")
    machines: tuple[str, ...] = Field((), max_length=200, description="Usernames whose edits are no person's")
    reserve: int = Field(1_000, ge=0, le=10_000_000, description="Calls of a day that are left to others")
    close_in_days: int = Field(90, ge=0, le=3650, description="Close date of a deal that has none")
    read_timeout_s: float = Field(60.0, gt=0, le=600, description="For each part of an answer")
    call_timeout_s: float = Field(120.0, gt=0, le=660, description="For a whole answer")
    settle_s: float = Field(120.0, ge=0, le=3600, description="When a look after an unknown outcome is conclusive")

    @property
    def secret_setting(self) -> str:
        """What errors about the secret name: where an operator has put it."""
        return "crm.secret_file" if self.secret_file else "crm.secret_env"

    @field_validator("base_url")
    @classmethod
    def _its_own(cls, url: str | None) -> str | None:
        if url is not None and urlsplit(url).hostname in ("login.salesforce.com", "test.salesforce.com"):
            raise ValueError("it is the org's own My Domain, not the common login host")
        return url
