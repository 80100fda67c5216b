#!/usr/bin/perl

# The module: held requests, the drain gate, arrival order over all workers,
# bounds, clients that leave, a worker that dies, a reload.

use warnings;
use strict;

use Test::More;

use ShardTest;

my $t = ShardTest->new(shards => 4, follow_seconds => 2);
my %port = map { $_ => free_port() } qw/ n1 n2 /;

$t->{nodes}{$_} = { name => $_, addr => "127.0.0.1:$port{$_}", capacity => 100,
                    zone => 'z1' } for keys %port;

$t->start_redis();
$t->seed(nodes => [ 'n1' ], silent => 1);

my $backends = join '', map { <<"CONF" } sort keys %port;
server {
    listen 127.0.0.1:$port{$_};

    location / {
        return 200 "$_ \$request_uri \$content_length";
    }

    location /slow {
        limit_rate 2000;
        return 200 "@{[ 'x' x 3500 ]}";
    }
}
CONF

my $limits = "shard_hold max=60 timeout=4s;\n        keepalive 8;";

$t->start_nginx(http => $backends, upstream => $limits);
wait_for { $t->get('/', 'X-Key' => 'a')->{status} == 200 } 5, 'a table';

my ($shard) = $t->get('/', 'X-Key' => 'a')->{headers}{'x-shard-id'};


sub hold {
    return $t->hold_shard($shard, $t->shard_record($shard)->{primary} eq 'n1'
                                  ? 'n2' : 'n1');
}

sub release { return $t->release_shard($shard, @_) }
sub waiting { return $t->api('')->{waiting} }
sub barrier { return $t->barrier($shard) }


# drain

my $slow = $t->send_request('/slow');
wait_for { $t->api("/shards/$shard")->{inflight} == 1 } 2, 'in flight';

my $version = hold();
my $parked = $t->send_request('/parked');
wait_for { waiting() == 1 } 2, 'parked';

wait_for { barrier()->{version} } 2, 'a barrier';
ok(!barrier()->{drained}, 'not drained while one is in flight');
wait_for { barrier()->{drained} } 5, 'drained';
is($t->api("/shards/$shard")->{inflight}, 0, 'drained means none in flight');
cmp_ok(barrier()->{version}, '>=', $version, 'at the version that holds');
is(($t->answer($slow))[0], 200, 'what was in flight ended well');

release(primary => 'n2', epoch => 2);
my ($status, $text) = $t->answer($parked);
is($status, 200, 'the parked one was released');
like($text, qr!n2 /parked!, 'to the new owner');
like($text, qr/X-Shard-State: held/, '$shard_state tells');
wait_for { !%{ barrier() } } 3, 'no barrier any more';


# arrival order over both workers, large bodies among them

hold();

my @sockets;

for my $n (1 .. 40) {
    push @sockets, $t->send_request("/n$n", body => $n % 5 ? undef
                                                     : 'b' x 300000);
    wait_for { waiting() == $n } 3, "$n waiting";
}

release();

is_deeply($t->statuses(10, @sockets), { 200 => 40 }, 'all 40 answered');

my @order = $t->error_log() =~ /released ticket .*? request: "\w+ \/n(\d+) /g;
my %pids = map { $_ => 1 }
           $t->error_log() =~ /(\d+)#\d+: \*\d+ shard \d+ released ticket/g;

is("@order", join(' ', 1 .. 40), 'released in arrival order');
is(scalar keys %pids, 2, 'by both workers');


# clients that leave

hold();
@sockets = map { $t->send_request("/leave$_") } 1 .. 10;
wait_for { waiting() == 10 } 3, '10 waiting';
close $sockets[$_] for 0, 3, 4;
wait_for { waiting() == 7 } 3, 'three left';
release();
is_deeply($t->statuses(10, @sockets[1, 2, 5 .. 9]), { 200 => 7 },
          'the others are not kept by those who left');


# bounds

hold();
@sockets = map { $t->send_request("/many$_") } 1 .. 60;
wait_for { waiting() == 60 } 5, '60 waiting';

($status, $text) = $t->answer($t->send_request('/one-more'));
is($status, 503, 'beyond max: 503');
like($text, qr/Retry-After: 1/, 'with Retry-After');

is_deeply($t->statuses(8, @sockets), { 503 => 60 }, 'beyond timeout: 503');
is(waiting(), 0, 'none waits any more');
release();


# a worker dies with parked requests

$t->allow(qr/exited on signal 9/);
hold();
@sockets = map { $t->send_request("/dead$_") } 1 .. 20;
wait_for { waiting() == 20 } 3, '20 waiting';

my ($leader) = $t->error_log() =~ /.*?(\d+)#\d+: keyspace "orders": this worker keeps the table/;
my ($victim) = grep { $_ != $leader } $t->process('nginx')->children();

kill 'KILL', $victim;
wait_for { $t->error_log() =~ /worker $victim died/ } 3, 'buried';
release();

my $got = $t->statuses(5, @sockets);
cmp_ok($got->{200} || 0, '>', 0, 'requests of the other worker go on');
is(($got->{200} || 0) + ($got->{0} || 0), 20, 'and only the dead one\'s are lost');


# the leader dies: another takes over within a second

hold();
kill 'KILL', $leader;
wait_for { barrier()->{drained} } 5, 'a new leader reports the barrier';
my $s = $t->send_request('/after');
wait_for { waiting() >= 1 } 3, 'parked again';
release();
is(($t->answer($s))[0], 200, 'and releases');


# a reload while some wait

hold();
@sockets = map { $t->send_request("/reload$_") } 1 .. 10;
wait_for { waiting() >= 10 } 3, '10 waiting';
$t->reload();
push @sockets, map { $t->send_request("/reload$_") } 11 .. 20;
wait_for { waiting() >= 20 } 3, '20 waiting';
release();
is_deeply($t->statuses(10, @sockets), { 200 => 20 },
          'old and new workers release theirs');


# an operator's hold

$t->redis()->command('HSET', $t->key('override'), $shard, 'hold');
wait_for { $t->api("/shards/$shard")->{phase} eq 'held' } 2, 'held by hand';
$s = $t->send_request('/by-hand');
wait_for { waiting() >= 1 } 2, 'parked';
$t->redis()->command('HDEL', $t->key('override'), $shard);
($status, $text) = $t->answer($s);
is($status, 200, 'released by HDEL');
like($t->get('/metrics')->{content}, qr/hold_seconds_count\{keyspace="orders"\} [1-9]/, 'hold histogram');

$t->finish();
done_testing();
