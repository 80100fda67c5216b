#!/usr/bin/perl

# Where shards of a new keyspace go: as the ring says, by the nodes' capacity;
# and what the predictor's ring says of nodes, by the load that it forecasts.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use List::Util qw/ sum0 /;
use Test::More;

use ShardTest;

my $t = ShardTest->new();

plan(skip_all => 'no build/shardctl') if !-x $t->program('shardctl');

$t->start_redis();

sub place {
    my ($shards, %capacity) = @_;

    my @nodes = map { ('--node', "$_=127.0.0.1:1" . substr($_, 1)
                                 . ",zone=z1,capacity=$capacity{$_}") } sort keys %capacity;

    my $json = $t->ctl('init', '--shards', $shards, @nodes, '--placement', 'ring', '--driver', 'none',
                       '--force');
    is($json->{shards}, $shards, "$shards shards on " . keys %capacity);

    my $list = $t->ctl('shards', '--limit', $shards)->{shards};
    my @at = map { $_->{primary} } @$list;
    my %n;
    $n{$_}++ for @at;

    return (\@at, \%n);
}


# no more than 1.1 of its share anywhere, but for one shard's sake

my %four = (n1 => 100, n2 => 100, n3 => 200, n4 => 400);
my ($first, $n) = place(400, %four);

for my $name (sort keys %four) {
    my $share = 400 * $four{$name} / 800;
    cmp_ok($n->{$name}, '<=', 1.1 * $share, "$name: $n->{$name} shards, its share is $share");
}

my ($again) = place(400, %four);
is_deeply($again, $first, 'again: the same places');

my ($small) = place(3, n1 => 10, n2 => 10, n3 => 10);
is(join(' ', sort @$small), 'n1 n2 n3', 'three on three');

my ($five, $m) = place(400, %four, n5 => 200);
cmp_ok($m->{n5}, '<=', 1.1 * 80, "a fifth node: $m->{n5} shards, its share is 80");
my $same = grep { $first->[$_] eq $five->[$_] } 0 .. 399;
cmp_ok($same, '>', 200, "$same of 400 are placed as without it");


# the predictor's ring: shares by capacity and load, what one that joins takes

use constant { RES => 300, EPOCH_S => 1_780_272_000 };

($first) = place(60, n1 => 300, n2 => 300, n3 => 300);
$t->redis()->pipeline(map {
    [ 'SETRANGE', $t->key('rows:' . RES . ":$_:0"), 0, pack('f<*', map { 2 + $_ % 7 } 0 .. 59) ]
} EPOCH_S / RES - 600 .. EPOCH_S / RES - 1);

my $conf = 'redis:
  addr: ' . $t->redis_addr() . '
keyspace: orders
mode: observe
history: 2d
clock:
  speed: 1
  real_ms: ' . int(time() * 1000) . '
  epoch_s: ' . EPOCH_S . "\n";

sub ring {
    my ($n) = @_;

    my $p = $t->start_daemon('shard-predictor', "predictor_$n", $conf);
    my $ring = wait_for { my $r = $t->redis()->hash($t->key('ring')); keys %$r == $n ? $r : undef } 60,
                        "a ring of $n";
    $p->stop();

    return map { ($_ => decode_json($ring->{$_})) } keys %$ring;
}

my %ring = ring(3);
my $all = sum0(map { 2 + $_ % 7 } 0 .. 59);

for my $name (sort keys %ring) {
    my $r = $ring{$name};
    my $load = sum0(map { $first->[$_] eq $name ? 2 + $_ % 7 : 0 } 0 .. 59);

    is($r->{weight}, 300, "$name: its weight");
    cmp_ok(abs($r->{share} - $all / 3), '<', 0.05 * $all / 3, "share $r->{share}, a third of $all");
    cmp_ok(abs($r->{load} - $load), '<', 0.05 * $load, "load $r->{load}, is $load");
    ok(!exists $r->{takes}, 'it has joined long ago');
}

$t->ctl('node', 'add', 'n4', '127.0.0.1:14', '--zone', 'z1', '--capacity', 300);
%ring = ring(4);
my $r = $ring{n4};

is($r->{shards}, 0, 'a node joins');
is(scalar @{ $r->{takes} }, $r->{takes_shards}, "it takes $r->{takes_shards} shards");
cmp_ok($r->{takes_load}, '<=', 1.1 * $r->{least}, "$r->{takes_load} is at most 1.1 of the least, $r->{least}");
cmp_ok($r->{takes_load}, '>=', $r->{share} - 8.5, "and its share, $r->{share}, but for a shard");
is(scalar(grep { $first->[$_->[0]] ne $_->[1] } @{ $r->{takes} }), 0, 'each from where it is');

$t->ctl('node', 'remove', 'n4');
%ring = ring(3);
is(join(' ', sort keys %ring), 'n1 n2 n3', 'and is gone');

$t->finish();
done_testing();
