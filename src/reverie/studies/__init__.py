"""The work of verbs that train no V, M or C."""
