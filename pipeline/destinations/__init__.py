"""Where pictures go: each destination's rules as data, what they say of a picture, and the file that goes there."""
