"""What other slices ask of realtime."""

from collections.abc import Sequence

from kereru.kernel.db import Transaction
from kereru.realtime import store
from kereru.realtime.cursor import CursorCodec
from kereru.realtime.live import has_live_socket
from kereru.realtime.model import position_of

__all__ = ["has_live_socket", "present_cursor"]


async def present_cursor(tx: Transaction, cursors: CursorCodec, provider_id: int, user_id: int, feed_ids: Sequence[int]) -> str:
    """The cursor of now. An answer with state in it reads this *first*: what happens in between is then shown twice, which harms nobody."""
    return cursors.encode(provider_id, user_id, position_of(await store.heads(tx, provider_id, feed_ids)))
