#!/usr/bin/perl

# Splits of keyspaces of names: a cut is a bound that a record takes, a list's
# shard is cut between its units, what nobody named is not cut.

use warnings;
no warnings 'portable';
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;
use Time::HiRes qw/ time /;

use ShardTest;
use ShardTest::Spread;

use constant { RES => 300, SPEED => 600, EPOCH_S => 1_780_315_200 };

my $t = ShardTest->new(shards => 1);

for (qw/ shard-predictor shardctl /) {
    plan(skip_all => "no build/$_") if !-x $t->program($_);
}

$t->{nodes} = { n1 => { name => 'n1', addr => '127.0.0.1:9001', zone => 'z1', capacity => 200 } };
$t->start_redis();
$t->seed(silent => 1);

sub of (&$) {
    my ($code, $keyspace) = @_;

    local $t->{keyspace} = $keyspace;
    return $code->();
}

sub put_shard { return ('shard', $_[0], encode_json({ primary => 'n1', epoch => 1, %{ $_[1] } })) }

# 8 bytes behind the first ones of a name

sub behind { return unpack('Q>', substr($_[1], $_[0]) . "\0" x 8) }

my $real_ms = int(time() * 1000);

# what the predictor says of all shards of a keyspace, which have 80 of 200

sub resize {
    my ($kind, $keyspace, $shards, $spreads, $due) = @_;

    my $got = of { $t->commit('keyspace', 'meta', 'kind', $kind,
                              'node', 'n1', encode_json({ addr => '127.0.0.1:9001', zone => 'z1',
                                                          capacity => 200, state => 'up' }),
                              map { put_shard($_, $shards->{$_}) } sort keys %$shards) } $keyspace;
    is($got->[0], 'ok', "a table of \"$kind\"") or diag "@$got";

    of {
        $t->redis()->pipeline(map {
            [ 'SETRANGE', $t->key('rows:' . RES . ":$_:0"), 0, pack('f<*', (80) x 10) ]
        } EPOCH_S / RES - 600 .. EPOCH_S / RES - 1);
        $t->redis()->command('HSET', $t->key('spread'), %{ $spreads->() });
    } $keyspace;

    my $p = $t->start_daemon('shard-predictor', "predictor_$keyspace", <<"YAML");
redis:
  addr: @{[ $t->redis_addr() ]}
keyspace: $keyspace
mode: recommend
interval: 5m
history: 2d
horizon: 1h
grace_real: 60s
threshold: 1
spread_half_life: 400d
clock:
  speed: @{[SPEED]}
  real_ms: @{[ $real_ms = int(time() * 1000) ]}
  epoch_s: @{[EPOCH_S]}
YAML

    my %clock = (epoch_s => EPOCH_S, speed => SPEED, real_ms => $real_ms, load => sub { 80 });
    my $all = of {
        drive { my $r = $t->redis()->hash($t->key('resize')); keys %$r == $due ? $r : undef } $t, \%clock,
              90, "entries of $keyspace"
    } $keyspace;
    $p->stop();

    return map { ($_ => decode_json($all->{$_})) } keys %$all;
}


# a month by days: all its keys begin with 2026-0

my %of = resize('range bytes', 'days',
    { 0 => { lo => '', hi => '2026-01' }, 1 => { lo => '2026-01', hi => '2026-02' },
      2 => { lo => '2026-02', hi => '2026-03' }, 6 => { lo => '2026-03', hi => undef } },
    sub { return {
        1, spread(EPOCH_S, 6, [ map { [ behind(6, sprintf('2026-01-%02d', $_)), 1, 100 ] } 1 .. 31 ]),
        2, spread(EPOCH_S, 6, [ [ behind(6, '2026-02-03'), 1, 800 ] ], [ behind(6, '2026-02-14'), 1200, 0.5 ]),
    } }, 4);

is("$of{1}{verb}, $of{1}{why}", 'split, high', 'days are split');
like($of{1}{cut}, qr/^2026-01-1[4-7]/, "in the middle of the month: $of{1}{cut}");
cmp_ok(abs($of{1}{left} - 0.5), '<', 0.05, "$of{1}{left} before it");
is("$of{2}{verb}, $of{2}{why}", 'isolate, hot key', 'one day is hot');
is($of{2}{cut}, '2026-02-14', 'and begins a shard');
cmp_ok($of{2}{end}, 'gt', '2026-02-14', "which ends behind it: $of{2}{end}");
is("$of{0}{verb}, $of{0}{why}", 'none, no samples', 'nothing is known of the first shard');

# both bounds are taken by a table

my $got = of {
    $t->commit('keyspace', put_shard(1, { lo => '2026-01', hi => $of{1}{cut} }),
               put_shard(3, { lo => $of{1}{cut}, hi => '2026-02' }),
               put_shard(2, { lo => '2026-02', hi => $of{2}{cut} }),
               put_shard(4, { lo => $of{2}{cut}, hi => $of{2}{end} }),
               put_shard(5, { lo => $of{2}{end}, hi => '2026-03' }));
} 'days';
is($got->[0], 'ok', 'a table takes these bounds') or diag "@$got";
is(scalar @{ (of { $t->ctl('shards')->{shards} } 'days') }, 7, 'and shardctl reads it');
is((of { $t->ctl('locate', '2026-02-14')->{shard} } 'days'), 4, 'the hot day is alone');
is((of { $t->ctl('locate', '2026-02-15')->{shard} } 'days'), 5, 'without the one behind it');


# a list: units by the positions of their names

my %at;

sub units {
    return spread(EPOCH_S, 0, [], map { my ($unit, $load, $writes) = @$_;
        $at{$unit} //= hex(of { $t->ctl('locate', $unit)->{position} } 'units');
        [ $at{$unit}, $load, $writes ] } @_);
}

%of = resize('list', 'units',
    { 7 => { units => [], default => JSON::PP::true }, 8 => { units => [ qw/ mail search billing chat / ] },
      9 => { units => [ qw/ pay ship / ] } },
    sub { return {
        7, units([ 'other', 600, 0.5 ], [ 'more', 500, 0.5 ]),
        8, units(map { [ $_, 400 + length $_, 0.5 ] } qw/ mail search billing chat /),
        9, units([ 'pay', 1600, 0.9 ], [ 'ship', 700, 0.1 ]),
    } }, 3);

is("$of{8}{verb}, $of{8}{why}", 'split, high', 'units are split');
is(scalar @{ $of{8}{units} }, 2, "two of four: @{ $of{8}{units} }");
my @first = (sort { $at{$a} <=> $at{$b} } qw/ mail search billing chat /)[0, 1];
is(join(' ', sort @{ $of{8}{units} }), join(' ', sort @first), 'by their positions');
is($of{8}{cut}, undef, 'no bound');
is("$of{9}{verb} @{ $of{9}{units} }", 'isolate pay', 'one of two is parted from the other');
is("$of{7}{verb}, $of{7}{why}", 'none, indivisible', 'names that nobody listed are not split');

my ($status, $out) = of { $t->try_ctl('explain', 8) } 'units';
like($out, qr/^split: .*\nby its units: \Q@{[ join ', ', @{ $of{8}{units} } ]}\E, /m, 'explain names them')
    or diag $out;

$t->finish();
done_testing();
