#!/usr/bin/perl

# The module under proxy_pass: kept connections, TLS to nodes, HTTP/2 clients,
# websockets, unbuffered bodies, $upstream_* over more than one attempt.

use warnings;
use strict;

use Test::More;
use IO::Socket::INET;
use JSON::PP;

use ShardTest;
use ShardTest::Http2;

$SIG{PIPE} = 'IGNORE';

my $t = ShardTest->new(shards => 1, workers => 1);
my $dir = $t->dir();
my %port = map { $_ => free_port() } qw/ n1 n2 n3 s1 s2 w1 w2 h2 /;

sub node {
    my ($name, $port) = @_;
    return { name => $name, addr => "127.0.0.1:$port", capacity => 100,
             zone => 'z1' };
}


# three keyspaces: plain, behind TLS, websockets

$t->start_redis();
$t->{nodes} = { map { $_ => node($_, $port{$_}) } qw/ n1 n2 n3 / };
$t->seed(nodes => [ 'n1' ], silent => 1, record => { standbys => [ 'n3' ] });

my %of = (vault => 's', sockets => 'w');

sub in {
    my ($keyspace, $code) = @_;

    local $t->{keyspace} = $keyspace;
    return $code->();
}

for my $keyspace (sort keys %of) {
    local $t->{nodes} = { map { $_ => node($_, $port{$_}) }
                          map { $of{$keyspace} . $_ } 1, 2 };
    in($keyspace, sub { $t->seed(nodes => [ "$of{$keyspace}1" ], silent => 1) });
}

for my $name (qw/ w1 w2 /) {
    $t->add(name => $name,
            argv => [ $^X, $t->top() . '/t/lib/responder.pl', 'websocket',
                      $port{$name}, $name, $dir ],
            ready => sub { IO::Socket::INET->new("127.0.0.1:$port{$name}") });
}


# one certificate for each node, s1.test and s2.test, and one of a stranger

sub openssl {
    my ($status, $out, $err) = $t->run('openssl', @_);
    die "openssl @_: $err\n" if $status;
}

openssl(qw/ req -x509 -newkey rsa:2048 -nodes -days 2 -subj /, '/CN=test CA',
        '-keyout', "$dir/ca.key", '-out', "$dir/ca.crt");

for my $name (qw/ s1 s2 /) {
    spew("$dir/$name.ext", "subjectAltName=DNS:$name.test\n");
    openssl(qw/ req -newkey rsa:2048 -nodes -subj /, "/CN=$name.test",
            '-keyout', "$dir/$name.key", '-out', "$dir/$name.csr");
    openssl(qw/ x509 -req -days 2 -CAcreateserial -in /, "$dir/$name.csr",
            '-CA', "$dir/ca.crt", '-CAkey', "$dir/ca.key", '-extfile',
            "$dir/$name.ext", '-out', "$dir/$name.crt");
}

my $told = '$http_x_shard_id $http_x_shard_epoch $http_x_shard_role $request_method';

my $http = <<"CONF" . join '', map { <<"CONF" } qw/ n1 n2 n3 s1 s2 /;
shard_table vault 2m;
shard_table sockets 2m;
log_format times '\$uri \$upstream_response_time';

upstream vault   { shard vault key=all;   shard_keepalive 4; }
upstream others  { shard vault key=all; }
upstream sockets { shard sockets key=all; }
CONF
server {
    listen 127.0.0.1:$port{$_}@{[ /^s/ ? ' ssl' : '' ]};
@{[ /^s/ ? "ssl_certificate $dir/$_.crt; ssl_certificate_key $dir/$_.key; ssl_session_cache shared:$_:1m;" : '' ]}

    add_header X-Conn   "\$connection:\$connection_requests" always;
    add_header X-Length \$content_length always;
    client_max_body_size 20m;

    location / { return 200 "$_ $told \$ssl_server_name \$ssl_session_reused\\n"; }

    location /again {
        if (\$connection_requests != 1) { return 421 "not me\\n"; }
        return 200 "$_ $told\\n";
    }

    location /never { return 421 "not me\\n"; }
    location /miss  { return @{[ $_ eq 'n2' ? 404 : 200 ]} "$_ $told\\n"; }
    location /slow  { limit_rate 2000; return 200 "@{[ 'x' x 2500 ]}"; }

    # answers when it has the whole body

    location /put {
        proxy_pass http://127.0.0.1:$port{$_}/;
    }
}
CONF

