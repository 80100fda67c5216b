package BenchInstructions;

# Instructions nginx executes for one request, counted by callgrind: through
# its own round robin, its own "hash $arg_k consistent", and this module with
# a million shards; with 3 nodes, and with 512.
#
# The table is read before anything is counted.  A heap that was used before
# makes malloc() dearer by up to 1 %, otherwise in every process but the same
# for all its life: several are started.

use warnings;
use strict;

use IO::Socket::INET;
use JSON::PP;
use List::Util qw(min max);
use Time::HiRes qw(time);

use BenchServers;

use Exporter qw(import);

our @EXPORT = qw(instructions);

my $warmup = 300;
my $requests = 1000;
my $idle_seconds = 2;


# { "3": { round_robin => N, ... }, "512": {...} }, by "nodes"

sub instructions {
    my ($t, %args) = @_;

    my %got;

    for my $nodes (@{ $args{nodes} }) {
        $t->{keyspace} = "orders$nodes";

        for my $balancer (qw(round_robin hash_consistent module)) {
            my ($per, $spread) = instructions_of($t, $balancer, $nodes,
                $balancer eq 'module' ? $args{module_starts} : $args{starts});

            progress(sprintf '%3d nodes, %-16s %6.0f instructions a request (+- %.2f %%)',
                     $nodes, $balancer, $per, 100 * $spread);
            $got{$nodes}{$balancer} = sprintf('%.0f', $per) + 0;
        }
    }

    return \%got;
}


sub instructions_of {
    my ($t, $balancer, $nodes, $starts, %more) = @_;

    my @got;

    for my $start (1 .. $starts) {
        my $name = "${balancer}_$nodes";
        my ($pid, $port, $out) = under_callgrind($t, $name, $balancer, $nodes);
        my $client = client($port);

        ask($client, $warmup, $nodes);
        control($t, [ '-i', 'on' ], $pid);
        ask($client, $warmup, $nodes);

        my $idle = idle($t, $pid, $out);

        control($t, [ '-z' ], $pid);
        my $since = time();
        ask($client, $requests, $nodes);
        my $took = time() - $since;
        push @got, (dump_of($t, $pid, $out) - $idle * $took) / $requests;

        $t->process($name)->stop();
    }

    my @sorted = sort { $a <=> $b } @got;
    my $median = $sorted[$#sorted / 2];

    return ($median, (max(@got) - min(@got)) / 2 / $median);
}


sub under_callgrind {
    my ($t, $name, $balancer, $nodes) = @_;

    my $out = $t->dir() . "/callgrind.$name." . int(1000 * time());
    my $port = start_proxy($t, $name, balancer => $balancer, nodes => $nodes,
        router => 'bench', zone => '140m', main => 'master_process off;',
        before => [ 'valgrind', '--tool=callgrind', '--instr-atstart=no',
                    "--callgrind-out-file=$out" ]);

    if ($balancer eq 'module') {
        ShardTest::wait_for {
            my $got = $t->get("http://127.0.0.1:$port/shards/$t->{keyspace}");
            $got->{success} && decode_json($got->{content})->{version}
        } 600, 'the table under callgrind';
    }

    return ($t->process($name)->pid(), $port, $out);
}


# instructions per second without requests

sub idle {
    my ($t, $pid, $out) = @_;

    control($t, [ '-z' ], $pid);
    my $since = time();
    select(undef, undef, undef, $idle_seconds);

    return dump_of($t, $pid, $out) / (time() - $since);
}


sub control {
    my ($t, $flags, $pid) = @_;

    my ($status, $out, $err) = $t->run('callgrind_control', @$flags, $pid);
    die "bench: callgrind_control @$flags: $out$err\n"
        if $status || $out !~ /OK/;
}


# instructions since the last dump or zero

sub dump_of {
    my ($t, $pid, $out) = @_;

    my %old = map { $_ => 1 } glob("$out.*");

    control($t, [ '-d' ], $pid);

    my ($file) = grep { !$old{$_} } glob("$out.*");
    die "bench: callgrind left no dump at $out\n" if !defined $file;

    my ($n) = ShardTest::slurp($file) =~ /^(?:totals|summary): (\d+)/m;
    die "bench: no total in $file\n" if !defined $n;

    return $n;
}


sub client {
    my ($port) = @_;

    return IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port",
                                 Proto => 'tcp', Timeout => 10)
           || die "bench: 127.0.0.1:$port: $!\n";
}


# one after another on one connection; the same keys for every balancer, of
# as many customers that each node's connection is kept

sub ask {
    my ($client, $n) = @_;

    for my $i (1 .. $n) {
        my $key = sprintf('customer-%08d', $i % 300 * 7919 % 1000003);

        syswrite($client, "GET /?k=$key HTTP/1.1\r\nHost: bench\r\n\r\n")
            or die "bench: $!\n";

        my $got = '';

        while ($got !~ /\r\n\r\nok\n\z/) {
            sysread($client, $got, 65536, length $got)
                or die "bench: nginx closed the connection: $got\n";
            die "bench: request $i: $got\n" if $got =~ /^HTTP\S+ (?!200)/;
        }
    }
}


1;
