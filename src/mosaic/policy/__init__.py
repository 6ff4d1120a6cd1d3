"""What is accepted and who may read: small typed functions in lists; the first refusal wins, an exception refuses."""
