"""Settings of the `[crm]` section for type `zoho`, each with the bound that keeps a typing error from hurting."""

from typing import Literal

from pydantic import Field

from adapters.http.options import Address, Reach

DataCenter = Literal["com", "eu", "in", "com.au", "jp", "com.cn", "sa", "ca"]


class ZohoOptions(Reach):
    """How to reach one org of Zoho CRM, and how hard it may be asked.

    Source: Zoho's OAuth and API limits pages, read 2026-11.
    """

    data_center: DataCenter = Field("com", description="Where the org's data are: the end of its address, crm.zoho.eu")
    client_id: str = Field("", max_length=200, description="Of the self client or server-based app in the API console")
    client_secret_env: str | None = Field("ZOHO_CLIENT_SECRET", description="Variable that holds its secret")
    client_secret_file: str | None = Field(None, description="File that holds it")
    refresh_token_env: str | None = Field("ZOHO_REFRESH_TOKEN", description="Variable that holds the refresh token")
    refresh_token_file: str | None = Field(None, description="File that holds it")
    access_token_cache: str | None = Field(None, description="Where processes share the access token, if anywhere")
    accounts_url: Address | None = Field(None, description="Where tokens are had, if not at the data center's own")
    base_url: Address | None = Field(None, description="Where the API is, if not where the token's answer says")
    reserve: int = Field(500, ge=0, le=1_000_000, description="Credits of 24 hours that are left to others")
    concurrency: int = Field(4, ge=1, le=25, description="Most calls at once; the smallest edition allows 5")
    notes_back_days: int = Field(7, ge=1, le=90, description="How far back a note is looked for by its key")
    deletions_every_s: float = Field(600.0, ge=0, le=86_400, description="How often deleted records are asked for")

    @property
    def accounts(self) -> str:
        """Return where tokens are had."""
        host = "zohocloud.ca" if self.data_center == "ca" else f"zoho.{self.data_center}"
        return self.accounts_url or f"https://accounts.{host}"
