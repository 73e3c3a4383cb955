"""Published training curves, as facts to compare with."""
