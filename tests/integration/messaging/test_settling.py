"""Random interleavings of claims, outcomes, receipts, takeovers, resends, deadlines and look-ups, against a model of what the carrier took."""

import json
import random
from dataclasses import dataclass, field

import psycopg
import pytest
from hand import DELIVERED, EXPIRED, FAILED, QUEUED, SENDING, SENT, UNDELIVERED, UNKNOWN
from psycopg.rows import namedtuple_row

from kereru.messaging import store
from world import World

PHONES = ["+12025550142", "+12025550143"]
WITHOUT_FILES = {"kind": 1, "links": [], "fallback": None}
NOT_YET, OPEN, ACCEPTED, REFUSED, UNTOLD = range(1, 6)

Name = tuple[int, int, int]
"""Message, attempt, part."""


@dataclass
class Flight:
    """A text in a sender's hands: what is left to hand over, and outcomes that are not written yet."""

    epoch: int
    left: list
    unwritten: list[dict] = field(default_factory=list)

    @property
    def message(self) -> int:
        return self.left[0].message_id if self.left else self.unwritten[0]["message"]


class Pipeline:
    """The database's functions as the product calls them; the carrier and the senders are the test's."""

    def __init__(self, world: World, dice: random.Random) -> None:
        self.world, self.dice = world, dice
        self.sql = psycopg.connect(self.world.url, row_factory=namedtuple_row, autocommit=True)
        owner = self.world.ana
        self.ids = {"provider": owner.provider_id, "platform": owner.platform_id, "user": owner.user_id}
        self.run("TRUNCATE message, attempt, part, receipt, exchange, change, outbox, platform_lease, client_key, remote_consent, conversation")
        self.run("UPDATE feed SET head = 0")
        self.run("SELECT set_config('app.provider', %(provider)s::text, false)")
        self.holder, self.epoch = "", 0
        self.flights: list[Flight] = []
        self.written: list[dict] = []
        self.taken: dict[Name, str] = {}
        self.begun: dict[Name, int] = {}
        self.free_again: set[Name] = set()
        self.over: set[tuple[int, int]] = set()
        self.count = 0
        self.takeover()

    def step(self) -> None:
        """One thing happens; hand-overs and their outcomes most of the time, or nothing would ever get far."""
        acts = {
            self.send: 4, self.claim: 6, self.hand_over: 8, self.write: 6, self.write_again_much_later: 4, self.receipt: 3, self.look_up: 2,
            self.resend: 3, self.takeover: 1, self.lose_a_claim: 2, self.deadline: 1, self.consent: 1,
        }  # fmt: skip
        self.dice.choices(list(acts), list(acts.values()))[0]()

    def check(self) -> None:
        """Everything that must hold at any time."""
        self.statuses_are_what_parts_and_receipts_say()
        self.every_text_has_a_way_forward()
        self.the_feed_has_no_gap_and_tells_everything()

    def run(self, statement: str, **params: object) -> list:
        cursor = self.sql.execute(statement, {**self.ids, **params})
        return cursor.fetchall() if cursor.description else []

    # --- what happens -------------------------------------------------------------------------------------------------------------

    def send(self) -> None:
        if len(self.run("SELECT 1 FROM outbox")) > 3:
            return
        phone, parts = self.dice.choice(PHONES), self.dice.choice([1, 1, 2, 3])
        self.count += 1
        ana = self.world.ana
        self.run(
            store._QUEUE, client_id=f"key-{self.count:08d}", hash=b"x", assignment=ana.assignment_id, feed=ana.feed_id, remote=phone, text="Hello",
            unicode=False, segments=1, group=ana.group_id, parts=[f"piece {n}" for n in range(parts)], deadline_s=600, files=[], media=[],
            **WITHOUT_FILES,
        )  # fmt: skip

    def claim(self) -> None:
        self.flights.extend(self.claimed())

    def lose_a_claim(self) -> None:
        """The claim is committed, its answer lost; then the sender puts right what it does not know of."""
        self.claimed()
        in_hand = [flight.message for flight in self.flights if flight.epoch == self.epoch]
        self.run("SELECT give_back(%(provider)s, %(platform)s, %(epoch)s, %(in_hand)s)", epoch=self.epoch, in_hand=in_hand)

    def hand_over(self) -> None:
        """One part; an unknown one got there or not. A sender that lost its lease hands nothing over."""
        flying = [flight for flight in self.flights if flight.left]
        if not flying:
            return
        flight, reached = self.dice.choice(flying), self.dice.random() < 0.5
        outcome = self.dice.choice(["accepted", "accepted", "refused", "deferred", "deferred", "unknown", "unsent"])
        part = flight.left.pop(0)
        name = (part.message_id, part.attempt, part.part)
        if flight.epoch != self.epoch:
            outcome = "unsent"
        item = {"message": name[0], "attempt": name[1], "part": name[2], "tries": part.tries, "outcome": outcome, "retry_s": 0, "code": outcome}
        if outcome != "unsent":
            assert name not in self.begun or name in self.free_again, "handed over again although nobody said that it was not taken"
            assert name[:2] not in self.over, "sent on after a part was refused or nobody could tell"
            self.free_again.discard(name)
            self.begun[name] = part.tries
        if outcome == "accepted" or (outcome == "unknown" and reached):
            assert name not in self.taken, "the carrier has it twice"
            self.count += 1
            self.taken[name] = f"SM{self.count}"
        if outcome == "accepted":
            item["cid"] = self.taken[name]
        if outcome in ("refused", "unknown"):
            self.over.add(name[:2])
        if outcome == "deferred":
            self.free_again.add(name)
        flight.unwritten.append(item)
        if outcome != "accepted":
            flight.unwritten += [
                {**item, "part": left.part, "tries": left.tries, "outcome": "unsent", "code": None, "cid": None} for left in flight.left
            ]
            flight.left = []

    def write(self) -> None:
        """Sometimes twice: the answer of the first COMMIT was lost."""
        waiting = [flight for flight in self.flights if flight.unwritten]
        if not waiting:
            return
        flight = self.dice.choice(waiting)
        for _ in range(self.dice.choice([1, 2])):
            self.settle(flight.unwritten)
        self.written += flight.unwritten
        flight.unwritten = []
        if not flight.left:
            self.flights.remove(flight)

    def write_again_much_later(self) -> None:
        for item in self.written[-3:]:
            self.settle([item])

    def takeover(self) -> None:
        """The holder sleeps past its lease; another one comes."""
        self.run("UPDATE platform_lease SET expires_at = app_now()")
        self.holder = f"sender {self.epoch + 1}"
        rows = self.run("SELECT * FROM take_leases(%(holder)s, 600) WHERE platform_id = %(platform)s", holder=self.holder)
        self.epoch = rows[0].epoch
        self.run("SELECT disown_open(%(provider)s, %(platform)s, %(epoch)s)", epoch=self.epoch)

    def receipt(self) -> None:
        """Of something that the carrier really has; sometimes its path carries our part's id."""
        if not self.taken:
            return
        name, state = self.dice.choice(sorted(self.taken)[-6:]), self.dice.randint(1, 8)
        item = {
            "provider": self.ids["provider"], "platform": self.ids["platform"], "cid": self.taken[name], "state": state, "carrier_state": str(state),
            "code": "", "reason": "", "raw": "", "request": "",
        }  # fmt: skip
        if self.dice.random() < 0.5:
            item |= {"message": name[0], "attempt": name[1], "part": name[2]}
        self.run("SELECT ingest_receipts(%(items)s::text::jsonb)", items=json.dumps([item, item]))

    def look_up(self) -> None:
        """The carrier is asked about an unknown part; it tells the truth."""
        parts = self.run("SELECT * FROM part WHERE handover = 5 AND status = 8 ORDER BY message_id, attempt, part")
        in_flight = {left.message_id for flight in self.flights for left in flight.left}
        parts = [part for part in parts if part.message_id not in in_flight]
        if not parts:
            return
        part = self.dice.choice(parts)
        cid = self.taken.get((part.message_id, part.attempt, part.part))
        if cid is not None:
            item = {"message": part.message_id, "attempt": part.attempt, "part": part.part, "tries": part.tries, "outcome": "accepted", "cid": cid}
            self.settle([item])

    def resend(self) -> None:
        """As commands.resend decides, after every warning."""
        messages = self.run("SELECT id, attempt, status FROM message WHERE status IN (5, 6, 7, 8) ORDER BY id")
        if not messages:
            return
        message = self.dice.choice(messages)
        if self.run(store._IN_OUTBOX, message=message.id):
            return
        [row] = self.run(store._RESEND, message=message.id, group=self.world.ana.group_id, parts=["whole"], deadline_s=600, **WITHOUT_FILES)
        self.tell(3, row.conversation_id, message.id, row.version)

    def deadline(self) -> None:
        rows = self.run("SELECT message_id FROM outbox ORDER BY message_id")
        if rows:
            late = self.dice.choice(rows).message_id
            self.run("UPDATE outbox SET expires_at = app_now() WHERE message_id = %(m)s", m=late)
            if self.dice.random() < 0.5:
                self.run("UPDATE outbox SET claimed_at = claimed_at - interval '2 minutes' WHERE message_id = %(m)s", m=late)
        self.run("SELECT expire_outbox(100)")

    def consent(self) -> None:
        phone, stopped = self.dice.choice(PHONES), self.dice.random() < 0.4
        self.run(
            "INSERT INTO remote_consent (provider_id, group_id, remote, stopped) VALUES (%(provider)s, %(group)s, %(phone)s, %(stopped)s)"
            " ON CONFLICT (provider_id, group_id, remote) DO UPDATE SET stopped = excluded.stopped",
            group=self.world.ana.group_id, phone=phone, stopped=stopped,
        )  # fmt: skip

    # --- what must hold -----------------------------------------------------------------------------------------------------------

    def statuses_are_what_parts_and_receipts_say(self) -> None:
        receipts: dict[str, set[int]] = {}
        for row in self.run("SELECT carrier_id, state FROM receipt"):
            receipts.setdefault(row.carrier_id, set()).add(row.state)
        attempts: dict[int, dict[int, list[int]]] = {}
        for part in self.run("SELECT * FROM part"):
            status = part_status(part.handover, receipts.get(part.carrier_id, set()))
            assert part.status == status, part
            attempts.setdefault(part.message_id, {}).setdefault(part.attempt, []).append(status)
        for message in self.run("SELECT * FROM message"):
            told = {attempt: attempt_status(parts) for attempt, parts in attempts.get(message.id, {}).items()}
            assert message.status == (DELIVERED if DELIVERED in told.values() else told.get(message.attempt, QUEUED)), message

    def every_text_has_a_way_forward(self) -> None:
        """G12: whatever is not over is in the outbox, and whatever is in the outbox is not over."""
        waiting = {(row.message_id, row.attempt): row.claimed for row in self.run("SELECT * FROM outbox")}
        for message in self.run("SELECT * FROM message WHERE status IN (1, 2)"):
            assert (message.id, message.attempt) in waiting, message
        handovers: dict[tuple[int, int], set[int]] = {}
        for part in self.run("SELECT * FROM part"):
            handovers.setdefault((part.message_id, part.attempt), set()).add(part.handover)
        for key, kinds in handovers.items():
            if OPEN in kinds:
                assert waiting.get(key) is True, key
            elif NOT_YET in kinds:
                assert waiting.get(key) is False, key
            else:
                assert key not in waiting, key

    def the_feed_has_no_gap_and_tells_everything(self) -> None:
        """G22, G23."""
        changes = self.run("SELECT * FROM change ORDER BY number")
        assert [change.number for change in changes] == list(range(1, len(changes) + 1))
        told = {change.message_id: change.version for change in changes if change.kind == 3}
        for message in self.run("SELECT id, version FROM message WHERE version > 1"):
            assert told.get(message.id) == message.version

    # --- helpers ------------------------------------------------------------------------------------------------------------------

    def claimed(self) -> list[Flight]:
        rows = self.run("SELECT * FROM claim_outbox(%(provider)s, %(platform)s, %(holder)s, %(epoch)s, 10)", holder=self.holder, epoch=self.epoch)
        flights: dict[int, Flight] = {}
        for row in rows:
            if row.message_id is not None:
                flights.setdefault(row.message_id, Flight(self.epoch, [])).left.append(row)
        return list(flights.values())

    def settle(self, items: list[dict]) -> None:
        self.run("SELECT settle_handovers(%(provider)s, %(platform)s, %(items)s::text::jsonb)", items=json.dumps(items))

    def tell(self, kind: int, conversation: int, message: int, version: int) -> None:
        self.run(
            "SELECT append_changes(ARRAY[%(provider)s]::bigint[], ARRAY[%(feed)s]::bigint[], ARRAY[%(kind)s]::smallint[],"
            " ARRAY[%(conversation)s]::bigint[], ARRAY[%(message)s]::bigint[], ARRAY[NULL]::bigint[], ARRAY[%(version)s]::integer[])",
            feed=self.world.ana.feed_id, kind=kind, conversation=conversation, message=message, version=version,
        )  # fmt: skip


