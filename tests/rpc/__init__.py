"""Tests of svc.rpc."""
