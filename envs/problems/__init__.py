"""The problems, one file for each environment, and the two inventories that most of them are built on."""
