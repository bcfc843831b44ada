"""How well the faithfulness check finds what was planted into notes, and how often it is wrong on real ones."""
