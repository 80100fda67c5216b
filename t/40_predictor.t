#!/usr/bin/perl

# The predictor daemon against a real Redis, on a clock 600 times as fast:
# metrics become rows exactly once, forecasts and zones appear, a move is
# decided ahead of the breach and says why, observe decides nothing.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardTest;

use constant {
    RES => 300, SPEED => 600, SHARDS => 16, DAYS => 10, CAPACITY => 200,
    MIDNIGHT => 1_780_272_000,              # 2026-06-01T00:00Z
};

my $t = ShardTest->new(shards => SHARDS);

plan(skip_all => 'no build/shard-predictor')
    if !-x $t->program('shard-predictor');

$t->{nodes} = { map {
    ("n$_" => { name => "n$_", addr => "127.0.0.1:900$_",
                zone => 'z' . (2 - $_ % 2), capacity => CAPACITY })
} 1 .. 4 };


# n1 has four shards twice as large as the others: it alone crosses 90 %, in
# the morning of each day; its forecast says so hours before

sub node_of { return 'n' . (1 + $_[0] % 4) }

sub load {
    my ($shard, $epoch) = @_;

    my $base = $shard % 4 ? 15 : 30;
    my $slot = int($epoch / RES);
    my $noise = 1 + 0.04 * sin($slot * 12.9898 + $shard * 78.233);

    return $base * (1 + 0.8 * sin(6.283185307 * ($epoch % 86400) / 86400))
           * $noise;
}


sub row_key { return $t->key("rows:" . RES . ":$_[0]:0") }

sub put_history {
    my ($until) = @_;

    my @commands;

    for my $slot ($until / RES - DAYS * 288 .. $until / RES - 1) {
        push @commands, ['SETRANGE', row_key($slot), 0, pack('f<*',
                         map { load($_, ($slot + 0.5) * RES) }
                             0 .. SHARDS - 1)];
    }

    while (my @some = splice(@commands, 0, 500)) {
        $t->redis()->pipeline(@some);
    }
}


# routers: entries of the interval since their last one, on the real clock

my ($real_ms, $epoch_s);
my %router;

sub clock { return $epoch_s + ($_[0] - $real_ms) / 1000 * SPEED }

sub entry {
    my ($name, $r, $end_ms, @counts) = @_;

    my $shards = join '', map {
        pack('V6Q<2V2', $_, $counts[$_], $counts[$_], 0, $counts[$_], 0, 0, 0,
             0, 0)
    } 0 .. $#counts;

    return 'SHM1' . pack('C/a Q<Q<Q<V v', $name, $r->{instance},
                         $r->{sequence}, $end_ms, $end_ms - $r->{end_ms}, 1)
           . pack('v V V', 1, 4 + length $shards, scalar @counts) . $shards;
}


# each of two routers sees half of the load; the fraction is carried over

sub report {
    my ($name) = @_;

    my $now = int(time() * 1000);
    my $r = $router{$name} ||= { instance => 1 + int(rand(1e9)),
                                 sequence => 0, end_ms => $now };
    my $seconds = ($now - $r->{end_ms}) / 1000;

    return if $seconds < 0.1;

    my $middle = clock($now - $seconds * 500);
    my @counts = map {
        my $exact = load($_, $middle) / 2 * $seconds + ($r->{rest}[$_] || 0);
        $r->{rest}[$_] = $exact - int($exact);
        int($exact);
    } 0 .. SHARDS - 1;

    $r->{sequence}++;

    my $m = entry($name, $r, $now, @counts);

    $t->redis()->command('XADD', $t->key('metrics'), '*', 'm', $m);

    # a router that had no answer sends the same again
    $t->redis()->command('XADD', $t->key('metrics'), '*', 'm', $m)
        if $r->{sequence} % 5 == 0;

    $r->{end_ms} = $now;
}


# drives the routers until the block is true

