"""The judge's side of a rollout: whether one is needed, what it is asked, and its pod."""
