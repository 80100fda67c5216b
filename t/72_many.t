#!/usr/bin/perl

# 200 moves (SHARD_MANY=N) under 1,000 requests/s of reads, writes and ordered
# appends through four routers: nothing fails, is lost, reordered or twice
# there, by the four loaders' ledgers; and in the end every standby has what
# its primary has.  How long holds were goes to build/bench/holds.json.

use warnings;
use strict;

use File::Path qw/ make_path /;
use HTTP::Tiny;
use JSON::PP;
use Test::More;
use Time::HiRes qw/ time /;

use ShardTest;

my $many = $ENV{SHARD_MANY} || 200;
my $at_once = 8;
my $shards = 32;
my @edges = map { "edge-$_" } 1 .. 4;

my $t = ShardTest->new(shards => $shards);
my $http = HTTP::Tiny->new(timeout => 15);
my $seed = srand();

note("seed $seed");

$t->start_redis();
$t->start_nodes(4);
$t->ctl('init', '--shards', $shards,
        map { ('--node', "$_=$t->{nodes}{$_}{addr},"
               . "zone=$t->{nodes}{$_}{zone},capacity=1000") }
        $t->node_names());
$t->start_routers(scalar @edges, workers => 1);

wait_for {
    keys %{ $t->redis()->hash($t->key('routers')) } == @edges
} 20, 'all routers have reported';

$t->start_daemon('shard-migrator', 'migrator', $t->migrator_conf('m1', <<CONF));
max_migrations: $at_once
max_per_node: $at_once
standby_time: 1d
hold:
    timeout: 3s
    require_routers: @{[ scalar @edges ]}
CONF

$t->start_load(name => "load-$_", prefix => $_, rate => 250,
               url => $t->router_url($_), seed => $seed) for @edges;

my $began = time();
my (@ids, @back, %busy);

while (@ids < $many || %busy) {
    begin_moves();
    wait_for { end_moves() } 60, 'one of ' . join(' ', sort keys %busy);
}

my $took = time() - $began;

is(scalar @ids, $many, "$many moves were begun");
is_deeply([ map { "$_: " . $t->migration($_)->{error} } @back ], [],
          'none is rolled back');
note(sprintf 'in %.1f s', $took);

my %sum;

for my $edge (@edges) {
    my $report = $t->end_load("load-$edge");

    $t->load_is_clean($report, $edge);
    $sum{$_} += $report->{$_}
        for qw/ requests acknowledged_writes acknowledged_appends /;
}

cmp_ok($sum{acknowledged_appends}, '>', 0, 'ordered appends were made');
note("requests $sum{requests}, rate "
     . sprintf('%.0f/s', $sum{requests} / $took));

stores_agree();
holds();
$t->finish();
done_testing();


# as many as may run, of shards that do not move yet

sub begin_moves {
    while (keys %busy < $at_once && @ids < $many) {
        my %moving = map { $_ => 1 } values %busy;
        my @free = grep { !$moving{$_} } 0 .. $shards - 1;
        my $shard = $free[rand @free];
        my $now = $t->shard_record($shard)->{primary};
        my @to = grep { $_ ne $now } $t->node_names();
        my $id = $t->migrate($shard, $to[rand @to]);

        push @ids, $id;
        $busy{$id} = $shard;
    }
}


sub end_moves {
    my $ended = 0;

    for my $id (sort keys %busy) {
        my $phase = $t->migration($id)->{phase} || 'planned';

        next if $phase !~ /^(standby|done|rolled-back)$/;
        push @back, $id if $phase eq 'rolled-back';
        next if $phase eq 'standby';

        delete $busy{$id};
        $ended++;
    }

    return $ended;
}


sub digest {
    my ($node, $shard) = @_;

    my $addr = $t->{nodes}{$node}{addr};
    my $got = $http->get("http://$addr/_shard/$shard/digest?parts=64&scan=yes");

    die "$node shard $shard: $got->{status}\n" if !$got->{success};
    return decode_json($got->{content});
}


# both read whole, part by part

sub stores_agree {
    my ($items, $compared) = (0, 0);

    for my $shard (0 .. $shards - 1) {
        my $rec = $t->shard_record($shard);
        my $primary = digest($rec->{primary}, $shard);
        my ($standby) = @{ $rec->{standbys} || [] };

        $items += $primary->{items};
        next if !$standby;

        my $same = eval {
            wait_for {
                JSON::PP->new()->canonical()->encode(digest($standby, $shard))
                eq JSON::PP->new()->canonical()->encode($primary)
            } 30, "$standby level with $rec->{primary}";
        };

        $compared++;
        ok($same, "shard $shard: $standby has what $rec->{primary} has")
            or diag($@);
    }

    cmp_ok($compared, '>', 0, "standbys compared: $compared, items $items");
}


sub holds {
    my @ms = sort { $a <=> $b } map { $t->migration($_)->{hold_ms} || 0 } @ids;
    my $p = sub { $ms[int($_[0] * $#ms + 0.5)] };
    my %said = (driver => 'http', migrations => scalar @ids,
                routers => scalar @edges, seconds => sprintf('%.1f', $took) + 0,
                requests => $sum{requests}, p50_ms => $p->(0.5) + 0,
                p99_ms => $p->(0.99) + 0, max_ms => $ms[-1] + 0,
                aim_p50_ms => 10, aim_p99_ms => 50);

    note("hold: p50 $said{p50_ms} ms (aim 10), p99 $said{p99_ms} ms (aim 50), "
         . "longest $said{max_ms} ms");

    make_path(ShardTest::top() . '/build/bench');
    spew(ShardTest::top() . '/build/bench/holds.json',
         JSON::PP->new()->canonical()->pretty()->encode(\%said));
}
