"""The base template of the HTML reports, the parts that they share, and how they are rendered."""
