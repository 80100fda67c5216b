
/* the name server, its key and the names, as the configuration has them */


#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns_server.h"


#define KEY_FILE_MAX  4096
#define PORT          53


static int
migrator_dns_fail(char *err, const char *fmt, const char *what)
{
    snprintf(err, MIGRATOR_DNS_ERR, fmt, what);
    return SHARD_ERROR;
}


int
migrator_dns_key_load(const char *path, migrator_dns_key_t *key, char *err)
{
    FILE    *f;
    char     text[KEY_FILE_MAX], why[MIGRATOR_DNS_ERR];
    size_t   len;

    f = fopen(path, "re");
    len = f ? fread(text, 1, sizeof(text), f) : 0;

    if (f == NULL || ferror(f)) {
        snprintf(err, MIGRATOR_DNS_ERR, "key_file %.200s cannot be read: %s",
                 path, strerror(errno));

        if (f) {
            fclose(f);
        }

        return SHARD_ERROR;
    }

    fclose(f);

    if (len == sizeof(text)) {
        return migrator_dns_fail(err, "key_file %.200s is too long for a "
                                 "key", path);
    }

    if (migrator_dns_key_read(text, len, key, why) != SHARD_OK) {
        snprintf(err, MIGRATOR_DNS_ERR, "key_file %.80s: %.160s", path, why);
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


ldns_rdf *
migrator_dns_server(const char *server, uint16_t *port)
{
    char        host[64], *colon, *end;
    long        number;
    size_t      len;
    ldns_rdf   *rdf;

    len = strlen(server);

    if (len == 0 || len >= sizeof(host)) {
        return NULL;
    }

    memcpy(host, server, len + 1);
    *port = PORT;
    colon = strrchr(host, ':');

    if (colon && (colon == strchr(host, ':') || colon[-1] == ']')) {
        number = strtol(colon + 1, &end, 10);

        if (*end || end == colon + 1 || number < 1 || number > 65535) {
            return NULL;
        }

        *port = (uint16_t) number;
        *colon = '\0';
    }

    len = strlen(host);

    if (host[0] == '[' && host[len - 1] == ']') {
        memmove(host, host + 1, len);
        host[len - 2] = '\0';
    }

    rdf = ldns_rdf_new_frm_str(LDNS_RDF_TYPE_A, host);

    return rdf ? rdf : ldns_rdf_new_frm_str(LDNS_RDF_TYPE_AAAA, host);
}


int
migrator_dns_conf_check(const migrator_dns_conf_t *conf, char *err)
{
    char                 name[MIGRATOR_DNS_NAME];
    uint16_t             port;
    ldns_rdf            *server;
    migrator_dns_key_t   key;

    if (conf->server == NULL && (conf->zone || conf->group || conf->key_file))
    {
        return migrator_dns_fail(err, "server is missing: %s of the name "
                                 "server that takes updates", "IP or IP:port");
    }

    if (conf->server == NULL) {
        return SHARD_OK;
    }

    server = migrator_dns_server(conf->server, &port);

    if (server == NULL) {
        return migrator_dns_fail(err, "server \"%.60s\": an address is "
                                 "needed, IP or IP:port", conf->server);
    }

    ldns_rdf_deep_free(server);

    if (conf->zone == NULL
        || migrator_dns_name(conf->zone, "", 0, name) != SHARD_OK)
    {
        return migrator_dns_fail(err, "zone%s: a domain's name is "
                                 "needed, such as shards.example.",
                                 conf->zone ? " is none" : " is missing");
    }

    if (migrator_dns_name(conf->name, "k", 0, name) != SHARD_OK
        || strstr(conf->name, "{shard}") == NULL)
    {
        return migrator_dns_fail(err, "name \"%.100s\": a name with "
                                 "{shard} in it is needed, such as "
                                 "{keyspace}-{shard}.example.", conf->name);
    }

    if (conf->group
        && migrator_dns_name(conf->group, "k", 0, name) != SHARD_OK)
    {
        return migrator_dns_fail(err, "group \"%.100s\" is no name",
                                 conf->group);
    }

    return conf->key_file ? migrator_dns_key_load(conf->key_file, &key, err)
                          : SHARD_OK;
}
