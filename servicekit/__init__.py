"""What every Lookalike service needs and none owns. Rooms are listed in servicekit/README.md."""
