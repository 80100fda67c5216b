#!/usr/bin/perl

# What a decision was worth is said once its horizon is over, by figures that
# anyone can compute from the rows; a predictor that is killed meanwhile goes
# on with it, and counts nothing twice.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use HTTP::Tiny;
use JSON::PP;
use List::Util qw/ sum max /;
use Test::More;
use Time::HiRes qw/ time /;

use ShardTest;
use ShardTest::Replay;

use constant {
    RES => 300, SPEED => 600, SHARDS => 16, CAPACITY => 180,
    MIDNIGHT => 1_780_272_000,              # 2026-06-01T00:00Z
};

my $t = ShardTest->new(shards => SHARDS);

plan(skip_all => 'no build/shard-predictor')
    if !-x $t->program('shard-predictor');

$t->{nodes} = { map {
    ("n$_" => { name => "n$_", addr => "127.0.0.1:900$_", zone => 'z1',
                capacity => CAPACITY })
} 1 .. 4 };


# n1 has four shards twice as large as the others: in the morning they alone
# are more than it can take

sub node_of { return 'n' . (1 + $_[0] % 4) }

sub load {
    my ($shard, $epoch) = @_;

    my $base = $shard % 4 ? 15 : 30;
    my $noise = 1 + 0.04 * sin(int($epoch / RES) * 12.9898 + $shard * 78.233);

    return $base * (1 + 0.8 * sin(6.283185307 * ($epoch % 86400) / 86400))
           * $noise;
}

my $world = ShardTest::Replay->new(t => $t, res => RES, speed => SPEED,
                                   load => \&load);

sub conf {
    my ($mode, $more) = @_;

    my $addr = $t->redis_addr();

    return <<"YAML" . $world->clock_yaml() . ($more || '');
redis:
  addr: $addr
keyspace: orders
mode: $mode
interval: 5m
history: 10d
horizon: 2h
grace_real: 1500ms
lease_real: 2s
threshold: 0.95
move_time: 30m
YAML
}

sub begin {
    my ($hour) = @_;

    $t->redis()->command('FLUSHALL');
    $t->seed(silent => 1, place => \&node_of);
    $world->begin(MIDNIGHT + $hour * 3600, 10);
}

sub decisions { return map { $_->[1] } $t->redis()->stream($t->key('decisions')) }

sub decision { return $t->redis()->hash($t->key("decision:$_[0]")) }

sub sums {
    my $text = $t->redis()->command('HGET', $t->key('regret'), $_[0]);

    return $text ? decode_json($text) : {};
}

sub predictor {
    my ($name, $mode) = @_;

    return $t->start_daemon('shard-predictor', $name, conf($mode));
}


# what is said, computed anew from the rows: moved from "commit" on, copying
# since "start"; both 0: never

