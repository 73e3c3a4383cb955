"""Reverie: world models for CarRacing, from nothing to a driving agent."""

__version__ = "0.1.0"
