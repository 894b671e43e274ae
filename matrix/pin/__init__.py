"""Pinning: tags become digests and model revisions become commits, in the YAML files themselves."""
