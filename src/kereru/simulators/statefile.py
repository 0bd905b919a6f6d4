"""What outlives a restart: webhooks, settings, numbers, keys, and the newest messages and phone texts.

Promises: the file is replaced in one step, at most once a second and once at the end; a file that cannot be read is put aside, never
overwritten.
"""

import asyncio
import os
from itertools import islice
from pathlib import Path

import msgspec

from kereru.simulators.inteliquent.accounts import Authorization, InteliquentModes, Tn
from kereru.simulators.inteliquent.api import Inteliquent
from kereru.simulators.messages import Message
from kereru.simulators.phones import Held
from kereru.simulators.restcomm.accounts import Application, Number, RestcommModes
from kereru.simulators.restcomm.api import Restcomm
from kereru.simulators.world import World, WorldModes

KEPT = 2_000
PAUSE_SECONDS = 1.0


class RestcommState(msgspec.Struct):
    """One Restcomm account."""

    numbers: list[Number]
    applications: list[Application]
    modes: RestcommModes


class InteliquentState(msgspec.Struct):
    """One Inteliquent account."""

    authorizations: list[Authorization]
    next_auth_id: int
    numbers: list[Tn]
    modes: InteliquentModes


class State(msgspec.Struct):
    """The whole file."""

    world: WorldModes
    restcomm: dict[str, RestcommState]
    inteliquent: dict[str, InteliquentState]
    restcomm_messages: list[Message]
    inteliquent_messages: list[Message]
    texts: list[Held]


class StateFile:
    """Keeps one world in one file."""

    def __init__(self, path: Path, world: World, restcomm: Restcomm, inteliquent: Inteliquent) -> None:
        self.path, self.world, self.restcomm, self.inteliquent = path, world, restcomm, inteliquent

    def load(self) -> bool:
        """Bring the world back to what the file says; False when there is none. An unreadable file is renamed to `*.unreadable`."""
        try:
            state = msgspec.json.decode(self.path.read_bytes(), type=State)
        except FileNotFoundError:
            return False
        except msgspec.DecodeError:
            self.path.replace(self.path.with_suffix(".unreadable"))
            return False
        self.world.modes = state.world
        self._accounts(state)
        for message in state.restcomm_messages:
            self.restcomm.messages.add(message)
        for message in state.inteliquent_messages:
            self.inteliquent.messages.add(message)
        for text in state.texts:
            self.world.phones.restore(text)
        return True

    def _accounts(self, state: State) -> None:
        for sid, kept in state.restcomm.items():
            account = self.restcomm.accounts.get(sid)
            if account is not None:
                account.modes = kept.modes
                account.applications = {a.sid: a for a in kept.applications}
                for number in (n for n in kept.numbers if n.sid in account.numbers):
                    account.put(number)
        for key, held in state.inteliquent.items():
            other = self.inteliquent.accounts.get(key)
            if other is not None:
                other.modes, other.next_auth_id = held.modes, held.next_auth_id
                other.authorizations = {a.auth_id: a for a in held.authorizations}
                other.numbers.update({t.tn: t for t in held.numbers if t.tn in other.numbers})

    def encoded(self) -> bytes:
        """The file's content now."""
        state = State(
            self.world.modes,
            {s: RestcommState(list(a.numbers.values()), list(a.applications.values()), a.modes) for s, a in self.restcomm.accounts.items()},
            {
                k: InteliquentState(list(a.authorizations.values()), a.next_auth_id, list(a.numbers.values()), a.modes)
                for k, a in self.inteliquent.accounts.items()
            },
            list(islice(self.restcomm.messages.newest_first(), KEPT))[::-1],
            list(islice(self.inteliquent.messages.newest_first(), KEPT))[::-1],
            list(self.world.phones.newest(KEPT)),
        )
        return msgspec.json.encode(state)

    def write(self, content: bytes) -> None:
        """Replace the file. Raises OSError when the folder cannot be written."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_name(self.path.name + ".new")
        draft.touch(mode=0o600)  # it holds the accounts' keys
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)

    async def keep(self) -> None:
        """Write whenever something changed, until cancelled."""
        while True:
            await asyncio.sleep(PAUSE_SECONDS)
            if self.world.dirty:
                self.world.dirty = False
                await asyncio.to_thread(self.write, self.encoded())
