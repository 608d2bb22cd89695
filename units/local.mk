# Files of units/.
EXTRA_DIST += units/quickstart
