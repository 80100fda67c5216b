
/* The keys of a program as commented YAML, for --check and for users. */


#include <stdio.h>

#include "shardd_conf_value.h"


static void
shardd_conf_print_string(const char *p)
{
    printf("\"");

    for ( /* void */ ; *p; p++) {
        printf(*p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
    }

    printf("\"");
}


static void
shardd_conf_print_list(char *const *list)
{
    size_t  i;

    printf("[");

    for (i = 0; list && list[i]; i++) {
        printf(i ? ", " : "");
        shardd_conf_print_string(list[i]);
    }

    printf("]");
}


static void
shardd_conf_print_map(char *const *map)
{
    size_t  i;

    printf("{");

    for (i = 0; map && map[i]; i += 2) {
        printf(i ? ", " : "");
        shardd_conf_print_string(map[i]);
        printf(": ");
        shardd_conf_print_string(map[i + 1]);
    }

    printf("}");
}


static void
shardd_conf_print_value(const shardd_conf_key_t *key, const void *member)
{
    char  buf[SHARDD_CONF_TIME_SIZE];

    switch (key->type) {

    case SHARDD_CONF_STRING:
        shardd_conf_print_string(*(char *const *) member);
        break;

    case SHARDD_CONF_LIST:
        shardd_conf_print_list(*(char **const *) member);
        break;

    case SHARDD_CONF_MAP:
        shardd_conf_print_map(*(char **const *) member);
        break;

    case SHARDD_CONF_INT:
        printf("%ld", *(const long *) member);
        break;

    case SHARDD_CONF_NUMBER:
        printf("%g", *(const double *) member);
        break;

    case SHARDD_CONF_MS:
        printf("%s", shardd_conf_time((double) *(const long *) member, buf));
        break;

    case SHARDD_CONF_BOOL:
        printf("%s", *(const int *) member ? "on" : "off");
        break;

    case SHARDD_CONF_ENUM:
        printf("%s", key->words[*(const int *) member]);
        break;

    case SHARDD_CONF_FILE:
    case SHARDD_CONF_ITEMS:
    case SHARDD_CONF_SECTION:
        break;
    }
}


static void
shardd_conf_print_item(const shardd_conf_key_t *keys, int indent)
{
    size_t                    i;
    const shardd_conf_key_t  *key;

    for (key = keys; key->name; key++) {
        printf("%*s#   %s: %s%s", indent, "", key->name, key->doc,
               key->required ? " (required)" : "");

        for (i = 0; key->type == SHARDD_CONF_ENUM && key->words[i]; i++) {
            printf(i ? " %s" : ": %s", key->words[i]);
        }

        printf("\n");
    }
}


/* a key without a default is a comment: uncommented it would be empty */

static void
shardd_conf_print_keys(const shardd_conf_key_t *keys, const void *conf,
    int indent)
{
    size_t                    i;
    const void               *member;
    const shardd_conf_key_t  *key;

    for (key = keys; key->name; key++) {
        member = (const char *) conf + key->offset;

        printf("%*s# %s%s\n", indent, "", key->doc,
               key->required ? " (required)" : "");

        if (key->type == SHARDD_CONF_ENUM) {
            printf("%*s# one of:", indent, "");

            for (i = 0; key->words[i]; i++) {
                printf(" %s", key->words[i]);
            }

            printf("\n");
        }

        if (key->type == SHARDD_CONF_SECTION) {
            printf("%*s%s:\n", indent, "", key->name);
            shardd_conf_print_keys(key->section, conf, indent + 2);
            continue;
        }

        if (key->type == SHARDD_CONF_ITEMS) {
            printf("%*s%s: []\n%*s# each with:\n", indent, "", key->name,
                   indent, "");
            shardd_conf_print_item(key->section, indent);
            continue;
        }

        if (key->type == SHARDD_CONF_FILE
            || (key->type == SHARDD_CONF_STRING
                && *(char *const *) member == NULL))
        {
            printf("%*s#%s:\n", indent, "", key->name);
            continue;
        }

        printf("%*s%s: ", indent, "", key->name);
        shardd_conf_print_value(key, member);
        printf("\n");
    }
}


void
shardd_conf_print(const shardd_conf_key_t *keys, const void *conf)
{
    shardd_conf_print_keys(keys, conf, 0);
}
