"""One room per kind: a frozen World, a pure plan, builders of children. No I/O, no clock, no other kind."""
