#!/usr/bin/perl

# The module: held requests, the drain gate, arrival order over all workers,
# bounds, clients that leave, a worker that dies, a reload.

use warnings;
use strict;

use Test::More;
use IO::Socket::INET;

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


# a request on a connection of its own, not waited for

sub send_request {
    my ($uri, $body) = @_;

    my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$t->{nginx_port}")
        or die "connect: $!";
    my $method = defined $body ? 'POST' : 'GET';
    my $length = defined $body ? "Content-Length: " . length($body) . "\r\n" : '';

    $s->autoflush(1);
    print $s "$method $uri HTTP/1.1\r\nHost: x\r\nX-Key: a\r\n$length"
             . "Connection: close\r\n\r\n" . (defined $body ? $body : '');
    return $s;
}

sub answer {
    my ($s, $seconds) = @_;

    my $text = '';
    my $until = time() + ($seconds || 10);

    while (time() <= $until) {
        my $bits = '';
        vec($bits, fileno($s), 1) = 1;
        next if !select($bits, undef, undef, 0.2);
        last if !sysread($s, $text, 65536, length $text);
    }

    return $text =~ m!^HTTP/1.1 (\d+)! ? ($1, $text) : (0, $text);
}


# drain

my $slow = send_request('/slow');
wait_for { $t->api("/shards/$shard")->{inflight} == 1 } 2, 'in flight';

my $version = hold();
my $parked = send_request('/parked');
wait_for { waiting() == 1 } 2, 'parked';

wait_for { barrier()->{version} } 2, 'a barrier';
ok(!barrier()->{drained}, 'not drained while one is in flight');
wait_for { barrier()->{drained} } 5, 'drained';
is($t->api("/shards/$shard")->{inflight}, 0, 'drained means none in flight');
cmp_ok(barrier()->{version}, '>=', $version, 'at the version that holds');
is((answer($slow))[0], 200, 'what was in flight ended well');

release(primary => 'n2', epoch => 2);
my ($status, $text) = answer($parked);
is($status, 200, 'the parked one was released');
like($text, qr!n2 /parked!, 'to the new owner');
like($text, qr/X-Shard-State: held/, '$shard_state tells');
wait_for { !%{ barrier() } } 3, 'no barrier any more';


# arrival order over both workers, large bodies among them

hold();

my @sockets;

for my $n (1 .. 40) {
    push @sockets, send_request("/n$n", $n % 5 ? undef : 'b' x 300000);
    wait_for { waiting() == $n } 3, "$n waiting";
}

release();

is(scalar(grep { (answer($_))[0] == 200 } @sockets), 40, 'all 40 answered');

my @order = $t->error_log() =~ /released ticket .*? request: "\w+ \/n(\d+) /g;
my %pids = map { $_ => 1 }
           $t->error_log() =~ /(\d+)#\d+: \*\d+ shard \d+ released ticket/g;

is("@order", join(' ', 1 .. 40), 'released in arrival order');
is(scalar keys %pids, 2, 'by both workers');


# clients that leave

hold();
@sockets = map { send_request("/leave$_") } 1 .. 10;
wait_for { waiting() == 10 } 3, '10 waiting';
close $sockets[$_] for 0, 3, 4;
wait_for { waiting() == 7 } 3, 'three left';
release();
is(scalar(grep { (answer($sockets[$_]))[0] == 200 } 1, 2, 5 .. 9), 7,
   'the others are not kept by those who left');


# bounds

hold();
@sockets = map { send_request("/many$_") } 1 .. 60;
wait_for { waiting() == 60 } 5, '60 waiting';

($status, $text) = answer(send_request('/one-more'));
is($status, 503, 'beyond max: 503');
like($text, qr/Retry-After: 1/, 'with Retry-After');

my %got;
$got{(answer($_, 8))[0]}++ for @sockets;
is_deeply(\%got, { 503 => 60 }, 'beyond timeout: 503');
is(waiting(), 0, 'none waits any more');
release();


# a worker dies with parked requests

$t->allow(qr/exited on signal 9/);
hold();
@sockets = map { send_request("/dead$_") } 1 .. 20;
wait_for { waiting() == 20 } 3, '20 waiting';

my ($leader) = $t->error_log() =~ /.*?(\d+)#\d+: keyspace "orders": this worker keeps the table/;
my ($victim) = grep { $_ != $leader } $t->process('nginx')->children();

kill 'KILL', $victim;
wait_for { $t->error_log() =~ /worker $victim died/ } 3, 'buried';
release();

%got = ();
$got{(answer($_, 5))[0]}++ for @sockets;
cmp_ok($got{200} || 0, '>', 0, 'requests of the other worker go on');
is(($got{200} || 0) + ($got{0} || 0), 20, 'and only the dead one\'s are lost');


# the leader dies: another takes over within a second

hold();
kill 'KILL', $leader;
wait_for { barrier()->{drained} } 5, 'a new leader reports the barrier';
my $s = send_request('/after');
wait_for { waiting() >= 1 } 3, 'parked again';
release();
is((answer($s))[0], 200, 'and releases');


# a reload while some wait

hold();
@sockets = map { send_request("/reload$_") } 1 .. 10;
wait_for { waiting() >= 10 } 3, '10 waiting';
$t->reload();
push @sockets, map { send_request("/reload$_") } 11 .. 20;
wait_for { waiting() >= 20 } 3, '20 waiting';
release();
is(scalar(grep { (answer($_))[0] == 200 } @sockets), 20,
   'old and new workers release theirs');


# an operator's hold

$t->redis()->command('HSET', $t->key('override'), $shard, 'hold');
wait_for { $t->api("/shards/$shard")->{phase} eq 'held' } 2, 'held by hand';
$s = send_request('/by-hand');
wait_for { waiting() >= 1 } 2, 'parked';
$t->redis()->command('HDEL', $t->key('override'), $shard);
($status, $text) = answer($s);
is($status, 200, 'released by HDEL');
like($t->get('/metrics')->{content}, qr/hold_seconds_count\{keyspace="orders"\} [1-9]/, 'hold histogram');

$t->finish();
done_testing();
