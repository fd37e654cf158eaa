"""The adapter of brands that keep their points in a system of their own: five calls, three outcomes."""
