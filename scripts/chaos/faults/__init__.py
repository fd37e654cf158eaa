"""The faults, by what breaks; each module has `scenarios()`."""
