ID=debug
TITLE=with more words