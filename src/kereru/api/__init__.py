"""Assembles the slices' routes into one application: authentication, authorisation, what is refused at the door, problems, health."""
