#!/usr/bin/perl

# What plans heed beside the load: a policy's terms, sizes asked of real
# backends, durations of migrations that the store has, the churn budget, and
# who asks from where.  Mistakes are refused where they are made.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use HTTP::Tiny;
use JSON::PP;
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardTest;

use constant { RES => 60, SPEED => 60, SHARDS => 6 };

my $t = ShardTest->new(shards => SHARDS);

plan(skip_all => 'no build/shard-predictor')
    if !-x $t->program('shard-predictor');

$t->start_redis();
$t->start_nodes(3, record_capacity => 100000);


# routers, as in 43_signals.t: edge-1 in z1, edge-3 in z3 where no node is

my ($real_ms, $epoch_s, %router);
my %share = ('edge-1' => 1, 'edge-3' => 3);

sub report {
    my ($name) = @_;

    my $now = int(time() * 1000);
    my $r = $router{$name} ||= { instance => 1 + int(rand(1e9)),
                                 sequence => 0, end_ms => $now };
    my $seconds = ($now - $r->{end_ms}) / 1000;

    return if $seconds < 0.1;

    my $n = int(1000 * $share{$name} * $seconds + 0.5);
    my $shards = join '', map {
        pack('V6Q<2V2', $_, $n, $n, 0, int($n / 2), int($n / 2), 500 * $n,
             2000 * $n, 0, 0)
    } 0 .. SHARDS - 1;

    $r->{sequence}++;
    $t->redis()->command('XADD', $t->key('metrics'), '*', 'm',
        'SHM1' . pack('C/a Q<Q<Q<V v', $name, $r->{instance}, $r->{sequence},
                      $now, $now - $r->{end_ms}, 1)
        . pack('v V V', 1, 4 + length $shards, SHARDS) . $shards);
    $r->{end_ms} = $now;
}

sub drive (&$$) {
    my ($code, $seconds, $what) = @_;

    my $until = time() + $seconds;

    while (time() < $until) {
        report($_) for sort keys %share;

        my $value = $code->();
        return $value if $value;
        sleep(0.02);
    }

    die "not within $seconds s: $what\n";
}

sub hash_of { return $t->redis()->hash($t->key($_[0])) }
sub state { return hash_of('predictor') }
sub moves { return decode_json(state()->{moves} || '{}') }
sub log_of {
    my $path = $t->dir() . "/$_[0].log";

    return -e $path ? slurp($path) : '';
}


# the next forecast after now: what it says was planned with what is there now

sub turn {
    my $slot = state()->{slot} || 0;

    drive { (state()->{slot} || 0) > $slot + 1 } 30, 'two slots more';
}


$t->seed(place => sub { 'n' . (1 + $_[0] % 3) });
$t->redis()->command('HSET', $t->key('routers'),
                     'edge-1', '{"zone":"z1","version":1}',
                     'edge-3', '{"zone":"z3","version":1}');

$real_ms = int(time() * 1000);
$epoch_s = 1_780_272_000;

my $addr = $t->redis_addr();

my $conf = <<"YAML";
redis:
  addr: $addr
keyspace: orders
mode: observe
interval: @{[RES]}s
history: 2h
horizon: 1h
grace_real: 1500ms
lease_real: 5s
move_time: 30m
budget:
  window: 2h
  moves: 5
  gb: 100
  zone_moves: 4
  node_gb: 0.5
sizes:
  url: http://{host}:{port}
  per_second: 50
clock:
  speed: @{[SPEED]}
  real_ms: $real_ms
  epoch_s: $epoch_s
YAML


# mistakes in the configuration

