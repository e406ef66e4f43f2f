# SPDX-License-Identifier: Apache-2.0
# One plain Makefile: all output goes below build/ (build/SANITIZE-... for sanitizer builds).
VERSION := 0.1.0

PREFIX ?= /opt/nvcoreos
SYSCONFDIR ?= /etc
# Where a link to the tool goes, so that it is on root's PATH.
BINLINK ?= /usr/local/bin
BUILD ?= build
CC ?= cc
CXX ?= c++
PKG_CONFIG ?= pkg-config
-include config.mak

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-8s %s\n'
endif

ifeq ($(COVERAGE),1)
BUILD := build/coverage
OPT := -O0 -g
COVERAGE_FLAGS := --coverage
endif
# toml++ 3.3 calls it unreachable that a letter stands where white space may (mended later); both ways left say that it is none.
CXX_SANITIZE := -fno-sanitize=unreachable
ifneq ($(SANITIZE),)
BUILD := build/sanitize
SANITIZE_FLAGS := -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif

# For libFuzzer: its counters in every file, and the sanitizers.
FUZZ_CC ?= clang
ifeq ($(FUZZING),1)
override CC := $(FUZZ_CC)
override CXX := $(FUZZ_CC)++
override OPT := -O1 -g
override SANITIZE := fuzzer-no-link,address,undefined
BUILD := build/fuzz
# These checks are in clang++'s runtime alone, and the program is linked as one of C.
CXX_SANITIZE += -fno-sanitize=function,vptr
SANITIZE_FLAGS := -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wvla -Wformat=2 -Wundef -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wwrite-strings
ifeq ($(DEVELOPER),1)
WARNINGS += -Werror
endif
OPT ?= -O2 -g
HARDEN := -fstack-protector-strong -fno-common -fPIE
ifeq ($(SANITIZE)$(COVERAGE),)
HARDEN += -D_FORTIFY_SOURCE=2
else
HARDEN += -DMEM_ARENA_BLOCK=0
endif
CPPFLAGS += -Ilib -Ibuild/gen -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DNVCOREOS_VERSION='"$(VERSION)"' \
	-DNVCOREOS_PREFIX='"$(PREFIX)"' -DNVCOREOS_SYSCONFDIR='"$(SYSCONFDIR)"'
CFLAGS += -std=gnu11 $(OPT) $(WARNINGS) $(HARDEN) $(SANITIZE_FLAGS) $(COVERAGE_FLAGS)
# For the one file that knows a library of C++.
CXXFLAGS += -std=c++17 $(OPT) -Wall -Wextra $(HARDEN) $(SANITIZE_FLAGS) $(if $(SANITIZE),$(CXX_SANITIZE)) $(COVERAGE_FLAGS)
LDFLAGS += -Wl,-z,relro,-z,now,-z,noexecstack $(SANITIZE_FLAGS) $(COVERAGE_FLAGS)

# Each library has one file that knows it; only what links that file needs the library.
comma := ,
quote = '$(subst ','\'',$(1))'
pkg_libs = $(shell $(PKG_CONFIG) --libs $(1))
pkg_static = $(shell $(PKG_CONFIG) --static --libs $(1))
HOOK_PKGS := jansson libcap
CLI_PKGS := jansson libcap libseccomp libarchive nettle mount libkmod yaml-0.1
LOAD_PKGS := libkmod nettle
# libarchive brings the same one along, through what it needs itself: a static one beside it would be a second.
CXX_LIBS := -lstdc++ -lm

# Sanitizers need the dynamic loader; everything else of hook and shim is static-pie.
ifeq ($(SANITIZE),)
STATIC_LINK = $(CC) $(LDFLAGS) -static-pie -o $@ $(filter %.o %.a,$^)
HOOK_LINK = $(STATIC_LINK) $(call pkg_static,$(HOOK_PKGS))
else
STATIC_LINK = $(CC) $(LDFLAGS) -pie -o $@ $(filter %.o %.a,$^)
HOOK_LINK = $(STATIC_LINK) $(call pkg_libs,$(HOOK_PKGS))
endif

