#!/usr/bin/perl

# make bench: what the data plane costs.
#
#   instructions  callgrind counts what nginx executes for one request through
#                 its own round robin, its own "hash $arg_k consistent", and
#                 this module; repeatable within 0.4 %
#   look-up       nanoseconds from a position to the route of its shard
#   propagation   from the commit sent to Redis until each worker answers with
#                 its version
#
#       client ──▶ nginx under callgrind ──▶ nginx, 3 ports, 200 "ok"
#       (one connection, keepalive)  │
#                                    └─ Redis (the module's table)
#
# Prints a table, leaves build/bench/data-plane.json.

use strict;
use warnings;

use File::Path qw(make_path);
use IO::Socket::INET;
use JSON::PP;
use List::Util qw(min max);
use Time::HiRes qw(time);

use ShardTest;

my $warmup = 300;
my $requests = 1000;
my $starts = 5;
my $idle_seconds = 2;
my $shards = 1000;
my $commits = 300;
my $aim = 1.03;

if (@ARGV) {
    my $help = $ARGV[0] eq '--help';
    print { $help ? *STDOUT : *STDERR }
        "usage: perl -It/lib bench/run.pl     (make bench)\n"
        . "prints what the data plane costs; build/bench/data-plane.json\n";
    exit($help ? 0 : 2);
}

$| = 1;

for my $tool (qw(valgrind callgrind_control)) {
    next if grep { -x "$_/$tool" } split(/:/, $ENV{PATH});
    die "bench: no $tool here: apt-get install valgrind (./test.sh does it)\n";
}

my $t = ShardTest->new(name => 'bench', shards => $shards);
my $build = ShardTest::top() . '/build/bench';
make_path($build);

my %report = (shards => $shards, requests => $requests);

progress('look-ups in tables of 1,000, 100,000 and 1,000,000 shards');
lookups();

progress("Redis, three backends, a table of $shards shards");
start_backends();
$t->start_redis();
$t->seed(silent => 1);

instructions();
propagation();

my @problems = $t->problems();
$t->stop_all();
die "bench: " . join("\nbench: ", @problems) . "\n" if @problems;

print_table();
write_report();
exit(0);


sub progress { printf "bench  %s\n", $_[0] }


sub lookups {
    my ($status, $out, $err)
        = $t->run("$build/lookup", 1000, 100000, 1000000);
    die "bench: lookup: $err" if $status;

    my $got = decode_json($out);

    $report{lookup_ns} = $got->{equal};
    $report{lookup_uneven_ns} = $got->{uneven};
    $report{key_hash_ns} = $got->{key};
}


# one nginx is all three nodes: n1, n2, n3

sub start_backends {
    my $dir = $t->dir() . '/backends';
    my @ports = map { ShardTest::free_port() } 1 .. 3;
    my $listen = join(' ', map { "listen 127.0.0.1:$_;" } @ports);

    make_path($dir);
    ShardTest::spew("$dir/nginx.conf", frame($dir, <<"CONF", ''));
    keepalive_requests 100000000;
    server { $listen  location / { return 200 "ok\\n"; } }
CONF

    start('backends', $dir, $ports[0]);

    for my $i (0 .. 2) {
        $t->{nodes}{'n' . ($i + 1)} = {
            name => 'n' . ($i + 1), addr => "127.0.0.1:$ports[$i]",
            zone => 'z1', capacity => 1000
        };
    }
}


sub frame {
    my ($dir, $http, $main) = @_;

    my $user = $> == 0 ? 'user root;' : '';
    my $temp = join("\n    ", map { "${_}_temp_path $dir/$_;" }
                    qw(client_body proxy fastcgi uwsgi scgi));

    return <<"CONF";
$user
daemon off;
pid $dir/nginx.pid;
lock_file $dir/nginx.lock;
error_log $dir/error.log warn;
$main
events { worker_connections 1024; }
http {
    access_log off;
    $temp
$http
}
CONF
}


sub start {
    my ($name, $dir, $port, @before) = @_;

    return $t->add(
        name => $name, stop => 'QUIT', deadline => 60,
        argv => [ @before, '/usr/sbin/nginx', '-p', $dir,
                  '-c', "$dir/nginx.conf", '-e', "$dir/error.log" ],
        ready => sub { ShardTest::listens("127.0.0.1:$port") });
}


# one nginx with one balancer, all else the same

sub balancer_conf {
    my ($name, $dir, $port) = @_;

    my $servers = join("\n        ", map { "server $t->{nodes}{$_}{addr};" }
                       $t->node_names());
    my ($load, $http, $headers) = ('', '', '');
    my $interval = $name eq 'module_clock' ? '1s' : '60s';
    my $balancer = $name eq 'hash_consistent'
        ? "hash \$arg_k consistent;\n        $servers" : $servers;

    if ($name =~ /^module/) {
        $load = 'load_module ' . module_copy() . ';';
        $http = 'shard_redis ' . $t->redis_addr() . ";\n"
              . "    shard_router bench zone=z1 interval=$interval;\n"
              . "    shard_table orders 16m;\n";
        $balancer = "shard orders key=\$arg_k;\n"
                  . "        shard_hold max=4096 timeout=5s;";
    }

    if ($name eq 'module_headers') {
        $headers = join("\n            ", map { "proxy_set_header $_;" }
                        'X-Shard-Id $shard_id', 'X-Shard-Epoch $shard_epoch',
                        'X-Shard-Role $shard_role');
    }

    return frame($dir, <<"CONF", "master_process off;\n$load");
    keepalive_requests 100000000;
    $http
    upstream orders {
        $balancer
        keepalive 64;
    }
    server {
        listen 127.0.0.1:$port;
        location / {
            proxy_pass http://orders;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            $headers
        }
        location /shards/ { @{[ $name =~ /^module/ ? 'shard_api;' : 'return 404;' ]} }
    }
CONF
}


