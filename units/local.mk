# Files of units/.
EXTRA_DIST += units/quickstart units/Containerfile
