"""The models: where they come from, how they are fetched, exported, quantised and trained."""
