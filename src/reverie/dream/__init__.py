"""M as a world of its own: what it expects when it no longer sees."""