for my $case (['zone_moves: 4' => 'zone_move: 4',
               qr/bad\.yaml:\d+:\d+: .*zone_move.*nearest is "zone_moves"/],
              ['moves: 5' => 'moves: 5000', qr/"moves" is 5000, must be 0 to/],
              ['window: 2h' => 'window: 1s', qr/"window" is .*must be/],
              ['gb: 100' => 'gb: much', qr/bad\.yaml:\d+:\d+: .*"gb"/],
              ['{port}' => '{prot}', qr/sizes: url: .*"\{prot\}/],
              ['http:' => 'gopher:', qr/sizes: url: .*http/],
              ['per_second: 50' => 'per_second: 0', qr/"per_second" is 0/])
{
    my ($from, $to, $says) = @$case;
    my $path = $t->dir() . '/bad.yaml';

    spew($path, $conf =~ s/\Q$from/$to/r);
    my ($status, $out, $err) = $t->run($t->program('shard-predictor'), '-c',
                                       $path);
    is($status, 1, "\"$to\" is refused");
    like($err, $says, 'and why');
}


# ... and in the policy, where it is set

sub policy {
    my ($status, $out, $err) = $t->try_ctl('policy', 'set', @_);

    return $status ? $err : 'ok';
}

like(policy('{"plan":{"weights":{"latenci":1}}}'), qr/nearest is "latency"/,
     'a weight that is none');
like(policy('{"plan":{"require":{"1":["sdd"]}}}'),
     qr/label "sdd" that "1" requires is in no node's "labels"/,
     'a label that no node has');
like(policy('{"plan":{"replica":"zones"}}'), qr/nearest is "replicas"/,
     'a field that is none');
is(policy('{"plan":{"labels":{"n*":["ssd"]},"require":{"*":["ssd"]},'
          . '"weights":{"latency":10,"move_gb":2}}}'), 'ok', 'a good one');
is($t->ctl('policy', 'get')->{plan}{weights}{latency}, 10, 'which is there');


# data: shard 0 has some, the others little

my $http = HTTP::Tiny->new(timeout => 10);

sub put {
    my ($id, $key, $size) = @_;

    my $node = $t->{nodes}{'n' . (1 + $id % 3)};
    my $got = $http->put("http://$node->{addr}/kv/$key",
        { content => 'x' x $size,
          headers => { 'X-Shard-Id' => $id, 'X-Shard-Epoch' => 1,
                       'X-Shard-Role' => 'primary' } });

    die "put: $got->{status} $got->{content}" if $got->{status} != 204;
}

put(0, "key$_", 50000) for 1 .. 40;
put($_, 'key', 100) for 1 .. SHARDS - 1;


my $p = $t->start_daemon('shard-predictor', 'sizer', $conf);

drive { keys %{ hash_of('sizes') } == SHARDS } 30, 'all sizes';

my $sizes = hash_of('sizes');
my $stats = decode_json($http->get(
    "http://$t->{nodes}{n1}{addr}/_shard/0/stats")->{content});

is($sizes->{0}, $stats->{bytes}, "shard 0 has the bytes its backend says");
cmp_ok($sizes->{0}, '>', 2e6 - 1, "that is $sizes->{0}");
cmp_ok($sizes->{1}, '<', 20000, "shard 1 has $sizes->{1}");

put(1, 'more', 200000);
drive { hash_of('sizes')->{1} > 200000 } 30, 'a size that has changed';
pass('it is asked again');

drive { state()->{moves} } 30, 'what is known of moves';
is(moves()->{sizes}, SHARDS, 'sizes are known');
is(moves()->{duration}{seen}, 0, 'no move was seen');
is(moves()->{duration}{move_s}, 1800, 'so a move takes what is configured');
is(moves()->{window}{left}, 5, 'and the whole budget is left');


# who asks from where, by hour: kept

drive { $t->redis()->command('EXISTS', $t->key('traffic')) } 90,
      'traffic by zone';
like($t->redis()->command('GET', $t->key('traffic')), qr/^SPT1.*z1\0.*z3\0/s,
     'of both zones');


# migrations: four that are over, of 1 to 4 GB at 60 s a GB and a minute more

sub ms { return int(time() * 1000 - 1000 * $_[0] / SPEED) }

sub migration {
    my ($n, $ago, %fields) = @_;

    my $id = sprintf '%016x', $n;
    my $begun = ms($ago);
    my $copied = $begun + 1000 * 60 * $fields{gb} / SPEED;
    my $ended = $copied + 1000 * 60 / SPEED;

    my @trail = ("planned\@$begun", "claimed\@$begun", "copy\@$begun");
    push @trail, "catch-up\@$copied", "release\@$ended" if $fields{done};

    $t->redis()->command('HSET', $t->key("migration:$id"), id => $id,
        seq => 1, shard => $n, from => $fields{from}, to => $fields{to},
        epoch => 0, strategy => 'log-shipping', phase => $fields{done} ? 'done' : 'copy',
        created_ms => $begun, bytes => $fields{gb} * 1e9, copies => 1,
        hold_ms => 100, trail => join(' ', @trail),
        $fields{done} ? (finished_ms => int($ended)) : ());
    $t->redis()->command('ZADD', $t->key('migrations'), $begun, $id);
}

migration($_, 50000, gb => $_, from => 'n1', to => 'n2', done => 1)
    for 1 .. 4;
turn();

my $m = moves();
is($m->{duration}{seen}, 4, 'four moves were seen');
cmp_ok(abs($m->{duration}{gb_s} - 60), '<', 1, "a GB takes $m->{duration}{gb_s} s");
cmp_ok(abs($m->{duration}{fixed_s} - 60), '<', 2,
       "the rest $m->{duration}{fixed_s} s");
cmp_ok($m->{duration}{move_s}, '<', 400, "most take $m->{duration}{move_s} s");
is($m->{window}{left}, 5, 'they are over for longer than the window');

migration(5, 600, gb => 1, from => 'n1', to => 'n2', done => 1);
migration(4, 60, gb => 2, from => 'n2', to => 'n3');
turn();
$m = moves();
is($m->{window}{moves}, 2, 'one of the window, one in flight');
is($m->{window}{left}, 3, 'three more may begin');
cmp_ok($m->{window}{gb}, '>=', 1, "$m->{window}{gb} GB of it");


# a policy that did not come by "policy set": the one before is heeded

$t->commit('keyspace', 'meta', 'policy', '{"plan":{"weights":{"latency":"x"}}}');
turn();
like(moves()->{policy}, qr/"latency" in "weights" is not a number/,
     'told beside the state');
like(log_of('sizer'), qr/policy: .*plans heed the one before/, 'and logged');

my ($status, $out, $err) = $t->try_ctl('policy', 'get');
is($status, 0, 'policy get');
like($err, qr/^plan: not heeded, .*"latency" in "weights"/m, 'says it, too');

is(policy('{"plan":{}}'), 'ok', 'a good one');
turn();
is(moves()->{policy}, undef, 'and all is well');


# a node with more than it can bear: rules say where its shards may go

$p->kill();
$t->redis()->command('DEL', $t->key('migrations'));

my $record = { %{ $t->{nodes}{n1} }, capacity => 7000, state => 'up' };
delete $record->{name};
$t->commit('keyspace', 'node', 'n1', encode_json($record));

sub decisions { return $t->redis()->stream($t->key('decisions')) }

is(policy('{"plan":{"labels":{"n1":["ssd"]},"require":{"*":["ssd"]}}}'), 'ok',
   'all shards must be where they overload the node');
$p = $t->start_daemon('shard-predictor', 'decider',
                      $conf =~ s/mode: observe/mode: recommend/r);
drive { (state()->{mode} || '') eq 'recommend' && state()->{state} eq 'ready' }
      60, 'ready';
turn() for 1 .. 3;
is(scalar(my @none = decisions()), 0, 'they stay');

is(policy('{"plan":{"require":{"*":["zone:z2"]}}}'), 'ok', 'z2 alone will do');
drive { decisions() } 60, 'a decision';
my %to = map { ("$_->[1]{from} $_->[1]{to}" => 1) } decisions();
is(join(', ', sort keys %to), 'n1 n2', 'to the only node of z2');
$p->stop();


# started again: sizes are there at once, without asking

$t->redis()->command('HSET', $t->key('sizes'), 2, 123456789);
$p = $t->start_daemon('shard-predictor', 'again',
                      $conf =~ s/  url: http.*\n//r);
my $before = state()->{at};
drive { state()->{at} > $before + 3 * RES } 30, 'planning goes on';
is(moves()->{sizes}, SHARDS, 'sizes are known without asking');
$p->stop();


# a node that does not answer is no matter but for a line in the log

$t->process('n2')->kill();
$p = $t->start_daemon('shard-predictor', 'third', $conf);
drive { log_of('third') =~ /sizes of \d+ shards were not to be had/ } 30,
      'what is wrong is logged';
is(hash_of('sizes')->{1} > 200000, 1, 'its shards keep their sizes');
unlike(log_of('third'), qr/(sizes of \d+ shards.*){3}/s, 'not again and again');
$p->stop();

$t->finish();
done_testing();