# These parts only the tool has: most need libraries that nothing else links.
CLI_ONLY := lib/apply/seccomp.c $(wildcard $(addprefix lib/store/,archive.c decoder.c digest.c install.c import.c build.c packed.c remove.c runfile.c source.c toolkit.c verify.c))
LIB_SRC := $(filter-out $(CLI_ONLY),$(wildcard lib/*/*.c))
HOOK_SRC := $(addprefix hook/,hook.c hook_args.c cdihook.c cdihook_args.c confine.c report.c)
RUNTIME_SRC := hook/runtime.c hook/runtime_args.c hook/runtime_find.c
LOAD_SRC := $(wildcard cli/load/*.c) $(addprefix cli/,kmod.c kmodfile.c kernelheaders.c kernelsyms.c modprove.c modset.c modtree.c) lib/store/digest.c
GENERATOR_SRC := $(wildcard cli/systemd/*.c) cli/modtree.c
IMAGE_SRC := $(wildcard cli/image/*.c) cli/rootfile.c
CLI_SRC := $(filter-out cli/kmod.c,$(wildcard cli/*.c)) cli/toml.cc $(addprefix cli/load/,load_caps.c load_nodes.c) $(CLI_ONLY)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
# What unit tests may use besides lib/: everything of hook and tool that is no main.
UNIT_PARTS := $(CLI_ONLY) $(addprefix cli/load/,load_caps.c load_flavour.c load_nodes.c) $(wildcard hook/*_args.c hook/runtime_find.c hook/confine.c) $(filter-out cli/main.c cli/kmod.c,$(wildcard cli/*.c)) cli/toml.cc cli/systemd/generator.c

# The fuzz targets, all in one program, and the files of the tool that they need beside lib/.
FUZZ_PARTS := $(CLI_ONLY) hook/cdihook_args.c $(wildcard cli/engine*.c) $(addprefix cli/,tomledit.c toml.cc rootfile.c cdispec.c cdishape.c yamldoc.c yamlscalar.c)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz*.c tests/fuzz/oracle_*.c) tests/fuzz/lines.c

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(patsubst %.cc,%.c,$(1)))
LIB := $(BUILD)/libnvcoreos.a

# Hook and shim take musl where it is: glibc asks the processor some 70 questions when a program starts, and in a virtual machine the
# hypervisor answers each of them. HOOK_LIBC=glibc does without.
HOOK_LIBC ?= $(if $(shell command -v musl-gcc),musl,glibc)
ifneq ($(SANITIZE)$(COVERAGE),)
override HOOK_LIBC := glibc
endif
ifeq ($(filter musl glibc,$(HOOK_LIBC)),)
$(error HOOK_LIBC=$(HOOK_LIBC): musl or glibc)
endif
ifeq ($(HOOK_LIBC),musl)
MUSL_CC := musl-gcc
MUSL_DIR := $(shell sed -n 's,.*"\(/.*\)/musl-gcc\.specs".*,\1,p' "$$(command -v musl-gcc)" 2>/dev/null)
ifeq ($(MUSL_DIR),)
$(error HOOK_LIBC=musl: there is no musl-gcc)
endif
# For headers of the kernel, of jansson and of libcap: musl's own come first.
MUSL_CPPFLAGS := -idirafter /usr/include -idirafter /usr/include/$(shell $(MUSL_CC) -print-multiarch)
hook_obj = $(patsubst $(BUILD)/obj/%,$(BUILD)/obj-musl/%,$(call obj,$(1)))
HOOK_LIB := $(BUILD)/libnvcoreos-musl.a
MUSL_SRC := $(wildcard hook/musl/*.c)
HOOK_LIBC_NOW := musl $(shell cksum <$(MUSL_DIR)/libc.a)
HOOK_LINK = $(CC) $(LDFLAGS) -Wl,--wrap=memcpy -nostdlib -static-pie -o $@ $(addprefix $(MUSL_DIR)/,rcrt1.o crti.o) $(filter %.o %.a,$^) \
	$(call pkg_static,$(HOOK_PKGS)) $(MUSL_DIR)/libc.a -lgcc $(MUSL_DIR)/crtn.o
else
hook_obj = $(obj)
HOOK_LIB := $(LIB)
MUSL_SRC :=
HOOK_LIBC_NOW := glibc
endif
PROGRAMS := $(BUILD)/nvcoreos-hook $(BUILD)/nvcoreos-runtime $(BUILD)/nvcoreos $(BUILD)/nvcoreos-load $(BUILD)/nvcoreos-generator
UNITS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))

all: $(PROGRAMS)

# Paths and flags are compiled in: objects are made anew when they change.
FLAGS_NOW := $(CC) $(CPPFLAGS) $(CFLAGS) $(CXX) $(CXXFLAGS)
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FLAGS_NOW)' | cmp -s - $@ || echo '$(FLAGS_NOW)' >$@

# And hook and shim are linked anew when their C library changes.
$(BUILD)/hook-libc: FORCE
	@mkdir -p $(@D)
	@echo '$(HOOK_LIBC_NOW)' | cmp -s - $@ || echo '$(HOOK_LIBC_NOW)' >$@

# What the files of a driver are, from the file that people read.
TABLES := build/gen/driver-files.inc
$(TABLES): config/driver-files.conf config/driver-files.awk
	@mkdir -p $(@D)
	$(Q)awk -f config/driver-files.awk config/driver-files.conf >$@.tmp && mv $@.tmp $@
$(call obj,lib/store/classify.c lib/store/cudaver.c) $(call hook_obj,lib/store/classify.c lib/store/cudaver.c): $(TABLES)

# The hook's system call filters: libseccomp makes them here and now, not at each start.
FILTERS := build/gen/filters.inc
$(FILTERS): hook/filters.c $(addprefix lib/,apply/seccomp.c apply/seccomp.h base/err.c base/str.c base/mem.c)
	$(say) FILTERS $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -std=gnu11 -o build/gen/filters $(filter %.c,$^) $(call pkg_libs,libseccomp)
	$(Q)build/gen/filters >$@.tmp && mv $@.tmp $@
$(call obj,lib/apply/filter.c) $(call hook_obj,lib/apply/filter.c): $(FILTERS)

$(BUILD)/obj/%.o: %.c Makefile $(BUILD)/flags
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.o: %.cc Makefile $(BUILD)/flags
	$(say) CXX $<
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c -o $@ $<

$(LIB): $(call obj,$(LIB_SRC))
	$(say) AR $@
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/obj-musl/%.o: %.c Makefile $(BUILD)/flags
	$(say) CC '$< (musl)'
	@mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(CPPFLAGS) $(CFLAGS) $(MUSL_CPPFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/libnvcoreos-musl.a: $(call hook_obj,$(LIB_SRC))
	$(say) AR $@
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/nvcoreos-hook: $(call hook_obj,$(HOOK_SRC) $(MUSL_SRC)) $(HOOK_LIB) $(BUILD)/hook-libc
	$(say) LINK $@
	$(Q)$(HOOK_LINK)

$(BUILD)/nvcoreos-runtime: $(call hook_obj,$(RUNTIME_SRC) $(MUSL_SRC)) $(HOOK_LIB) $(BUILD)/hook-libc
	$(say) LINK $@
	$(Q)$(HOOK_LINK)

# Static: systemd runs it before anything is mounted.
$(BUILD)/nvcoreos-generator: $(call obj,$(GENERATOR_SRC)) $(LIB)
	$(say) LINK $@
	$(Q)$(STATIC_LINK) $(if $(SANITIZE),$(call pkg_libs,$(HOOK_PKGS)),$(call pkg_static,$(HOOK_PKGS)))

CLI_LINK = $(CC) $(LDFLAGS) -pie -o $@ $(filter %.o %.a,$^) $(call pkg_libs,$(CLI_PKGS)) $(CXX_LIBS)
LOAD_LINK = $(CC) $(LDFLAGS) -pie -o $@ $(filter %.o %.a,$^) $(call pkg_libs,$(LOAD_PKGS) jansson)

$(BUILD)/nvcoreos: $(call obj,$(CLI_SRC)) $(LIB)
	$(say) LINK $@
	$(Q)$(CLI_LINK)

$(BUILD)/nvcoreos-load: $(call obj,$(LOAD_SRC)) $(LIB)
	$(say) LINK $@
	$(Q)$(LOAD_LINK)

# The two that are not static, linked once more for the bundle: they take its loader and its libraries, whatever the host has.
BUNDLE := $(BUILD)/bundle
LOADER = $(shell ldd /bin/true | sed -n 's,.*\(/[^ ]*/ld-[^ ]*\).*,\1,p')
BUNDLE_FLAGS = -Wl,--disable-new-dtags -Wl,-rpath,$(PREFIX)/lib -Wl,--dynamic-linker=$(PREFIX)/lib/$(notdir $(LOADER))

$(BUNDLE)/nvcoreos: $(call obj,$(CLI_SRC)) $(LIB)
	$(say) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CLI_LINK) $(BUNDLE_FLAGS)

