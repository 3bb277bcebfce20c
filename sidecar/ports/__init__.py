"""The ports: Channel, Ledger, LLM, Engine, Notifier, Transcriber, with the capabilities that an adapter declares.

Protocols, not base classes; sync, not async. The contract suites read the declarations: declared true, the promise
is tested; declared false, the call must raise `UnsupportedFeature`. An adapter module has one class per port with

    def __init__(self, name: str, options: Options, context: Context) -> None

and a pydantic `Options` model as the class attribute `Options`, against which `app` validates the adapter's section of
the config, so that the core knows no vendor's key.
"""

from sidecar.ports.channel import (
    Captured,
    Channel,
    ChannelCapabilities,
    Counted,
    Extent,
    Greeter,
    Greeting,
    HookRequest,
    KnownKeys,
    Listener,
    Media,
    MediaSource,
    PartlyCounted,
    PollBatch,
    Retriever,
    Subscriber,
    nothing_known,
)
from sidecar.ports.consent import Connectable, Consent, Invitation
from sidecar.ports.context import Clock, Context, NoTokens, Observe, Tokens, unobserved
from sidecar.ports.engine import Due, Engine, Handler
from sidecar.ports.ledger import (
    ChangedPage,
    Condition,
    Create,
    Failed,
    FieldSpec,
    Ledger,
    LedgerCapabilities,
    Pipeline,
    Update,
    View,
    Written,
)
from sidecar.ports.llm import LLM, Answer, Batches, BatchProgress, LLMCapabilities, Question, batches
from sidecar.ports.notifier import Notifier
from sidecar.ports.transcriber import Segment, Transcriber, TranscriberCapabilities, Transcript

__all__ = [
    "LLM",
    "Answer",
    "BatchProgress",
    "Batches",
    "Captured",
    "ChangedPage",
    "Channel",
    "ChannelCapabilities",
    "Clock",
    "Condition",
    "Connectable",
    "Consent",
    "Context",
    "Counted",
    "Create",
    "Due",
    "Engine",
    "Extent",
    "Failed",
    "FieldSpec",
    "Greeter",
    "Greeting",
    "Handler",
    "HookRequest",
    "Invitation",
    "KnownKeys",
    "LLMCapabilities",
    "Ledger",
    "LedgerCapabilities",
    "Listener",
    "Media",
    "MediaSource",
    "NoTokens",
    "Notifier",
    "Observe",
    "PartlyCounted",
    "Pipeline",
    "PollBatch",
    "Question",
    "Retriever",
    "Segment",
    "Subscriber",
    "Tokens",
    "Transcriber",
    "TranscriberCapabilities",
    "Transcript",
    "Update",
    "View",
    "Written",
    "batches",
    "nothing_known",
    "unobserved",
]
