"""What everything stands on: files, stores, keys, keyed random numbers, errors, progress, provenance."""
