"""Tests read as specifications."""
