"""The embedded PostgreSQL: found, created, started, watched, recovered and stopped by us (design §3).

It promises that nothing outlives the process that started it, that a kill -9 of anything leads to a clean start, and that it listens on a
private Unix socket only. The same engine serves a laptop, a test and a small installation; larger ones give a URL instead.
"""

from kereru.entrypoints.postgres.engine import EmbeddedPostgres, EngineOptions, State

__all__ = ["EmbeddedPostgres", "EngineOptions", "State"]
