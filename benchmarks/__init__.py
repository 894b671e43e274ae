"""MEASURING through HTTP: prompts, load shapes, the client, metrics, validity checks."""
