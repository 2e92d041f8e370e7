"""One module per kind of gate, and `table`, which names them."""
