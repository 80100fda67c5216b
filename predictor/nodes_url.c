
/* Where a node is asked: a template of the configuration, filled in. */


#include <stdio.h>
#include <string.h>

#include "nodes.h"


/* the host of "host:port", "[v6]:port" as it stands; a socket is here */

static void
predictor_nodes_host(const char *addr, char *host, const char **port)
{
    const char  *colon;

    colon = strrchr(addr, ':');

    if (strncmp(addr, "unix:", 5) == 0 || colon == NULL) {
        strcpy(host, "localhost");
        *port = "80";
        return;
    }

    memcpy(host, addr, (size_t) (colon - addr));
    host[colon - addr] = '\0';
    *port = colon + 1;
}


int
predictor_nodes_url(const char *template, const char *name, const char *addr,
    const char *zone, char *url, char *why)
{
    char         host[SHARD_ADDR_SIZE];
    size_t       i, n;
    const char  *p, *port, *part;

    predictor_nodes_host(addr, host, &port);
    n = 0;

    const struct {
        const char  *word;
        const char  *value;
    } words[] = {
        { "{host}", host }, { "{port}", port }, { "{name}", name },
        { "{zone}", zone }
    };

    for (p = template; *p; p += *p ? 1 : 0) {
        part = NULL;

        for (i = 0; *p == '{' && i < 4 && part == NULL; i++) {

            if (strncmp(p, words[i].word, strlen(words[i].word)) == 0) {
                part = words[i].value;
                p += strlen(words[i].word) - 1;
            }
        }

        if (part == NULL && (*p == '{' || *p == '}')) {
            snprintf(why, SHARD_ERR_SIZE, "\"%.80s\": {host}, {port}, {name} "
                     "and {zone} are known, \"%.20s\" is none", template, p);
            return SHARD_ERROR;
        }

        i = part ? strlen(part) : 1;

        if (n + i >= PREDICTOR_URL_SIZE) {
            snprintf(why, SHARD_ERR_SIZE, "\"%.80s\" is too long", template);
            return SHARD_ERROR;
        }

        memcpy(url + n, part ? part : p, i);
        n += i;
    }

    url[n] = '\0';

    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) {
        snprintf(why, SHARD_ERR_SIZE, "\"%.80s\" must begin with http:// or "
                 "https://", template);
        return SHARD_ERROR;
    }

    return SHARD_OK;
}
