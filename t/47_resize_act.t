#!/usr/bin/perl

# A shard that is too hot is split end to end: nginx counts and samples a real
# load, the predictor in mode act decides where it is cut, a migrator carries
# that out under the load.  Once, where the shard lies, and no shard that an
# operator has frozen.

use warnings;
use strict;

use JSON::PP;
use Test::More;
use Time::HiRes qw/ time /;

use ShardTest;

# a node has 480, so above 120 a shard is too hot; two have 150 each

use constant { RES => 300, SPEED => 300, DAYS => 2, CAPACITY => 480, RATE => 300,
               EPOCH_S => 1_780_315_200 };

my $t = ShardTest->new(shards => 2);

for (qw/ shard-predictor shardctl shard-migrator shardkv shardload /) {
    plan(skip_all => "no build/$_") if !-x $t->program($_);
}

$t->start_redis();
$t->start_nodes(2);
$t->ctl('init', '--shards', 2,
        map { ('--node', "$_=$t->{nodes}{$_}{addr},zone=$t->{nodes}{$_}{zone},capacity=" . CAPACITY) }
        $t->node_names());
$t->start_nginx();
wait_for { $t->api('')->{version} >= 1 } 10, 'the table in nginx';

my $addr = $t->redis_addr();

my @rows = map {
    [ 'SETRANGE', $t->key('rows:' . RES . ":$_:0"), 0, pack('f<*', (RATE / 2) x 2) ]
} EPOCH_S / RES - DAYS * 288 .. EPOCH_S / RES - 1;
$t->redis()->pipeline(@rows);

$t->ctl('override', 1, 'freeze');

$t->start_daemon('shard-migrator', 'migrator', $t->migrator_conf('m1'));
$t->start_load(rate => RATE, options => [ '--keys', 200 ]);
$t->wait_served(300);

my $real_ms = int(time() * 1000);

my $p = $t->start_daemon('shard-predictor', 'predictor', <<"YAML");
redis:
  addr: $addr
keyspace: $t->{keyspace}
mode: act
interval: 5m
history: 2d
horizon: 1h
grace_real: 60s
lease_real: 2s
threshold: 1
cooldown: 40h
spread_half_life: 400d
clock:
  speed: @{[SPEED]}
  real_ms: $real_ms
  epoch_s: @{[EPOCH_S]}
YAML


sub table { my $all = $t->redis()->hash($t->key('table')); return { map { ($_ => decode_json($all->{$_})) } keys %$all } }

sub decisions {
    return grep { $_->{verb} =~ /^(?:split|isolate|merge)$/ }
           map { { @{ $_->[1] } } } @{ $t->redis()->command('XRANGE', $t->key('decisions'), '-', '+') };
}

my $before = table();
wait_for { scalar(my @d = decisions()) } 90, 'a decision';
my ($d) = decisions();

is("$d->{verb} $d->{shard} $d->{mode} $d->{by}", 'split 0 act predictor', 'the hot shard is to be split');
is("$d->{from} $d->{to}", "$before->{0}{primary} $before->{0}{primary}", 'where it lies');
is($d->{cut}, decode_json($d->{reason})->{cut}, 'its field says where it is cut');

wait_for { ($t->migration($d->{id})->{phase} // '') =~ /^(?:done|rolled-back)$/ } 60, 'a migration that ends';
is($t->migration($d->{id})->{phase}, 'done', 'it is carried out') or diag explain $t->migration($d->{id});

my $after = table();
my ($child) = grep { !$before->{$_} } keys %$after;

is(keys %$after, 3, 'there are three shards');
is("$after->{0}{hi} $after->{$child}{lo}", "$d->{cut} $d->{cut}", 'with a bound at the cut');
is($after->{$child}{primary}, $before->{0}{primary}, 'the new one is on the same node');

# the frozen one is as hot, and what was cut rests

my $slot = $t->redis()->hash($t->key('predictor'))->{slot};
wait_for { $t->redis()->hash($t->key('predictor'))->{slot} >= $slot + 8 } 60, 'eight slots more';
is(join(', ', map { "$_->{verb} $_->{shard}" } decisions()), 'split 0', 'nothing else is decided');
is(keys %{ table() }, 3, 'nothing else is cut');

my ($status, $out) = $t->try_ctl('explain', $d->{id});
is($status, 0, 'explain of the decision');
like($out, qr/^$d->{id}: split shard 0 /, 'says what') or diag $out;
unlike($out, qr/recommendation/, 'and that it is no mere advice');

ok($p->alive(), 'the predictor goes on');
$t->load_is_clean($t->end_load(), 'load');

$t->finish();
done_testing();
