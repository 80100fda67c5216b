
/* keys, names and sets of addresses as texts */


#include <stdio.h>
#include <string.h>

#include "shard_codec.h"
#include "dns.h"


#define LABEL_MAX  63


static const char *const  migrator_dns_algorithms[] = {
    "hmac-md5", "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384",
    "hmac-sha512", NULL
};


static int
migrator_dns_error(char *err, const char *what)
{
    snprintf(err, MIGRATOR_DNS_ERR, "%s; \"tsig-keygen NAME\" makes one, "
             "ALGORITHM:NAME:SECRET is one, too", what);
    return SHARD_ERROR;
}


/* the next word of a key file: quotes, braces and semicolons are none of it */

static size_t
migrator_dns_word(const char **p, const char *end, char *word, size_t size)
{
    size_t  n;

    static const char  around[] = " \t\r\n\"{};";

    while (*p < end && strchr(around, **p)) {
        (*p)++;
    }

    for (n = 0; *p < end && **p && !strchr(around, **p); (*p)++) {
        if (n + 1 < size) {
            word[n] = **p;
        }

        n++;
    }

    word[n < size ? n : size - 1] = '\0';

    return n < size ? n : 0;
}


static int
migrator_dns_key_algorithm(const char *word, migrator_dns_key_t *key)
{
    int  i;

    for (i = 0; migrator_dns_algorithms[i]; i++) {
        if (strcmp(word, migrator_dns_algorithms[i]) == 0) {

            /* the one that has a name of its own in the DNS */

            snprintf(key->algorithm, sizeof(key->algorithm), "%s",
                     i == 0 ? "hmac-md5.sig-alg.reg.int." : word);

            if (i) {
                strcat(key->algorithm, ".");
            }

            return SHARD_OK;
        }
    }

    return SHARD_ERROR;
}


static int
migrator_dns_key_short(const char *text, size_t len, migrator_dns_key_t *key,
    char *err)
{
    char  line[700], *name, *secret;

    if (len >= sizeof(line)) {
        return migrator_dns_error(err, "the key is too long");
    }

    memcpy(line, text, len);
    line[len] = '\0';
    line[strcspn(line, " \t\r\n")] = '\0';

    name = strchr(line, ':');
    secret = name ? strchr(name + 1, ':') : NULL;

    if (secret == NULL) {
        return migrator_dns_error(err, "there is no key in it");
    }

    *name++ = '\0';
    *secret++ = '\0';

    if (migrator_dns_key_algorithm(line, key) != SHARD_OK
        || strlen(name) >= sizeof(key->name)
        || strlen(secret) >= sizeof(key->secret))
    {
        return migrator_dns_error(err, "algorithm, name or secret is no good");
    }

    memcpy(key->name, name, strlen(name) + 1);
    memcpy(key->secret, secret, strlen(secret) + 1);

    return SHARD_OK;
}


int
migrator_dns_key_read(const char *text, size_t len, migrator_dns_key_t *key,
    char *err)
{
    char         word[256];
    const char  *p, *end;

    memset(key, 0, sizeof(migrator_dns_key_t));

    p = text;
    end = text + len;

    while (migrator_dns_word(&p, end, word, sizeof(word))) {

        if (strcmp(word, "key") == 0) {
            (void) migrator_dns_word(&p, end, key->name, sizeof(key->name));

        } else if (strcmp(word, "secret") == 0) {
            (void) migrator_dns_word(&p, end, key->secret,
                                     sizeof(key->secret));

        } else if (strcmp(word, "algorithm") == 0) {
            (void) migrator_dns_word(&p, end, word, sizeof(word));

            if (migrator_dns_key_algorithm(word, key) != SHARD_OK) {
                return migrator_dns_error(err, "the algorithm is unknown");
            }
        }
    }

    if (key->name[0] && key->secret[0] && key->algorithm[0]) {
        return SHARD_OK;
    }

    return migrator_dns_key_short(text, len, key, err);
}


static int
migrator_dns_name_good(const char *name)
{
    size_t       n;
    const char  *p;

    n = 0;

    for (p = name; *p; p++) {

        if (*p == '.') {

            if (n == 0 || n > LABEL_MAX) {
                return 0;
            }

            n = 0;
            continue;
        }

        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')
              || (*p >= '0' && *p <= '9') || *p == '-' || *p == '_'))
        {
            return 0;
        }

        n++;
    }

    return p > name && p[-1] == '.';
}


int
migrator_dns_name(const char *pattern, const char *keyspace,
    shard_id_t shard, char name[MIGRATOR_DNS_NAME])
{
    char         number[16];
    size_t       n, len;
    const char  *p, *word;

    snprintf(number, sizeof(number), "%u", (unsigned) shard);
    n = 0;

    for (p = pattern; *p; p += len) {

        if (strncmp(p, "{keyspace}", 10) == 0) {
            word = keyspace;
            len = 10;

        } else if (strncmp(p, "{shard}", 7) == 0) {
            word = number;
            len = 7;

        } else {
            word = NULL;
            len = 1;
        }

        if (n + (word ? strlen(word) : 1) + 2 > MIGRATOR_DNS_NAME) {
            return SHARD_ERROR;
        }

        if (word) {
            memcpy(name + n, word, strlen(word));
            n += strlen(word);

        } else {
            name[n++] = *p;
        }
    }

    if (n == 0 || name[n - 1] != '.') {
        name[n++] = '.';
    }

    name[n] = '\0';

    return migrator_dns_name_good(name) ? SHARD_OK : SHARD_ERROR;
}


/* sorted by insertion: mostly there is one */

void
migrator_dns_set_add(migrator_dns_set_t *set, const char *addr)
{
    int       order;
    unsigned  i;

    if (set->n == MIGRATOR_DNS_ADDRS || strlen(addr) >= MIGRATOR_DNS_ADDR) {
        return;
    }

    for (i = 0; i < set->n; i++) {
        order = strcmp(set->addr[i], addr);

        if (order == 0) {
            return;
        }

        if (order > 0) {
            break;
        }
    }

    memmove(set->addr[i + 1], set->addr[i],
            (set->n - i) * MIGRATOR_DNS_ADDR);
    memcpy(set->addr[i], addr, strlen(addr) + 1);
    set->n++;
}


int
migrator_dns_set_read(const char *text, migrator_dns_set_t *set)
{
    char          addr[MIGRATOR_DNS_ADDR];
    size_t        len;
    shard_str_t   number;

    memset(set, 0, sizeof(migrator_dns_set_t));

    number.data = text;
    number.len = strcspn(text, " ");

    if (shard_uint64_decode(number, &set->epoch) != SHARD_OK) {
        return SHARD_ERROR;
    }

    for (text += number.len; *text; text += len) {
        text++;
        len = strcspn(text, ",");

        if (len == 0 || len >= sizeof(addr)) {
            return SHARD_ERROR;
        }

        memcpy(addr, text, len);
        addr[len] = '\0';
        migrator_dns_set_add(set, addr);
    }

    return SHARD_OK;
}


void
migrator_dns_set_write(const migrator_dns_set_t *set, char *buf, size_t size)
{
    int       n;
    unsigned  i;

    n = snprintf(buf, size, "%llu", (unsigned long long) set->epoch);

    for (i = 0; i < set->n && n > 0 && (size_t) n < size; i++) {
        n += snprintf(buf + n, size - (size_t) n, "%c%s", i ? ',' : ' ',
                      set->addr[i]);
    }
}
