"""Tests of svc/cli."""
