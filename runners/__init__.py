"""One job ON a host: preflight, launch, measure, artifact, cleanup."""
