"""Our side of `reverie bench`."""
