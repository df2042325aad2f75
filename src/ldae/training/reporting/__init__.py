"""What a training says of itself: records, curves, pictures, hours."""
