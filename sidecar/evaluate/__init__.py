"""Evaluate: what a prompt, a model or the baseline gets right, measured on conversations that people have labelled."""
