"""A network path that can fall silent: connections stay open, and nothing comes through any more."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

READ_BYTES = 65_536


@dataclass
class NetworkPath:
    """Carries one connection until it is told to fall silent."""

    target: str
    silent: threading.Event = field(default_factory=threading.Event)

    def carry(self, source: socket.socket, sink: socket.socket) -> None:
        """Until an end breaks off, which the other then sees too."""
        with suppress(OSError):
            while data := source.recv(READ_BYTES):
                if not self.silent.is_set():
                    sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


@contextmanager
def path_to(target: str) -> Iterator[NetworkPath]:
    """To a server at localhost:port; the path's own target is where to connect."""
    host, _, port = target.rpartition(":")
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection((host, int(port))) as server:
        path = NetworkPath(f"127.0.0.1:{listening.getsockname()[1]}")
        listening_to = threading.Thread(target=_accept, args=(path, listening, server), daemon=True)
        listening_to.start()
        yield path
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        listening_to.join(10)


def _accept(path: NetworkPath, listening: socket.socket, server: socket.socket) -> None:
    client, _ = listening.accept()
    with client:
        upwards = threading.Thread(target=path.carry, args=(client, server), daemon=True)
        upwards.start()
        path.carry(server, client)
        upwards.join(10)
