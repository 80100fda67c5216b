#!/usr/bin/perl

# How the load of a shard is spread over its keys, from nginx's samples to
# "shardctl explain": a Zipf load whose every request is counted here tells
# whether the heaviest keys are found, their shares and the cut that halves
# the load are within the errors that are said.  Restarts, a split, a join.

use warnings;
use strict;

use IO::Socket::INET;
use JSON::PP;
use List::Util qw/ sum0 max first /;
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardTest;

# samples are 128 a second and worker at most, or 1 of 16 requests
use constant RATE => 2000;
use constant { KEYS => 2000, REQUESTS => 6000, SHARDS => 4, WIDTH => 1_000_000 };

my $seed = $ENV{TEST_SEED} || int(time()) ^ $$ << 8;
note("TEST_SEED=$seed");
srand($seed);

my $t = ShardTest->new(shards => SHARDS, keyspace => 'orders');

for (qw/ shard-predictor shardctl /) {
    plan(skip_all => "no build/$_") if !-x $t->program($_);
}

my %port = map { $_ => free_port() } qw/ n1 n2 /;
my %space = (ids => 'range uint64', days => 'range bytes', units => 'list');

$t->start_redis();
$t->{nodes}{$_} = { name => $_, addr => "127.0.0.1:$port{$_}", capacity => 1000,
                    zone => 'z1' } for keys %port;
$t->seed(silent => 1);

sub of (&$) {
    my ($code, $keyspace) = @_;

    local $t->{keyspace} = $keyspace;
    return $code->();
}

sub put_shard { return ('shard', $_[0], encode_json({ primary => 'n1', epoch => 1, %{ $_[1] } })) }

sub bound { return $_[0] ? sprintf('%016x', $_[0] * WIDTH) : undef }

my @nodes = map { ('node', $_, encode_json({ addr => $t->{nodes}{$_}{addr}, zone => 'z1',
                                             capacity => 1000, state => 'up' })) } sort keys %port;

my %first = (
    ids => [ map { put_shard($_, { lo => sprintf('%016x', $_ * WIDTH),
                                   hi => bound(($_ + 1) % SHARDS) }) } 0 .. SHARDS - 1 ],
    days => [ put_shard(0, { lo => '', hi => '2026-01' }),
              put_shard(1, { lo => '2026-01', hi => '2026-02' }),
              put_shard(2, { lo => '2026-02', hi => undef }) ],
    units => [ put_shard(7, { default => JSON::PP::true }),
               put_shard(8, { units => [ 'search', 'billing' ] }) ],
);

for my $name (sort keys %space) {
    my $got = of { $t->commit('keyspace', 'meta', 'kind', $space{$name}, @nodes,
                              @{ $first{$name} }) } $name;
    is($got->[0], 'ok', "a table of \"$space{$name}\"") or diag "@$got";
}

my $backends = join '', map { "server { listen 127.0.0.1:$port{$_}; location / { return 200 ok; } }\n" }
                        sort keys %port;
my $tables = join '', map { "shard_table $_ 4m;\nupstream $_ { shard $_ key=\$arg_key; keepalive 8; }\n" }
                      sort keys %space;
my $locations = join '', map { "location = /$_ { proxy_pass http://$_; proxy_http_version 1.1;"
                               . " proxy_set_header Connection \"\"; }\n" } sort keys %space;

$t->start_nginx(http => $backends . $tables, server => $locations);

for my $name (sort keys %space) {
    wait_for { of { $t->api('')->{version} } $name } 10, "the table of $name";
}


# a slot is a second, and nothing is forgotten meanwhile

my $real_ms = int(time() * 1000);

sub conf {
    my ($keyspace) = @_;

    my $addr = $t->redis_addr();

    return <<"YAML";
redis:
  addr: $addr
keyspace: $keyspace
interval: 5m
history: 1d
horizon: 1h
spread_half_life: 400d
grace_real: 1500ms
lease_real: 2s
clock:
  speed: 300
  real_ms: $real_ms
  epoch_s: 1780272000
YAML
}

my %predictor = map { $_ => $t->start_daemon('shard-predictor', "predictor_$_", conf($_)) }
                sort keys %space;


