"""The hub: one in each web process. It reads what is new in the feeds that its followers watch, and hands it to them, each change once and in order.

It is woken by the backbone and compares its feeds' heads with the database every few seconds, so that a lost wake-up costs no more than that (G27).
Nothing is queued for a follower that does not keep up: it stays at its position and what it lacks is read again when it is ready, so that a slow
client costs neither memory nor the others' time (G25).
"""

import asyncio
import contextlib
import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import psycopg

from kereru.kernel.breath import Breath
from kereru.kernel.clock import Clock
from kereru.kernel.db import Database, ProviderScope, Transaction
from kereru.kernel.errors import Unavailable
from kereru.kernel.ids import made_at
from kereru.kernel.limits import SOCKETS_PER_USER
from kereru.kernel.logging import get_logger
from kereru.kernel.metrics import counter, gauge, seconds
from kereru.realtime import store
from kereru.realtime.backbone import FEED_CHANNEL, Backbone, parse_pairs
from kereru.realtime.cursor import CursorCodec
from kereru.realtime.delivery import Delivery, Stretch, cut, encode, plan, stretches
from kereru.realtime.errors import TooManyFollowers
from kereru.realtime.followers import Follower, LongPoll
from kereru.realtime.model import ChangePresenter, ChangeRow, Position, SocketViewer, position_of

PAGE: Final = 100
"""Changes read of one feed at a time."""

AUDIENCES_PER_READ: Final = 50
HEADS_EVERY_S: Final = 3.0
HEADS_PER_QUERY: Final = 100
"""Small, and spread over the time between two looks: thousands at once would hold up every push that comes meanwhile."""

ROUND_EVERY_S: Final = 0.004
_READS_AT_ONCE = 3
_NEVER_SEEN = -1
_LONGEST_BACK_OFF_S = 30.0

_log = get_logger("realtime.hub")
_followers = gauge("realtime_followers", "Sockets and long-polls that wait for changes.")
_pushed = counter("realtime_changes_pushed", "Changes handed to followers, each follower counted.")
_resyncs = counter("realtime_resyncs", "Followers told to load everything again.")
_missed = counter("realtime_wakes_missed", "Feeds found to be ahead although no wake-up came.")
_delay = seconds("realtime_push_delay", "From the change's id to its push.")

AudienceKey = tuple[int, int]
_Group = tuple["_Audience", Position, list[Follower]]


class _Audience:
    """The followers of one user, who all see the same."""

    __slots__ = ("failures", "feeds", "followers", "key", "reached")

    def __init__(self, key: AudienceKey) -> None:
        self.key = key
        self.followers: set[Follower] = set()
        self.feeds: set[int] = set()
        self.reached: dict[int, int] = {}
        self.failures = 0


