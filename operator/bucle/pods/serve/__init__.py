"""The prediction server: one revision of one model, captured and ready to be judged."""
