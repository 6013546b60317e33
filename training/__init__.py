"""OFFLINE: what only building and judging models needs."""