class Hub:
    """See the module. Everything runs in one event loop; no method but `changes` and `close` waits."""

    def __init__(
        self,
        database: Database,
        backbone: Backbone,
        presenter: ChangePresenter,
        cursors: CursorCodec,
        clock: Clock,
        *,
        heads_every_s: float = HEADS_EVERY_S,
    ) -> None:
        self.cursors = cursors
        self._database = database
        self._presenter = presenter
        self._clock = clock
        self._heads_every_s = heads_every_s
        self._audiences: dict[AudienceKey, _Audience] = {}
        self._by_feed: dict[int, set[AudienceKey]] = {}
        self._dirty: dict[int, dict[AudienceKey, None]] = {}
        self._rounds: dict[int, asyncio.Task[None]] = {}
        self._breaths: defaultdict[int, Breath] = defaultdict(lambda: Breath(ROUND_EVERY_S))
        self._reads = asyncio.Semaphore(_READS_AT_ONCE)
        self._compare_now = asyncio.Event()
        self._comparing: asyncio.Task[None] | None = None
        self._draining = False
        self._unsubscribe = backbone.subscribe(FEED_CHANNEL, self.hear, self._compare_now.set)

    async def open(self) -> None:
        """Begin to compare heads."""
        self._comparing = asyncio.create_task(self._compare_for_ever())

    async def close(self) -> None:
        """Stop reading. Followers are left as they are."""
        self._unsubscribe()
        tasks = [*self._rounds.values(), *([self._comparing] if self._comparing else [])]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def drain(self) -> None:
        """The process is about to stop: answer every long-poll now."""
        self._draining = True
        for audience in self._audiences.values():
            for follower in tuple(audience.followers):
                if isinstance(follower, LongPoll):
                    follower.give_up(self._delivery(audience.key, follower.position))

    def start_of(self, viewer: SocketViewer, cursor: str) -> Position:
        """Where `viewer` goes on from. Feeds it lost are dropped; one it gained makes it resync. Raises BadCursor."""
        held = dict(self.cursors.decode(viewer.provider_id, viewer.user_id, cursor))
        return position_of({feed: held.get(feed, _NEVER_SEEN) for feed in viewer.feed_ids})

    async def present_position(self, viewer: SocketViewer) -> Position:
        """Where the viewer's feeds stand now. Raises Unavailable."""
        async with self._database.transaction(ProviderScope(viewer.provider_id), reading=True) as tx:
            return position_of(await store.heads(tx, viewer.provider_id, viewer.feed_ids))

    def follow(self, follower: Follower) -> None:
        """Bring `follower` up to date and keep it so. Raises TooManyFollowers beyond SOCKETS_PER_USER of one user."""
        key = follower.viewer.audience
        audience = self._audiences.get(key)
        if audience is None:
            audience = self._audiences[key] = _Audience(key)
        if follower not in audience.followers:
            if len(audience.followers) >= SOCKETS_PER_USER:
                raise TooManyFollowers
            audience.followers.add(follower)
            _followers.inc()
        for feed, _ in follower.position:
            audience.feeds.add(feed)
            self._by_feed.setdefault(feed, set()).add(key)
        self._mark(key)

    def leave(self, follower: Follower) -> None:
        """Forget `follower`. Does nothing for one that does not follow."""
        key = follower.viewer.audience
        audience = self._audiences.get(key)
        if audience is None or follower not in audience.followers:
            return
        audience.followers.discard(follower)
        _followers.dec()
        if not audience.followers:
            del self._audiences[key]
            for feed in audience.feeds:
                keys = self._by_feed[feed]
                keys.discard(key)
                if not keys:
                    del self._by_feed[feed]

    def nudge(self, follower: Follower) -> None:
        """`follower` is ready again."""
        if follower.viewer.audience in self._audiences:
            self._mark(follower.viewer.audience)

    async def changes(self, viewer: SocketViewer, position: Position, wait_s: float) -> Delivery:
        """What came after `position`: at once if anything did, else as soon as it does, else nothing after `wait_s`.

        Raises Unavailable, TooManyFollowers.
        """
        poll = LongPoll(viewer, position, 0 if self._draining else wait_s)
        self.follow(poll)
        try:
            answer = await poll.answer(wait_s if wait_s > 0 else 5.0)
        finally:
            self.leave(poll)
        if answer is None and not poll.asked:
            raise Unavailable
        return answer or self._delivery(viewer.audience, poll.position)

    def nothing_at(self, viewer: SocketViewer, position: Position) -> Delivery:
        """A delivery without changes, for its cursor."""
        return self._delivery(viewer.audience, position)

    def hear(self, payload: str) -> None:
        """A wake-up: `feed:number,feed:number`."""
        try:
            pairs = parse_pairs(payload)
        except ValueError:
            _log.warning("a wake-up could not be read", length=len(payload))
            self._compare_now.set()
            return
        for feed, number in pairs:
            for key in self._by_feed.get(feed, ()):
                if number > self._audiences[key].reached.get(feed, _NEVER_SEEN):
                    self._mark(key)

    def _delivery(self, key: AudienceKey, position: Position, items: tuple[bytes, ...] = (), *, resync: bool = False) -> Delivery:
        return Delivery(position, self.cursors.encode(*key, position), items, resync)

    def _mark(self, key: AudienceKey) -> None:
        provider_id = key[0]
        self._dirty.setdefault(provider_id, {})[key] = None
        if provider_id not in self._rounds:
            self._rounds[provider_id] = asyncio.create_task(self._serve(provider_id))

    async def _serve(self, provider_id: int) -> None:
        """Rounds for one provider until nobody lacks anything; whatever is marked meanwhile joins the next round."""
        dirty = self._dirty[provider_id]
        try:
            while dirty:
                await self._breaths[provider_id].take()
                keys = list(itertools.islice(dirty, AUDIENCES_PER_READ))
                for key in keys:
                    del dirty[key]
                await self._attempt(provider_id, keys)
        finally:
            del self._rounds[provider_id]
            if not dirty:
                del self._dirty[provider_id]

    async def _attempt(self, provider_id: int, keys: Sequence[AudienceKey]) -> None:
        try:
            await self._round(provider_id, keys)
        except (Unavailable, psycopg.OperationalError) as error:
            _log.warning("changes could not be read", error=type(error).__name__)
            self._again_later(keys)
        except Exception:  # noqa: BLE001 - whatever a presenter may raise
            if len(keys) > 1:
                # Somebody's changes cannot be shown; find out whose, so that the others do not wait for it.
                for key in keys:
                    await self._attempt(provider_id, [key])
                return
            _log.exception("a user's changes could not be shown", provider_id=provider_id, user_id=keys[0][1])
            self._again_later(keys)

    def _again_later(self, keys: Iterable[AudienceKey]) -> None:
        for key in keys:
            audience = self._audiences.get(key)
            if audience is not None:
                audience.failures += 1
                wait_s = min(_LONGEST_BACK_OFF_S, 0.1 * 2**audience.failures)
                asyncio.get_running_loop().call_later(wait_s, self._mark_if_followed, key)

    def _mark_if_followed(self, key: AudienceKey) -> None:
        if key in self._audiences:
            self._mark(key)

    async def _round(self, provider_id: int, keys: Sequence[AudienceKey]) -> None:
        groups = self._groups(keys)
        wants = sorted({pair for _, position, _ in groups for pair in position})
        if not wants:
            return
        async with self._reads, self._database.transaction(ProviderScope(provider_id), reading=True) as tx:
            rows = await store.read_changes(tx, provider_id, wants, page=PAGE, now=self._clock.now())
            found = stretches(rows)
            encoded = await self._present(tx, provider_id, groups, found)
        for audience, position, followers in groups:
            audience.failures = 0
            self._push(audience, position, followers, found, encoded[audience.key])

    def _groups(self, keys: Sequence[AudienceKey]) -> list[_Group]:
        """Followers that can take something, by what they hold already; nearly always one group a user."""
        groups: list[_Group] = []
        for key in keys:
            audience = self._audiences.get(key)
            if audience is None:
                continue
            standing: dict[Position, list[Follower]] = {}
            for follower in audience.followers:
                if follower.ready:
                    standing.setdefault(follower.position, []).append(follower)
            groups.extend((audience, position, followers) for position, followers in standing.items())
        return groups

    async def _present(
        self, tx: Transaction, provider_id: int, groups: Sequence[_Group], found: dict[tuple[int, int], Stretch]
    ) -> dict[AudienceKey, dict[tuple[int, int], bytes]]:
        """Every change that is to be shown, encoded once for each user."""
        wanted: dict[AudienceKey, dict[tuple[int, int], ChangeRow]] = {}
        for audience, position, _ in groups:
            rows = wanted.setdefault(audience.key, {})
            planned = plan(position, found)
            if planned is not None:
                rows.update({(row.feed_id, row.number): row for row in planned[1]})
        by_user = {key[1]: [rows[pair] for pair in sorted(rows)] for key, rows in wanted.items() if rows}
        presented = await self._presenter.present(tx, provider_id, by_user) if by_user else {}
        return {key: encode(presented.get(key[1], ())) for key in wanted}

    def _push(
        self,
        audience: _Audience,
        position: Position,
        followers: Sequence[Follower],
        found: dict[tuple[int, int], Stretch],
        encoded: dict[tuple[int, int], bytes],
    ) -> None:
        heads = {feed: found[feed, after].head for feed, after in position if (feed, after) in found}
        planned = plan(position, found)
        if planned is None:
            # What was read ahead of a restored feed's new head must not hide what comes after it.
            audience.reached.update(heads)
            _resyncs.inc(len(followers))
            self._hand_out(followers, position, self._delivery(audience.key, position_of(heads), resync=True))
            return
        reached, rows = planned
        for feed, number in reached:
            audience.reached[feed] = min(heads[feed], max(number, audience.reached.get(feed, _NEVER_SEEN)))
        if not rows:
            self._hand_out([follower for follower in followers if follower.fresh], position, self._delivery(audience.key, position))
            return
        if not any(follower.fresh for follower in followers):
            _delay.observe(max(0.0, (self._clock.now() - made_at(rows[-1].id)).total_seconds()))
        before = position
        for after, items in cut(position, rows, encoded):
            taken = self._hand_out(followers, before, self._delivery(audience.key, after, items))
            _pushed.inc(taken * len(items))
            before = after
        if any(heads[feed] > number for feed, number in reached):
            self._mark_if_followed(audience.key)

    @staticmethod
    def _hand_out(followers: Iterable[Follower], expected: Position, delivery: Delivery) -> int:
        """Offer to whoever still stands where the delivery begins; answers how many took it."""
        taken = 0
        for follower in followers:
            if follower.position is expected or follower.position == expected:
                if not follower.ready:
                    continue
                follower.offer(delivery)
                taken += 1
        return taken

    async def _compare_for_ever(self) -> None:
        while True:
            begun = asyncio.get_running_loop().time()
            asked = self._compare_now.is_set()
            self._compare_now.clear()
            try:
                await self._compare(at_once=asked)
            except (Unavailable, psycopg.Error) as error:
                _log.warning("heads could not be compared", error=type(error).__name__)
                await asyncio.sleep(0.5)
                self._compare_now.set()
            await self._asked_within(begun + self._heads_every_s - asyncio.get_running_loop().time())

    async def _compare(self, *, at_once: bool) -> None:
        """Find feeds that have moved although nobody said so: little by little, unless somebody asks."""
        watched = sorted({(key[0], feed) for feed, keys in self._by_feed.items() for key in keys})
        pause_s = self._heads_every_s / (1 + len(watched) // HEADS_PER_QUERY)
        for at in range(0, len(watched), HEADS_PER_QUERY):
            for row in await store.heads_everywhere(self._database, watched[at : at + HEADS_PER_QUERY]):
                for key in self._by_feed.get(row.feed_id, ()):
                    if row.head != self._audiences[key].reached.get(row.feed_id, row.head):
                        _missed.inc()
                        self._mark(key)
            if not at_once and at + HEADS_PER_QUERY < len(watched):
                await self._asked_within(pause_s)

    async def _asked_within(self, seconds: float) -> None:
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._compare_now.wait(), seconds)
