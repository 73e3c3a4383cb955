"""Stage controller: the search for C."""
