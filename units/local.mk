# Files of units/.
UNIT_INPUTS = units/sockguard.socket.in units/sockguard@.service.in units/sockguard-pool.socket.in \
	units/sockguard-pool.service.in units/sockguard.service.in units/sockguard.xinetd.in
EXTRA_DIST += units/quickstart units/Containerfile units/sockguard.sysusers units/sockguard.tmpfiles $(UNIT_INPUTS)

systemdsystemunit_DATA = units/sockguard.socket units/sockguard@.service units/sockguard-pool.socket \
	units/sockguard-pool.service units/sockguard.service
exampledir = $(datadir)/sockguard
example_DATA = units/sockguard.xinetd
CLEANFILES += $(systemdsystemunit_DATA) $(example_DATA)
UNIT_SED = $(SED) -e 's|@bindir[@]|$(bindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g' -e '$(POLL_LIMIT_SED)'

$(systemdsystemunit_DATA) $(example_DATA): $(UNIT_INPUTS)
	@$(MKDIR_P) units
	$(AM_V_GEN)$(UNIT_SED) $(top_srcdir)/$@.in > $@.tmp && mv $@.tmp $@

install-data-hook-units:
	$(MKDIR_P) $(DESTDIR)$(prefix)/lib/sysusers.d $(DESTDIR)$(prefix)/lib/tmpfiles.d
	$(INSTALL_DATA) $(top_srcdir)/units/sockguard.sysusers $(DESTDIR)$(prefix)/lib/sysusers.d/sockguard.conf
	$(INSTALL_DATA) $(top_srcdir)/units/sockguard.tmpfiles $(DESTDIR)$(prefix)/lib/tmpfiles.d/sockguard.conf
install-data-hook: install-data-hook-units
uninstall-hook:
	rm -f $(DESTDIR)$(prefix)/lib/sysusers.d/sockguard.conf $(DESTDIR)$(prefix)/lib/tmpfiles.d/sockguard.conf
.PHONY: install-data-hook-units
