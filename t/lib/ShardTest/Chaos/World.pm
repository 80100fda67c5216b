package ShardTest::Chaos;

# The world of a cell: Redis, two nodes of the driver, two routers with load.
# Shard 0 is n1's and goes to n2, as a whole, by its upper half (split), or
# into shard 1 that n2 has (merge).  Where the driver splits and merges on one
# node that is n1, with the proxies before it: the target is the source.
#
#              ┌──▶ n1 ──▶ store n1 ◀─┐
#   routers ───┤                      ├── migrators
#              └─▶ proxy ─▶ n2 ──▶ store n2 ◀── proxy ◀┘
#
# Stores are n1's and n2's own PostgreSQL clusters or Redis servers; with the
# driver http a node keeps its data itself, and the proxy before it is all.

use warnings;
use strict;

use File::Path qw/ make_path remove_tree /;
use File::Temp qw/ tempdir /;

use ShardTest;
use ShardTest::Disk;
use ShardTest::Postgres;
use ShardTest::Proxy;

my $shards = 4;


sub world {
    my ($self) = @_;

    my $t = $self->{t} = ShardTest->new(
        shards => $shards, name => 'chaos', $ENV{CHAOS_DIR}
        ? (dir => tempdir('shard-chaos.XXXXXX', DIR => $ENV{CHAOS_DIR})) : ());
    my $stateless = $self->{strategy} eq 'stateless';

    # by the second it may lose what it has answered when it is killed

    $t->start_redis('--appendfsync', 'always');

    if ($stateless) {
        $self->stateless_nodes();

    } else {
        $self->stores();
        $self->nodes();
    }

    my $target = $t->{nodes}{$self->{target}};

    $self->{target_addr} = $target->{addr};
    $target->{addr} = $self->proxy('node', $target->{addr});

    my $merge = $self->{verb} eq 'merge';

    $t->seed(place => sub { $merge && $_[0] == 1 ? $self->{target} : 'n1' },
             silent => $stateless,
             record => { strategy => $self->{strategy} });

    # who waits is served late on a busy machine, which is no fault

    $t->start_routers(2, upstream => "shard_hold max=4096 timeout=25s;\n"
                                     . '        shard_keepalive 64;');

    wait_for { keys %{ $t->redis()->hash($t->key('routers')) } == 2 } 60,
        'both routers have reported';
    wait_for { $t->get($t->router_url($_, '/kv/any'), 'X-Key' => 'any')
                   ->{status} != 503 } 60, "$_ has a table"
        for qw/ edge-1 edge-2 /;

    # an append is no write that can be undone: not with copy-on-write

    my $mix = $stateless ? '100,0,0'
            : $self->{strategy} eq 'copy-on-write' ? '55,45,0' : '50,30,20';

    for my $edge (qw/ edge-1 edge-2 /) {
        $t->start_load(name => "load-$edge", prefix => $edge, rate => 60,
                       url => $t->router_url($edge), timeout => 40,
                       options => [ '--mix', $mix ]);
    }
}


# all of them go to the same mode at a time

sub proxy {
    my ($self, $name, $to) = @_;

    my $proxy = ShardTest::Proxy->new(
        file => $self->{t}->dir() . "/$name.mode", to => $to);

    push @{ $self->{proxies} }, $proxy;
    return $proxy->addr();
}


sub mode {
    my ($self, $mode) = @_;
    $_->mode($mode) for @{ $self->{proxies} };
}


# {store}{n1}: its address for nodes (url) and migrators (conf), kill, start;
# the target's is on a small disk when that is to be full

sub stores {
    my ($self) = @_;

    for my $node (qw/ n1 n2 /) {
        my $small = $self->{fault} eq 'disk-full' && $node eq $self->{target};

        $self->{store}{$node} =
            $self->{driver} eq 'postgres' ? $self->postgres($node, $small)
            : $self->{driver} eq 'redis' ? $self->data_redis($node, $small)
            : next;
    }
}


sub postgres {
    my ($self, $node, $small) = @_;

    my $pg = ShardTest::Postgres->start(name => $node,
                                        $small ? (disk_mb => 300) : ());
    my $port = $pg->port();

    $self->{disk} = $pg->{disk} if $small;
    ($port) = $self->proxy('store', "127.0.0.1:$port") =~ /:(\d+)$/
        if $node eq $self->{target};

    return { pg => $pg, url => $pg->url(),
             conf => "host=127.0.0.1 port=$port user=postgres dbname=postgres",
             kill => sub { $pg->kill9() },
             start => sub { $pg->again() if !$pg->alive() } };
}


sub data_redis {
    my ($self, $node, $small) = @_;

    my $t = $self->{t};
    my $name = "data-$node";

    if ($small) {
        mkdir($t->dir() . '/disk');
        $self->{disk} = $t->{disk}{$name} =
            ShardTest::Disk->new(dir => $t->dir() . '/disk', mb => 100);
    }

    my $process = $t->start_data_redis($name);
    my $addr = $t->{data}{$name};

    return { url => "redis://$addr", process => $process,
             conf => 'redis://' . ($node eq $self->{target}
                                   ? $self->proxy('store', $addr) : $addr),
             kill => sub { $process->kill() },
             start => sub { $process->start() if !$process->alive() } };
}


