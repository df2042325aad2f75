"""Quality of reconstructions against network calls, by solver and number of steps."""
