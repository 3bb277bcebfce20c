"""What a native field may hold where that is the account's to say: its owners, its pipelines, their stages. Pure.

Natives are a table that knows no account, so they name such options by a word that no option is. The trade-off: a word
that isn't known here stands for itself, so that a vendor may have words of its own.
"""

from collections.abc import Callable, Iterable, Sequence

from sidecar.ports import Pipeline

OWNERS, PIPELINES, STAGES = ("@owners",), ("@pipelines",), ("@stages",)


def choices(
    options: tuple[str, ...], owners: Callable[[], Iterable[str]], pipelines: Callable[[], Sequence[Pipeline]]
) -> tuple[str, ...]:
    """Return the options that a word stands for, or those given; the account is asked only for what is needed."""
    if options == OWNERS:
        return tuple(owners())
    if options == PIPELINES:
        return tuple(pipeline.ref for pipeline in pipelines())
    if options == STAGES:
        return tuple(dict.fromkeys(stage for pipeline in pipelines() for stage, _ in pipeline.stages))
    return options
