"""ONLINE: everything a request needs at run time."""

import os

# ONNX Runtime, from its import on, and pyannote report their use to their makers unless told otherwise; a service that
# hears voices does not phone home.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "false")
