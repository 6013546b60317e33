"""Fuzzing outside pytest: atheris harnesses, one per parser of foreign bytes."""
