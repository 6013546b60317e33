"""Tests of svc.audio: bytes to frames."""
