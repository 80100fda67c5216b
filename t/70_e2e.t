#!/usr/bin/perl

# Two nodes become four under load: 20 shards move while reads, writes and
# ordered appends go on through two workers.

use warnings;
use strict;

use Test::More;

use ShardTest;

my $moves = 20;
my $t = ShardTest->new(shards => 24);

$t->start_redis();
$t->start_nodes(2);
$t->ctl('init', '--shards', 24,
        map { ('--node', "$_=$t->{nodes}{$_}{addr},"
               . "zone=$t->{nodes}{$_}{zone},capacity=1000") }
        $t->node_names());
$t->start_nginx();
wait_for { $t->api('')->{version} >= 1 } 5, 'the table in nginx';

$t->start_daemon('shard-migrator', 'migrator', $t->migrator_conf('m1'));

$t->start_load(rate => 800);
$t->wait_served(500);

$t->start_node('n3', zone => 'z1');
$t->start_node('n4', zone => 'z2');
$t->ctl('node', 'add', $_, $t->{nodes}{$_}{addr}, '--zone',
        $t->{nodes}{$_}{zone}, '--capacity', 1000) for qw/ n3 n4 /;

my %ids;
my @failed;

for my $wave (0 .. 4) {
    my @ids = map { $t->migrate($_, $_ % 2 ? 'n4' : 'n3') }
              $wave * 4 .. $wave * 4 + 3;

    $ids{$_} = 1 for @ids;
    push @failed, eval { $t->wait_migrations(30, @ids) };
    is($@, '', "wave $wave: all migrations end");
    $t->wait_served(400);
}

is(keys %ids, $moves, "$moves migrations have ids of their own");
is_deeply([ map { "$_: " . $t->migration($_)->{error} } @failed ], [],
          'none is rolled back');

for my $shard (0 .. $moves - 1) {
    my $record = $t->shard_record($shard);
    my $to = $shard % 2 ? 'n4' : 'n3';

    is("$record->{primary} $record->{epoch} " . ($record->{phase} || 'steady'),
       "$to 2 steady", "shard $shard is on $to");
}

my $report = $t->end_load();

$t->load_is_clean($report, 'load');
cmp_ok($report->{acknowledged_appends}, '>', 400, 'appends were made');
cmp_ok($report->{nodes}{$_} || 0, '>', 0, "$_ answered") for qw/ n3 n4 /;

my @holds = sort { $a <=> $b } map { $t->migration($_)->{hold_ms} } keys %ids;
note("holds in ms: @holds");
cmp_ok($holds[-1], '<', 1000, 'no hold lasted a second');

$t->finish();
done_testing();
