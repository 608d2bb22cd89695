# Sources and tests of sockguard-filter/response.
