"""The HTTP edge: one door for webhooks, and a private listener for those who operate the sidecar.

A sender is told 202 when its bytes are durable, 4xx when it must change something, and 503 when it should come again:
never 500, because senders switch off an endpoint that fails, and never 2xx on a promise. The edge knows no channel and
no signature; it reads bounded bytes in bounded time and hands them, raw, to a `Door`.

It stands in the open without a proxy, so what a proxy would do is done here: caps on connections, headers, bodies and
the memory that they hold together, and a clock on each of them. The trade-off: the connection class is uvicorn's,
subclassed, because uvicorn has no such clocks; its tests over raw sockets say when a new version moves something.

`public` is the app of the open listener: `hooks` takes webhooks, `pages` shows what sealed links lead to. `admin` is
the one for operators, `connection` guards what happens before an app is called, `server` runs both, `limits` and
`answers` are what they share.
"""

from sidecar.web.admin import build_admin
from sidecar.web.door import Door
from sidecar.web.limits import Limits
from sidecar.web.public import build_public
from sidecar.web.server import serve_http

__all__ = ["Door", "Limits", "build_admin", "build_public", "serve_http"]
