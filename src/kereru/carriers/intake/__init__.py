"""What a web process does with webhooks while the database gives no answer: an fsynced log, replayed later; senders wait for it (design §6)."""
