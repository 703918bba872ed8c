"""The steps that every tool of :mod:`infra` consists of.

A step runs commands in the folders of a `Layout`, holds locks, reports one line, and fails with a
`StepError`.
"""