def part_status(handover: int, receipts: set[int]) -> int:
    """The rule of design §6 and reliability G19 in Python."""
    for final in (DELIVERED, FAILED, UNDELIVERED, EXPIRED):
        if final in receipts:
            return final
    if handover == REFUSED:
        return FAILED
    if SENT in receipts or (receipts & {QUEUED, SENDING} and handover in (OPEN, UNTOLD)):
        return SENT
    if UNKNOWN in receipts:
        return UNKNOWN
    return {ACCEPTED: SENT, UNTOLD: UNKNOWN, OPEN: SENDING, NOT_YET: QUEUED}[handover]


def attempt_status(parts: list[int]) -> int:
    """What nobody can tell, what is on its way, what failed, what is there: the first that any part is."""
    return next(status for status in (UNKNOWN, SENDING, QUEUED, FAILED, UNDELIVERED, EXPIRED, SENT, DELIVERED) if status in parts)


@pytest.mark.parametrize("seed", range(6))
def test_no_interleaving_hands_over_twice_or_leaves_a_text_behind(world: World, seed: int) -> None:
    """G10, G11, G12, G13, G19, G20, G23 together. Another seed is another story; one that failed tells the same again."""
    pipeline = Pipeline(world, random.Random(seed))
    with pipeline.sql:
        for _ in range(150):
            pipeline.step()
            pipeline.check()


@pytest.mark.parametrize("seed", range(3))
def test_the_rule_of_receipts_is_one_of_sets(world: World, seed: int) -> None:
    """G19: SQL and Python agree on every hand-over and every set of up to three states, in any order, with copies."""
    dice = random.Random(seed)
    with psycopg.connect(world.url) as connection:
        for handover in range(1, 6):
            for bits in range(1 << 8):
                states = [state for state in range(1, 9) if bits >> (state - 1) & 1]
                copies = states + dice.choices(states, k=2) if states else []
                dice.shuffle(copies)
                [found] = connection.execute("SELECT part_status(%s::smallint, %s::smallint[])", (handover, copies)).fetchone()
                assert found == part_status(handover, set(states)), (handover, copies)
