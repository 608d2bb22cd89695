# Sources and tests of sockguard-filter/filter.
