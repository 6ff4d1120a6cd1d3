"""Slow and obvious twins of the kernel's doors: they share no code with it, nor with the package."""
