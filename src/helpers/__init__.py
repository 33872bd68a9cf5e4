"""An open, checkable companion to a study of 12-step sponsorship and recovery.

Modules, from the ground up (imports run down this list, never up):
`study` · `faults` · `delimited` · `coded` · `files` · `contract` · `oddities` · `records` · `measures` · `cohort` ·
`likelihood` · `formulas` · `moments` · `waves` · `reml` · `models` · `plans` · `design` · `tables` · `figures` ·
`ledger`.
"""

__version__ = "0.1.0"
