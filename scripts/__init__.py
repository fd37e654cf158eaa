"""Entry points for people who work with the source tree."""
