"""The dock of batches: many movies put together, at work, and what came of them."""
