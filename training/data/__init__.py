"""Manifests, trial lists and augmentation."""
