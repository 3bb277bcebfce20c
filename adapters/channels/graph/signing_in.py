"""How a channel of Microsoft 365 gets its tokens: as the app itself, or as the person who connected it.

Source: learn.microsoft.com "Get access on behalf of a user" and "without a user", read 2026-11: an app asks for
`/.default`, which is what its admin consented to; a person is asked for the least that reads.
"""

from adapters.channels.graph.options import GraphOptions
from adapters.http.oauth import ClientCredentials, Grant, microsoft
from sidecar.errors import ConfigError
from sidecar.ports import Context


def sign_in(name: str, options: GraphOptions, context: Context, scope: str) -> Grant | ClientCredentials:
    """Return what gives access tokens for a scope such as `Mail.Read`."""
    secret: str | None = None
    if options.client_secret_env or options.client_secret_file:
        secret = context.secret(options.client_secret_env, options.client_secret_file).strip()
    elif options.auth == "app":
        told = "an app that signs in as itself needs its secret; name its variable"
        raise ConfigError(told, setting=f"channels.{name}.client_secret_env")
    where = (options.tenant, options.login_url)
    if options.auth == "app":
        provider = microsoft((f"{options.graph_url}/.default",), *where)
        setting = f"channels.{name}.{'client_secret_file' if options.client_secret_file else 'client_secret_env'}"
        asked = (options.client_id, secret or "", context.clock, options.timeouts, context.observe)
        return ClientCredentials(setting, provider, *asked)
    provider = microsoft(("offline_access", f"{options.graph_url}/{scope}"), *where)
    kept = (options.client_id, secret, context.tokens, context.clock, options.timeouts, context.observe)
    return Grant(name, provider, *kept)
