"""An open, checkable companion to a study of 12-step sponsorship and recovery.

Modules, from the ground up (imports run down this list, never up):
`study` · `records` · `measures` · `cohort` · `reml` · `models` · `figures` · `tables` · `ledger`.
"""

__version__ = "0.1.0"
