"""How a run ends: by its time to live, or because somebody deletes it."""
