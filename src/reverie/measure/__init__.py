"""What runs are worth: scores, and how true V and the dream are."""
