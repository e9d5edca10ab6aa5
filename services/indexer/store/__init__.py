"""The two records behind one contract: an embedded SQLite file, and MongoDB."""
