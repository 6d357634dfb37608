"""Many movies: units of work in a folder, and the workers that take them from there."""
