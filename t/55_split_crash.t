#!/usr/bin/perl

# Splits and merges whose migrator is killed in every phase, before and behind
# its work, or is told to roll back: another one ends them, and what clients
# were told is there, once and in order.

use warnings;
no warnings 'portable';
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;

use ShardTest;

my $t = ShardTest->new(shards => 2);

$t->start_redis();
$t->start_nodes(2);
$t->ctl('init', '--shards', 2,
        map { ('--node', "$_=$t->{nodes}{$_}{addr},zone=$t->{nodes}{$_}{zone},capacity=1000") } $t->node_names());
$t->start_nginx();
wait_for { $t->api('')->{version} >= 1 } 5, 'the table in nginx';
$t->start_load(rate => 150, options => [ '--keys', 40, '--queues', 10 ]);
$t->wait_served(150);

my $conf = $t->migrator_conf('m', "timeouts:\n    check: 5s");

# a migration by a migrator that is well: what a killed one left is made good

sub plainly {
    my (@args) = @_;

    my $m = $t->one_migrator($conf);
    my ($status, $out, $err) = $t->try_ctl(@args, '--wait', '--timeout', '60s');

    is($status, 0, "@args") or diag("$out$err");
    $t->end_migrator($m);
}

# the migration that "args" begin, by a migrator that dies where it is told
# to; whoever comes later than the hold lasts takes it back, or goes on

sub killed {
    my ($where, @args) = @_;

    my $end = $t->killed_at($conf, $where, @args);

    is("$end->{phase} $end->{busy}", $end->{trail} =~ /commit@/ || $where !~ /hold|drain|final|verify/ ? 'done 0' : 'rolled-back 0',
       "@args[0, 1], killed at $where: $end->{phase}") or diag($end->{error});
    return $end->{phase} eq 'done';
}

for my $phase (qw/ check copy catch-up hold drain final-sync verify commit release standby /) {
    for my $where ($phase, "$phase:after") {
        my ($low) = $t->shards_in_order();

        plainly('split', $low, '--to', 'n2') if !killed($where, 'split', $low, '--to', 'n2');
        is(scalar(my @three = $t->shards_in_order()), 3, 'three shards');
        plainly('merge', @three[0, 1]) if !killed($where, 'merge', @three[0, 1]);
        is(scalar(my @two = $t->shards_in_order()), 2, 'two again');
    }
}


# an operator's way back, where it can still be had

my ($low) = $t->shards_in_order();
my $id = $t->ctl('split', $low, '--to', 'n2')->{id};

# the migration is there when somebody has read the decision, and not begun

my $m = $t->one_migrator($conf, env => { SHARD_MIGRATOR_CRASH => 'catch-up' });
wait_for { !$m->alive() } 60, 'killed';
$t->ctl('rollback', $id);
$m = $t->one_migrator($conf);
my $end = $t->ended_migration($id, 'a split that is taken back');
is($end->{phase}, 'rolled-back', 'taken back');
is(scalar(my @left = $t->shards_in_order()), 2, 'and nothing has come of it');
$t->end_migrator($m);


# the other shard's claim may be left for longer than the shard's own

$m = $t->one_migrator($conf, env => { SHARD_MIGRATOR_CRASH => 'check:after' });
$id = $t->ctl('split', $low, '--to', 'n2')->{id};
wait_for { !$m->alive() } 60, 'killed behind the check';

my $into = 'shard:' . $t->migration($id)->{into};
my ($token, $holder, $until_ms) =
    split / /, $t->redis()->command('HGET', $t->key('claims'), $into);

$t->redis()->command('HSET', $t->key('claims'), $into,
                     "$token $holder " . ($until_ms + 1500));
$m = $t->one_migrator($conf);
$end = $t->ended_migration($id, 'a split whose new shard is claimed for longer');
is($end->{phase}, 'done', 'the claim of the other shard is waited for')
    or diag($end->{error});

my $report = $t->end_load();
$t->load_is_clean($report, 'load');

$t->finish();
done_testing();
