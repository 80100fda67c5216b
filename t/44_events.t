#!/usr/bin/perl

# Scheduled events with the predictor daemon, a real Redis and a clock 600
# times as fast: a repeated event's size is learned from its history and put
# on the forecast, a known one is compared with what came, a node is emptied
# in time for its maintenance; and the forecast command with events of files.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use POSIX qw/ strftime /;
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardTest;

use constant {
    RES => 300, SPEED => 600, SHARDS => 8, DAYS => 10, HOUR => 3600, DAY => 86400,
    MIDNIGHT => 1_780_272_000,              # 2026-06-01T00:00Z
};

my $t = ShardTest->new(shards => SHARDS);

plan(skip_all => 'no build/shard-predictor') if !-x $t->program('shard-predictor');

$t->{nodes} = { map { ("n$_" => { name => "n$_", addr => "127.0.0.1:900$_", zone => 'z1', capacity => 1000 }) } 1 .. 4 };

sub node_of { return 'n' . (1 + $_[0] % 4) }


# every other day from 10:00 to 12:00 shards have 2.5 times their load; shard
# 1 has twice its load from 9:00 to 10:00 of each third day, said to be x5

sub sale { return int(($_[0] - MIDNIGHT) / DAY) % 2 == 0 && $_[0] % DAY >= 10 * HOUR && $_[0] % DAY < 12 * HOUR }

sub campaign { return int(($_[0] - MIDNIGHT) / DAY) % 3 == 0 && $_[0] % DAY >= 9 * HOUR && $_[0] % DAY < 10 * HOUR }

sub load {
    my ($shard, $epoch) = @_;

    my $noise = 1 + 0.04 * sin(int($epoch / RES) * 12.9898 + $shard * 78.233);
    my $load = (10 + 5 * $shard) * (1 + 0.5 * sin(6.283185307 * ($epoch % DAY) / DAY)) * $noise;

    $load *= 2.5 if sale($epoch);
    $load *= 2 if $shard == 1 && campaign($epoch);

    return $load;
}

sub row_key { return $t->key('rows:' . RES . ":$_[0]:0") }

sub put_history {
    my ($until) = @_;

    my @commands = map {
        my $slot = $_;
        ['SETRANGE', row_key($slot), 0, pack('f<*', map { load($_, ($slot + 0.5) * RES) } 0 .. SHARDS - 1)]
    } $until / RES - DAYS * 288 .. $until / RES - 1;

    while (my @some = splice(@commands, 0, 500)) {
        $t->redis()->pipeline(@some);
    }
}


# a router: entries of the interval since its last one, on the real clock

my ($real_ms, $epoch_s, %router);

sub clock { return $epoch_s + ($_[0] - $real_ms) / 1000 * SPEED }

sub report {
    my $now = int(time() * 1000);
    my $r = $router{a} ||= { instance => 1 + int(rand(1e9)), sequence => 0, end_ms => $now };
    my $seconds = ($now - $r->{end_ms}) / 1000;

    return if $seconds < 0.1;

    my $middle = clock($now - $seconds * 500);
    my $shards = join '', map {
        my $exact = load($_, $middle) * $seconds + ($r->{rest}[$_] || 0);
        my $n = int($exact);
        $r->{rest}[$_] = $exact - $n;
        pack('V6Q<2V2', $_, $n, $n, 0, $n, 0, 0, 0, 0, 0)
    } 0 .. SHARDS - 1;

    $r->{sequence}++;

    $t->redis()->command('XADD', $t->key('metrics'), '*', 'm',
                         'SHM1' . pack('C/a Q<Q<Q<V v', 'edge-1', $r->{instance}, $r->{sequence}, $now, $now - $r->{end_ms}, 1)
                         . pack('v V V', 1, 4 + length $shards, SHARDS) . $shards);
    $r->{end_ms} = $now;
}

sub drive (&$$) {
    my ($code, $seconds, $what) = @_;

    my $until = time() + $seconds;

    while (time() < $until) {
        report();

        my $value = $code->();
        return $value if $value;
        sleep(0.02);
    }

    die "not within $seconds s: $what\n";
}

sub start {
    my ($name, $mode) = @_;

    my $addr = $t->redis_addr();

    return $t->start_daemon('shard-predictor', $name, <<"YAML");
redis:
  addr: $addr
keyspace: orders
mode: $mode
interval: 5m
history: 10d
horizon: 4h
grace_real: 1500ms
lease_real: 2s
move_time: 30m
clock:
  speed: @{[SPEED]}
  real_ms: $real_ms
  epoch_s: $epoch_s
YAML
}

sub log_of { return slurp($t->dir() . "/$_[0].log") }

