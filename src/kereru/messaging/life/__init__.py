"""The life of one message, put together from every table that saw it: read only, for operators and for whoever looks into the log of messages."""
