"""Tests of manifests, trial lists and degradations."""
