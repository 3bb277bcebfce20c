"""The outside world of the demo: systems that sign and post events, people whose mails and calls come in as files.

It knows the sidecar as any sender does: an address, a secret, a folder. Events are signed by the reference
implementation of Standard Webhooks, not by code of ours. A file is written under another name first and then renamed,
because that is how a file arrives whole.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sidecar.cli.demo.samples import Sample
from sidecar.errors import PermanentError

TIMEOUT_S = 15.0


class Outside:
    """Delivers samples: to a web address, or into a folder."""

    def __init__(self, address: str, secrets: Mapping[str, str], folders: Mapping[str, Path]) -> None:
        import httpx2
        from standardwebhooks import Webhook

        self._client = httpx2.Client(base_url=address, timeout=TIMEOUT_S, trust_env=False)
        self._signers: dict[str, Any] = {channel: Webhook(secret) for channel, secret in secrets.items()}
        self._folders = folders

    def deliver(self, samples: Sequence[Sample]) -> None:
        """Deliver samples in order; `PermanentError` when one is refused."""
        for sample in samples:
            if sample.channel in self._signers:
                self._post(sample)
            else:
                self._drop(sample)

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def _post(self, sample: Sample) -> None:
        key, now = f"msg_{uuid.uuid4()}", datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": key,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signers[sample.channel].sign(key, now, sample.raw.decode()),
        }
        answer = self._client.post(f"/hooks/{sample.channel}", content=sample.raw, headers=headers)
        if not answer.is_success:
            raise PermanentError(f"the server refused the sample {sample.channel}/{sample.name}: {answer.status_code}")

    def _drop(self, sample: Sample) -> None:
        folder = self._folders[sample.channel]
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        half = folder / f".{sample.name}.part"
        half.write_bytes(sample.raw)
        half.rename(folder / sample.name)
