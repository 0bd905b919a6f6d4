"""What every slice stands on, with no word of the domain in it: settings, time, ids, errors, secrets, database, logs, metrics."""
