"""Scores on held-out tracks and the pictures that explain them."""