sub forecast_of {
    my $text = $t->redis()->command('HGET', $t->key('forecast'), $_[0]);
    return $text ? decode_json($text) : undef;
}

sub effect_of {
    my $text = $t->redis()->command('HGET', $t->key('effects'), $_[0]);
    return $text ? decode_json($text) : undef;
}

sub utc { return strftime('%Y-%m-%dT%H:%MZ', gmtime($_[0])) }

# mean of the forecast's steps within [from, to) of the day

sub mean_of {
    my ($f, $from, $to) = @_;

    my @steps = grep {
        my $at = $f->{at} + $_ * RES;
        $at % DAY >= $from * HOUR && $at % DAY < $to * HOUR
    } 0 .. $#{ $f->{mean} };

    my $sum = 0;
    $sum += $f->{mean}[$_] for @steps;

    return @steps ? $sum / @steps : 'no step';
}

sub begin {
    my ($hour) = @_;

    $t->redis()->command('FLUSHALL');
    $t->seed(silent => 1, place => \&node_of);
    $epoch_s = MIDNIGHT + 12 * DAY + $hour * HOUR;
    put_history($epoch_s);
    $real_ms = int(time() * 1000);
    %router = ();
}

my @sale = ('--start', utc(MIDNIGHT + 10 * HOUR), '--end', utc(MIDNIGHT + 12 * HOUR), '--repeat', 'FREQ=DAILY;INTERVAL=2');


# learned and known

$t->start_redis();
begin(8);

$t->ctl('event', 'add', 'sale', @sale);
$t->ctl('event', 'add', 'campaign', '--start', utc(MIDNIGHT + 9 * HOUR), '--end', utc(MIDNIGHT + 10 * HOUR),
        '--repeat', 'FREQ=DAILY;INTERVAL=3', '--shards', 1, '--effect', 'x5');
$t->redis()->command('HSET', $t->key('events'), 'broken', '{"start":"tomorrow"}');

my $p = start('observer', 'observe');

my $f = drive { my $f = forecast_of(3); $f && $f->{events} && effect_of('sale') && $f } 60, 'a forecast with events';

my ($sale) = grep { $_->{id} eq 'sale' } @{ $f->{events} };
is($sale->{effect}, 'learned', 'a learned event is in the forecast');
is($sale->{from}, MIDNIGHT + 12 * DAY + 10 * HOUR, 'the next one');
cmp_ok($sale->{n}, '>=', 4, "learned from $sale->{n} occurrences");

my $size = $sale->{factor} || 1 + $sale->{add} / (25 * 1.2);
cmp_ok($size, '>', 2.1, "its size: $size");
cmp_ok($size, '<', 2.9, 'is about 2.5');

my $plain = mean_of($f, 8.5, 10);
my $busy = mean_of($f, 10, 11.9);
my $want = load(3, MIDNIGHT + 12 * DAY + 11 * HOUR);
cmp_ok(abs($busy - $want), '<', 0.2 * $want, "forecast at $busy while it lasts, is $want; before it $plain");
cmp_ok(abs($plain - load(3, MIDNIGHT + 12 * DAY + 9.25 * HOUR)), '<', 0.2 * $plain, 'and before it without it');

my ($campaign) = grep { $_->{id} eq 'campaign' } @{ forecast_of(1)->{events} };
is($campaign->{factor}, 5, 'a known effect is as it was said');
ok(!grep({ $_->{id} eq 'campaign' } @{ $f->{events} }), 'it does not concern other shards');

my $came = drive { effect_of('campaign') } 30, 'what came of it';
cmp_ok(abs(($came->{factor} || 0) - 2), '<', 0.4, 'what came is told of: ' . encode_json({ %$came, came => undef }));

my $list = $t->ctl('event', 'list', '--from', utc($epoch_s));
my %by = map { ($_->{id} => $_) } @{ $list->{events} };
is($by{sale}{next}[0]{from}, MIDNIGHT + 12 * DAY + 10 * HOUR, 'event list: the next one');
cmp_ok(scalar @{ $by{sale}{came} }, '>=', 4, 'and what came');
like($by{broken}{error}, qr/"start" is "tomorrow"|missing/, 'a malformed one is told of');
is(scalar(() = log_of('observer') =~ /event "broken" is ignored/g), 1, 'and logged once');

is($t->ctl('forecast', 3)->{events}[-1]{id}, 'sale', 'shardctl forecast names them');


# what was learned outlives the daemon

my $n = scalar @{ effect_of('sale')->{came} };
$p->kill();
$t->redis()->command('DEL', map { row_key($_) } $epoch_s / RES - DAYS * 288 .. $epoch_s / RES - 1);
$t->redis()->command('DEL', $t->key('forecast'));

