ID=rescue
TITLE=without root