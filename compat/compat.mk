# make compat   builds and tests everything in a Debian 13 root (root only)  [COMPAT_TESTS="t/25_route.t"]

compat:
	bash compat/trixie.sh $(COMPAT_TESTS)

.PHONY: compat
