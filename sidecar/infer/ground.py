"""Where quotes are found in what was said: it lives below, because prompt files' examples are held to it as well."""

from sidecar.ground import Folded, find, fold, visible

__all__ = ["Folded", "find", "fold", "visible"]
