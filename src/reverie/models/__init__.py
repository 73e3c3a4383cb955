"""V (vision), M (memory) and C (controller)."""
