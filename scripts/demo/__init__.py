"""The demonstration: a year of real purchases, from the till to the chain and back."""
