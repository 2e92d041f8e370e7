"""One module per kind of step, `table`, which names them, and the soak that follows the last."""
