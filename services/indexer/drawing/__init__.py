"""Drawing the map of a catalogue: numbers and words in, places and neighbourhoods out.

It runs in a process of its own (`process.py` starts it, `__main__.py` is it), because it is hours
of work for one core at worst and must slow nobody's search down.
"""
