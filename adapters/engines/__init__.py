"""Engines: what carries keys of due work to the worker, one module for each way of running it.

The journal's work rows carry every guarantee. An engine may lose, repeat or reorder keys, and nothing but speed may
depend on it; so an engine holds no state that a restart would miss.
"""