sub violation {
    my ($d, $score, $start, $commit) = @_;

    my ($from, $to) = map { /(\d)/; $1 - 1 } @$d{qw/ from to /};
    my $first = int($score->{from} / RES);
    my $total = 0;

    for my $slot ($first .. int($score->{until} / RES + 0.5) - 1) {
        my $row = $t->redis()->command('GET',
                                       $t->key('rows:' . RES . ":$slot:0"));
        my @load = unpack('f<*', $row // '');

        next if !@load || grep { $_ != $_ } @load[0 .. SHARDS - 1];

        my $part = sub {
            my $low = max($_[0], $slot * RES);
            my $high = $_[1] < ($slot + 1) * RES ? $_[1] : ($slot + 1) * RES;
            return $high > $low ? ($high - $low) / RES : 0;
        };

        my $moved = $commit ? $part->($commit, 9e15) : 0;
        my $copy = $start ? 0.25 * $part->($start, $commit) : 0;
        my $x = $load[$d->{shard}];
        my @rest = map {
            my $node = $_;
            sum(0, map { $load[$_] }
                   grep { $_ % 4 == $node && $_ != $d->{shard} }
                   0 .. SHARDS - 1);
        } $from, $to;

        $total += RES if $rest[0] + $x * (1 - $moved + $copy) > CAPACITY;
        $total += RES if $rest[1] + $x * ($moved + $copy) > CAPACITY;
    }

    return $total;
}

$t->start_redis();


# act: the test is the migrator, a slow one; the predictor dies on the way

begin(-1.5);
my $port = free_port();
my $p = $t->start_daemon('shard-predictor', 'actor', conf('act',
                         "metrics: 127.0.0.1:$port\n"));

my ($d) = @{ $world->drive(60, 'a decision', sub {
    my @d = decisions();
    return @d && \@d;
}) };

my $id = $d->{id};
my $claimed = int(time() * 1000);
my $record = $t->redis()->command('HGET', $t->key('table'), $d->{shard});

$t->redis()->command('HSET', $t->key("migration:$id"), id => $id,
    shard => $d->{shard}, from => $d->{from}, to => $d->{to}, epoch => 1,
    phase => 'copy', seq => 1, created_ms => $claimed, phase_ms => $claimed,
    trail => "planned\@$claimed claimed\@$claimed copy\@$claimed");
$t->redis()->command('ZADD', $t->key('migrations'), $claimed, $id);

my $at = $world->clock();
$world->drive(60, 'half of the move', sub { $world->clock() > $at + 2400 });
$p->kill();
$world->drive(60, 'the rest of it', sub { $world->clock() > $at + 4800 });

my $released = int(time() * 1000);

$t->commit("shard:$d->{shard}", 'shard', $d->{shard},
           encode_json({ %{ decode_json($record) }, primary => $d->{to},
                         epoch => 2 }));
$t->redis()->command('HSET', $t->key("migration:$id"), phase => 'done',
    finished_ms => $released, trail => "planned\@$claimed claimed\@$claimed "
    . "copy\@$claimed commit\@$released release\@$released done\@$released");
$p->start();

my ($ok, $out) = $t->try_ctl('explain', $id);
unlike($out, qr/afterwards/, 'no score before its horizon is over');

my $score = $world->drive(90, 'a score', sub {
    my $text = decision($id)->{score};
    return $text && decode_json($text);
});

cmp_ok($score->{until} - $score->{from}, '>=', 7200 + 1800,
       'after the lead and the horizon');
ok($score->{carried_out}, 'it was carried out');
is($score->{decided_ms}, $d->{decided_ms}, 'of this decision');
cmp_ok(abs($score->{move_s} - ($released - $claimed) / 1000 * SPEED), '<', 1,
       'it took what its migration took');

my ($start, $commit) = map { $world->clock($_) } $claimed, $released;
my $v = $score->{violation_s};

is($v->{nothing}, violation($d, $score, 0, 0), "without it: $v->{nothing} s, "
   . 'as computed from the rows');
is($v->{decided}, violation($d, $score, $start, $commit),
   "as it was: $v->{decided} s");
is($v->{reacting}, violation($d, $score, $score->{reacting_at},
                             $score->{reacting_at} + $score->{move_s}),
   "by reacting: $v->{reacting} s");
cmp_ok($v->{nothing}, '>', $v->{decided}, 'it helped');
cmp_ok($v->{reacting}, '>', $v->{decided}, 'more than reacting would have');
is($score->{verdict}, 'helped', 'which is what it says');
is($score->{saved_vs_nothing_s}, $v->{nothing} - $v->{decided}, 'saved');
is($score->{regret_s}, 0, 'nothing is to be regretted');

my $sums = sums('act');
cmp_ok($sums->{scored}, '>=', 1, 'in the sums');
cmp_ok($sums->{saved_vs_nothing_s}, '>=', $score->{saved_vs_nothing_s},
       'with its seconds');


# dead between two writes: the score is written again, the sums stay

$p->kill();
$t->redis()->command('HDEL', $t->key("decision:$id"), 'score');
$t->redis()->command('HSET', $t->key('regret'), 'counted',
                     "$id\@$d->{decided_ms} ");
$p->start();

my $again = $world->drive(60, 'the score again', sub {
    my $text = decision($id)->{score};
    return $text && decode_json($text);
});

is_deeply($again->{violation_s}, $v, 'the same figures after a kill');

ok($world->drive(30, 'sums of all scores', sub {
    my @scored = grep { decision($_->{id})->{score} } decisions();
    return sums('act')->{scored} == @scored;
}), 'each counted once');


# shown

($ok, $out) = $t->try_ctl('explain', $id);
like($out, qr/^afterwards: helped$/m, 'explain of the decision');
like($out, qr/^worth: it is expected to save /m, 'and what was expected');
like($out, qr/two nodes were above capacity for .*; without it for /,
     'says what it was worth');
like($out, qr/who reacts would have begun at /, 'and when one would react');
like($out, qr/^regret: the best of the three had 0 ms less/m, 'and regret');

($ok, $out) = $t->try_ctl('explain', $d->{shard});
like($out, qr/latest decisions.*\b$id\b.*helped/s, 'explain of its shard');

($ok, $out) = $t->try_ctl('--json', 'explain', $id);
is(decode_json($out)->{decision}{score}{verdict}, 'helped', 'as JSON');


# as metrics

my $http = HTTP::Tiny->new(timeout => 5);
my $url = "http://127.0.0.1:$port";
my $labels = '{keyspace="orders",mode="act"';
my $answer = $world->drive(30, 'sums in the metrics', sub {
    my $got = $http->get("$url/metrics");
    return $got->{content} =~ /saved_seconds\Q$labels\E,against="nothing"\} [1-9]/
           && $got;
});

