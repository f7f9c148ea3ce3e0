"""Tasks, their texts, and the batches made of them."""
