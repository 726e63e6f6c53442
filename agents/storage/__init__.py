"""Files of the checkout: folders made whole, caches, weights, what made a result."""
