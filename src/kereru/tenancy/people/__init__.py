"""Users and portal accounts in the portal (R145, R190, S27): looked at, changed, deleted."""
