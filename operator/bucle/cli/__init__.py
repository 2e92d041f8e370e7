"""`kubectl bucle`: what the loop does and why, read with the rights of whoever asks. It writes nothing but what they ask.

May know the types (`resources`), the table of reasons (`contracts`) and what keeps a pod (`workloads.trouble`); knows
nothing of how the operator runs. `cluster` alone speaks to an API server; all else is text and documents, and pure.
"""
