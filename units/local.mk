# Files of units/.
