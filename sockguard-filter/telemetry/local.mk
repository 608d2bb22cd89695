# Sources and tests of sockguard-filter/telemetry.
