"""Tests of svc/pipelines."""
