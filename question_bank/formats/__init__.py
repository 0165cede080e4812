"""The formats in which officials keep their questions: one module each, a file to items and back.

Every reader turns bytes into drafts, which `judging.judge` turns into items and problems, so that one
fault is told the same way whatever file it came in.
"""
