"""What there is to do: tables, folders and plates of movies become the units of a batch."""
