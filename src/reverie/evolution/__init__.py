"""Evolution strategies: ask, tell, state; NumPy vectors only."""
