# Sources and tests of sockguard-filter/identity.
libcore_a_SOURCES += \
	sockguard-filter/identity/admission.c \
	sockguard-filter/identity/labels.c \
	sockguard-filter/identity/listener.c \
	sockguard-filter/identity/ownership.c \
	sockguard-filter/identity/profile.c \
	sockguard-filter/identity/visibility.c
