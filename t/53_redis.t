#!/usr/bin/perl

# Shards whose data are in Redis: each node has one of its own, and the driver
# "redis" moves them under reads, writes, ordered appends, values that end and
# consumers of queues.  Then whatever can die does.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardTest;
use ShardTest::Consumer;


my $t = ShardTest->new(shards => 8);
my $seed = $ENV{SHARD_SEED} || int(rand(1e9));

note("SHARD_SEED=$seed");
srand($seed);

$t->start_redis();
$t->start_data_redis("d$_") for 1 .. 3;
$t->start_node("n$_", zone => "z$_", store => "redis://$t->{data}{qq{d$_}}")
    for 1 .. 3;
$t->seed(nodes => [ 'n1', 'n2' ]);
$t->start_nginx();
wait_for { $t->api('')->{version} >= 1 } 5, 'the table in nginx';

my %redis = map { ("n$_" => $t->data_redis("d$_")) } 1 .. 3;


sub migrator {
    my ($name, $gate, %args) = @_;

    my $conf = $t->migrator_conf($name, <<"CONF");
driver: redis
data_redis:
    nodes:
        n1: redis://$t->{data}{d1}
        n2: redis://$t->{data}{d2}
        n3: redis://$t->{data}{d3}
queue:
    drain: 300ms
CONF

    $conf =~ s/probe_interval: 5ms/probe_interval: $gate/ if $gate;

    return $t->start_daemon('shard-migrator', $name, $conf, %args);
}


sub other {
    my ($shard) = @_;
    return $t->shard_record($shard)->{primary} eq 'n1' ? 'n2' : 'n1';
}


sub ended {
    my ($name, $id, $seconds) = @_;

    my @failed = eval { $t->wait_migrations($seconds || 30, $id) };
    my $m = $t->migration($id);

    is($@, '', "$name: it ends") or diag explain $m;
    return $m;
}


sub stats {
    my ($node, $shard) = @_;

    my $got = $redis{$node}->command('FCALL_RO', 'sharddata_stats', 1,
                                     "shardkv:{$shard}:");
    my %stats;

    @stats{qw/ ok role epoch position log_first items bytes depth rate held
               generation queued /} = @$got;
    return \%stats;
}


# name => hash of value and end, by the server that has it

sub contents {
    my ($node, $shard) = @_;

    my $r = $redis{$node};
    my $generation = stats($node, $shard)->{generation};
    my %index = @{ $r->command('HGETALL',
                               "shardkv:{$shard}:$generation:index") };
    my %hash;

    for my $name (keys %index) {
        my $hash = $r->command('FCALL_RO', 'sharddata_hash', 1,
                               "shardkv:{$shard}:", $name)->[1];
        $hash{$name} = $hash if $hash =~ /[^-]/;
    }

    return \%hash;
}


# moves that end well, with the whole of their way

migrator('m1');
$t->commit('shard:7', 'shard', 7, encode_json({
    %{ $t->shard_record(7) }, strategy => 'queue' }));
$t->start_load(rate => 200, seed => $seed);
$t->start_consumer(queues => 8, pause => 0.01);
$t->wait_served(300);

my @ids;

for my $shard (0 .. 7, 7, 0) {
    my $id = $t->migrate($shard, other($shard));
    my $m = ended("shard $shard", $id);

    is($m->{phase}, 'done', "shard $shard: arrives") or diag explain $m;
    push @ids, $id;
}

is($t->migration($ids[0])->{driver}, 'redis', 'by the driver redis');
is($t->migration($ids[9])->{copies}, 0,
   'back without a copy: the old owner was kept level');
like($t->migration($ids[7])->{trail}, qr/consume/, 'a queue is consumed');
is($t->shard_record(7)->{epoch}, 3, 'there and back: two epochs');


# killed in copy, in the cutover, behind the commit: another goes on

