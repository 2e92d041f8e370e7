"""What the judge is asked during a rollout, and whether one is needed."""
