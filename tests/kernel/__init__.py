"""The kernel's doors against vectors, against edge cases, and against slow twins in Python."""