# RATE requests a second to one keyspace over two connections; how many were
# answered 200

sub ask {
    my ($keyspace, @keys) = @_;

    my @sockets = map { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$t->{nginx_port}",
                                              Timeout => 30) || die "connect: $!\n" } 1, 2;
    my ($good, $sent, $since) = (0, 0, time());

    while (my @some = splice(@keys, 0, 50)) {
        push @sockets, shift @sockets;
        my $out = join '', map { "GET /$keyspace?key=$_ HTTP/1.1\r\nHost: x\r\n\r\n" } @some;
        syswrite($sockets[0], $out) == length $out or die "write: $!\n";

        my $in = '';
        my $want = @some;

        while ((my $n = () = $in =~ /\r\n\r\nok/g) < $want) {
            sysread($sockets[0], $in, 65536, length $in) or die "read: $!\n$in\n";
        }

        $sent += @some;
        my $early = $since + $sent / RATE - time();
        sleep($early) if $early > 0;

        $good += () = $in =~ m{HTTP/1\.1 200}g;
    }

    return $good;
}

sub spread_of {
    my ($keyspace, $shard) = @_;

    return of { $t->ctl('explain', $shard)->{spread} } $keyspace;
}

# samples of so many requests have come: what gaps are open is not counted

sub wait_known {
    my ($keyspace, $requests, @shards) = @_;

    my $got = 0;

    wait_for {
        $got = sum0(map { my $s = spread_of($keyspace, $_); $s ? $s->{requests} : 0 } @shards);
        $got > $requests
    } 60, "samples of $requests requests to $keyspace";

    return $got;
}


# keys with shares as 1 / i^1.1, at random places of each shard

my (%count, @asked);

for my $shard (0 .. SHARDS - 1) {
    my %seen;
    my @keys = grep { !$seen{$_}++ } map { $shard * WIDTH + int(rand(WIDTH)) } 1 .. KEYS;
    my @weight = map { 1 / $_ ** 1.1 } 1 .. @keys;
    my $total = sum0(@weight);
    my (@upto, $sum);

    push @upto, $sum += $_ / $total for @weight;

    for (1 .. REQUESTS) {
        my ($x, $low, $high) = (rand(), 0, $#upto);

        while ($low < $high) {
            my $middle = int(($low + $high) / 2);
            if ($upto[$middle] > $x) { $high = $middle } else { $low = $middle + 1 }
        }

        $count{$shard}{$keys[$low]}++;
        push @asked, $keys[$low];
    }
}

for my $i (reverse 1 .. $#asked) {
    my $j = int(rand($i + 1));
    @asked[$i, $j] = @asked[$j, $i];
}

is(ask('ids', @asked), SHARDS * REQUESTS, SHARDS * REQUESTS . ' requests are answered');

my $known = wait_known('ids', 0.9 * SHARDS * REQUESTS, 0 .. SHARDS - 1);
cmp_ok(abs($known / (SHARDS * REQUESTS) - 1), '<', 0.1,
       sprintf 'samples stand for %.0f requests of %d: none is counted twice', $known, SHARDS * REQUESTS);


# an error is half of a width of 95 %: now and then one is passed, twice of it
# next to never

my ($within, $first_found) = (0, 0);

sub true_left {
    my ($shard, $cut) = @_;

    my $n = $count{$shard};
    return sum0(map { $n->{$_} } grep { $_ < $cut } keys %$n) / REQUESTS;
}

for my $shard (0 .. SHARDS - 1) {
    my $s = spread_of('ids', $shard);
    my $n = $count{$shard};
    my @true = sort { $n->{$b} <=> $n->{$a} } keys %$n;
    my ($cut, $keys) = @$s{qw/ cut keys /};

    my $left = true_left($shard, $cut->{position});
    note(sprintf 'shard %d, %.0f samples: cut at %s, left %.3f +- %.3f, is %.3f; heaviest %s'
         . ' %.3f +- %.3f, is %.3f', $shard, $cut->{samples}, $cut->{position}, $cut->{left},
         $cut->{error}, $left, map({ ($_->{position}, $_->{share}, $_->{error}) } $keys->[0]),
         $n->{$true[0]} / REQUESTS);

    cmp_ok(abs($cut->{left} - $left), '<=', 2 * $cut->{error}, "shard $shard: the share below the cut");
    cmp_ok(abs($left - 0.5), '<=', 2 * $cut->{error} + $n->{$true[0]} / REQUESTS,
           'it halves the load as far as one key allows');
    cmp_ok($cut->{error}, '<', 0.25, 'and its error says something');
    is($cut->{hot}, undef, 'no key is hot');
    $within++ if abs($cut->{left} - $left) <= $cut->{error};
    $first_found++ if $keys->[0]{position} == $true[0];

    for my $key (@true[0 .. 2]) {
        my $said = first { $_->{position} == $key } @$keys;
        my $what = sprintf 'a key of %.3f', $n->{$key} / REQUESTS;

        # a lighter one need not be told from chance
        ok($said, "$what is found") if $key == $true[0];
        $said or next;
        cmp_ok(abs($said->{share} - $n->{$key} / REQUESTS), '<=', 2 * $said->{error},
               sprintf '%s: %.3f +- %.3f', $what, $said->{share}, $said->{error});
        is($said->{writes}, 0, 'of reads');
    }
}

cmp_ok($within, '>=', SHARDS / 2, "$within of " . SHARDS . ' cuts are within their error');
cmp_ok($first_found, '>=', SHARDS - 1, "$first_found heaviest keys come first");

my ($status, $out) = of { $t->try_ctl('explain', 1) } 'ids';
is($status, 0, 'explain for people');
like($out, qr/^shard 1 on n1\n.*from 1\d{6}\n.*best cut: at 1\d{6}, \d+\.\d% of the load.*KEY'S HASH/s,
     'picture, cut and keys');

my $f;
wait_for { $f = of { $t->api('/forecasts/1') } 'ids'; $f->{spread} && $f->{spread}{cut} } 20,
         'the forecast says it, too';
is(length $f->{spread}{cut}, 16, "the API's forecast: cut $f->{spread}{cut}");
cmp_ok(scalar @{ $f->{spread}{keys} }, '<=', 4, 'and the heaviest keys');
cmp_ok($f->{spread}{heavy_keys}, '>=', scalar @{ $f->{spread}{keys} }, 'of so many');
unlike(encode_json($f->{spread}), qr/"key":"(?![0-9a-f]{16}")/, 'by their hashes');


