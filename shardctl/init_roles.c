
/*
 * Before a table is written its owners must know that they are: PUT
 * /_shard/ID/role, docs/backend-contract.md.  A few requests at a time over
 * kept connections; the first that fails ends it, and as roles are
 * idempotent the same command may simply be run again.
 */


#include <stdlib.h>
#include <string.h>
#include <curl/curl.h>

#include "init.h"


#define ROLES_PARALLEL    16
#define ROLES_TIMEOUT_MS  10000
#define ROLES_CONNECT_MS  3000
#define ROLES_ANSWER_MAX  300


typedef struct {
    CURL                *curl;
    struct curl_slist   *headers;
    size_t               shard;
    const shard_node_t  *node;
    size_t               len;
    char                 body[64];
    char                 answer[ROLES_ANSWER_MAX];
    char                 error[CURL_ERROR_SIZE];
} roles_request_t;

typedef struct {
    CURLM               *multi;
    roles_request_t      requests[ROLES_PARALLEL];
    size_t               next;
    size_t               done;
    shardctl_pace_t      pace;
} roles_t;


static size_t
roles_answer(char *data, size_t size, size_t n, void *arg)
{
    size_t            len;
    roles_request_t  *r;

    r = arg;
    len = size * n;

    if (len > ROLES_ANSWER_MAX - 1 - r->len) {
        len = ROLES_ANSWER_MAX - 1 - r->len;
    }

    memcpy(r->answer + r->len, data, len);
    r->len += len;
    r->answer[r->len] = '\0';

    return size * n;
}


static void
roles_start(roles_t *roles, roles_request_t *r, size_t shard,
    const shard_node_t *node, uint32_t epoch)
{
    int   unix_socket;
    char  url[SHARD_ADDR_SIZE + 64];

    r->shard = shard;
    r->node = node;
    r->len = 0;
    r->answer[0] = '\0';
    r->error[0] = '\0';

    unix_socket = strncmp(node->addr, "unix:", 5) == 0;

    snprintf(url, sizeof(url), "http://%s/_shard/%zu/role",
             unix_socket ? "localhost" : node->addr, shard);
    snprintf(r->body, sizeof(r->body), "{\"role\":\"primary\",\"epoch\":%u}",
             epoch);

    curl_easy_setopt(r->curl, CURLOPT_URL, url);
    curl_easy_setopt(r->curl, CURLOPT_UNIX_SOCKET_PATH,
                     unix_socket ? node->addr + 5 : NULL);
    curl_easy_setopt(r->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(r->curl, CURLOPT_CUSTOMREQUEST, "PUT");
    curl_easy_setopt(r->curl, CURLOPT_POSTFIELDS, r->body);
    curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, r->headers);
    curl_easy_setopt(r->curl, CURLOPT_WRITEFUNCTION, roles_answer);
    curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(r->curl, CURLOPT_ERRORBUFFER, r->error);
    curl_easy_setopt(r->curl, CURLOPT_PRIVATE, r);
    curl_easy_setopt(r->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(r->curl, CURLOPT_TIMEOUT_MS, (long) ROLES_TIMEOUT_MS);
    curl_easy_setopt(r->curl, CURLOPT_CONNECTTIMEOUT_MS,
                     (long) ROLES_CONNECT_MS);

    curl_multi_add_handle(roles->multi, r->curl);
}


static int
roles_check(shardctl_t *ctl, const roles_request_t *r, CURLcode code)
{
    long  status;

    if (code != CURLE_OK) {
        return shardctl_fail(ctl, "node \"%s\" at %s does not answer: %s (no "
                             "table was written; start the node, or use "
                             "--driver none for nodes without the contract)",
                             r->node->name, r->node->addr,
                             r->error[0] ? r->error
                                         : curl_easy_strerror(code));
    }

    status = 0;
    curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);

    if (status != 200) {
        return shardctl_fail(ctl, "node \"%s\" at %s refuses to own shard %zu:"
                             " status %ld %s (no table was written)",
                             r->node->name, r->node->addr, r->shard, status,
                             r->answer);
    }

    return SHARDCTL_OK;
}


static int
roles_turn(shardctl_t *ctl, roles_t *roles, const init_nodes_t *nodes,
    size_t nshards, const uint32_t *owner, uint32_t epoch)
{
    int               running, left, rc;
    CURLMsg          *msg;
    CURLcode          code;
    roles_request_t  *r;

    if (curl_multi_perform(roles->multi, &running) != CURLM_OK
        || curl_multi_poll(roles->multi, NULL, 0, 200, NULL) != CURLM_OK)
    {
        return shardctl_fail(ctl, "out of memory");
    }

    while ((msg = curl_multi_info_read(roles->multi, &left)) != NULL) {

        if (msg->msg != CURLMSG_DONE) {
            continue;
        }

        code = msg->data.result;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **) &r);
        curl_multi_remove_handle(roles->multi, r->curl);

        rc = roles_check(ctl, r, code);

        if (rc != SHARDCTL_OK) {
            return rc;
        }

        shardctl_pace(ctl, &roles->pace, ++roles->done);

        if (roles->next < nshards) {
            roles_start(roles, r, roles->next,
                        &nodes->nodes[owner[roles->next]], epoch);
            roles->next++;
        }
    }

    return SHARDCTL_OK;
}


int
init_roles(shardctl_t *ctl, const init_nodes_t *nodes, size_t nshards,
    const uint32_t *owner, uint32_t epoch)
{
    int                 rc;
    size_t              i;
    roles_t             roles;
    struct curl_slist  *headers;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
        return shardctl_fail(ctl, "cannot start libcurl");
    }

    memset(&roles, 0, sizeof(roles_t));
    shardctl_pace_start(&roles.pace, "shards have their owner", nshards);
    roles.multi = curl_multi_init();
    headers = curl_slist_append(NULL, "Content-Type: application/json");

    rc = roles.multi && headers ? SHARDCTL_OK
                                : shardctl_fail(ctl, "out of memory");

    for (i = 0; rc == SHARDCTL_OK && i < ROLES_PARALLEL; i++) {

        if (roles.next == nshards) {
            break;
        }

        roles.requests[i].curl = curl_easy_init();
        roles.requests[i].headers = headers;

        if (roles.requests[i].curl == NULL) {
            rc = shardctl_fail(ctl, "out of memory");
            break;
        }

        roles_start(&roles, &roles.requests[i], roles.next,
                    &nodes->nodes[owner[roles.next]], epoch);
        roles.next++;
    }

    while (rc == SHARDCTL_OK && roles.done < nshards) {
        rc = roles_turn(ctl, &roles, nodes, nshards, owner, epoch);
    }

    shardctl_pace_end(&roles.pace);

    for (i = 0; i < ROLES_PARALLEL; i++) {

        if (roles.requests[i].curl) {
            curl_multi_remove_handle(roles.multi, roles.requests[i].curl);
            curl_easy_cleanup(roles.requests[i].curl);
        }
    }

    curl_slist_free_all(headers);
    curl_multi_cleanup(roles.multi);
    curl_global_cleanup();

    return rc;
}
