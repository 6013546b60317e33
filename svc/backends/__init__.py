"""Pretrained models behind the protocols of svc.backends.protocols."""
