"""Bringing a brand's events from files into the API: CSV or Parquet, resumable, in flat memory."""
