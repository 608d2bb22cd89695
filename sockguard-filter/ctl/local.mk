# Sources and tests of sockguard-filter/ctl.