for my $point (qw/ copy:after final-sync final-sync:after verify commit:after
                   release:after /)
{
    my $shard = 1 + int(rand(6));
    my ($from, $to) = ($t->shard_record($shard)->{primary}, other($shard));
    my $name = "killed-$point" =~ s/:/-/r;

    $t->process('m1')->signal('STOP');

    my $doomed = migrator($name, undef,
                          env => { SHARD_MIGRATOR_CRASH => $point });
    $doomed->{asked} = 1;

    my $id = $t->migrate($shard, $to);
    wait_for { !$doomed->alive() } 30, "the migrator's end in $point";
    $t->process('m1')->signal('CONT');

    my $m = ended($point, $id);
    my $rec = $t->shard_record($shard);

    # in the hold it depends on how much of hold_timeout is left by then

    like($m->{phase}, $point =~ /^(final|verify)/ ? qr/^(done|rolled-back)$/
                                                  : qr/^done$/,
         "$point: $m->{phase}") or diag explain $m;
    is($rec->{primary}, $m->{phase} eq 'done' ? $to : $from,
       "$point: one owner");
    is(join(' ', @{ stats($rec->{primary}, $shard) }{qw/ role epoch /}),
       "primary $rec->{epoch}", "$point: that knows it");
}


# a wish to go back, and a target whose Redis dies

$t->process('m1')->stop();
migrator('m2', '300ms');

my $id = $t->migrate(2, 'n3');
wait_for { ($t->migration($id)->{phase} || '') eq 'warm-up' } 20, 'warm-up';
$t->redis()->command('HSET', $t->key("migration:$id"), 'wish', 'rollback');
is(ended('wish', $id)->{phase}, 'rolled-back', 'rolled back when wished');
is(stats('n3', 2)->{role}, 'none', 'the target has forgotten it');
wait_for { !grep { /^shardkv:\{2\}:\d/ } @{ $redis{n3}->command('KEYS', '*') } }
         20, 'what it had to be deleted';

$id = $t->migrate(3, 'n3');
wait_for { ($t->migration($id)->{phase} || '') eq 'warm-up' } 20, 'warm-up';
$t->process('d3')->kill();

my $m = ended('target killed', $id, 60);
is($m->{phase}, 'rolled-back', "target's Redis killed: rolled back");
like($m->{error}, qr/n3/, '... and says whose');
$t->process('d3')->start();
$redis{n3} = $t->data_redis('d3');

$t->process('m2')->stop();
migrator('m3');
$id = $t->migrate(4, 'n3');
is(ended('again', $id)->{phase}, 'done', 'shards are taken when it is back');


# nothing failed, nothing is lost, out of order or there twice

my $account = $t->end_consumer();

is_deeply($account->{problems}, [], 'consumers: no complaint');
cmp_ok($account->{taken}, '>', 50, "consumers: $account->{taken} taken");
is($account->{taken}, $account->{appended}, 'consumers: each once');

$t->load_is_clean($t->end_load(), 'load');

my $late = 0;
my %wrong;

for my $name (sort keys %{ $account->{ends} }) {
    my ($key, $value, $from, $to) = @{ $account->{ends}{$name} };
    my $asked = time();
    my $answer = $t->get("/kv/$name", 'X-Key' => $key);

    # what ends just now may be there or not

    if ($from < time() + 2) {
        $wrong{$name} = $answer->{status}
            if $answer->{status} != 404 && $to < $asked;
        next;
    }

    my ($shard, $node) = @{ $answer->{headers} }{qw/ x-shard-id x-shard-node /};
    my $ends = $redis{$node}->command('PEXPIRETIME', "shardkv:{$shard}:"
               . stats($node, $shard)->{generation} . ":k:$name") / 1000;

    $late++;
    $wrong{$name} = "$answer->{content}, ends at $ends, not $from to $to"
        if $answer->{content} ne $value || $ends < $from - 0.01
           || $ends > $to + 0.01;
}

is_deeply(\%wrong, {}, "values end when they were meant to, $late are there");
cmp_ok($late, '>', 20, 'there are such values');


# both stores, key by key

my $compared = 0;

for my $shard (0 .. 7) {
    my $rec = $t->shard_record($shard);
    my $standby = $rec->{standbys}[0] or next;

    wait_for {
        stats($standby, $shard)->{position}
        == stats($rec->{primary}, $shard)->{position}
    } 30, "the standby of $shard to be level";

    my ($one, $two) = map { contents($_, $shard) } $rec->{primary}, $standby;

    # a value may end between the two

    delete @$_{grep { /-v\d*0$/ } keys %$_} for $one, $two;
    is_deeply($two, $one, "shard $shard: $standby has what $rec->{primary} "
                          . 'has, ' . keys(%$one) . ' keys');
    $compared++;
}

cmp_ok($compared, '>=', 7, 'stores are compared');

$t->finish();
done_testing();
