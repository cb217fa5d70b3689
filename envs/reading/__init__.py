"""Reading recorded demand from files and tables, and the object that holds it."""
