"""Gas of every operation, exactly: a committed table and the test that compares it."""
