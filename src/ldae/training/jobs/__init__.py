"""Running a training as a job: processes, signals, time limits, attempts, locks."""