$(BUNDLE)/nvcoreos-load: $(call obj,$(LOAD_SRC)) $(LIB)
	$(say) LINK $@
	@mkdir -p $(@D)
	$(Q)$(LOAD_LINK) $(BUNDLE_FLAGS)

# What the installer image runs.
$(BUNDLE)/nvcoreos-image: $(call obj,$(IMAGE_SRC)) $(LIB)
	$(say) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -static-pie -o $@ $(filter %.o %.a,$^)

# The programs with their libraries, for any host of this machine's architecture: unpacked at /, it is installed.
bundle: all $(BUNDLE)/nvcoreos $(BUNDLE)/nvcoreos-load $(BUNDLE)/nvcoreos-image
	$(Q)rm -rf $(BUNDLE)/root
	$(Q)$(MAKE) --no-print-directory install DESTDIR=$(abspath $(BUNDLE)/root) >/dev/null
	$(Q)SYSCONFDIR=$(SYSCONFDIR) contrib/bundle/bundle.sh $(BUNDLE) $(PREFIX) $(LOADER) $(VERSION)

$(BUILD)/obj/tests/unit/%.o: CPPFLAGS += -Ihook -Icli -Itests/unit $(if $(COVERAGE_FLAGS),-DTAP_COVERAGE)

# What tests/unit/faults.c stands in for.
FAULT_CALLS := cap_set_proc clock_gettime clock_nanosleep fchmod fchown flock fstat64 fstatat64 fstatfs64 fsync mkdirat mknodat open64 openat64 poll read renameat renameat2 \
	setfsgid setfsuid setns stat64 statx symlinkat syscall write
