"""A TCP proxy that a server is reached through, and that can stand for a bad network."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Self

CHUNK = 65_536
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, no time, so that closing sends a reset


class Mode(Enum):
    """What becomes of the bytes."""

    PASS = auto()
    DELAY = auto()  # each part of a stream comes later
    DROP = auto()  # nothing comes through, nothing is told
    HALF_OPEN = auto()  # the server hears everything, the client hears nothing
    RESET = auto()  # lines break, new ones too


class Proxy:
    """Passes connections on to what `connect` returns; the mode may change at any time."""

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self._connect = connect
        self._mode = Mode.PASS
        self._delay = 0.0
        self._lines: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        # A thread that accepts keeps the port open until it wakes.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._break_lines()

    def set(self, mode: Mode, *, delay: float = 0) -> None:
        """Change what becomes of the bytes from now on.

        After DROP and HALF_OPEN the lines break: bytes are lost in them, and no stream may go on without.
        """
        was, self._mode, self._delay = self._mode, mode, delay
        if mode is Mode.RESET or (was in (Mode.DROP, Mode.HALF_OPEN) and mode is not was):
            self._break_lines()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        if self._mode is Mode.RESET:
            _break(client)
            return
        try:
            server = self._connect()
        except OSError:
            _break(client)
            return
        with self._lock:
            self._lines |= {client, server}
        back = threading.Thread(target=self._pump, args=(server, client, False), daemon=True)
        back.start()
        self._pump(client, server, True)
        back.join()
        with self._lock:
            self._lines -= {client, server}
        client.close()
        server.close()

    def _pump(self, source: socket.socket, target: socket.socket, is_to_server: bool) -> None:
        try:
            while data := source.recv(CHUNK):
                mode = self._mode
                if mode is Mode.DROP or (mode is Mode.HALF_OPEN and not is_to_server):
                    continue
                if mode is Mode.DELAY:
                    time.sleep(self._delay)
                target.sendall(data)
        except OSError:
            pass
        for line in (source, target):
            try:
                line.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _break_lines(self) -> None:
        with self._lock:
            for line in self._lines:
                try:
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    line.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it has ended by itself


def _break(line: socket.socket) -> None:
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    line.close()


def to_unix(path: str) -> Callable[[], socket.socket]:
    """Return what connects to a server that listens on a socket in the file system."""

    def connect() -> socket.socket:
        line = socket.socket(socket.AF_UNIX)
        try:
            line.connect(path)
        except OSError:
            line.close()
            raise
        return line

    return connect
