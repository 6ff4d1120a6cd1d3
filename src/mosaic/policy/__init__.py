"""What is accepted and who may read.

Small typed functions in lists; the first refusal wins, an exception refuses.
"""
