"""Mirrors svc/ and training/."""
