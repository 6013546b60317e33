"""Tests of svc.models."""
