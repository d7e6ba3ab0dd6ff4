"""What holds for all tiers of tests."""

from hypothesis import settings

# A time limit for each example would judge the machine and what else it does, not the code.
settings.register_profile("project", deadline=None)
settings.load_profile("project")
