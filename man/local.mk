# Files of man/.
dist_man_MANS += man/sockguard-ctl.8 man/sockguard-filter.8
dist_man_MANS += man/sockguard-tenants.7
