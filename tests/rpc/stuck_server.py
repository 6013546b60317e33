"""A server that is told to stop while its models load, and whose loading never ends.

usage: python -m tests.rpc.stuck_server FOLDER
"""

import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from svc.config import ServerConfig
from svc.rpc import process
from tests.rpc.tiny_application import TinyApplication, tiny_config


class StuckApplication(TinyApplication):
    """Sends itself the SIGTERM, then waits for a pool's thread, which the interpreter would wait for at its end."""

    def warm_up(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        ThreadPoolExecutor(1).submit(threading.Event().wait).result()


if __name__ == "__main__":
    process.Application = StuckApplication  # type: ignore[attr-defined]
    settings = ServerConfig(address="127.0.0.1:0", metrics_address="")
    sys.exit(process.run(tiny_config(Path(sys.argv[1]), server=settings)))
