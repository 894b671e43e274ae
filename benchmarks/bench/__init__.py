"""`inferfleet bench URL`: one load against any OpenAI-compatible server, with nothing of the fleet around it."""
