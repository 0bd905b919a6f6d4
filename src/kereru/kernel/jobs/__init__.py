"""Work that outlives its request: jobs written in the caller's transaction, run by a worker, tried again with back-off, never lost (design §4).

Not for the send pipeline, which has an outbox of its own. A job's arguments are ids only, so that no personal data lies in the queue.
"""

from kereru.kernel.jobs.model import JOB_CHANNEL, Backoff, GiveUp, Handler, JobKind, defer

__all__ = ["JOB_CHANNEL", "Backoff", "GiveUp", "Handler", "JobKind", "defer"]
