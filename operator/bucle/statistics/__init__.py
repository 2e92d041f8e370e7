"""Rules that turn sums into verdicts, for the operator and its pods alike. Pure arithmetic on numbers: no object, no words of
a status, no library. Each module says what its numbers are, where its formulas come from and what was measured of it.
"""
