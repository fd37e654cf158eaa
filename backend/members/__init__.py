"""Members: persons, and their enrolments in programmes."""