sub nodes {
    my ($self) = @_;

    my $t = $self->{t};

    for my $node (qw/ n1 n2 /) {
        my $store = $self->{store}{$node};

        # of a store it is the store's disk that is full

        $t->start_node($node, zone => $node eq 'n1' ? 'z1' : 'z2',
                       $store ? (store => $store->{url}) : (),
                       options => !$store && $self->{fault} eq 'disk-full'
                                  && $node eq 'n2' ? [ '--map-size', '4m' ]
                                                   : []);
    }
}


sub stateless_nodes {
    my ($self) = @_;

    my $t = $self->{t};

    for my $name (qw/ n1 n2 /) {
        my $port = free_port();
        my $dir = $t->dir();

        $t->{nodes}{$name} = { name => $name, addr => "127.0.0.1:$port",
                               zone => 'z1', capacity => 1000 };
        spew("$dir/$name.conf", <<"CONF");
daemon off;
pid $dir/$name.pid;
error_log $dir/$name.log;
events { worker_connections 512; }
http {
    access_log off;
    server {
        listen 127.0.0.1:$port;
        location /kv/ { return 404; }
        location / { return 200 "well"; }
    }
}
CONF
        $t->add(name => $name, argv => [ '/usr/sbin/nginx', '-p', $dir, '-c',
                                         "$dir/$name.conf", '-e',
                                         "$dir/$name.log" ],
                ready => sub { ShardTest::listens("127.0.0.1:$port") });
    }
}


sub driver_conf {
    my ($self) = @_;

    my $conf = sub { $self->{store}{$_[0]}{conf} };

    return $self->{driver} eq 'postgres' ? <<"POSTGRES"
driver: postgres
postgres:
    nodes:
        n1: "@{[ $conf->('n1') ]}"
        n2: "@{[ $conf->('n2') ]}"
    tables:
        shardkv.kv: shard
        shardkv.entry: shard
POSTGRES
        : $self->{driver} eq 'redis' ? <<"REDIS" : '';
driver: redis
data_redis:
    nodes:
        n1: @{[ $conf->('n1') ]}
        n2: @{[ $conf->('n2') ]}
REDIS
}


sub start_migrator {
    my ($self, $name, %env) = @_;

    my $t = $self->{t};

    if ($self->{fault} =~ /^clock/ && $name eq 'm1') {
        spew($t->dir() . '/clock', '+0');
        %env = (%env, LD_PRELOAD => ShardTest::Chaos::Cells::faketime(),
                FAKETIME_NO_CACHE => 1, DONT_FAKE_MONOTONIC => 1,
                FAKETIME_TIMESTAMP_FILE => $t->dir() . '/clock');
    }

    my $hooks = '';

    # the way back is come to by a hook that fails

    if ($self->{phase} eq 'rolling-back') {
        my $at = $self->{strategy} eq 'stateless' ? 'shift' : 'verify';

        $hooks = "hooks:\n    - phase: $at\n      when: before\n"
                 . "      exec: [ /bin/false ]\n      on_failure: rollback\n";
    }

    return $t->start_daemon('shard-migrator', $name,
        $t->migrator_conf($name, $self->driver_conf() . <<CONF), env => \%env);
request_timeout: 2s
hold:
    timeout: 3s
shift:
    step_bp: 2500
    interval: 50ms
timeouts:
    warm_up: 15s
    copy: 15s
    catch_up: 15s
    standby: 10s
    fill: 15s
$hooks
CONF
}


# the migration of this cell; its id

sub begin {
    my ($self) = @_;

    my $t = $self->{t};

    return $t->migrate(0, 'n2') if $self->{verb} eq 'move';
    return $t->ctl(qw/ merge 1 0 /)->{id} if $self->{verb} eq 'merge';
    return $t->ctl(qw/ split 0 /, $self->{target} eq 'n1'
                                  ? () : qw/ --to n2 /)->{id};
}


sub end_world {
    my ($self) = @_;

    my $t = $self->{t} or return;

    $t->allow(qr/exited on signal|locked by/);
    $_->signal('CONT') for grep { $_ } map { $t->{process}{$_} } qw/ m1 m2 /;
    $t->stop_all();
    $self->bad(grep { !/did not end within/ } $t->problems());
    $_->stop() for @{ $self->{proxies} || [] };
    $self->keep_logs() if @{ $self->{bad} };
    $_->{pg} && $_->{pg}->end() for values %{ $self->{store} || {} };
    $self->{disk}->end() if $self->{disk};
    remove_tree($t->dir());
    $t->{keep} = 1;
}


# of a bad one: what servers wrote of themselves, not their data

sub keep_logs {
    my ($self) = @_;

    my $from = $self->{t}->dir();
    my $to = $self->{dir} = ShardTest::top() . "/build/chaos/"
             . join('.', @$self{qw/ verb strategy driver phase fault /});

    remove_tree($to);
    make_path($to);

    for my $file (glob "$from/*.log $from/*.json $from/*.yaml") {
        spew("$to/" . $file =~ s|.*/||r, ShardTest::slurp($file));
    }

    for my $name (sort keys %{ $self->{store} || {} }) {
        my $pg = $self->{store}{$name}{pg} or next;
        spew("$to/postgres-$name.log", $pg->log());
    }
}


1;
