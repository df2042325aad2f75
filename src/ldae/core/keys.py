"""The columns that name a scan in every table: who was scanned, and at which visit."""

KEY = ["participant_id", "session_id"]
KEY_TYPES = dict.fromkeys(KEY, str)  # as text: ``002`` stays ``002``
