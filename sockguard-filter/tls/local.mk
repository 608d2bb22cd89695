# Sources and tests of sockguard-filter/tls.
