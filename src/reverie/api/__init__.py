"""What a Python program says to Reverie: as short as the command line, and a thin layer over the same parts."""
