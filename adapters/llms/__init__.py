"""Models that read conversations: one adapter a vendor, the embedded baseline, and one that follows a script."""