# killed and started again it goes on with what was stored

my $before = spread_of('ids', 2);
$predictor{ids}->kill();
$predictor{ids}->start();
is(ask('ids', grep { int($_ / WIDTH) == 2 } @asked[0 .. 4000]) > 500, 1, 'more requests');

my $after;
wait_for { $after = spread_of('ids', 2); $after->{requests} > $before->{requests} + 300 } 30,
         'samples are added to it';
my ($last, $since) = (-1, 0);
wait_for {
    $after = spread_of('ids', 2);
    ($last, $since) = ($after->{requests}, time()) if $after->{requests} != $last;
    time() - $since > 3;
} 60, 'and no more of them come';
pass(sprintf 'restarted: %.0f requests are known, then %.0f', $before->{requests}, $after->{requests});


# split at the cut: each child takes its part; joined again it is the whole

my $cut = $after->{cut}{position};
my $hex = sprintf('%016x', $cut);
my $rec = of { $t->shard_record(2) } 'ids';

my $got = of { $t->commit('keyspace', 'shard', 2, encode_json({ %$rec, hi => $hex }),
                          put_shard(12, { lo => $hex, hi => bound(3) })) } 'ids';
is($got->[0], 'ok', 'split') or diag "@$got";

my ($left, $right);
wait_for { ($right, $left) = map { spread_of('ids', $_) } 12, 2; $left && $right } 30,
         'both children are known';

my $whole = $left->{requests} + $right->{requests};
cmp_ok(abs($whole / $after->{requests} - 1), '<', 0.02, 'they are the whole');
cmp_ok(abs($left->{requests} / $whole - $after->{cut}{left}), '<', 0.03,
       sprintf 'the left one has %.3f', $left->{requests} / $whole);
cmp_ok($left->{bars}{to}, '<', $cut, 'of its own keys');
cmp_ok((sort { $a <=> $b } map { $_->{position} } @{ $right->{keys} })[0] // $cut, '>=', $cut,
       'as the other');