my $shard = <<'CONF';
proxy_http_version 1.1;
proxy_set_header   Connection    "";
proxy_set_header   X-Shard-Id    $shard_id;
proxy_set_header   X-Shard-Epoch $shard_epoch;
proxy_set_header   X-Shard-Role  $shard_role;
CONF

my $server = <<"CONF" . <<'CONF';
listen 127.0.0.1:$port{h2} http2;
client_max_body_size 20m;
access_log $dir/times.log times;
$shard

location /tls {
    proxy_ssl_trusted_certificate $dir/ca.crt;
    proxy_ssl_verify              on;
    proxy_ssl_server_name         on;
    proxy_ssl_name                \$shard_node.test;
    proxy_pass                    https://vault;

    location /tls-stranger { proxy_ssl_name nobody.test; proxy_pass https://others; }
    location /tls-close {
        $shard
        proxy_set_header Connection close;
        proxy_pass https://vault;
    }
    location /tls-anew {
        $shard
        proxy_set_header Connection close;
        proxy_ssl_session_reuse off;
        proxy_pass https://vault;
    }
}
CONF
location /ws {
    proxy_pass         http://sockets;
    proxy_set_header   Upgrade    $http_upgrade;
    proxy_set_header   Connection $http_connection;
    proxy_set_header   X-Shard-Id $shard_id;
    proxy_read_timeout 1h;
}

location /put {
    proxy_pass              http://orders;
    proxy_request_buffering off;
}

location /wide { proxy_pass http://orders/; proxy_next_upstream_tries 1; }

add_header X-Addr    $upstream_addr always;
add_header X-Tries   $upstream_status always;
add_header X-Times   $upstream_header_time always;
add_header X-Connect $upstream_connect_time always;
add_header X-Shard-Node $shard_node always;

location /again { proxy_pass http://orders; }
location /never { proxy_pass http://orders; }
location /miss  { proxy_pass http://orders; }
location /tries { proxy_pass http://orders/; proxy_next_upstream error; }
CONF

$t->start_nginx(http => $http, server => $server);
$t->allow(qr/could not build optimal/);

for my $keyspace (qw/ orders vault sockets /) {
    wait_for { in($keyspace, sub { $t->api('')->{version} }) } 5, "table $keyspace";
}

sub words { return (split / /, $_[0]{content})[0 .. 4] }


# kept connections

my @conns = map { $t->get("/a?$_") } 1 .. 5;
is_deeply([ map { ($_->{headers}{'x-conn'} || '') =~ /:(\d+)/ } @conns ],
          [ 1 .. 5 ], 'one connection to the node serves five requests');
is(scalar(keys %{{ map { $_->{headers}{'x-conn'} =~ /^(\d+)/ ? ($1 => 1) : () }
                   @conns }}), 1, 'the same one');
like($t->get('/again?prime')->{headers}{'x-tries'}, qr/^421, 200$/,
     'refused on it');

$t->update_shard(0, primary => 'n2', epoch => 2, standbys => [ 'n3' ]);
like($t->get('/')->{content}, qr/^n2 0 2 primary/, 'moved');
$t->update_shard(0, primary => 'n1', epoch => 3, standbys => [ 'n3' ]);

my $back = $t->get('/');
like($back->{content}, qr/^n1 0 3 primary/, 'and back');
cmp_ok(($back->{headers}{'x-conn'} =~ /:(\d+)/)[0], '>', 1,
       'by the connection kept meanwhile');


# $upstream_*: 421, a miss, a failover

my $got = $t->get('/again');
my $h = $got->{headers};
is($got->{status}, 200, 'a 421 is asked again');
is($h->{'x-tries'}, '421, 200', '$upstream_status has both');
is($h->{'x-addr'}, "127.0.0.1:$port{n1}, 127.0.0.1:$port{n1}", '$upstream_addr');
like($h->{'x-times'}, qr/^-, \d\.\d+$/, '$upstream_header_time');
like($h->{'x-connect'}, qr/^\d\.\d+, \d\.\d+$/, '$upstream_connect_time');

$got = $t->get('/never');
is("$got->{status} $got->{headers}{'x-tries'}", '421 421, 421',
   'the second 421 reaches the client');

$t->update_shard(0, phase => 'shifting', target => 'n2', shift => 0,
                 migration => '00000000000000ab', strategy => 'copy-on-write');
$h = $t->get('/miss')->{headers};
is("$h->{'x-tries'} $h->{'x-addr'}",
   "404, 200 127.0.0.1:$port{n2}, 127.0.0.1:$port{n1}", 'a miss');
ok(eval { wait_for { slurp("$dir/times.log") =~ m!^$_ \d\.\d+, \d\.\d+$!m } 5, 'a line' },
   "\$upstream_response_time of $_") for qw! /again /miss !;
$t->release_shard(0, strategy => undef, shift => undef);

sub readdress {
    my ($name, $port) = @_;

    my $node = { addr => "127.0.0.1:$port", zone => 'z1', capacity => 100,
                 state => 'up' };
    $t->followed($t->committed('nodes', 'node', $name, encode_json($node)));
}

my $closed = free_port();
readdress('n1', $closed);
$got = $t->get('/tries');
$h = $got->{headers};
is("$got->{status} $h->{'x-tries'} $h->{'x-shard-node'}", '200 502, 200 n3',
   'a failover to the standby');
is($h->{'x-addr'}, "127.0.0.1:$closed, 127.0.0.1:$port{n3}", 'both addresses');
is($t->get('/wide')->{status}, 502, 'proxy_next_upstream_tries 1: no failover');
is($t->request('POST', '/tries', 'x')->{headers}{'x-tries'}, '502',
   'a write has one node');
readdress('n1', $port{n1});
ok(eval { wait_for { $t->idle() } 5, 'idle' }, 'nothing in flight');


# TLS to the nodes

$got = $t->get('/tls');
like($got->{content}, qr/^s1 0 1 primary GET s1\.test/,
     'TLS, verified by the name of the node, which is the SNI');
like($t->get('/tls')->{headers}{'x-conn'}, qr/:2$/, 'a kept TLS connection');
is($t->get('/tls-stranger/' . $_)->{status}, 502, 'a name that is not of the '
   . "certificate, try $_") for 1 .. 2;
ok((wait_for { $t->error_log() =~ /upstream SSL certificate does not match "nobody\.test"/ }
    2, 'a log line'), 'and said so');

$t->get('/tls-close');
ok(eval { wait_for { $t->get('/tls-close')->{content} =~ / r$/m } 5, 'r' },
   'sessions are reused');
like($t->get('/tls-anew')->{content}, qr/ \.$/m,
     'not with proxy_ssl_session_reuse off');

in(vault => sub { $t->update_shard(0, primary => 's2', epoch => 2) });
like($t->get('/tls')->{content}, qr/^s2 0 2 primary GET s2\.test/,
     'moved: the other name, the other certificate');
like($t->get('/tls-close')->{content}, qr/^s2 /, 'without a session of s1');

in(vault => sub { $t->hold_shard(0, 's1') });
my $job = $t->later('/tls');
wait_for { in(vault => sub { $t->api('')->{waiting} == 1 }) } 5, 'parked';
in(vault => sub { $t->release_shard(0, primary => 's1', epoch => 3) });
like($t->result($job), qr/^s1 0 3 primary GET s1\.test/m, 'held and released');
is(in(vault => sub { $t->api('/shards/0')->{inflight} }), 0, 'none in flight');


# HTTP/2

sub streams {
    my ($count) = @_;

    my $s = h2_connect($port{h2});
    my $get = h2_headers(':method', 'GET', ':scheme', 'http', ':path', '/',
                         ':authority', 'x');

    print $s h2_frame(1, 5, 2 * $_ - 1, $get) for 1 .. $count;
    $s->flush();
    return $s;
}

# how many streams of so many end with a body of the new owner

sub h2_bodies {
    my ($s, $count) = @_;

    my ($good, $ended) = (0, 0);

    local $SIG{ALRM} = sub { die "no frame\n" };
    alarm 10;

    while ($ended < $count) {
        my ($type, $flags, $stream, $payload) = h2_read($s) or last;

        $good++ if $type == 0 && $payload =~ /^n2 0 4 primary/;
        $ended++ if $type < 2 && $flags & 1;
    }

    alarm 0;
    return $good;
}

my $h2 = "http://127.0.0.1:$port{h2}";
my @h2 = ('--http2-prior-knowledge', '-w', '\n%{http_version} %{http_code}');

spew("$dir/body", 'b' x 3_000_000);

like($t->result($t->later("$h2/", @h2)), qr/^n1 0 3 primary GET.*\n2 200$/s, 'HTTP/2');
like($t->result($t->later("$h2/", @h2, '-i', '-T', "$dir/body")),
     qr/x-length: 3000000\r\n.*^n1 0 3 primary PUT.*\n2 200$/ms, 'with a body');
like($t->result($t->later("$h2/", @h2, '-i', '-H', 'Content-Length:', '-T', "$dir/body")),
     qr/x-length: 3000000\r\n.*\n2 200$/s, 'of unknown length');

$t->hold_shard(0, 'n2');
my @jobs = map { $t->later("$h2/", @h2, @$_) } [], [ '-I' ], [ '-T', "$dir/body" ],
    [ '-H', 'Content-Length:', '-T', "$dir/body" ], [ '-d', 'small' ];
wait_for { $t->api('')->{waiting} == 5 } 10, 'five streams wait';

# ten streams of one connection, one of which is reset
my $many = streams(10);
wait_for { $t->api('')->{waiting} == 15 } 10, 'ten streams of one connection';
print $many h2_frame(3, 0, 7, pack 'N', 8);
wait_for { $t->api('')->{waiting} == 14 } 5, 'nine';
my $gone = $t->later("$h2/gone", @h2);
wait_for { $t->api('')->{waiting} == 15 } 10, 'one more';
kill 'KILL', $gone->[0];
$t->result($gone);
ok(eval { wait_for { $t->api('')->{waiting} == 14 } 5, '14' },
   'a stream that is closed waits no longer');

$t->release_shard(0, primary => 'n2', epoch => 4);
my @results = map { $t->result($_) } @jobs;
is(scalar(grep { /\n2 200$/ } @results), 5, 'a hold: all answered');
is(scalar(grep { /^n2 0 4 / } @results), 4, 'by the new owner');
is(h2_bodies($many, 9), 9, 'the nine others on one connection, too');
$t->update_shard(0, primary => 'n1', epoch => 5);


# websockets

sub frame {
    my ($type, $text) = @_;

    my $mask = pack 'N', int(rand(2 ** 32));
    my $long = substr($mask x (length($text) / 4 + 1), 0, length $text);

    return pack('CC', 0x80 | $type, 0x80 | length $text) . $mask
           . ($text ^ $long);
}

sub get_frame {
    my ($s) = @_;

    my $head;

    local $SIG{ALRM} = sub { die "no frame\n" };
    alarm 10;
    read($s, $head, 2) == 2 or return '';
    my ($type, $size) = unpack 'CC', $head;
    read($s, my $text, $size);
    alarm 0;
    return ($type & 15) . ":$text";
}

sub open_socket {
    my $s = IO::Socket::INET->new("127.0.0.1:$t->{nginx_port}") or die $!;

    print $s "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
             . "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             . "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    local $/ = "\r\n\r\n";
    my $head = readline($s);
    return ($s, $head);
}

my ($ws, $head) = open_socket();
like($head, qr!^HTTP/1.1 101 .*Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=!s,
     'a websocket');
print $ws frame(1, 'one');
is(get_frame($ws), '1:w1:0:one', 'an echo');
print $ws frame(9, 'p');
is(get_frame($ws), '10:p', 'a pong');

is(in(sockets => sub { $t->api('/shards/0')->{inflight} }), 0,
   'an open socket is not in flight: no cutover waits for it');
like($t->get('/metrics')->{content},
     qr/nginx_shard_inflight\{keyspace="sockets",node="w1"\} 1$/m,
     'its node has it');

in(sockets => sub { $t->hold_shard(0, 'w2') });
ok(eval { wait_for {
       my $router = $t->redis()->command('HGET', 'shard:{sockets}:routers', 'edge-1');
       decode_json($router)->{barriers}{0}{drained}
   } 5, 'drained' }, 'the shard drains with the socket open');
print $ws frame(1, 'held');
is(get_frame($ws), '1:w1:0:held', 'it goes on through a hold');

in(sockets => sub { $t->release_shard(0, primary => 'w2', epoch => 2) });
print $ws frame(1, 'two');
is(get_frame($ws), '1:w1:0:two', 'and stays with its node');
my ($other) = open_socket();
print $other frame(1, 'new');
is(get_frame($other), '1:w2:0:new', 'a new one goes to the new owner');
print $ws frame(8, '');
is(get_frame($ws), '8:', 'closed by the client');
close $ws;
$t->process('w2')->kill();
is(get_frame($other), '', 'closed by the node');
ok(eval { wait_for { in(sockets => sub { $t->idle() }) } 5, 'idle' },
   'nothing left of them');


# bodies as they come

sub start_put {
    my ($length) = @_;

    my $s = IO::Socket::INET->new("127.0.0.1:$t->{nginx_port}") or die $!;

    print $s "PUT /put HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
             . "Content-Length: $length\r\n\r\n" . 'x' x 10;
    $s->flush();
    return $s;
}

sub rest {
    my ($s) = @_;

    local $SIG{ALRM} = sub { die "no answer\n" };
    alarm 15;
    my $text = join '', readline($s);
    alarm 0;
    return $text;
}

my $put = start_put(300_000);
ok(eval { wait_for { $t->api('/shards/0')->{inflight} == 1 } 5, 'sent' },
   'proxy_request_buffering off: sent before the body is there');
print $put 'x' x 299_990;
like(rest($put), qr!^HTTP/1.1 200 .*X-Length: 300000.*n1 0!s, 'all of it');

$t->hold_shard(0, 'n2');
$put = start_put(300_000);
ok(eval { wait_for { $t->api('')->{waiting} == 1 } 5, 'parked' },
   'in a hold it waits, its body unread');
print $put 'x' x 100_000;
$t->release_shard(0, primary => 'n2', epoch => 6);
wait_for { $t->api('/shards/0')->{inflight} == 1 } 5, 'on its way';
print $put 'x' x 199_990;
like(rest($put), qr!^HTTP/1.1 200 .*X-Length: 300000.*n2 0!s,
     'and goes on to the new owner');

$t->hold_shard(0, 'n1');
$put = start_put(300_000);
wait_for { $t->api('')->{waiting} == 1 } 5, 'parked';
close $put;
ok(eval { wait_for { !$t->api('')->{waiting} } 5, 'gone' },
   'a client that leaves then');
$t->release_shard(0, primary => 'n1', epoch => 7);

$put = start_put(300_000);
wait_for { $t->api('/shards/0')->{inflight} == 1 } 5, 'in flight';
close $put;
ok(eval { wait_for { $t->idle() } 5, 'idle' }, 'or in the middle of its body');

$t->finish();
done_testing();
