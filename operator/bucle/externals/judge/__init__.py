"""The judge of a running rollout: what it is asked, and the client that asks it."""
