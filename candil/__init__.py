"""Candil: consultations that survive the line and the power."""

__version__ = "0.1.0"
