"""Where the people whom somebody manages are signed in."""
