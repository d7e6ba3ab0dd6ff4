"""What a decision looks like to people and programs: a run's conditions, and the status around them."""
