# Sources and tests of sockguard-filter/unpack.
