"""The prediction servers, as far as the operator asks them anything: how many rows they stored."""
