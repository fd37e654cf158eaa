"""The commands of `interpoints`, a module for each family."""