sub drive (&$$) {
    my ($code, $seconds, $what) = @_;

    my $until = time() + $seconds;

    while (time() < $until) {
        report($_) for qw/ edge-1 edge-2 /;

        my $value = $code->();
        return $value if $value;
        sleep(0.02);
    }

    die "not within $seconds s: $what\n";
}


sub conf {
    my ($mode, $more) = @_;

    my $addr = $t->redis_addr();

    return <<"YAML" . ($more || '');
redis:
  addr: $addr
keyspace: orders
mode: $mode
interval: 5m
history: 10d
horizon: 2h
grace_real: 1500ms
lease_real: 2s
threshold: 0.9
move_time: 30m
clock:
  speed: @{[SPEED]}
  real_ms: $real_ms
  epoch_s: $epoch_s
YAML
}


sub start {
    my ($name, $mode, $more) = @_;

    return $t->start_daemon('shard-predictor', $name, conf($mode, $more));
}


sub log_of { return slurp($t->dir() . "/$_[0].log") }

sub decisions { return $t->redis()->stream($t->key('decisions')) }

sub state { return $t->redis()->hash($t->key('predictor')) }

# time begins again: the day's clock at "hour", history up to it, no more

sub begin {
    my ($hour) = @_;

    $t->redis()->command('FLUSHALL');
    $t->seed(silent => 1, place => \&node_of);
    $epoch_s = MIDNIGHT + $hour * 3600;
    put_history($epoch_s);
    $real_ms = int(time() * 1000);
    %router = ();
}


# mistakes in the configuration

$real_ms = int(time() * 1000);
$epoch_s = MIDNIGHT;
$t->start_redis();

{
    my $path = $t->dir() . '/bad.yaml';
    my $program = $t->program('shard-predictor');

    spew($path, conf('act') . "treshold: 0.8\n");
    my ($status, $out, $err) = $t->run($program, '-c', $path);
    is($status, 1, 'unknown key: refused');
    like($err, qr/bad\.yaml:\d+:\d+: .*treshold.*threshold/s,
         'with line, column and the nearest key');

    spew($path, conf('act', "# none\n") =~ s/interval: 5m/interval: 7m/r);
    ($status, $out, $err) = $t->run($program, '-c', $path);
    is($status, 1, 'an interval that does not divide a day: refused');
    like($err, qr/interval.*divide a day/, 'and says so');

    spew($path, conf('act'));
    ($status, $out, $err) = $t->run($program, '-c', $path, '--check');
    is($status, 0, '--check of a good one');
    like($out, qr/^mode: act\b.*^threshold: 0\.9\b/ms, 'prints it');

    ($status, $out, $err) = $t->run($program, '-c', $t->top()
                                    . '/conf/predictor.yaml', '--check');
    is($status, 0, 'conf/predictor.yaml is good') or diag($err);

    spew($path, conf('act') =~ s/addr: .*/addr: 127.0.0.1:1/r);
    ($status, $out, $err) = $t->run($program, '-c', $path);
    is($status, 1, 'no Redis at the start: exits');
    like($err, qr/redis 127\.0\.0\.1:1: /, 'and says which');
}


# observe: forecasts and zones, no decisions; figures of rows

begin(3);
my $p = start('observer', 'observe');

drive { decisions() || (state()->{slot} || 0) >= $epoch_s / RES + 12 } 30,
      'twelve slots';

my $forecast = $t->redis()->hash($t->key('forecast'));
is(scalar keys %$forecast, SHARDS, 'a forecast for each shard');

my $f = decode_json($forecast->{4});
is($f->{step_s}, RES, 'step');
is(scalar @{ $f->{mean} }, 24, 'steps of the horizon');
is(scalar @{ $f->{'q0.9'} }, 24, 'quantiles');
is($f->{at} % RES, 0, 'from the end of a slot');

my $want = load(4, $f->{at} + 0.5 * RES);
cmp_ok(abs($f->{mean}[0] - $want), '<', 0.15 * $want,
       "shard 4 is forecast at $f->{mean}[0], is $want");

