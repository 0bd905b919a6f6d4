"""What can go wrong here that people see."""

from kereru.kernel.errors import Invalid


class UnknownCarrier(Invalid):
    """Kererū does not know this carrier. Choose one from the list."""

    code = "unknown_carrier"
