"""The API's JSON documents, read into typed views.

Every text in a view is safe to print and every number is a number. Each view keeps the document as it came as
``document``, which is what ``--json`` prints.
"""