FAULTS := $(addprefix -Wl$(comma)--wrap=,$(FAULT_CALLS))

$(BUILD)/libunit.a: $(call obj,$(UNIT_PARTS))
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(BUILD)/obj/tests/unit/tap.o $(BUILD)/obj/tests/unit/faults.o $(BUILD)/libunit.a $(LIB)
	$(say) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) $(FAULTS) -pie -o $@ $(filter %.o,$^) $(BUILD)/libunit.a $(LIB) $(call pkg_libs,$(CLI_PKGS)) $(CXX_LIBS)

$(BUILD)/obj/tests/fuzz/%.o: CPPFLAGS += -Icli -Itests/fuzz -Itests/unit

$(BUILD)/fuzzer: $(call obj,$(FUZZ_SRC) $(FUZZ_PARTS)) $(LIB)
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS) -fsanitize=fuzzer -pie -o $@ $(filter %.o %.a,$^) $(call pkg_libs,$(CLI_PKGS)) $(CXX_LIBS)

# The same targets without libFuzzer: each runs its corpus once.
$(BUILD)/replay: $(call obj,$(FUZZ_SRC) $(FUZZ_PARTS) tests/fuzz/replay.c) $(LIB)
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS) -pie -o $@ $(filter %.o %.a,$^) $(call pkg_libs,$(CLI_PKGS)) $(CXX_LIBS)

# The installer image, with ARCHIVES in it.
IMAGE ?= nvcoreos-installer:$(VERSION)
image: bundle
	$(Q)contrib/image/image.sh $(BUNDLE) $(PREFIX) $(IMAGE) $(ARCHIVES)

.PRECIOUS: $(BUILD)/obj/%.o
.DELETE_ON_ERROR:

units: $(UNITS)

# Fast tests: every file of lib/, golden plans.
check-unit: $(UNITS)
	$(Q)tests/lib/run-units.sh $(UNITS)

golden-accept: $(BUILD)/unit/test_golden $(BUILD)/unit/test_compat $(BUILD)/unit/test_cdi
	$(Q)GOLDEN_ACCEPT=1 $(BUILD)/unit/test_golden
	$(Q)GOLDEN_ACCEPT=1 $(BUILD)/unit/test_compat
	$(Q)GOLDEN_ACCEPT=1 $(BUILD)/unit/test_cdi

# What takes longest begins first, so that no lane is left with it at the end.
LONGEST := $(patsubst %,tests/integration/%.bats,vm errors)
LONGEST_SLOW := $(patsubst %,tests/integration/%.slow.bats,readme hostile kill boot realmodules)

