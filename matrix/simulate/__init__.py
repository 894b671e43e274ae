"""A fleet on paper: the plan played against failures, queues and lost runners, night after night. Pure."""
