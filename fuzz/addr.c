
/* a node's address: what is taken, the system takes as well */

#include <arpa/inet.h>

#include "shard_codec.h"

#include "fuzz.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char         text[SHARD_ADDR_SIZE], *end;
    int          valid, named;
    uint16_t     port;
    shard_str_t  addr, host;
    uint8_t      bin[sizeof(struct in6_addr)];

    addr.data = (const char *) data;
    addr.len = size;
    port = 0;

    valid = shard_addr_valid(addr);
    named = shard_addr_name(addr, &host, &port);

    fuzz_must(!valid || size < SHARD_ADDR_SIZE, "too long an address");
    fuzz_must(!named || valid, "a name that is no address");

    if (named) {
        fuzz_must(port != 0, "no port");
        fuzz_must(host.data == addr.data && host.len < addr.len,
                  "a host from elsewhere");
    }

    if (!valid || named || memcmp(data, "unix:", 5) == 0) {
        return 0;
    }

    fuzz_must(memchr(data, '\0', size) == NULL, "a zero in it");

    memcpy(text, data, size);
    text[size] = '\0';
    end = strrchr(text, ':');
    fuzz_must(end != NULL, "no port");
    *end = '\0';

    if (text[0] == '[') {
        end[-1] = '\0';
        fuzz_must(strchr(text, '.') || inet_pton(AF_INET6, text + 1, bin) == 1,
                  "no address of IPv6");

    } else {
        fuzz_must(strchr(text, '.') != NULL, "no address of IPv4");
    }

    return 0;
}
