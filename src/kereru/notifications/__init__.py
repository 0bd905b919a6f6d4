"""Tells people what needs their attention, by e-mail: written with the event, sent by a job, tried again until the mail server has it."""
