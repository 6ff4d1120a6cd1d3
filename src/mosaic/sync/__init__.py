"""Which records one store has and another lacks: sets, and reconciliations that compare them."""
