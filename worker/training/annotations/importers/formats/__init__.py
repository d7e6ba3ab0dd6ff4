"""What each format says of a page, as tables of the BadgerDoc format. All of it is pure."""
