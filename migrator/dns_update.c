
/*
 * One update of one name by libldns: read the epoch that is there, write the
 * new one under the condition that it still is.
 *
 *    ;; zone      ZONE SOA
 *    ;; prereq    NAME TXT "epoch=K"          or: NAME has no TXT
 *    ;; update    NAME A, AAAA, TXT deleted; NAME A ADDR, NAME TXT "epoch=E"
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ldns/ldns.h>

#include "shard_codec.h"
#include "dns_server.h"


#define EPOCH  "epoch="


typedef struct {
    ldns_resolver      *resolver;
    ldns_rr_list       *prereq;
    ldns_rr_list       *remove;
    ldns_rr_list       *add;
    ldns_pkt           *query;
    ldns_pkt           *answer;
    int                 found;          /* it has an epoch */
    uint64_t            epoch;
} migrator_dns_call_t;


static int
migrator_dns_fail(char *err, const char *fmt, const char *what)
{
    snprintf(err, MIGRATOR_DNS_ERR, fmt, what);
    return SHARD_ERROR;
}


static int
migrator_dns_open(migrator_dns_call_t *c, const migrator_dns_conf_t *conf,
    char *err)
{
    uint16_t             port;
    ldns_rdf            *server;
    struct timeval       tv;
    migrator_dns_key_t   key;

    memset(c, 0, sizeof(migrator_dns_call_t));

    /* read anew each time: a key that was changed counts at once */

    if (conf->key_file
        && migrator_dns_key_load(conf->key_file, &key, err) != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    c->resolver = ldns_resolver_new();
    c->prereq = ldns_rr_list_new();
    c->remove = ldns_rr_list_new();
    c->add = ldns_rr_list_new();
    server = migrator_dns_server(conf->server, &port);

    if (c->resolver == NULL || c->prereq == NULL || c->remove == NULL
        || c->add == NULL || server == NULL
        || ldns_resolver_push_nameserver(c->resolver, server)
           != LDNS_STATUS_OK)
    {
        ldns_rdf_deep_free(server);
        return migrator_dns_fail(err, "%s", "no memory");
    }

    ldns_rdf_deep_free(server);

    tv.tv_sec = conf->timeout_ms / 1000;
    tv.tv_usec = conf->timeout_ms % 1000 * 1000;

    ldns_resolver_set_port(c->resolver, port);
    ldns_resolver_set_timeout(c->resolver, tv);
    ldns_resolver_set_retry(c->resolver, 2);
    ldns_resolver_set_retrans(c->resolver, 0);
    ldns_resolver_set_recursive(c->resolver, 0);

    if (conf->key_file) {
        ldns_resolver_set_tsig_keyname(c->resolver, key.name);
        ldns_resolver_set_tsig_keydata(c->resolver, key.secret);
        ldns_resolver_set_tsig_algorithm(c->resolver, key.algorithm);
    }

    return SHARD_OK;
}


static void
migrator_dns_close(migrator_dns_call_t *c)
{
    ldns_pkt_free(c->query);
    ldns_pkt_free(c->answer);
    ldns_rr_list_deep_free(c->prereq);
    ldns_rr_list_deep_free(c->remove);
    ldns_rr_list_deep_free(c->add);
    ldns_resolver_deep_free(c->resolver);
}


/* takes the query */

static int
migrator_dns_send(migrator_dns_call_t *c, const migrator_dns_conf_t *conf,
    ldns_pkt *query, char *err)
{
    ldns_status  status;

    ldns_pkt_free(c->query);
    ldns_pkt_free(c->answer);
    c->query = query;
    c->answer = NULL;

    if (query == NULL) {
        return migrator_dns_fail(err, "%s", "no memory");
    }

    ldns_pkt_set_random_id(query);

    status = conf->key_file ? ldns_update_pkt_tsig_add(query, c->resolver)
                            : LDNS_STATUS_OK;

    if (status == LDNS_STATUS_OK) {
        status = ldns_send(&c->answer, c->resolver, query);
    }

    if (status == LDNS_STATUS_CRYPTO_TSIG_BOGUS
        || (c->answer && ldns_pkt_get_rcode(c->answer)
                         == LDNS_RCODE_NOTAUTH))
    {
        snprintf(err, MIGRATOR_DNS_ERR, "%.60s does not take the key of %.120s "
                 "for zone %.60s: does it know it?", conf->server,
                 conf->key_file ? conf->key_file : "none", conf->zone);
        return SHARD_ERROR;
    }

    if (status != LDNS_STATUS_OK || c->answer == NULL) {
        snprintf(err, MIGRATOR_DNS_ERR, "%.60s: %.100s", conf->server,
                 status == LDNS_STATUS_OK ? "no answer"
                                          : ldns_get_errorstr_by_id(status));
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


static void
migrator_dns_epoch(migrator_dns_call_t *c, const ldns_rr *rr)
{
    size_t        i, len;
    uint64_t      epoch;
    shard_str_t   text;
    const char   *data;

    for (i = 0; i < ldns_rr_rd_count(rr); i++) {
        data = (const char *) ldns_rdf_data(ldns_rr_rdf(rr, i));
        len = ldns_rdf_size(ldns_rr_rdf(rr, i));

        /* its length goes before a string */

        if (len < sizeof(EPOCH)
            || memcmp(data + 1, EPOCH, sizeof(EPOCH) - 1) != 0)
        {
            continue;
        }

        text.data = data + sizeof(EPOCH);
        text.len = len - sizeof(EPOCH);

        if (shard_uint64_decode(text, &epoch) == SHARD_OK
            && (!c->found || epoch > c->epoch))
        {
            c->found = 1;
            c->epoch = epoch;
        }
    }
}


/* the epoch that is there, and the condition that it stays */

static int
migrator_dns_look(migrator_dns_call_t *c, const migrator_dns_conf_t *conf,
    const char *name, char *err)
{
    size_t         i;
    ldns_rr       *rr;
    ldns_pkt      *query;
    ldns_rdf      *owner;
    ldns_rr_list  *found;
    ldns_pkt_rcode rcode;

    owner = ldns_dname_new_frm_str(name);
    query = owner ? ldns_pkt_query_new(owner, LDNS_RR_TYPE_TXT,
                                       LDNS_RR_CLASS_IN, 0)
                  : NULL;

    if (query == NULL) {
        ldns_rdf_deep_free(owner);
        return migrator_dns_fail(err, "%s", "no memory");
    }

    if (migrator_dns_send(c, conf, query, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    rcode = ldns_pkt_get_rcode(c->answer);

    if (rcode != LDNS_RCODE_NOERROR && rcode != LDNS_RCODE_NXDOMAIN) {
        snprintf(err, MIGRATOR_DNS_ERR, "%.60s: answer %d to a query for "
                 "%.100s", conf->server, (int) rcode, name);
        return SHARD_ERROR;
    }

    found = ldns_pkt_rr_list_by_type(c->answer, LDNS_RR_TYPE_TXT,
                                     LDNS_SECTION_ANSWER);

    for (i = 0; found && i < ldns_rr_list_rr_count(found); i++) {
        rr = ldns_rr_list_rr(found, i);
        migrator_dns_epoch(c, rr);
        rr = ldns_rr_clone(rr);

        if (rr) {
            ldns_rr_set_ttl(rr, 0);
            ldns_rr_list_push_rr(c->prereq, rr);
        }
    }

    ldns_rr_list_deep_free(found);

    return SHARD_OK;
}


/* of a class that is no class, without data: what is (not) to be there */

static int
migrator_dns_none(ldns_rr_list *list, const char *name, ldns_rr_type type,
    ldns_rr_class class)
{
    ldns_rr   *rr;
    ldns_rdf  *owner;

    rr = ldns_rr_new();
    owner = ldns_dname_new_frm_str(name);

    if (rr == NULL || owner == NULL) {
        ldns_rr_free(rr);
        ldns_rdf_deep_free(owner);
        return SHARD_ERROR;
    }

    ldns_rr_set_owner(rr, owner);
    ldns_rr_set_type(rr, type);
    ldns_rr_set_class(rr, class);
    ldns_rr_set_ttl(rr, 0);

    if (!ldns_rr_list_push_rr(list, rr)) {
        ldns_rr_free(rr);
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


static int
migrator_dns_record(ldns_rr_list *list, const migrator_dns_conf_t *conf,
    const char *name, const char *type, const char *data)
{
    char      line[MIGRATOR_DNS_NAME + 128];
    ldns_rr  *rr;

    snprintf(line, sizeof(line), "%s %ld IN %s %s", name,
             conf->ttl_ms / 1000, type, data);

    if (ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL) != LDNS_STATUS_OK) {
        return SHARD_ERROR;
    }

    if (!ldns_rr_list_push_rr(list, rr)) {
        ldns_rr_free(rr);
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


static int
migrator_dns_records(migrator_dns_call_t *c, const migrator_dns_conf_t *conf,
    const char *name, const migrator_dns_set_t *set)
{
    int       bad;
    char      text[48];
    unsigned  i;

    bad = 0;

    if (ldns_rr_list_rr_count(c->prereq) == 0) {
        bad |= migrator_dns_none(c->prereq, name, LDNS_RR_TYPE_TXT,
                                 LDNS_RR_CLASS_NONE);
    }

    /* ldns has a list for each section: what goes is in the update's, too */

    bad |= migrator_dns_none(c->remove, name, LDNS_RR_TYPE_A,
                             LDNS_RR_CLASS_ANY);
    bad |= migrator_dns_none(c->remove, name, LDNS_RR_TYPE_AAAA,
                             LDNS_RR_CLASS_ANY);
    bad |= migrator_dns_none(c->remove, name, LDNS_RR_TYPE_TXT,
                             LDNS_RR_CLASS_ANY);

    snprintf(text, sizeof(text), "\"" EPOCH "%llu\"",
             (unsigned long long) set->epoch);
    bad |= migrator_dns_record(c->remove, conf, name, "TXT", text);

    for (i = 0; i < set->n; i++) {
        bad |= migrator_dns_record(c->remove, conf, name,
                                   strchr(set->addr[i], ':') ? "AAAA" : "A",
                                   set->addr[i]);
    }

    return bad ? SHARD_ERROR : SHARD_OK;
}


static migrator_dns_rc_e
migrator_dns_write(migrator_dns_call_t *c, const migrator_dns_conf_t *conf,
    const char *name, const migrator_dns_set_t *set, char *err)
{
    ldns_pkt        *query;
    ldns_rdf        *zone;
    ldns_pkt_rcode   rcode;

    zone = ldns_dname_new_frm_str(conf->zone);

    if (zone == NULL
        || migrator_dns_records(c, conf, name, set) != SHARD_OK)
    {
        ldns_rdf_deep_free(zone);
        migrator_dns_fail(err, "%s", "no memory");
        return MIGRATOR_DNS_FAILED;
    }

    query = ldns_update_pkt_new(zone, LDNS_RR_CLASS_IN, c->prereq, c->remove,
                                c->add);

    if (query == NULL) {
        ldns_rdf_deep_free(zone);
    }

    if (migrator_dns_send(c, conf, query, err) != SHARD_OK) {
        return MIGRATOR_DNS_FAILED;
    }

    rcode = ldns_pkt_get_rcode(c->answer);

    if (rcode == LDNS_RCODE_NOERROR) {
        return MIGRATOR_DNS_OK;
    }

    if (rcode == LDNS_RCODE_NXRRSET || rcode == LDNS_RCODE_YXRRSET
        || rcode == LDNS_RCODE_NXDOMAIN)
    {
        snprintf(err, MIGRATOR_DNS_ERR, "%.100s was written by somebody else "
                 "meanwhile", name);
        return MIGRATOR_DNS_RACE;
    }

    snprintf(err, MIGRATOR_DNS_ERR, "%.60s: answer %d to the update of "
             "%.100s%s", conf->server, (int) rcode, name,
             rcode == LDNS_RCODE_REFUSED ? ": refused, does its "
             "\"update-policy\" know the key?" : "");

    return MIGRATOR_DNS_FAILED;
}


migrator_dns_rc_e
migrator_dns_update(const migrator_dns_conf_t *conf, const char *name,
    const migrator_dns_set_t *set, char *err)
{
    migrator_dns_rc_e    rc;
    migrator_dns_call_t  c;

    rc = MIGRATOR_DNS_FAILED;

    if (migrator_dns_open(&c, conf, err) == SHARD_OK
        && migrator_dns_look(&c, conf, name, err) == SHARD_OK)
    {
        if (c.found && c.epoch > set->epoch) {
            snprintf(err, MIGRATOR_DNS_ERR, "%.100s has epoch %llu, later "
                     "than %llu: left as it is", name,
                     (unsigned long long) c.epoch,
                     (unsigned long long) set->epoch);
            rc = MIGRATOR_DNS_NEWER;

        } else {
            rc = migrator_dns_write(&c, conf, name, set, err);
        }
    }

    migrator_dns_close(&c);

    return rc;
}