sub instructions {
    for my $name (qw(round_robin hash_consistent module module_headers)) {
        my ($per_request, $spread) = instructions_of($name);

        progress(sprintf '%-16s %6.0f instructions per request (+- %.2f %%)',
                 $name, $per_request, 100 * $spread);

        $report{instructions_per_request}{$name}
            = sprintf('%.0f', $per_request) + 0;
    }

    my ($pid, $port, $out) = under_callgrind('module_clock');
    $report{clock_instructions_per_second}
        = sprintf('%.0f', idle($pid, $out)) + 0;
    $t->process('module_clock')->stop();
}


# The flush of each interval belongs to no request, and callgrind would let
# it count fifty times too much: it comes once a minute here, the heartbeat is
# taken off, and module_clock has both as they are, by the second.
#
# A heap that was used before makes malloc() dearer by up to 1 %, otherwise in
# every process but the same for all its life: several are started.

sub instructions_of {
    my ($name) = @_;

    my @got;

    for (1 .. $starts) {
        my ($pid, $port, $out) = under_callgrind($name);
        my $client = client($port);

        ask($client, $warmup);

        my $idle = idle($pid, $out);

        control('-z', $pid);
        my $since = time();
        ask($client, $requests);
        my $took = time() - $since;
        push @got, (dump_of($pid, $out) - $idle * $took) / $requests;

        $t->process($name)->stop();
    }

    my @sorted = sort { $a <=> $b } @got;
    my $median = $sorted[$#sorted / 2];

    return ($median, (max(@got) - min(@got)) / 2 / $median);
}


# the module is copied: a build meanwhile would take it from under nginx

sub module_copy {
    my $copy = $t->dir() . '/ngx_http_shard_module.so';

    ShardTest::spew($copy,
                    ShardTest::slurp("$t->{build}/ngx_http_shard_module.so"))
        if !-f $copy;

    return $copy;
}


sub under_callgrind {
    my ($name) = @_;

    my $port = ShardTest::free_port();
    my $dir = $t->dir() . "/$name";
    my $out = "$dir/callgrind." . $port;

    make_path($dir);
    ShardTest::spew("$dir/nginx.conf", balancer_conf($name, $dir, $port));

    my $nginx = start($name, $dir, $port, 'valgrind', '--tool=callgrind',
                      "--callgrind-out-file=$out");

    if ($name =~ /^module/) {
        ShardTest::wait_for {
            my $got = $t->get("http://127.0.0.1:$port/shards/orders");
            $got->{success} && decode_json($got->{content})->{version}
        } 60, 'the table under callgrind';
    }

    return ($nginx->pid(), $port, $out);
}


# instructions per second without requests

sub idle {
    my ($pid, $out) = @_;

    control('-z', $pid);
    my $since = time();
    select(undef, undef, undef, $idle_seconds);

    return dump_of($pid, $out) / (time() - $since);
}


sub control {
    my ($flag, $pid) = @_;

    my ($status, $out, $err) = $t->run('callgrind_control', $flag, $pid);
    die "bench: callgrind_control $flag: $out$err\n"
        if $status || $out !~ /OK/;
}


# instructions since the last dump or zero

sub dump_of {
    my ($pid, $out) = @_;

    my %old = map { $_ => 1 } glob("$out.*");

    control('-d', $pid);

    my ($file) = grep { !$old{$_} } glob("$out.*");
    die "bench: callgrind left no dump at $out\n" if !defined $file;

    my ($n) = ShardTest::slurp($file) =~ /^(?:totals|summary): (\d+)/m;
    die "bench: no total in $file\n" if !defined $n;

    return $n;
}


sub client {
    my ($port) = @_;

    my $client = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port",
                                       Proto => 'tcp', Timeout => 10)
        or die "bench: 127.0.0.1:$port: $!\n";
    return $client;
}


# one after another on one connection; the same keys for every balancer

sub ask {
    my ($client, $n) = @_;

    for my $i (1 .. $n) {
        my $key = sprintf('customer-%08d', $i * 7919 % 1000003);
        my ($status, $body) = http($client, "/?k=$key");

        die "bench: request $i: $status $body\n"
            if $status != 200 || $body ne "ok\n";
    }
}


