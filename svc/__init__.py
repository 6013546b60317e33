"""ONLINE: everything a request needs at run time."""

import os

# ONNX Runtime reports its use to its makers unless told otherwise, from its import on; a service that hears voices does
# not phone home.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
