"""Frames with the simulator's own truth about them, and networks that have learned to read it."""