# The programs with real engines; *.slow.bats are for check-slow.
check-integration: all
	$(Q)tests/lib/run-lanes.sh $(LONGEST) $(filter-out $(LONGEST) %.slow.bats,$(wildcard tests/integration/*.bats))

# Fuzzes each target (or FUZZ=what) that many seconds, two at a time; what it learns stays in build/fuzz/corpus.
TIME ?= 60
fuzz:
	$(Q)contrib/deps.sh install build fuzz
	$(Q)$(MAKE) --no-print-directory FUZZING=1 -j$$(nproc) build/fuzz/fuzzer
	$(Q)tests/lib/run-fuzz.sh time $(TIME) $(FUZZ)

# The same number of runs from the same seed each time; where there is no libFuzzer, the corpora alone.
check-fuzz:
	$(Q)contrib/deps.sh install fuzz || echo 'fuzz: clang cannot be installed here'
	$(Q)if contrib/deps.sh has fuzz; then \
		$(MAKE) --no-print-directory FUZZING=1 -j$$(nproc) build/fuzz/fuzzer && tests/lib/run-fuzz.sh check; \
	else \
		$(MAKE) --no-print-directory check-replay; \
	fi

check-replay:
	$(Q)$(MAKE) --no-print-directory SANITIZE=address,undefined -j$$(nproc) build/sanitize/replay
	$(Q)tests/lib/run-fuzz.sh replay

# What a change must pass, in ten minutes at most. The packages come first, so that a bare machine needs only make.
check:
	$(Q)contrib/deps.sh install build demo check
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all units
	$(Q)$(MAKE) --no-print-directory check-unit check-fuzz check-integration

check-sanitize:
	$(Q)$(MAKE) --no-print-directory SANITIZE=address,undefined -j$$(nproc) units
	$(Q)$(MAKE) --no-print-directory SANITIZE=address,undefined check-unit

# Branches that the unit tests reach.
coverage:
	$(Q)contrib/deps.sh install build check
	$(Q)$(MAKE) --no-print-directory COVERAGE=1 -j$$(nproc) units
	$(Q)tests/lib/coverage.sh build/coverage

check-slow: check-sanitize
	$(Q)contrib/deps.sh install build demo check slow lint
	$(Q)$(MAKE) --no-print-directory all units lint analyze
	$(Q)$(MAKE) --no-print-directory coverage
	$(Q)NVCOREOS_BUILD=$(abspath $(BUILD)) tests/lib/run-units.sh tests/lib/ldcache-roots.sh
	$(Q)tests/lib/run-lanes.sh $(LONGEST_SLOW) $(filter-out $(LONGEST_SLOW),$(wildcard tests/integration/*.slow.bats))
	$(Q)CVE_FULL=1 CVE_STORM=$${CVE_STORM:-60} tests/lib/run-lanes.sh $(wildcard tests/integration/cve-*.bats)
	$(Q)$(MAKE) --no-print-directory check-weakened

# Shows that the tests of hostile images can fail: each rule is taken out of a copy of the tree, and they must notice.
check-weakened: all
	$(Q)BUILD=$(BUILD) tests/lib/with-cgroups.sh tests/weakened/run.sh $(WEAKENED)

# On a machine with a real driver and GPU.
check-gpu:
	$(Q)contrib/deps.sh install build gpu
	$(Q)tests/gpu/require.sh
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all
	$(Q)tests/lib/with-cgroups.sh tests/lib/run-bats.sh $(wildcard tests/gpu/*.bats)

# What it adds to a container's start, side by side with plain runc and crun; BENCH="--rounds 100 --groups create,run".
bench:
	$(Q)contrib/deps.sh install build bench
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all
	$(Q)tests/lib/with-cgroups.sh tests/bench/bench.sh $(BENCH)

lint:
	$(Q)contrib/deps.sh install lint
	$(Q)contrib/lint/lint.sh

# What compilers and checkers suspect.
analyze: $(TABLES) $(FILTERS)
	$(Q)contrib/deps.sh install build lint
	$(Q)CPPFLAGS=$(call quote,$(CPPFLAGS)) contrib/lint/analyze.sh

# Prints what building needs, and installs what is missing; demo, check and lint install the rest themselves.
deps:
	$(Q)contrib/deps.sh list build
	$(Q)contrib/deps.sh install build

demo:
	$(Q)contrib/deps.sh install build demo
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all
	$(Q)tests/lib/with-cgroups.sh contrib/demo/demo.sh

# What lies in share/nvcoreos as it lies in config/, with PREFIX in it.
SHARED := hooks.d/90-nvcoreos.json sysusers.d/nvcoreos.conf tmpfiles.d/nvcoreos.conf udev/70-nvcoreos.rules \
	$(addprefix systemd/,nvcoreos.service nvcoreos-nodes@.service nvidia-persistenced.service nvidia-fabricmanager.service \
	kubelet.service.d/10-nvcoreos.conf)
SHARE = $(DESTDIR)$(PREFIX)/share/nvcoreos

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/nvcoreos $(DESTDIR)$(SYSCONFDIR)/nvcoreos/nvcoreos.conf.d
	install -m 0755 $(BUILD)/nvcoreos $(BUILD)/nvcoreos-hook $(BUILD)/nvcoreos-runtime $(DESTDIR)$(PREFIX)/bin
	install -m 0755 $(BUILD)/nvcoreos-load $(BUILD)/nvcoreos-generator $(DESTDIR)$(PREFIX)/libexec/nvcoreos
	test -e $(DESTDIR)$(SYSCONFDIR)/nvcoreos/nvcoreos.conf || \
		sed 's|/opt/nvcoreos|$(PREFIX)|' config/nvcoreos.conf | install -m 0644 /dev/stdin $(DESTDIR)$(SYSCONFDIR)/nvcoreos/nvcoreos.conf
	for f in $(SHARED); do \
		sed 's|/opt/nvcoreos|$(PREFIX)|' config/$$f | install -D -m 0644 /dev/stdin $(SHARE)/$$f || exit 1; \
	done
	install -m 0644 config/driver-files.conf $(SHARE)/driver-files.conf
	ln -sfn nvcoreos-hook $(DESTDIR)$(PREFIX)/bin/nvidia-cdi-hook
	install -d $(DESTDIR)$(BINLINK)
	ln -sfn $(PREFIX)/bin/nvcoreos $(DESTDIR)$(BINLINK)/nvcoreos

uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,nvcoreos nvcoreos-hook nvidia-cdi-hook nvcoreos-runtime)
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/libexec/nvcoreos/,nvcoreos-load nvcoreos-generator) $(DESTDIR)$(BINLINK)/nvcoreos
	rm -f $(addprefix $(SHARE)/,$(SHARED) driver-files.conf)
	rmdir $(addprefix $(SHARE)/,systemd/kubelet.service.d systemd hooks.d sysusers.d tmpfiles.d udev) 2>/dev/null || true
	rmdir $(addprefix $(DESTDIR)$(PREFIX)/,bin libexec/nvcoreos libexec share/nvcoreos share) $(DESTDIR)$(PREFIX) 2>/dev/null || true
	sed 's|/opt/nvcoreos|$(PREFIX)|' config/nvcoreos.conf | cmp -s - $(DESTDIR)$(SYSCONFDIR)/nvcoreos/nvcoreos.conf && \
		rm -f $(DESTDIR)$(SYSCONFDIR)/nvcoreos/nvcoreos.conf || true
	rmdir $(DESTDIR)$(SYSCONFDIR)/nvcoreos/nvcoreos.conf.d $(DESTDIR)$(SYSCONFDIR)/nvcoreos 2>/dev/null || true

clean:
	rm -rf build

help:
	@echo 'all            the programs in $(BUILD)/'
	@echo 'demo           installs packages, builds, shows a container before and after'
	@echo 'check          unit, golden, fuzz and integration tests (check-unit, check-fuzz, check-integration)'
	@echo 'check-slow     sanitizers, lint, analyze, coverage, real drivers, three Debian releases, check-weakened'
	@echo 'check-weakened shows that the tests of hostile images can fail (WEAKENED=NAME... of tests/weakened)'
	@echo 'fuzz           TIME=60 seconds of fuzzing for each target, or for FUZZ=name alone'
	@echo 'coverage       branches that the unit tests reach'
	@echo 'check-gpu      containers on a real GPU'
	@echo 'bench          what is added to the start of a container, measured beside plain runc (BENCH="--rounds 100 --groups create,run")'
	@echo 'lint, analyze, deps, golden-accept, install, uninstall, bundle, image, clean'
	@echo 'variables: V=1 DEVELOPER=1 SANITIZE=address,undefined PREFIX=$(PREFIX) SYSCONFDIR=$(SYSCONFDIR) DESTDIR= BINLINK=$(BINLINK) HOOK_LIBC=$(HOOK_LIBC) STRICT=1'

.PHONY: FORCE all units bench fuzz check check-unit check-fuzz check-replay check-integration check-sanitize check-slow check-weakened check-gpu coverage \
	golden-accept lint analyze deps demo install uninstall bundle image \
	clean help
-include $(shell find $(BUILD)/obj $(BUILD)/obj-musl -name '*.d' 2>/dev/null)