$got = of { $t->commit('keyspace', 'shard', 2, encode_json($rec), 'shard', 12, '') } 'ids';
is($got->[0], 'ok', 'joined') or diag "@$got";
wait_for { ($left) = spread_of('ids', 2); $left && $left->{requests} > 0.98 * $whole } 30, 'the whole again';
is($left->{keys}[0]{position}, $after->{keys}[0]{position}, 'with its heaviest key');
wait_for { !defined $t->redis()->command('HGET', 'shard:{ids}:spread', 12) } 10, 'the other is forgotten';
pass('and nothing of the shard that is gone');


# names: behind what all of a month begin with; one of them is hot

my @names = map { sprintf '2026-01-%02d.%d', 1 + int(rand(31)), int(rand(100)) } 1 .. 4000;
is(ask('days', @names), 4000, 'names of a month');
wait_known('days', 3500, 1);

my $s = spread_of('days', 1);
my $at = $s->{cut}{position} =~ /^"(2026-01-.*)"$/ ? $1 : '';
my $is = grep({ $_ lt $at } @names) / @names;
note(sprintf 'cut at %s, left %.3f +- %.3f, is %.3f', $s->{cut}{position}, $s->{cut}{left},
     $s->{cut}{error}, $is);
like($at, qr/^2026-01-1/, 'the cut is within the month');
cmp_ok(abs($s->{cut}{left} - $is), '<=', 2 * $s->{cut}{error}, 'where it is said to be');

is(ask('days', map { ($names[$_ % 100], ('2026-01-20.7') x 3) } 1 .. 6000), 24000, 'one of them most of all');
wait_for { $s = spread_of('days', 1); $s->{cut}{hot} } 60, 'it is hot';
is($s->{keys}[0]{key}, $s->{cut}{hot}, 'the heaviest key: ' . $s->{keys}[0]{position});
($status, $out) = of { $t->try_ctl('explain', 1) } 'days';
like($out, qr/alone has more than 50% of the load: a split does not help/, 'as explain says');


# a list: units by name

is(ask('units', ('search', 'search', 'billing', 'other') x 500), 2000, 'units');
wait_known('units', 1000, 8);
$s = spread_of('units', 8);
is($s->{cut}, undef, 'no cut of a list');
is(join(' ', map { $_->{position} } @{ $s->{keys} }), 'search billing', 'its units, the heavier first');

# a unit of that shard, and one that nobody named, become a shard of their own

my $names = sub { my $of = spread_of('units', $_[0]) or return '';
                  return join ' ', map { $_->{position} } @{ $of->{keys} } };

$rec = of { $t->shard_record(8) } 'units';
$got = of { $t->commit('keyspace', 'shard', 8, encode_json({ %$rec, units => [ 'billing' ] }),
                       put_shard(9, { units => [ 'other', 'search' ] })) } 'units';
is($got->[0], 'ok', 'units of two shards become one') or diag "@$got";
wait_for { $names->(9) eq 'search other' && $names->(8) eq 'billing' } 30, 'each shard knows its units';
$s = spread_of('units', 9)->{keys}[0];
cmp_ok(abs($s->{share} - 2 / 3), '<=', 2 * $s->{error}, sprintf 'with their load: %.3f +- %.3f of it is '
       . 'search, is 0.667', $s->{share}, $s->{error});


# damage in the store is told, and begun anew

$t->redis()->command('HSET', 'shard:{units}:spread', 8, 'SHS1damaged');
($status, $out, my $err) = of { $t->try_ctl('explain', 8) } 'units';
is($status, 1, 'damaged: explain fails');
like($err, qr/distribution of shard 8 is malformed: /, 'and says why');
is($t->redis()->command('HGET', 'shard:{units}:spread', 8), 'SHS1damaged', 'nothing has come since');
$predictor{units}->kill();
$predictor{units}->start();
wait_for { slurp($t->dir() . '/predictor_units.log') =~ /distribution of shard 8 begins anew: / } 20,
         'the predictor says so';
ok($predictor{units}->alive(), 'and goes on');

$t->finish();
done_testing();
