"""Tests of training.fairness."""
