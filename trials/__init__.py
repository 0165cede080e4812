"""Trials of the whole platform: how fast it is, and what becomes of it when something breaks.

Nothing here is part of what is installed; every trial starts real processes of its own.
"""
