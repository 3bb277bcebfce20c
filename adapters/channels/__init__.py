"""Channels: one module, or folder, for each source of raw conversations; independent of each other.

Each vouches for bytes (`verify` or `poll`) and reads them into activities later (`parse`), never the other way round: a
delivery that can't be read is still kept.
"""
