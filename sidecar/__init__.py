"""The core of the sidecar: captures, resolves, infers, decides and syncs, and knows no vendor."""

__version__ = "0.1.0"