sub http {
    my ($client, $path) = @_;

    syswrite($client, "GET $path HTTP/1.1\r\nHost: bench\r\n\r\n")
        or die "bench: $!\n";

    my $got = '';

    while (1) {
        if ($got =~ /^HTTP\S+ (\d+).*?\r\n\r\n/s) {
            my ($status, $head, $body) = ($1, $&, substr($got, length $&));
            my ($length) = $head =~ /^Content-Length: (\d+)/mi;
            my ($pid) = $head =~ /^X-Pid: (\d+)/mi;

            return ($status, $body, $pid)
                if defined $length && length $body >= $length;

            # shard_api may answer chunked

            return ($status, join('', $body =~ /\A[0-9a-f]+\r\n(.*?)\r\n0\r\n/s),
                    $pid)
                if !defined $length && $body =~ /\r\n0\r\n\r\n\z/;
        }

        sysread($client, $got, 65536, length $got)
            or die "bench: nginx closed the connection: $got\n";
    }
}


# one connection to each worker; commits at irregular times

sub propagation {
    $t->start_nginx(interval => '1s', upstream => 'keepalive 64;',
                    server => 'add_header X-Pid $pid always;');

    ShardTest::wait_for {
        $t->api('')->{version}
    } 20, 'the table in nginx';

    my %worker;

    for (1 .. 200) {
        my $client = client($t->{nginx_port});
        my (undef, undef, $pid) = http($client, '/shards/orders');
        $worker{$pid} ||= $client;
        last if keys %worker == $t->{workers};
    }

    die "bench: found only " . keys(%worker) . " workers\n"
        if keys %worker != $t->{workers};

    progress("$commits commits until each of $t->{workers} workers has them");

    my $r = $t->redis();
    my $got = $r->command('FCALL', 'shard_claim', 2, $t->key('meta'),
                          $t->key('claims'), 'keyspace', 'bench', 600000);
    my $token = $got->[1];
    my @ms = map { commit_ms($r, $token, $_, [ values %worker ]) }
             1 .. $commits;

    @ms = sort { $a <=> $b } @ms;
    $report{propagation_ms} = {
        p50 => sprintf('%.2f', $ms[$#ms * 0.5]) + 0,
        p99 => sprintf('%.2f', $ms[$#ms * 0.99]) + 0,
        max => sprintf('%.2f', $ms[-1]) + 0,
    };
}


sub commit_ms {
    my ($r, $token, $n, $clients) = @_;

    select(undef, undef, undef, 0.005 + rand(0.03));

    my $id = int(rand($shards));
    my $record = $t->shard_record($id);
    $record->{epoch}++;
    $record->{primary} = 'n' . (1 + $n % 3);

    my @keys = map { $t->key($_) } qw(meta table nodes log claims), "op:bench-$n";
    my $start = time();
    my $got = $r->command('FCALL', 'shard_commit', 6, @keys, 'keyspace',
                          $token, 'bench', -1, "bench-$n", 'bench',
                          'shard', $id, encode_json($record));

    die "bench: commit: @$got\n" if $got->[0] ne 'ok';

    for my $client (@$clients) {
        while (1) {
            my ($status, $body) = http($client, '/shards/orders');
            my ($version) = $body =~ /"version":\s*(\d+)/;

            die "bench: shard_api: $status $body\n" if !defined $version;
            last if $version >= $got->[1];
            die "bench: version $got->[1] is not in nginx after 10 s\n"
                if time() - $start > 10;
        }
    }

    return (time() - $start) * 1000;
}


sub print_table {
    my $per = $report{instructions_per_request};
    my $ratio = $per->{module} / $per->{hash_consistent};

    $report{ratio_to_hash_consistent} = sprintf('%.4f', $ratio) + 0;

    print "\n";
    printf "  %-44s %10s %12s\n", 'instructions per request', '', 'x hash';
    printf "  %-44s %10.0f %12.3f\n", $_->[1], $per->{$_->[0]},
           $per->{$_->[0]} / $per->{hash_consistent}
        for [ 'round_robin', 'nginx round robin' ],
            [ 'hash_consistent', 'nginx hash $arg_k consistent' ],
            [ 'module', "shard, $shards shards, counters, hold check" ],
            [ 'module_headers', 'shard with X-Shard-Id, -Epoch, -Role sent' ];

    printf "  %-44s %10.0f\n", 'flush and heartbeat, instructions per second',
           $report{clock_instructions_per_second};
    printf "  aim: at most %.2f x hash consistent: %s\n\n", $aim,
           $ratio <= $aim ? 'reached' : 'missed';

    printf "  %-44s %10s %12s\n", 'look-up, ns', 'equal', 'uneven';
    printf "  %-44s %10.1f %12.1f\n", "$_ shards", $report{lookup_ns}{$_},
           $report{lookup_uneven_ns}{$_}
        for sort { $a <=> $b } keys %{$report{lookup_ns}};

    printf "\n  %-44s %10s %12s\n", 'commit to all workers, ms', 'p50', 'p99';
    printf "  %-44s %10.2f %12.2f\n\n", "$commits commits",
           @{$report{propagation_ms}}{qw(p50 p99)};
}


sub write_report {
    ShardTest::spew("$build/data-plane.json",
                    JSON::PP->new->canonical->pretty->encode(\%report));
    print "  $build/data-plane.json\n";
}
