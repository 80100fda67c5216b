package ShardTest;

# nginx of a test: its configuration, start, reload.

use warnings;
use strict;

use Cwd qw/ abs_path /;
use File::Path qw/ make_path /;


sub wait_for (&$$);        # of ShardTest.pm, which comes after this file


# "main", "http", "server" and "upstream" are texts put there, "interval" is
# the routers' metrics interval, "zone" the size of shared memory,
# "state" another parameter, or none, than the state file

sub start_nginx {
    my ($self, %args) = @_;

    my $port = $self->{nginx_port} ||= free_port();
    my $dir = "$self->{dir}/nginx";

    make_path($dir);
    $self->{nginx_conf} = "$dir/nginx.conf";
    spew($self->{nginx_conf}, $self->nginx_conf(%args));

    # "leaks": of one process, which frees what it has when it is asked to quit

    my %env = (ASAN_OPTIONS => 'detect_leaks=' . ($args{leaks} ? 1 : 0));
    $env{LD_PRELOAD} = sanitizer_libraries() if $ENV{SHARD_SAN};

    return $self->add(
        name => 'nginx', stop => 'QUIT', env => \%env,
        argv => [ $self->nginx_program(), '-p', $dir, '-c', $self->{nginx_conf},
                  '-e', "$dir/error.log" ],
        ready => sub { listens("127.0.0.1:$port") });
}


# SHARD_NGINX=PATH takes an nginx with the module linked in

sub nginx_program { return $ENV{SHARD_NGINX} || '/usr/sbin/nginx' }


sub sanitizer_libraries {
    return join ' ', map {
        my $path = `gcc -print-file-name=$_`;
        chomp $path;
        abs_path($path);
    } qw/ libasan.so libubsan.so /;
}


sub nginx_conf {
    my ($self, %args) = @_;

    my $dir = "$self->{dir}/nginx";
    my $user = $> == 0 ? "user root;\n" : '';
    my $interval = $args{interval} || '250ms';
    my $key = $args{key} || '$http_x_key';
    my $name = $self->{keyspace};
    my $workers = $args{workers} || $self->{workers};
    my $main = $args{main} || '';
    my $http = $args{http} || '';
    my $server = $args{server} || '';
    my $shard = defined $args{shard_args} ? $args{shard_args} : '';
    my $upstream = defined $args{upstream} ? $args{upstream}
                 : "shard_hold max=4096 timeout=5s;\n        shard_keepalive 64;";
    my $redis = $args{redis} || $self->redis_addr();
    my $zone = $args{zone} || '4m';
    my $state = $args{state} // "state=$dir/$name.shards";
    my $connections = $args{connections} || 2048;

    return <<"CONF";
${user}daemon off;
worker_processes $workers;
pid $dir/nginx.pid;
lock_file $dir/nginx.lock;
error_log $dir/error.log info;
worker_shutdown_timeout 10s;
worker_rlimit_nofile @{[ $connections * 2 ]};
@{[ $ENV{SHARD_NGINX} ? '' : "load_module $self->{build}/ngx_http_shard_module.so;" ]}
$main

events {
    worker_connections $connections;
}

http {
    access_log            off;
    client_body_temp_path $dir/client_body;
    proxy_temp_path       $dir/proxy;
    fastcgi_temp_path     $dir/fastcgi;
    uwsgi_temp_path       $dir/uwsgi;
    scgi_temp_path        $dir/scgi;
    keepalive_requests    1000000;

    shard_redis  $redis;
    shard_router edge-1 zone=z1 interval=$interval;
    shard_table  $name $zone $state;
    $http

    upstream $name {
        shard $name key=$key$shard;
        $upstream
    }

    server {
        listen 127.0.0.1:$self->{nginx_port} reuseport;
        $server

        location / {
            proxy_pass         http://$name;
            proxy_http_version 1.1;
            proxy_set_header   Connection    "";
            proxy_set_header   X-Shard-Id    \$shard_id;
            proxy_set_header   X-Shard-Epoch \$shard_epoch;
            proxy_set_header   X-Shard-Role  \$shard_role;
            add_header         X-Shard-Id    \$shard_id always;
            add_header         X-Shard-Node  \$shard_node always;
            add_header         X-Shard-State \$shard_state always;
            add_header         X-Shard-Held-Ms \$shard_held_ms always;
            add_header         X-Pid         \$pid always;
        }

        location /shards/ {
            shard_api;
        }

        location = /metrics {
            shard_metrics;
        }
    }
}
CONF
}


# a node that is an nginx with connections of its own

sub start_nginx_node {
    my ($self, $port, $http) = @_;

    my $dir = $self->{dir};

    spew("$dir/node.conf", <<"CONF");
daemon off;
pid $dir/node.pid;
error_log $dir/node.log;

events {
    worker_connections 2048;
}

http {
    $http
}
CONF

    return $self->add(
        name => 'node', argv => [ '/usr/sbin/nginx', '-p', $dir, '-c',
                                  "$dir/node.conf", '-e', "$dir/node.log" ],
        ready => sub { listens("127.0.0.1:$port") });
}


sub url { return "http://127.0.0.1:$_[0]->{nginx_port}$_[1]" }


# new configuration text, if any, and HUP; returns when all old workers that
# are not draining have been replaced

sub reload {
    my ($self, %args) = @_;

    my $nginx = $self->process('nginx');
    my %old = map { $_ => 1 } $nginx->children();

    spew($self->{nginx_conf}, $self->nginx_conf(%args)) if %args;
    $nginx->signal('HUP');

    wait_for {
        (grep { !$old{$_} } $nginx->children()) >= $self->{workers}
    } 20, 'new workers after a reload';
}


sub error_log { return slurp("$_[0]->{dir}/nginx/error.log") }


1;
