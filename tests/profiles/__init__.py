"""Profiles: storage, sealing, deletion, crashes, index."""
