#!/usr/bin/perl

# shard_keepalive: which connection is used again, and which one is not.

use warnings;
use strict;

use IO::Socket::INET;
use JSON::PP;
use Socket qw/ IPPROTO_TCP SOL_SOCKET SO_RCVBUF TCP_MAXSEG /;
use Test::More;
use Time::HiRes qw/ time /;

use ShardTest;

$SIG{PIPE} = 'IGNORE';

my $t = ShardTest->new(shards => 2, workers => 1);
my %port = map { $_ => free_port() } qw/ n1 n2 n3 mute /;
my $mute = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$port{mute}", Listen => 128);

$t->{nodes} = { map { $_ => { name => $_, addr => "127.0.0.1:$port{$_}", capacity => 100,
                              zone => 'z1' } } qw/ n1 n2 / };

my $nodes = join '', map { <<"CONF" } qw/ n1 n2 n3 /;
server {
    listen 127.0.0.1:$port{$_};
    add_header X-Conn "$_:\$connection:\$connection_requests";
    location /       { return 200 "$_"; }
    location /close  { keepalive_timeout 200ms; return 200 "$_"; }
    location /put    { proxy_pass http://127.0.0.1:$port{$_}/; }
    location /slow   { limit_rate 2000; return 200 "@{[ 'x' x 2500 ]}"; }
    location /mute   { proxy_pass http://127.0.0.1:$port{mute}; }
}
CONF

$t->start_nginx_node($port{n1}, $nodes);
$t->start_redis();
$t->seed(silent => 1);

# "$way" an upstream of the keyspace with a keepalive of its own, at /$way/

my %way = (
    many  => '8',
    one   => '1',
    twice => '8 requests=2',
    old   => '8 time=300ms',
    short => '8 timeout=300ms',
);

sub conf {
    return (http => join('', map { "upstream $_ { shard orders key=\$http_x_key; "
                                   . "shard_keepalive $way{$_}; }\n" } sort keys %way),
            server => join('', 'proxy_http_version 1.1; proxy_set_header Connection "";', <<'CONF',
large_client_header_buffers 4 10m;
location /long/   { proxy_pass http://many/; }
location /late/   { proxy_read_timeout 1s; proxy_pass http://many/; }
location /hasty/  { proxy_read_timeout 400ms; proxy_pass http://many/; }
location /upload/ { proxy_read_timeout 400ms; proxy_request_buffering off; proxy_pass http://many/put/; }
CONF
                           map { "location /$_/ { proxy_pass http://$_/; }\n" } sort keys %way));
}

$t->start_nginx(conf());
wait_for { $t->api('')->{version} } 5, 'a table';

my @key = map { my $id = $_;
                (grep { ($t->get('/', 'X-Key' => $_)->{headers}{'x-shard-id'} // '') eq $id }
                 'a' .. 'z')[0] } 0, 1;

my $node_pid = ($t->process('node')->children())[0];

# how many connections a node has now, those that wait to be closed not

sub connections {
    my ($node) = @_;

    my $want = sprintf '0100007F:%04X', $port{$node};
    my @lines = grep { my @f = split; $f[1] eq $want && $f[3] eq '01' }
                split /\n/, slurp('/proc/net/tcp');
    return scalar @lines;
}

# "node:connection:requests" of an answer

sub conn {
    my ($path, $shard) = @_;

    my $got = $t->get($path, 'X-Key' => $key[$shard || 0]);

    die "$path: $got->{status} $got->{content}\n" if $got->{status} != 200;
    return $got->{headers}{'x-conn'};
}

sub serial  { return $_[0] =~ /^(\w+:\d+):/ ? $1 : undef }
sub count   { return $_[0] =~ /:(\d+)$/ ? $1 : undef }
sub becomes { my ($n, $node, $what) = @_;
              ok(eval { wait_for { connections($node) == $n } 5, $what }, $what)
                  or diag "$node has " . connections($node) . " connections"; }

sub rest { my $until = time() + $_[0]; wait_for { time() > $until } $_[0] + 5, "$_[0] s" }


# used again, a node's own

my @got = map { conn('/many/', $_ % 2) } 0 .. 5;
is(scalar(keys %{{ map { serial($_) => 1 } @got }}), 2, 'two nodes, two connections');
is_deeply([ map { count($_) } @got ], [ 1, 1, 2, 2, 3, 3 ], 'each used again');

@got = map { conn('/one/', $_ % 2) } 0 .. 3;
is_deeply([ map { count($_) } @got ], [ 1, 1, 1, 1 ], 'room for one: the other node takes it');
is(count(conn('/one/', 1)), 2, 'and keeps it');

@got = map { conn('/twice/') } 1 .. 4;
is_deeply([ map { count($_) } @got ], [ 1, 2, 1, 2 ], 'requests=2');
isnt(serial($got[1]), serial($got[2]), 'then another one');

@got = (conn('/old/'));
rest(0.35);
push @got, conn('/old/'), conn('/old/');
is_deeply([ map { count($_) } @got ], [ 1, 2, 1 ], 'time=300ms: its last request is the next one');


# a wave: what is more than there is room for is closed

my $before = connections('n1');
my @wave = map { $t->send_request('/many/slow', key => $key[0]) } 1 .. 20;
ok(eval { wait_for { connections('n1') >= 20 } 5, 'many' }, 'twenty at once');
is_deeply($t->statuses(20, @wave), { 200 => 20 }, 'all are answered');
ok(eval { wait_for { connections('n1') <= $before + 8 } 5, 'few' }, 'eight are kept')
    or diag connections('n1');


# unused

my $serial = serial(conn('/short/'));
my $open = connections('n1');
rest(0.2);
is(serial(conn('/short/')), $serial, 'timeout=300ms: used again after 200');
rest(0.2);
is(serial(conn('/short/')), $serial, 'counted from the last request on');
becomes($open - 1, 'n1', 'closed after 300');
isnt(serial(conn('/short/')), $serial, 'the next one has another');
becomes($open - 1, 'n1', 'which is closed, too');

$serial = serial(conn('/many/close'));
rest(0.3);
isnt(serial(conn('/many/')), $serial, 'the node closed it: no failure, another one');


# the last request's read timeout is not the connection's

$serial = serial(conn('/hasty/'));
$open = connections('n1');
rest(0.6);
is(connections('n1'), $open, 'unused for longer than proxy_read_timeout');
is(serial(conn('/hasty/')), $serial, 'it is used again');

my $began = time();
is($t->get('/hasty/mute', 'X-Key' => $key[0])->{status}, 504, 'a node that does not answer: 504');
cmp_ok(time() - $began, '<', 10, 'after its own time, whatever the last request left');

conn('/hasty/');
my $part = 'x' x 1000;
my $s = $t->connect_to("PUT /upload/ HTTP/1.1\r\nHost: x\r\nX-Key: $key[0]\r\nConnection: close\r\n"
                       . "Content-Length: 4000\r\n\r\n$part");

for (2 .. 4) {
    rest(0.3);
    print $s $part;
}

is(($t->answer($s))[0], 200, 'a body may take longer than proxy_read_timeout, on a kept connection');


# what a node says unasked is nobody's answer

my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1:0', Listen => 8, Timeout => 10) or die "listen: $!\n";

# short segments, so that the router's socket takes little at once

setsockopt($listen, SOL_SOCKET, SO_RCVBUF, pack('i', 8192)) or die "rcvbuf: $!\n";
setsockopt($listen, IPPROTO_TCP, TCP_MAXSEG, pack('i', 1000)) or die "maxseg: $!\n";

sub readdress {
    my ($name, $port) = @_;

    $t->followed($t->committed('nodes', 'node', $name, encode_json({
        addr => "127.0.0.1:$port", zone => 'z1', capacity => 100, state => 'up' })));
}

# reads a request's head, which it returns, and answers

sub served {
    my ($c, $text) = @_;

    my $request = heard($c);

    syswrite($c, "HTTP/1.1 200 OK\r\nContent-Length: " . length($text) . "\r\n\r\n$text");
    return $request;
}

sub heard {
    my ($c) = @_;

    my $request = '';

    while ($request !~ /\r\n\r\n/) {
        sysread($c, $request, 1_000_000, length $request) or last;
    }

    return $request;
}

sub closed {
    my ($c) = @_;

    $c->blocking(0);
    my $got = eval { wait_for { my $n = sysread($c, my $x, 1); defined $n ? $n == 0 : !$!{EAGAIN} } 5, 'eof' };
    $c->blocking(1);
    return $got;
}

readdress('n2', $listen->sockport());
my $client = $t->send_request('/many/', key => $key[1]);
my $c = $listen->accept();
served($c, 'first');
like(($t->answer($client))[1], qr/first$/, 'another address: a connection to that');

syswrite($c, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nunasked");
ok(closed($c), 'unasked: closed');

$client = $t->send_request('/many/', key => $key[1]);
$c = $listen->accept();
served($c, 'second');
like(($t->answer($client))[1], qr/second$/, 'and the next request asked on another');

# 870 ms of 1 s after it was asked: the time of the request before is over by
# then.  A machine that stops for 130 ms makes it late, three times hardly

my @late;

while (@late < 3 && !grep { $_ == 200 } @late) {
    $client = $t->send_request('/late/', key => $key[1]);
    $c = $listen->accept() if @late;
    served($c, 'early');
    $t->answer($client);
    rest(0.25);
    $client = $t->send_request('/late/', key => $key[1]);
    heard($c);
    rest(0.87);
    syswrite($c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate");
    push @late, ($t->answer($client))[0];
}

is($late[-1], 200, 'each request has the whole of proxy_read_timeout') or diag "@late";


# refused while its shard is held, and the client leaves: nobody else gets
# this connection

$client = $t->send_request('/many/', key => $key[1]);
like(heard($c), qr/^GET/, 'at the node');
$t->update_shard(1, phase => 'held', target => 'n1', migration => '00000000000000ab');
syswrite($c, "HTTP/1.1 421 no\r\nContent-Length: 0\r\n\r\n");
ok(eval { wait_for { $t->error_log() =~ /is not the owner/ } 5, 'asks' }, 'refused, and waiting');
close($client);
ok(closed($c), 'the client left: closed');
$t->release_shard(1);

$client = $t->send_request('/many/', key => $key[1]);
$c = $listen->accept();
served($c, 'fourth');
like(($t->answer($client))[1], qr/fourth$/, 'the next one is answered');


# more than a socket takes at once, in one buffer (up to sendfile_max_chunk, 2 MB)

my $long = join '', map { sprintf '%09d,', $_ } 1 .. 150_000;
$client = $t->connect_to('');
$client->blocking(0);

my $text = "GET /long/ HTTP/1.1\r\nHost: x\r\nX-Key: $key[1]\r\nX-Long: $long\r\nConnection: close\r\n\r\n";
my $sent = 0;

wait_for { $sent += syswrite($client, $text, 1_000_000, $sent) // 0; $sent == length $text } 20, 'sent';
rest(0.3);
like(served($c, 'third'), qr/^X-Long: $long\r$/m, 'a request in pieces: whole');
like(($t->answer($client))[1], qr/third$/, 'and answered');

readdress('n2', $port{n2});
$serial = conn('/many/', 1);
like($serial, qr/^n2:/, 'the old address again');
readdress('n2', $port{n3});
like(conn('/many/', 1), qr/^n3:.*:1$/, 'yet another one');
readdress('n2', $port{n2});
is(serial(conn('/many/', 1)), serial($serial), 'its connection was kept meanwhile');


# a node that dies takes its connections with it

conn('/many/', 0);
kill('KILL', $node_pid);
ok(eval { wait_for { my $pid = ($t->process('node')->children())[0];
                     $pid && $pid != $node_pid } 5, 'a worker' }, 'the nodes were killed');
is_deeply([ map { $t->get('/many/', 'X-Key' => $key[$_ % 2])->{status} } 0 .. 5 ], [ (200) x 6 ],
          'no request fails');


# a reload: the old worker does not wait for what is unused

my ($old) = $t->process('nginx')->children();
conn('/many/', 0);
$t->reload();
ok(eval { wait_for { !kill(0, $old) } 5, 'gone' }, 'the old worker ends at once');
is(count(conn('/many/', 0)), 1, 'the new one has connections of its own');

$t->allow(qr/exited on signal 9/);
$t->finish();
done_testing();
