"""Type a sentence, get that object's masks through a whole video."""
