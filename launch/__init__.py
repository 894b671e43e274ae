"""STARTING a server and stopping it: engine adapters, backends, readiness, teardown."""