my $zones = $t->redis()->hash($t->key('zones'));
is(join(' ', sort keys %$zones), 'z1 z2', 'zones');

my $z = decode_json($zones->{z1});
is($z->{node}, 'n1', 'the hottest node of z1');
cmp_ok($z->{score}, '>', 0.9, "score $z->{score}");
cmp_ok(abs($z->{score} - $z->{load} / $z->{capacity}), '<', 1e-3,
       'is load over capacity');
cmp_ok($z->{peak_at}, '>', $f->{at}, 'its peak is ahead');
cmp_ok(decode_json($zones->{z2})->{score}, '<', 0.8, 'z2 is cooler');

my $state = state();
is($state->{mode}, 'observe', 'mode');
is($state->{state}, 'ready', 'state');
is(scalar(my @none = decisions()), 0, 'observe decides nothing');


# killed -9 at any moment, nothing is counted twice or lost

my $before = $state->{slot};

for my $round (1 .. 3) {
    my $seen = state()->{slot};

    drive { state()->{slot} > $seen + $round } 20, 'some slots';
    $p->kill();
    my $until = time() + 0.4 * $round;
    drive { time() > $until } 20, 'routers go on';
    $p->start();
}

drive { state()->{slot} > $before + 18 } 30, 'slots after the last restart';

# what was said is kept slot by slot, so that a kill costs one of them

