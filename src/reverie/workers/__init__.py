"""Where episodes are run: inline or in processes, behind one contract."""
