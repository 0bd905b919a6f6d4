"""Every carrier Kererū speaks with.

Adding one is a line here, a folder under `adapters/`, and a harness in the conformance suite, without which the suite is red.
"""

from kereru.carriers.adapters.inteliquent import InteliquentAdapter
from kereru.carriers.adapters.restcomm import RestcommAdapter
from kereru.carriers.contract import INTELIQUENT, RESTCOMM, Capabilities, CarrierAdapter, CarrierKind
from kereru.carriers.errors import UnknownCarrier
from kereru.kernel.clock import Clock
from kereru.kernel.http_client import Door

ADAPTERS: dict[CarrierKind, type[RestcommAdapter] | type[InteliquentAdapter]] = {
    RESTCOMM: RestcommAdapter,
    INTELIQUENT: InteliquentAdapter,
}


def capabilities_of(kind: str) -> Capabilities:
    """What a carrier can do, without a way out to it. Raises UnknownCarrier."""
    adapter = ADAPTERS.get(CarrierKind(kind))
    if adapter is None:
        raise UnknownCarrier
    return adapter.capabilities


class Carriers:
    """The adapters of one process, over one way out."""

    def __init__(self, door: Door, clock: Clock) -> None:
        self._adapters: dict[CarrierKind, CarrierAdapter] = {kind: make(door, clock) for kind, make in ADAPTERS.items()}

    def of(self, kind: str) -> CarrierAdapter:
        """The adapter of a carrier. Raises UnknownCarrier."""
        adapter = self._adapters.get(CarrierKind(kind))
        if adapter is None:
            raise UnknownCarrier
        return adapter

    def all(self) -> tuple[CarrierAdapter, ...]:
        """Every adapter, in the order of the registry."""
        return tuple(self._adapters.values())