my @said = sort @{ $t->redis()->command('KEYS', $t->key('said:*')) };
cmp_ok(scalar @said, '>', 6, @said . ' slots of what was said are kept');
like($t->redis()->command('GET', $said[-1]) // '', qr/^SPL1/, 'the last one of them');
my $live_s = $t->redis()->command('TTL', $said[-1]);
ok($live_s > 0 && $live_s <= 7200, "for two hours ($live_s s)");

sub worst_row {
    my ($from, $to) = @_;

    my ($worst, $unknown) = (0, 0);

    for my $slot ($from .. $to) {
        my $row = $t->redis()->command('GET', row_key($slot));
        my @values = defined $row ? unpack('f<*', $row) : ();

        if (!@values) {
            $unknown++;
            next;
        }

        my $sum = 0;
        $sum += $_ for @values[0 .. SHARDS - 1];

        my $exact = 0;
        $exact += load($_, ($slot + 0.5) * RES) for 0 .. SHARDS - 1;

        my $off = abs($sum / $exact - 1);
        $worst = $off if $off > $worst;
    }

    return ($worst, $unknown);
}

my ($worst, $unknown) = worst_row($epoch_s / RES + 2, $before + 18);
cmp_ok($worst, '<', 0.1, sprintf 'all rows are right over the kills: worst '
       . 'is off by %.1f %%', $worst * 100);
is($unknown, 0, 'and there is one for each slot');

my $row = $t->redis()->command('GET', row_key($before));
my @row = unpack('f<*', $row);
ok(!grep({ $_ == $_ } @row[SHARDS .. $#row]),
   'shards that do not exist are unknown');
cmp_ok($t->redis()->command('TTL', row_key($before)), '>', 86400 * 30,
       'rows expire after more than 30 days');


# a second one waits, and takes over

my $second = start('second', 'observe');
wait_for { log_of('second') =~ /another predictor plans/ } 10, 'it says so';
ok(1, 'a second predictor waits and says so');

$p->signal('TERM');
ok($p->wait_end(5), 'TERM ends it');
is($p->ended(), 'status 0', 'with status 0');
like($t->redis()->command('GET', $t->key('errors:' . RES . ':0')) // '',
     qr/^SPE1/, 'and keeps what its forecasts were worth');
like(state()->{$_} // 'none', qr/^[\d.]+$/, "$_ is said")
    for qw/ tick_ms refit_s /;
wait_for { log_of('second') =~ /this is the predictor now/ } 10, 'takeover';
ok(1, 'the second takes over');


# no metrics: unknown, never zero

my $dark = state()->{slot};

wait_for { state()->{state} =~ /^no metrics since 2026-06-01T/ } 30, 'pause';
ok(1, 'without metrics: ' . state()->{state});
wait_for { state()->{slot} > $dark + 9 } 20, 'slots in the dark';
is($t->redis()->command('EXISTS', row_key($dark + 8)), 0,
   'a slot without metrics has no row');

%router = ();
drive { state()->{state} eq 'ready' } 20, 'ready again';
ok(1, 'it goes on with the metrics');
$second->stop();


# act: a move ahead of the breach, with its reason

begin(0.6);
my $actor = start('actor', 'act');

my @d = drive { my @d = decisions(); @d && \@d } 40, 'a decision';
my $d = $d[0][0][1];

is($d->{verb}, 'move', 'verb');
is($d->{from}, 'n1', 'from the node that will be too hot');
like($d->{to}, qr/^n[234]$/, 'to another');
is($d->{mode}, 'act', 'mode');
is($d->{by}, 'predictor', 'by');
is($d->{epoch}, 1, 'epoch');
is($d->{shard} % 4, 0, 'a shard of n1');
like($d->{id}, qr/^[0-9a-f]{16}$/, 'id');
is($t->redis()->command('HGET', $t->key("decision:$d->{id}"), 'shard'),
   $d->{shard}, 'the decision is found by its id');

my $reason = decode_json($d->{reason});

is($reason->{node}, 'n1', 'reason: node');
cmp_ok($reason->{breach_in_s}, '>', 1800,
       "reason: the breach is $reason->{breach_in_s} s ahead, longer than "
       . 'the move takes');
cmp_ok($reason->{breach_in_s}, '<=', 7200 - 3 * RES,
       'and not decided as soon as the horizon shows it');
cmp_ok($reason->{gain_s}, '>', $reason->{cost_s},
       "it saves $reason->{gain_s} violation-seconds, more than its price");
is($reason->{breach_at}, $reason->{at} + $reason->{breach_in_s},
   'breach_at is at + breach_in_s');
is($reason->{breach_at} % RES, 0, 'the beginning of a step');
is($reason->{move_s}, 1800, 'reason: duration of a move');
cmp_ok($reason->{utilisation_from_before}, '>', 0.9, 'too much before');
cmp_ok($reason->{utilisation_from_after}, '<',
       $reason->{utilisation_from_before} - 0.1, 'less after');
cmp_ok($reason->{utilisation_to_after}, '<=', 0.9, 'the target has room');
like(log_of('actor'),
     qr/decided: move shard $d->{shard} from n1 to $d->{to}: n1 crosses 90 %/,
     'the log says it in words');

my $n = @{ $d[0] };
my $slot = state()->{slot};
drive { state()->{slot} > $slot + 6 } 20, 'six more slots';
is(scalar(my @same = decisions()), $n,
   'a decision nobody has picked up counts as in flight: none is added');
$actor->stop();


# frozen shards stay; recommend says so

begin(0.6);
$t->redis()->command('HSET', $t->key('override'), map { ($_ => 'freeze') }
                     grep { $_ % 4 == 0 && $_ != 8 } 0 .. SHARDS - 1);
my $adviser = start('adviser', 'recommend');
@d = drive { my @d = decisions(); @d && \@d } 40, 'advice';
$d = $d[0][0][1];
is($d->{mode}, 'recommend', 'recommend: mode of the decision');
is($d->{shard}, 8, 'the only shard that is not frozen');


# Redis away and back

$t->process('redis')->kill();
wait_for { log_of('adviser') =~ /trying again/ } 10, 'the log says so';
$t->process('redis')->start();
$t->redis()->close();
wait_for { log_of('adviser') =~ /the store answers again/ } 10, 'resumed';
is(() = log_of('adviser') =~ /trying again/g, 1, 'Redis away: said once');

$slot = state()->{slot} || 0;
drive { (state()->{slot} || 0) > $slot + 2 } 20, 'slots again';
ok($adviser->alive(), 'and goes on');

$t->finish();
done_testing();
