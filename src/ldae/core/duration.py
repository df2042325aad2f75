"""Durations in words."""


def duration(seconds: float) -> str:
    """``3:07`` minutes, or ``2:03:07`` hours."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
