"""Tests of svc.backends."""
