package BenchServers;

# The servers of the benchmark: backends, and one proxy for each balancer,
# all else the same.
#
#   client ──▶ proxy (nginx with one balancer, or HAProxy) ──▶ nginx, 200 "ok"
#                └─ Redis (the module's table)
#
# Nodes are addresses of the loopback range that one nginx listens on.

use warnings;
use strict;

use File::Path qw(make_path);

use Exporter qw(import);

our @EXPORT = qw(start_backends start_proxy node_addr progress);

my $backend_port;


sub progress { printf "bench  %s\n", $_[0] }


sub node_addr { return sprintf '127.2.%d.%d:%d', $_[0] / 250, $_[0] % 250 + 1, $backend_port }


sub start_backends {
    my ($t) = @_;

    my $dir = $t->dir() . '/backends';

    $backend_port = ShardTest::free_port();
    make_path($dir);
    ShardTest::spew("$dir/nginx.conf", frame($dir, <<"CONF", '', 8192));
    keepalive_requests 100000000;
    server { listen $backend_port; location / { return 200 "ok\\n"; } }
CONF

    start_nginx($t, 'backends', $dir, $backend_port);
}


sub frame {
    my ($dir, $http, $main, $connections) = @_;

    my $user = $> == 0 ? 'user root;' : '';
    my $temp = join("\n    ", map { "${_}_temp_path $dir/$_;" }
                    qw(client_body proxy fastcgi uwsgi scgi));

    return <<"CONF";
$user
daemon off;
pid $dir/nginx.pid;
lock_file $dir/nginx.lock;
error_log $dir/error.log warn;
worker_rlimit_nofile 20000;
$main
events { worker_connections $connections; }
http {
    access_log off;
    $temp
$http
}
CONF
}


sub start_nginx {
    my ($t, $name, $dir, $port, @before) = @_;

    return $t->add(
        name => $name, stop => 'QUIT', deadline => 120,
        argv => [ @before, '/usr/sbin/nginx', '-p', $dir,
                  '-c', "$dir/nginx.conf", '-e', "$dir/error.log" ],
        ready => sub { ShardTest::listens("127.0.0.1:$port") });
}


# "balancer": round_robin, hash_consistent, module or haproxy; "nodes" of it,
# "headers" on, "interval" of the module, "before": what runs it (valgrind),
# "main" of nginx.conf.  Returns the port.

sub start_proxy {
    my ($t, $name, %args) = @_;

    my $port = ShardTest::free_port();
    my $dir = $t->dir() . "/$name";

    make_path($dir);

    if ($args{balancer} eq 'haproxy') {
        start_haproxy($t, $name, $dir, $port, %args);
        return $port;
    }

    ShardTest::spew("$dir/nginx.conf", nginx_conf($t, $dir, $port, %args));
    start_nginx($t, $name, $dir, $port, @{ $args{before} || [] });
    return $port;
}


sub nginx_conf {
    my ($t, $dir, $port, %args) = @_;

    my $servers = join("\n        ", map { 'server ' . node_addr($_) . ';' }
                       0 .. $args{nodes} - 1);
    my ($load, $http, $headers, $api) = ('', '', '', 'return 404;');
    my $keepalive = "keepalive 1024;\n        keepalive_requests 100000000;";
    my $interval = $args{interval} || '60s';
    my $balancer = $args{balancer} eq 'hash_consistent'
        ? "hash \$arg_k consistent;\n        $servers" : $servers;

    if ($args{balancer} eq 'module') {
        $load = 'load_module ' . module_copy($t) . ';';
        $http = 'shard_redis ' . $t->redis_addr() . " timeout=60s;\n"
              . "    shard_router $args{router} zone=z1 interval=$interval;\n"
              . '    shard_table ' . $t->{keyspace} . ' '
              . ($args{zone} || '16m') . ";\n";
        $balancer = "shard $t->{keyspace} key=\$arg_k;\n"
                  . "        shard_hold max=4096 timeout=5s;\n"
                  . '        shard_health fails=3;';
        $keepalive = 'shard_keepalive 1024 requests=100000000;';
        $api = 'shard_api;';
    }

    if ($args{headers}) {
        $headers = join("\n            ", map { "proxy_set_header $_;" }
                        'X-Shard-Id $shard_id', 'X-Shard-Epoch $shard_epoch',
                        'X-Shard-Role $shard_role');
    }

    return frame($dir, <<"CONF", ($args{main} || 'worker_processes 1;') . "\n$load", 8192);
    keepalive_requests 100000000;
    $http
    upstream orders {
        $balancer
        $keepalive
    }
    server {
        listen 127.0.0.1:$port;
        location / {
            proxy_pass http://orders;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            $headers
        }
        location /shards/ { $api }
        location = /ping { return 204; }
    }
CONF
}


# the module is copied: a build meanwhile would take it from under nginx

sub module_copy {
    my ($t) = @_;

    my $copy = $t->dir() . '/ngx_http_shard_module.so';

    ShardTest::spew($copy,
                    ShardTest::slurp("$t->{build}/ngx_http_shard_module.so"))
        if !-f $copy;

    return $copy;
}


# one thread, the balancer "hash" of an argument, consistent; connections to
# servers are kept as nginx keeps them

sub start_haproxy {
    my ($t, $name, $dir, $port, %args) = @_;

    my $servers = join("\n    ", map { "server n$_ " . node_addr($_) }
                       0 .. $args{nodes} - 1);

    ShardTest::spew("$dir/haproxy.cfg", <<"CONF");
global
    maxconn 8000
    nbthread 1

defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always

frontend in
    bind 127.0.0.1:$port
    default_backend orders

backend orders
    balance url_param k
    hash-type consistent
    $servers
CONF

    $t->add(name => $name, stop => 'TERM', deadline => 60,
            argv => [ 'haproxy', '-db', '-f', "$dir/haproxy.cfg" ],
            ready => sub { ShardTest::listens("127.0.0.1:$port") });
}


1;
