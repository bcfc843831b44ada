"""One module a peer: the same two-stage pipeline in the peer's own way, run by the interpreter of its environment."""
