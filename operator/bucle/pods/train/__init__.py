"""The train program: a trial (fit on train, score on validation) or the final fit (refit, judge, compare, store)."""
