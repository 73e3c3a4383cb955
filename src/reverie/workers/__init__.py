"""Where episodes are run: in this process, in several, or on a cluster, behind one contract."""
