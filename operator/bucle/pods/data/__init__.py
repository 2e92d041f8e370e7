"""The data program: sources in, one checked, split and content-addressed version of a table out."""
