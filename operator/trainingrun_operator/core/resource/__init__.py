"""The TrainingRun as typed data: its spec, its status, and the object as a whole."""
