"""The one exception a user is meant to read."""


class UserError(Exception):
    """Bad input, said in one sentence: what is wrong, where, and what to do about it."""


class QuarantinedScan(UserError):
    """One scan that cannot be used; the message is its reason in the status table."""


class Interrupted(Exception):
    """Training was asked to stop and has saved its state; the same command continues it."""

    exit_status = 75  # EX_TEMPFAIL
