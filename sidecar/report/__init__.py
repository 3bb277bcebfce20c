"""Reports on many parties at once: how far relationships come, over which channel, and why they stop.

Read from where parties stand, which the journal keeps, so that a funnel of ten thousand parties reads ten thousand rows
and no history. An engagement counts once, at the furthest open stage that it reached.
"""

from sidecar.report.funnel import Funnel, StageRow, funnel
from sidecar.report.page import WORDS, html

__all__ = ["WORDS", "Funnel", "StageRow", "funnel", "html"]
