"""Driving by hand: the drive, its picture, its window."""
