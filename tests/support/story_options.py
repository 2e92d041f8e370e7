"""How many random stories every check plays: one of each composition of kinds."""

STORIES_IN_EVERY_CHECK = 3
