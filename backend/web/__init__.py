"""Pages: the member page and its static files."""
