#!/usr/bin/perl

# Where shards of a new keyspace go: as the ring says, by the nodes' capacity.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

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

$t->finish();
done_testing();
