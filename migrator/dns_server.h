
/* dns_server.c, for dns_update.c: what the configuration says, for libldns */


#ifndef _MIGRATOR_DNS_SERVER_H_INCLUDED_
#define _MIGRATOR_DNS_SERVER_H_INCLUDED_


#include <ldns/ldns.h>

#include "dns.h"


/* SHARD_ERROR and err (MIGRATOR_DNS_ERR) */

int migrator_dns_key_load(const char *path, migrator_dns_key_t *key,
    char *err);

/* "IP", "IPv4:port", "[IPv6]:port"; NULL: it is none */

ldns_rdf *migrator_dns_server(const char *server, uint16_t *port);


#endif /* _MIGRATOR_DNS_SERVER_H_INCLUDED_ */
