"""Programmes: one brand's loyalty scheme each, its terms and its earning rule."""
