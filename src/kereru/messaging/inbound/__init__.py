"""From a carrier's webhook to a committed row: batches of whatever queued up while the last one committed (design §6, *In*)."""
