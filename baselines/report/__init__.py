"""The report of a comparison: tables and, made from them, a Markdown summary, pictures and an HTML page.

``write`` makes all of it. It is imported by name, since it loads matplotlib.
"""
