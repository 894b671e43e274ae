"""Searches: which load to measure next, from what was observed and nothing else. No I/O, no clock, no state."""
