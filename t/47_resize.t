#!/usr/bin/perl

# Split and merge by the predictor daemon against a real Redis: each shard that
# is too large or too small gets what helps it, once, with its reason; shardctl
# shows it, and migrators leave advice alone (47_resize_act.t: in mode act).

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

use constant {
    RES => 300, SPEED => 600, SHARDS => 16, DAYS => 4, CAPACITY => 200,
    BEGIN_S => 1_780_272_000,               # 2026-06-01T00:00Z
    QUARTER => 2 ** 58, WIDTH => 2 ** 60,
};

my $t = ShardTest->new(shards => SHARDS);

for (qw/ shard-predictor shardctl shard-migrator /) {
    plan(skip_all => "no build/$_") if !-x $t->program($_);
}

$t->{nodes} = { map {
    ("n$_" => { name => "n$_", addr => "127.0.0.1:900$_", zone => 'z1', capacity => CAPACITY })
} 1 .. 4 };

$t->start_redis();


# A node has 200: above 50 a shard is too large, below 6 a pair is too small.
# n1 has 90 and 15s, n2 and n3 80, n4 two cold ones and others.

my %peak = (0 => 90, 1 => 80, 2 => 80, 3 => 80, 9 => 1, 10 => 1.5);

sub load { return ($peak{$_[0]} // 15) * (0.85 + 0.1 * sin(6.283185307 * $_[1] / 86400)) }

sub row_key { return $t->key('rows:' . RES . ":$_[0]:0") }

my $epoch_s = BEGIN_S + 12 * 3600;
my $real_ms;

$t->seed(silent => 1, place => sub { return 'n' . (1 + $_[0] % 4) });

my @rows = map {
    my $slot = $_;
    [ 'SETRANGE', row_key($slot), 0, pack('f<*', map { load($_, $slot * RES) } 0 .. SHARDS - 1) ];
} $epoch_s / RES - DAYS * 288 .. $epoch_s / RES - 1;

while (my @some = splice(@rows, 0, 500)) {
    $t->redis()->pipeline(@some);
}


# pieces of even load, and heavy keys

sub evenly {
    my ($shard, @keys) = @_;

    return spread($epoch_s, 0, [ map { [ $shard * WIDTH + $_ * (WIDTH / 64), WIDTH / 64, 100 ] } 0 .. 63 ],
                  @keys);
}

# evenly; a key with 0.6 of all; one with nearly all that is read; of shard 3
# nothing is known

my $hot = WIDTH + QUARTER + 7;

$t->redis()->command('HSET', $t->key('spread'), 0, evenly(0), 1, evenly(1, [ $hot, 9600, 0.8 ]),
                     2, evenly(2, [ 2 * WIDTH + 77, 999_999, 0.05 ]));

sub policy {
    my $got = $t->commit('keyspace', 'meta', 'policy', encode_json($_[0]));
    is($got->[0], 'ok', 'the policy ' . encode_json($_[0])) or diag "@$got";
}

policy({ shards => { season_s => 86400, min => 4 } });


sub entries { return $t->redis()->hash($t->key('resize')) }

sub entry { my $text = entries()->{$_[0]}; return $text ? decode_json($text) : undef }

sub decisions {
    return grep { $_->{verb} ne 'move' }
           map { { @{ $_->[1] } } } @{ $t->redis()->command('XRANGE', $t->key('decisions'), '-', '+') };
}

sub state { return $t->redis()->hash($t->key('predictor')) }

sub conf {
    my $addr = $t->redis_addr();

    return <<"YAML" . ($_[0] // '');
redis:
  addr: $addr
keyspace: orders
mode: recommend
interval: 5m
history: 4d
horizon: 1h
grace_real: 60s
lease_real: 2s
threshold: 1
spread_half_life: 400d
clock:
  speed: @{[SPEED]}
  real_ms: $real_ms
  epoch_s: $epoch_s
YAML
}

my %clock = (epoch_s => $epoch_s, speed => SPEED, load => \&load);

sub passes (&$) { my ($code, $what) = @_; return drive { $code->() } $t, \%clock, 90, $what }


# mistakes

$real_ms = int(time() * 1000);

for ([ "shards:\n  split_above: 0.1\n", qr/merge_below is more than a quarter of split_above/ ],
     [ "shards:\n  merge_bellow: 0.1\n", qr/:\d+:\d+: .*merge_bellow.*merge_below/s ],
     [ "shards:\n  min: 5\n  max: 4\n", qr/min is above max/ ])
{
    my $path = $t->dir() . '/bad.yaml';
    spew($path, conf($_->[0]));
    my ($status, $out, $err) = $t->run($t->program('shard-predictor'), '-c', $path);
    is($status, 1, 'a bad "shards" of the configuration');
    like($err, $_->[1], 'it says why');
}

my ($status, $out, $err) = $t->try_ctl('policy', 'set', '{"shards":{"min":0}}');
is($status, 2, 'a bad policy is not written');
like($err, qr/"min" of "shards" is not a whole number from 1/, 'and says why');


# each is told what helps it

$clock{real_ms} = $real_ms = int(time() * 1000);
my $p = $t->start_daemon('shard-predictor', 'predictor', conf());

my $all = passes { my $e = entries(); keys %$e >= 5 ? $e : undef } 'five shards are due';
is(join(' ', sort { $a <=> $b } keys %$all), '0 1 2 3 9', 'of these');

my %is = map { ($_ => decode_json($all->{$_})) } keys %$all;

is("$is{0}{verb}, $is{0}{why}", 'split, high', 'evenly spread: split');
cmp_ok(abs(hex($is{0}{cut}) / WIDTH - 0.5), '<', 0.01, "in the middle: $is{0}{cut}");
cmp_ok(abs($is{0}{left} - 0.5), '<', 0.02, "$is{0}{left} of the load are below it");
cmp_ok($is{0}{peak}, '>', 80, "its peak: $is{0}{peak}");
cmp_ok($is{0}{after}, '<', 0.6 * $is{0}{peak}, "then $is{0}{after}");
is($is{0}{limit}, 50, 'above 50 it is too large');
is($is{0}{parts}, 2, 'two parts');

is("$is{1}{verb}, $is{1}{why}", 'isolate, hot key', 'a hot key is isolated');
is("$is{1}{cut} $is{1}{end}", sprintf('%016x %016x', $hot, $hot + 1), 'by a cut around it');
cmp_ok(abs($is{1}{left} - 0.6), '<', 0.02, "its share is $is{1}{left}");

is("$is{2}{verb}, $is{2}{why}", 'replicas, reads of one key', 'reads of one key are for replicas');
is("$is{3}{verb}, $is{3}{why}", 'none, no samples', 'nothing is split blindly');
is("$is{9}{verb}, $is{9}{why}", 'merge, cold', 'cold neighbours are joined');
is($is{9}{with}, 10, 'which');
is($is{9}{limit}, 6, 'below 6 they are too small');

my $s = decode_json(state()->{shards});
is("$s->{now} $s->{min} $s->{capacity}", '16 4 200', 'how many there are');
cmp_ok($s->{wanted}, '>', 16, "$s->{wanted} are wanted");


# decided once, as a recommendation

my $slot = passes { state()->{slot} } 'a slot';
passes { state()->{slot} > $slot + 6 } 'six slots more';

my %decided = map { ("$_->{verb} $_->{shard}" => $_) } decisions();
is(join(', ', sort keys %decided), 'isolate 1, merge 9, split 0', 'decisions');
is(scalar(my @list = decisions()), 3, 'each once');
is(join(' ', map { $_->{mode} } decisions()), 'recommend recommend recommend', 'nobody carries them out');

my $d = $decided{'split 0'};
is($d->{id}, entry(0)->{decision}, 'the entry names its decision');
is($d->{epoch}, 1, 'epoch');
is(decode_json($d->{reason})->{cut}, $is{0}{cut}, 'and its reason says where');


# for people

($status, $out) = $t->try_ctl('explain', 0);
my $at = $is{0}{cut};
like($out, qr/^split: .*peak of .*more than 50\b.*\n.*at $at, /m, 'explain of a shard') or diag $out;
($status, $out) = $t->try_ctl('explain', 2);
like($out, qr/read replicas/, 'of one key that is read');
($status, $out) = $t->try_ctl('explain', 3);
like($out, qr/no split: .*samples/, 'of one that is not split');
($status, $out) = $t->try_ctl('explain', 9);
like($out, qr/merge: with shard 10/, 'of two that are cold');

($status, $out) = $t->try_ctl('explain', $d->{id});
is($status, 0, 'explain of a decision');
like($out, qr/^$d->{id}: split shard 0 on n1\n/, 'what') or diag $out;
like($out, qr/it is a recommendation: it is not carried out/, 'and that nobody does it');
unlike($out, qr/nan|null/i, 'without figures that it does not have');

($status, $out) = $t->try_ctl('explain', 0);
like($out, qr/latest decisions.*$d->{id}\s+split\s+n1\s+-\s+recommend\s+-/s, 'a split goes nowhere and has no score')
    or diag $out;
($status, $out) = $t->try_ctl('watch', '--once');
like($out, qr/$d->{id}\s+split\s+0\s+n1\s+-\s+recommend/, 'watch: in its table') or diag $out;
($status, $out) = $t->try_ctl('watch', '--for', '200ms');
like($out, qr/decision $d->{id}  split shard 0 on n1, mode recommend, by predictor$/m, 'watch: as a line')
    or diag $out;

is($t->ctl('explain', 0)->{resize}{verb}, 'split', 'as JSON');


# migrators acknowledge them, one that is to be carried out by mistake, too

my $id = $t->redis()->command('XADD', $t->key('decisions'), '*', 'id', '00000000000000aa', 'verb', 'split',
                              'shard', 0, 'from', 'n1', 'to', '', 'epoch', 1, 'by', 'operator:x',
                              'mode', 'act', 'decided_ms', int(time() * 1000), 'reason', '{}');

my $addr = $t->redis_addr();
my $m = $t->start_daemon('shard-migrator', 'migrator', <<"YAML");
redis:
  addr: $addr
keyspace: orders
name: m1
YAML

my $group;
wait_for {
    my ($g) = map { { @$_ } } @{ $t->redis()->command('XINFO', 'GROUPS', $t->key('decisions')) };
    $group = $g;
    $g && ($g->{'last-delivered-id'} // '') eq $id && $g->{pending} == 0
} 30, 'all decisions are acknowledged';
is($group->{pending}, 0, 'nothing is pending');
ok($m->alive(), 'and the migrator goes on');
like(slurp($t->dir() . '/migrator.log'), qr/decision $id is not carried out: bad from or to/,
     'it says what is missing');
is($t->redis()->command('ZCARD', $t->key('migrations')), 0, 'no migration came of it');
$m->stop();


# the split is made by hand: halves are not due, and not joined again

$peak{16} = $peak{0} /= 2;
my $rec = $t->shard_record(0);
my $cut = sprintf('%016x', WIDTH / 2);

my $got = $t->commit('keyspace', 'shard', 0, encode_json({ %$rec, hi => $cut }),
                     'shard', 16, encode_json({ %$rec, lo => $cut }));
is($got->[0], 'ok', 'split') or diag "@$got";

passes { !entry(0) && decode_json(state()->{shards})->{now} == 17 } 'shard 0 is no longer due';
is(entry(16), undef, 'nor is its other half');
ok(entry(1), 'shard 1 still is');

# no room for more

policy({ shards => { season_s => 86400, min => 4, max => 17 } });
passes { (entry(1) || {})->{why} eq 'shards_max' } 'shards_max';
is(entry(1)->{verb}, 'none', 'no more than shards_max');

# a bad policy is told, and the one before it stays

policy({ shards => { max => 'many' } });
passes { slurp($t->dir() . '/predictor.log') =~ /policy: "max" of "shards" is not a whole number/ }
       'a bad policy is told';
$slot = state()->{slot};
passes { state()->{slot} > $slot + 2 } 'two slots more';
is(entry(1)->{why}, 'shards_max', 'the one before it stays');

ok($p->alive(), 'the predictor goes on');

$t->finish();
done_testing();
