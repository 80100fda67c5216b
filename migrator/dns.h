
/*
 * The name of each shard in the DNS follows its primary: an RFC 2136 update,
 * signed by TSIG, behind each commit and never in its way.
 *
 *   table ──▶ wanted: name, epoch, addresses ──┐
 *   "dns" ──▶ written: the same, as it was ────┴▶ differ ──▶ update ──▶ "dns"
 *                                   query TXT "epoch=K" ◀──▶ server
 *
 * Nothing is queued: what is not written yet is what differs, whoever died
 * meanwhile.  The prerequisite of each update is the TXT record that was
 * read, so that of two writers the one with the older epoch is refused.  The
 * DNS lags: who asks it gets a hint, and the epoch on the data path decides.
 */


#ifndef _MIGRATOR_DNS_H_INCLUDED_
#define _MIGRATOR_DNS_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>

#include "shard_types.h"


#define MIGRATOR_DNS_NAME   254
#define MIGRATOR_DNS_ADDRS  64          /* of one name */
#define MIGRATOR_DNS_ADDR   46          /* INET6_ADDRSTRLEN */
#define MIGRATOR_DNS_ERR    320


typedef struct {
    char          *server;              /* NULL: no DNS; IP or IP:port */
    char          *zone;
    char          *name;                /* template of a shard's */
    char          *group;               /* of all primaries; NULL: none */
    char          *key_file;            /* NULL: not signed */
    long           ttl_ms;
    long           timeout_ms;
} migrator_dns_conf_t;


typedef struct {
    char           algorithm[32];       /* with a dot at the end */
    char           name[MIGRATOR_DNS_NAME];
    char           secret[256];         /* base64 */
} migrator_dns_key_t;


/* sorted, each once; IPv4 and IPv6 */

typedef struct {
    uint64_t       epoch;
    unsigned       n;
    char           addr[MIGRATOR_DNS_ADDRS][MIGRATOR_DNS_ADDR];
} migrator_dns_set_t;


/*
 * dns_text.c.  SHARD_ERROR and err (MIGRATOR_DNS_ERR) in words.  A key is
 * what tsig-keygen writes, or "ALGORITHM:NAME:SECRET".
 */

int migrator_dns_key_read(const char *text, size_t len,
    migrator_dns_key_t *key, char *err);

/* {keyspace} and {shard} replaced; the name ends with a dot */

int migrator_dns_name(const char *pattern, const char *keyspace,
    shard_id_t shard, char name[MIGRATOR_DNS_NAME]);

/* what "dns" has of a name: "EPOCH ADDR,ADDR" */

int migrator_dns_set_read(const char *text, migrator_dns_set_t *set);
void migrator_dns_set_write(const migrator_dns_set_t *set, char *buf,
    size_t size);
void migrator_dns_set_add(migrator_dns_set_t *set, const char *addr);


/* dns_update.c */

typedef enum {
    MIGRATOR_DNS_OK = 0,
    MIGRATOR_DNS_NEWER,                 /* there is a later epoch */
    MIGRATOR_DNS_RACE,                  /* somebody else wrote: again */
    MIGRATOR_DNS_FAILED
} migrator_dns_rc_e;

int migrator_dns_conf_check(const migrator_dns_conf_t *conf, char *err);
migrator_dns_rc_e migrator_dns_update(const migrator_dns_conf_t *conf,
    const char *name, const migrator_dns_set_t *set, char *err);


/* dns.c: one thread, of those of all migrators that has the claim "dns" */

struct migrator_conf_s;

typedef struct migrator_dns_s  migrator_dns_t;

migrator_dns_t *migrator_dns_start(const struct migrator_conf_s *conf,
    const char *holder);
void migrator_dns_stop(migrator_dns_t *dns);


#endif /* _MIGRATOR_DNS_H_INCLUDED_ */
