"""From the outbox to the carrier and back: leases, claims, hand-overs, outcomes, look-ups (design §6, *Out*)."""
