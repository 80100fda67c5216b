
/*
 * A node's address: "127.0.0.1:8001", "[::1]:8001", "db-1.internal:8001",
 * "unix:/path".  A name is one of RFC 1123; routers resolve it beside their
 * requests, none ever waits for that.
 */


#include <string.h>

#include "shard_codec.h"


#define SHARD_UNIX_PATH_MAX  107    /* sockaddr_un.sun_path less its zero */


static int shard_addr_split(shard_str_t addr, shard_str_t *host,
    shard_str_t *port);
static int shard_addr_unix(shard_str_t path);
static int shard_addr_host(shard_str_t text);
static int shard_addr_port(shard_str_t text);
static int shard_addr_ipv4(shard_str_t text);
static int shard_addr_ipv6(shard_str_t text);
static int shard_addr_group(shard_str_t text);


int
shard_addr_valid(shard_str_t addr)
{
    shard_str_t  host, port;

    if (addr.len >= SHARD_ADDR_SIZE) {
        return 0;
    }

    if (addr.len > 5 && memcmp(addr.data, "unix:", 5) == 0) {
        addr.data += 5;
        addr.len -= 5;
        return shard_addr_unix(addr);
    }

    if (!shard_addr_split(addr, &host, &port) || !shard_addr_port(port)) {
        return 0;
    }

    if (host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']')
    {
        host.data++;
        host.len -= 2;
        return shard_addr_ipv6(host);
    }

    return shard_addr_ipv4(host) || shard_addr_host(host);
}


int
shard_addr_name(shard_str_t addr, shard_str_t *host, uint16_t *port)
{
    uint64_t     value;
    shard_str_t  text;

    if (!shard_addr_valid(addr) || !shard_addr_split(addr, host, &text)
        || !shard_addr_port(text) || !shard_addr_host(*host))
    {
        return 0;
    }

    (void) shard_uint64_decode(text, &value);
    *port = (uint16_t) value;

    return 1;
}


/* at the last colon */

static int
shard_addr_split(shard_str_t addr, shard_str_t *host, shard_str_t *port)
{
    const char  *colon;

    for (colon = addr.data + addr.len; colon > addr.data; colon--) {
        if (colon[-1] == ':') {
            break;
        }
    }

    if (colon == addr.data) {
        return 0;
    }

    host->data = addr.data;
    host->len = (size_t) (colon - 1 - addr.data);
    port->data = colon;
    port->len = addr.len - host->len - 1;

    return 1;
}


/*
 * Labels of 1 to 63 letters, digits and inner hyphens.  The last one is no
 * number, or a mistyped IPv4 address would be a name.
 */

static int
shard_addr_host(shard_str_t text)
{
    char    c;
    int     digits;
    size_t  i, label;

    digits = 1;
    label = 0;

    for (i = 0; i < text.len; i++) {
        c = text.data[i];

        if (c == '.') {
            if (label == 0 || text.data[i - 1] == '-') {
                return 0;
            }

            digits = 1;
            label = 0;
            continue;
        }

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')
              || (c >= 'A' && c <= 'Z') || (c == '-' && label)))
        {
            return 0;
        }

        if (++label > 63) {
            return 0;
        }

        digits = digits && c >= '0' && c <= '9';
    }

    return label && !digits && text.data[text.len - 1] != '-';
}


/* no character that JSON or nginx' "unix:path:uri" would take otherwise */

static int
shard_addr_unix(shard_str_t path)
{
    char    c;
    size_t  i;

    if (path.len < 2 || path.len > SHARD_UNIX_PATH_MAX
        || path.data[0] != '/')
    {
        return 0;
    }

    for (i = 0; i < path.len; i++) {
        c = path.data[i];

        if (c <= 0x20 || c > 0x7e || c == '"' || c == '\\' || c == ':') {
            return 0;
        }
    }

    return 1;
}


static int
shard_addr_port(shard_str_t text)
{
    uint64_t  port;

    return shard_uint64_decode(text, &port) == SHARD_OK
           && port > 0 && port <= 65535;
}


static int
shard_addr_ipv4(shard_str_t text)
{
    int          n;
    size_t       i;
    uint64_t     value;
    shard_str_t  octet;

    octet.data = text.data;
    n = 0;

    for (i = 0; i <= text.len; i++) {
        if (i < text.len && text.data[i] != '.') {
            continue;
        }

        octet.len = (size_t) (text.data + i - octet.data);

        if (shard_uint64_decode(octet, &value) != SHARD_OK || value > 255) {
            return 0;
        }

        octet.data = text.data + i + 1;
        n++;
    }

    return n == 4;
}


/*
 * Groups of 1 to 4 hex digits between colons, at most one "::" for one or
 * more groups of zeros, the last two groups perhaps as IPv4.
 */

static int
shard_addr_ipv6(shard_str_t text)
{
    int          groups, gap;
    size_t       i;
    shard_str_t  group;

    groups = 0;
    gap = 0;
    i = 0;

    if (text.len >= 2 && text.data[0] == ':' && text.data[1] == ':') {
        gap = 1;
        i = 2;
    }

    while (i < text.len) {
        group.data = text.data + i;

        for (group.len = 0; i < text.len && text.data[i] != ':'; i++) {
            group.len++;
        }

        if (i == text.len && memchr(group.data, '.', group.len) != NULL) {
            groups += 2;

            if (!shard_addr_ipv4(group)) {
                return 0;
            }

            break;
        }

        groups++;

        if (!shard_addr_group(group)) {
            return 0;
        }

        if (i == text.len) {
            break;
        }

        i++;

        if (i < text.len && text.data[i] == ':') {
            if (gap++) {
                return 0;
            }

            i++;

        } else if (i == text.len) {
            return 0;
        }
    }

    return gap ? groups < 8 : groups == 8;
}


static int
shard_addr_group(shard_str_t text)
{
    char    c;
    size_t  i;

    if (text.len == 0 || text.len > 4) {
        return 0;
    }

    for (i = 0; i < text.len; i++) {
        c = text.data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')
              || (c >= 'A' && c <= 'F')))
        {
            return 0;
        }
    }

    return 1;
}
