
/*
 * A binary upgrade (USR2): zones are of one binary's processes only, so two
 * routers serve for a while, the old one and the new one.
 *
 *   old master ─┬─ old workers        entry NAME, their own ledger
 *               └─ new master ─ new workers   entry NAME.upgrade, theirs
 *
 * What the old workers have in flight is not in the new ledger, so the new
 * router reports no barrier before they are gone: no cutover happens during
 * an upgrade.  With them gone it goes by its name.
 */


#include "ngx_http_shard.h"


#define NGX_HTTP_SHARD_CHILDREN  4096             /* bytes of their pids */


static ngx_uint_t ngx_http_shard_upgrade_count(u_char *p, u_char *last);


/* by the master, and once more at each reload */

void
ngx_http_shard_upgrade_init(ngx_cycle_t *cycle)
{
    ngx_http_shard_main_conf_t  *smcf;

    smcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_shard_module);

    if (smcf && ngx_inherited) {
        smcf->old_master = ngx_parent;
    }
}


/* of a list of pids, those that are neither this worker nor its master */

static ngx_uint_t
ngx_http_shard_upgrade_count(u_char *p, u_char *last)
{
    u_char      *end;
    ngx_int_t    pid;
    ngx_uint_t   n;

    for (n = 0; p < last; p = end + 1) {
        end = ngx_strlchr(p, last, ' ');
        end = end ? end : last;
        pid = ngx_atoi(p, end - p);

        n += pid > 0 && pid != (ngx_int_t) ngx_parent
             && pid != (ngx_int_t) ngx_pid;
    }

    return n;
}


/* workers of the binary before this one; where the kernel does not tell
 * them, their master counts for them */

ngx_uint_t
ngx_http_shard_upgrade_workers(ngx_http_shard_main_conf_t *smcf)
{
    u_char    path[64], buf[NGX_HTTP_SHARD_CHILDREN];
    ssize_t   n;
    ngx_fd_t  fd;

    if (smcf->old_master == 0) {
        return 0;
    }

    if (!ngx_http_shard_alive(smcf->old_master)) {
        smcf->old_master = 0;
        return 0;
    }

    (void) ngx_sprintf(path, "/proc/%P/task/%P/children%Z", smcf->old_master,
                       smcf->old_master);

    fd = ngx_open_file(path, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        return 1;
    }

    n = ngx_read_fd(fd, buf, NGX_HTTP_SHARD_CHILDREN);
    (void) ngx_close_file(fd);

    return n < 0 ? 1 : ngx_http_shard_upgrade_count(buf, buf + n);
}
