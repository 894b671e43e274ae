"""WHAT to measure: the facts, the points, the server groups, the plan, and the words every stage shares."""
