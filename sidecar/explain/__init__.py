"""Explain: where a value in the CRM comes from, for whoever asks: as a chain of facts, or as a page that reps can read.

It reads the book and nothing else, so the answer is the same when the model, the CRM or the channel is gone, and it
writes nothing. Whatever a customer wrote is data here: it is shown, and never becomes markup, a link or an order.

`chain` walks the causes, `talk` finds the conversation around the words, `past` what became of a field, `view` joins
them for one link, and `page` is the HTML. Each is bounded: the longest relationship costs what a short one does.
"""

from sidecar.explain.chain import MAX_NODES, Explanation, Node, explain, find, nodes
from sidecar.explain.page import html
from sidecar.explain.view import became, view

__all__ = ["MAX_NODES", "Explanation", "Node", "became", "explain", "find", "html", "nodes", "view"]
