#!/usr/bin/perl

# A merge whose shard is deleted by an operator's hand while both are held: the
# other one is not left held, and nothing is said to be done that was not.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;

use ShardTest;

my $t = ShardTest->new(shards => 4);

$t->start_redis();
$t->start_nodes(2);
$t->ctl('init', '--shards', 4,
        map { ('--node', "$_=$t->{nodes}{$_}{addr},zone=$t->{nodes}{$_}{zone},capacity=1000") } $t->node_names());
$t->allow(qr/killed|signal 9|trying again|let go|does not exist any more/i);

my $table = $t->key('table');
my $n = 0;

sub record { my ($id) = @_; return $t->redis()->hash($table)->{$id} }

sub migrator {
    my (%args) = @_;

    my $name = 'm' . ++$n;
    my $m = $t->start_daemon('shard-migrator', $name, $t->migrator_conf($name), %args);

    $m->{asked} = 1;
    return $m;
}

# held, and not committed yet: before the source is sealed, and behind it

my %merged = (drain => [ 0, 1 ], commit => [ 2, 3 ]);

for my $phase (qw/ drain commit /) {
    my $all = $t->redis()->hash($table);
    my $m = migrator(env => { SHARD_MIGRATOR_CRASH => $phase });
    my $id = $t->ctl('merge', @{$merged{$phase}})->{id};

    wait_for { !$m->alive() } 60, "killed at $phase";

    my ($gone, $other) = @{$t->migration($id)}{qw/ shard into /};
    my $epoch = decode_json(record($other))->{epoch};

    is(decode_json(record($other))->{phase}, 'held', "$phase: the other one is held");
    $t->redis()->command('HDEL', $table, $gone);
    $m = migrator();
    wait_for { ($t->migration($id)->{phase} // '') =~ /^(done|rolled-back)$/ } 60, "$phase: the end";

    my $rec = decode_json(record($other));

    is($t->migration($id)->{phase}, 'rolled-back', "$phase: rolled back");
    is($rec->{phase} // 'steady', 'steady', "$phase: the other one goes on");
    is($rec->{migration} // 0, 0, "$phase: and is nobody's");
    is($rec->{epoch}, $epoch, "$phase: with the keys it had");

    $m->signal('TERM');
    wait_for { !$m->alive() } 30, 'the migrator ends';

    # the table is whole again for the next one

    $t->redis()->command('HSET', $table, $gone, $all->{$gone});
}

$t->finish();
done_testing();
