# Installing: the program, the C core as a static library with its headers and
# pkg-config file, the manual page, the documents and systemd's units. DESTDIR
# is for packagers.

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share
UNITDIR ?= $(PREFIX)/lib/systemd/system
INSTALL ?= install
VERSION := $(shell sed -n 's/.*WEIR_VERSION_STRING "\(.*\)"/\1/p' \
	include/weir/version.h)
DOCUMENTS := README.md CHANGELOG.md $(wildcard docs/*.md docs/*.svg docs/*.png)
EXAMPLES := $(wildcard weir.example.yml)

#: make install [PREFIX=/usr/local] [DESTDIR=]   and uninstall
.PHONY: install install-core install-program uninstall install-check
install: install-core install-program

install-core: core-library
	$(INSTALL) -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR)/weir
	$(INSTALL) -m 644 $(CORE_LIBRARY) $(DESTDIR)$(LIBDIR)
	$(INSTALL) -m 644 include/weir.h $(DESTDIR)$(INCLUDEDIR)
	$(INSTALL) -m 644 include/weir/*.h $(DESTDIR)$(INCLUDEDIR)/weir
	sed -e 's|@prefix@|$(PREFIX)|' -e 's|@libdir@|$(LIBDIR)|' \
	  -e 's|@includedir@|$(INCLUDEDIR)|' -e 's|@version@|$(VERSION)|' \
	  packaging/weir-core.pc.in \
	  >$(DESTDIR)$(LIBDIR)/pkgconfig/weir-core.pc

install-program: release
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(DATADIR)/man/man1 \
	  $(DESTDIR)$(DATADIR)/doc/weir $(DESTDIR)$(UNITDIR)
	$(INSTALL) -m 755 .build/release/weir $(DESTDIR)$(BINDIR)
	$(INSTALL) -m 644 packaging/weir.1 $(DESTDIR)$(DATADIR)/man/man1
	$(INSTALL) -m 644 $(DOCUMENTS) $(EXAMPLES) LICENSE \
	  $(DESTDIR)$(DATADIR)/doc/weir
	$(INSTALL) -m 644 packaging/weir.socket $(DESTDIR)$(UNITDIR)
	sed -e 's|@bindir@|$(BINDIR)|' -e 's|@datadir@|$(DATADIR)|' \
	  packaging/weir.service.in >$(DESTDIR)$(UNITDIR)/weir.service

uninstall:
	rm -f $(DESTDIR)$(BINDIR)/weir $(DESTDIR)$(DATADIR)/man/man1/weir.1 \
	  $(DESTDIR)$(LIBDIR)/libweir-core.a \
	  $(DESTDIR)$(LIBDIR)/pkgconfig/weir-core.pc \
	  $(DESTDIR)$(INCLUDEDIR)/weir.h \
	  $(DESTDIR)$(UNITDIR)/weir.service $(DESTDIR)$(UNITDIR)/weir.socket
	rm -rf $(DESTDIR)$(INCLUDEDIR)/weir $(DESTDIR)$(DATADIR)/doc/weir

# Installs into an empty directory, builds a C program against what is there,
# runs it and the installed program, and takes everything away again.
install-check:
	@packaging/install-check
