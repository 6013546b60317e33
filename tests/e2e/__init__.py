"""A real server process on a real port."""
