"""The stages and the loop that fits a model."""
