"""Tests of svc.scoring."""
