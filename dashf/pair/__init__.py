"""One user at one server at given prices: its terms, and its best response."""
