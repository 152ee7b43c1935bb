// lifecycle
