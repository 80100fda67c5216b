
/* keys, names and sets of addresses of the DNS, as texts */


#include "../lib/tap.h"
#include "../../migrator/dns.h"


static void
test_keys(void)
{
    int                  rc;
    char                 err[MIGRATOR_DNS_ERR], text[800];
    size_t               i;
    migrator_dns_key_t   key;

    static const char  bind[] = "key \"shard.\" {\n"
                                "\talgorithm hmac-sha256;\n"
                                "\tsecret \"c2VjcmV0\";\n};\n";

    static const char *const  bad[] = {
        "", "key", "key \"a\" { secret \"x\"; };", "hmac-sha256:name",
        "hmac-what:a:b", "key a { algorithm rot13; secret x; };", "::"
    };

    rc = migrator_dns_key_read(bind, sizeof(bind) - 1, &key, err);
    tap_is_int(rc, SHARD_OK, "what tsig-keygen writes");
    tap_is_str(key.name, "shard.", "its name");
    tap_is_str(key.algorithm, "hmac-sha256.", "its algorithm");
    tap_is_str(key.secret, "c2VjcmV0", "its secret");

    rc = migrator_dns_key_read("hmac-sha512:k:abc=\n", 19, &key, err);
    tap_is_int(rc, SHARD_OK, "in one line");
    tap_is_str(key.secret, "abc=", "its secret");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        rc = migrator_dns_key_read(bad[i], strlen(bad[i]), &key, err);
        tap_is_int(rc, SHARD_ERROR, "no key: %s", bad[i]);
    }

    memset(text, 'a', sizeof(text));
    rc = migrator_dns_key_read(text, sizeof(text), &key, err);
    tap_is_int(rc, SHARD_ERROR, "a long word");
}


static void
test_names(void)
{
    int   rc;
    char  name[MIGRATOR_DNS_NAME], label[400];

    rc = migrator_dns_name("{keyspace}-{shard}.example", "orders", 42, name);
    tap_is_int(rc, SHARD_OK, "a template");
    tap_is_str(name, "orders-42.example.", "is filled, and ends with a dot");

    tap_is_int(migrator_dns_name("a..b.", "k", 0, name), SHARD_ERROR,
               "an empty label");
    tap_is_int(migrator_dns_name("{other}.b.", "k", 0, name), SHARD_ERROR,
               "an unknown word");
    tap_is_int(migrator_dns_name("", "k", 0, name), SHARD_ERROR, "nothing");
    tap_is_int(migrator_dns_name("a\n.b.", "k", 0, name), SHARD_ERROR,
               "a line's end");

    memset(label, 'a', sizeof(label));
    label[64] = '\0';
    tap_is_int(migrator_dns_name(label, "k", 0, name), SHARD_ERROR,
               "a label of 64 bytes");
    label[64] = 'a';
    label[399] = '\0';
    tap_is_int(migrator_dns_name(label, "k", 0, name), SHARD_ERROR,
               "a name of 399 bytes");
}


static void
test_sets(void)
{
    int                  i;
    char                 text[4000], addr[16];
    migrator_dns_set_t   set, other;

    tap_is_int(migrator_dns_set_read("7 127.0.0.2,127.0.0.1,127.0.0.2", &set),
               SHARD_OK, "a set");
    tap_is_int(set.n, 2, "each once");
    migrator_dns_set_write(&set, text, sizeof(text));
    tap_is_str(text, "7 127.0.0.1,127.0.0.2", "in order");

    tap_is_int(migrator_dns_set_read("x 127.0.0.1", &set), SHARD_ERROR,
               "no epoch");
    tap_is_int(migrator_dns_set_read("1 a,,b", &set), SHARD_ERROR,
               "an empty address");
    tap_is_int(migrator_dns_set_read("1 " "1234567890123456789012345678901234"
                                     "5678901234567890", &set), SHARD_ERROR,
               "a long address");

    memset(&set, 0, sizeof(set));
    set.epoch = 1;

    for (i = 0; i < 200; i++) {
        snprintf(addr, sizeof(addr), "10.0.0.%u", (unsigned) i % 256);
        migrator_dns_set_add(&set, addr);
    }

    tap_is_int(set.n, MIGRATOR_DNS_ADDRS, "no more than there is room for");
    migrator_dns_set_write(&set, text, sizeof(text));
    tap_is_int(migrator_dns_set_read(text, &other), SHARD_OK, "read again");
    tap_ok(memcmp(&set, &other, sizeof(set)) == 0, "the same");
    migrator_dns_set_write(&set, text, 20);
    tap_ok(strlen(text) < 20, "cut to the buffer");
}


int
main(void)
{
    test_keys();
    test_names();
    test_sets();

    return tap_done();
}
