"""Tasks, their texts, and the batches made from them."""
