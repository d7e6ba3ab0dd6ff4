"""The pod of a stage's Job: what the operator puts into it, merged with what the run's podTemplate asks for."""
