"""The history log: who changed what, when and from where, kept in the transaction of the change itself (R191, G34)."""