my @commands = map {
    my $slot = $_;
    ['SETRANGE', row_key($slot), 0, pack('f<*', map { load($_, ($slot + 0.5) * RES) } 0 .. SHARDS - 1)]
} $epoch_s / RES - 288 .. $epoch_s / RES - 1;
$t->redis()->pipeline(@commands);

$p->start();
$f = drive { my $f = forecast_of(3); $f && $f->{events} && $f } 60, 'a forecast after the restart';
($sale) = grep { $_->{id} eq 'sale' } @{ $f->{events} };
ok($sale && $sale->{n} >= 4, 'a day of history: the size is known still');
is(scalar @{ effect_of('sale')->{came} }, $n, 'and kept');


# removed

$t->ctl('event', 'remove', 'sale');
drive { my $f = forecast_of(3); $f && !$f->{events} && !effect_of('sale') } 30, 'without it';
ok(1, 'a removed event leaves forecasts and effects');
$p->stop();


# a node for maintenance: empty when it begins, not long before

begin(1);

my $from = $epoch_s + 2 * HOUR;
$t->ctl('event', 'add', 'kernel', '--start', utc($from), '--end', utc($from + HOUR), '--nodes', 'n1', '--effect', 'drain');

my $actor = start('actor', 'act');

my @d = drive { my @d = $t->redis()->stream($t->key('decisions')); @d > 0 && \@d } 60, 'decisions';
my $d = $d[0][0][1];
my $reason = decode_json($d->{reason});

is($d->{from}, 'n1', 'shards leave the node');
is($reason->{why}, 'drain', 'for a drain');
is($reason->{event}, 'kernel', 'that names its event');
cmp_ok($reason->{at}, '<', $from, 'before it begins');
cmp_ok($reason->{at}, '>=', $from - (1800 * 1.25 + 300 + 300) - RES, 'and not before it must be');
like(log_of('actor'), qr/n1 is to be empty for event "kernel"/, 'the log says it');
$actor->stop();


# the forecast command

my $csv = join '', map { sprintf "%d,%.4f\n", $_ * RES, load(2, ($_ + 0.5) * RES) }
              (MIDNIGHT / RES .. (MIDNIGHT + 12 * DAY) / RES + 9.5 * 12 - 1);
my $dir = $t->dir();

spew("$dir/series.csv", $csv);
spew("$dir/events.json", encode_json({ events => { sale => { start => utc(MIDNIGHT + 10 * HOUR), end => utc(MIDNIGHT + 12 * HOUR),
                                       repeat => 'FREQ=DAILY;INTERVAL=2', shards => [7] } } }));
spew("$dir/events.ics", join("\r\n", 'BEGIN:VCALENDAR', 'BEGIN:VEVENT', 'UID:sale', 'DTSTART:20260601T100000Z', 'DURATION:PT2H',
                             'RRULE:FREQ=DAILY;INTERVAL=2', 'END:VEVENT', 'END:VCALENDAR', ''));
spew("$dir/bad.json", "{\n \"a\": {\"start\": }\n}");
spew("$dir/odd.json", '[{"id":"x","start":"2026-06-01T10:00Z"}]');

sub forecast {
    my (@args) = @_;

    return $t->run('/bin/sh', '-c', 'exec "$0" forecast --interval 300 --horizon 48 --json "$@" <' . "'$dir/series.csv'",
                   $t->program('shard-predictor'), @args);
}

my ($status, $out, $err) = forecast();
is($status, 0, 'forecast without events') or diag($err);
my $without = decode_json($out);

for my $file (qw/ events.json events.ics /) {
    ($status, $out, $err) = forecast('--events', "$dir/$file");
    is($status, 0, "forecast --events $file") or diag($err);

    my $with = decode_json($out);
    my ($miss, $missed) = (0, 0);

    for my $h (7 .. 29) {               # from 10:00 to 11:55
        my $truth = load(2, MIDNIGHT + 12 * DAY + 9.5 * HOUR + ($h - 0.5) * RES);
        $miss += abs($with->{forecast}[$h - 1]{mean} - $truth) / 23;
        $missed += abs($without->{forecast}[$h - 1]{mean} - $truth) / 23;
    }

    is($with->{events}[0]{id}, 'sale', 'names it');
    cmp_ok($miss, '<', $missed, "misses by $miss while it lasts, $missed without");
}

($status, $out, $err) = forecast('--events', "$dir/bad.json");
is($status, 2, 'no JSON: refused');
like($err, qr/bad\.json: line 2, column \d+: /, 'with line and column');
($status, $out, $err) = forecast('--events', "$dir/odd.json");
is($status, 2, 'no event: refused');
like($err, qr/odd\.json: event "x": field "end" is missing/, 'with its reason');

$t->finish();
done_testing();
