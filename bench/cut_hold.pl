#!/usr/bin/perl

# How long requests are held when a large shard is split, and when it is put
# together again: the hold of each, and its phases.
#
#     perl -It/lib bench/cut_hold.pl [KEYS=1000000] [ROUNDS=3]

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/../t/lib";

use HTTP::Tiny;

use ShardTest;

my $keys = $ARGV[0] || 1_000_000;
my $rounds = $ARGV[1] || 3;
my $t = ShardTest->new(shards => 1, name => 'cut_hold');

$t->start_redis();
$t->start_nodes(2, options => [ '--map-size', '4g' ]);


# all keys as one snapshot, before the node is their owner

sub fill {
    my $n = 0;
    my $body = sub {
        return '' if $n >= $keys;

        my $first = $n;
        my $last = $n + 10_000 < $keys ? $n + 10_000 : $keys;

        $n = $last;
        return join '', map { qq!{"k":"key-$_","v":"dmFsdWU="}\n! }
                        $first .. $last - 1;
    };

    my $addr = $t->{nodes}{n1}{addr};
    my $r = HTTP::Tiny->new(timeout => 600)->put(
        "http://$addr/_shard/0/snapshot",
        { headers => { 'X-Shard-Position' => $keys }, content => $body });

    die "fill: $r->{status} $r->{content}\n" if $r->{status} != 204;
}


sub cut {
    my ($what, @args) = @_;

    my $id = $t->ctl(@args)->{id};
    my @failed = $t->wait_migrations(600, $id);
    my $m = $t->migration($id);

    die "$what: $m->{error}\n" if @failed;

    my %at = $m->{trail} =~ /(\S+)@(\d+)/g;

    printf "%-6s hold %5d ms: drain %d, final-sync %d, verify %d, commit %d, "
           . "release %d; before it %d ms\n", $what, $m->{hold_ms},
           map({ $at{$_->[1]} - $at{$_->[0]} }
               [ 'drain', 'final-sync' ], [ 'final-sync', 'verify' ],
               [ 'verify', 'commit' ], [ 'commit', 'release' ],
               [ 'release', 'standby' ], [ 'copy', 'hold' ]);

    return $m;
}


fill();
$t->seed(nodes => [ 'n1' ]);
$t->start_nginx(upstream => "shard_hold max=4096 timeout=60s;\n        keepalive 64;");
$t->start_daemon('shard-migrator', 'm1', $t->migrator_conf('m1', <<'CONF'));
hold:
    timeout: 30s
CONF

printf "%d keys of 16 bytes, load %s", $keys, ShardTest::slurp('/proc/loadavg');

for (1 .. $rounds) {
    my $m = cut('split', 'split', 0, '--to', 'n2');
    cut('merge', 'merge', 0, $m->{into});
}

$t->finish();
