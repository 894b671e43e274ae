"""Reference prompts: natural text of an exact number of tokens, in sets named by their sha256."""