like($answer->{headers}{'content-type'}, qr{^text/plain; version=0\.0\.4},
     'metrics: type');

my ($m, @bad) = ShardTest::parse_metrics($answer->{content});
is("@bad", '', 'metrics: well formed');
$sums = sums('act');

is($m->{"shard_predictor_scored_decisions_total$labels,verdict=\"helped\"}"},
   $sums->{helped}, 'metrics: helped');
is($m->{"shard_predictor_saved_seconds{against=\"nothing\",keyspace=\"orders\",mode=\"act\"}"},
   $sums->{saved_vs_nothing_s}, 'metrics: saved');
is($m->{'shard_predictor_active{keyspace="orders"}'}, 1, 'metrics: it plans');
is($m->{'shard_predictor_shards{keyspace="orders"}'}, SHARDS, 'metrics: shards');
cmp_ok($m->{'shard_predictor_zone_score{keyspace="orders",zone="z1"}'}, '>', 0,
       'metrics: zones');
is($http->get("$url/other")->{status}, 404, 'nothing else is there');
is($http->post("$url/metrics", { content => 'x' x 100000 })->{status}, 405,
   'and it is for reading');
is($http->head("$url/metrics")->{status}, 200, 'or for its head');

($ok, $out) = $t->try_ctl('status');
like($out, qr/^hindsight: \d+ decisions scored, \d+ helped/m, 'status');
($ok, $out) = $t->try_ctl('--json', 'status');
cmp_ok(decode_json($out)->{predictor}{hindsight}{act}{scored}, '>=', 1,
       'as JSON');
$p->stop();


# recommend: what it would have done

begin(-1.5);
my $adviser = predictor('adviser', 'recommend');

my ($advice) = @{ $world->drive(60, 'advice', sub {
    my @d = decisions();
    return @d && \@d;
}) };

$score = $world->drive(90, 'a score of it', sub {
    my $text = decision($advice->{id})->{score};
    return $text && decode_json($text);
});

$v = $score->{violation_s};
$start = $score->{decided_ms};
$start = $world->clock($start);

ok(!$score->{carried_out}, 'advice was not taken');
is($v->{happened}, $v->{nothing}, 'what happened is nothing');
is($v->{nothing}, violation($advice, $score, 0, 0), "that was $v->{nothing} s");
is($v->{decided}, violation($advice, $score, $start,
                            $start + $score->{move_s}),
   "it would have been $v->{decided} s");
cmp_ok($score->{saved_vs_nothing_s}, '>', 0, 'it would have helped');
cmp_ok(sums('recommend')->{scored}, '>=', 1, 'in sums of their own');
is(sums('act')->{scored} // 0, 0, 'and no others');
$adviser->stop();


# observe: the list of what it would do, and what waits for its time

begin(-1.5);
my $observer = predictor('observer', 'observe');

sub recommendations {
    my $all = $t->redis()->hash($t->key('recommendations'));
    return map { { %{ decode_json($all->{$_}) }, id => $_ } } keys %$all;
}

my $waits = $world->drive(60, 'a move that waits', sub {
    return (grep { $_->{state} eq 'waits' } recommendations())[0];
});

is($waits->{from}, 'n1', 'from the node that will be too hot');
like($waits->{to}, qr/^n[234]$/, 'to another');
is($waits->{shard} % 4, 0, 'a shard of it');
is($waits->{why}, 'overload', 'why');
cmp_ok($waits->{start}, '>', $waits->{at}, 'it is to start later');
cmp_ok($waits->{start} + $waits->{move_s}, '<=', $waits->{breach_at},
       'and to be over before the breach');

($ok, $out) = $t->try_ctl('recommendations');
like($out, qr/waits\s+$waits->{shard}\s+n1\s+$waits->{to}\s+overload/,
     'in a table');

my $now = $world->drive(60, 'its time', sub {
    return (grep { $_->{state} eq 'now' } recommendations())[0];
});

is($now->{from}, 'n1', 'now it would be made');
is($now->{start}, $now->{at}, 'at once');
like($now->{gain_s} . ' ' . $now->{cost_s}, qr/^-?[\d.]+ -?[\d.]+$/,
     "for $now->{gain_s} s, at the cost of $now->{cost_s} s");
is(scalar(my @none = decisions()), 0, 'an observer decides nothing');

($ok, $out) = $t->try_ctl('--json', 'recommendations');
ok(scalar(grep { $_->{shard} == $now->{shard} }
          @{ decode_json($out)->{recommendations} }), 'as JSON');

$observer->stop();
$observer = predictor('sleeper', 'observe');
wait_for { !recommendations() } 30, 'an empty list';
ok(1, 'without metrics nothing is recommended');
$observer->stop();

$t->finish();
done_testing();
