# make compat   builds and tests everything in a Debian 13 root (root only)  [COMPAT_TESTS="t/25_route.t"]
# make static   nginx with the module linked in, into build/static, and a test of it

compat:
	bash compat/trixie.sh $(COMPAT_TESTS)

static: all
	prove -It/lib t/02_static.t

.PHONY: compat static
