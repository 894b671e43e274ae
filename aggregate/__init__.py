"""MERGING and publishing: safe reading, coverage, the versioned dataset, frontiers, the page."""
