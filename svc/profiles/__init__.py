"""Enrolled voiceprints: one store, one index."""
