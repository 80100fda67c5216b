#!/usr/bin/perl

# The module under grpc_pass, fastcgi_pass, uwsgi_pass and scgi_pass: one
# table, one node for a key whatever is spoken; holds, refusals, failovers and
# moves under load in each.  The nodes of each keyspace are backends of one
# protocol, under the same names.

use warnings;
use strict;

use Test::More;
use Digest::MD5 qw/ md5_hex /;
use IO::Socket::INET;
use JSON::PP;
use POSIX ();

use ShardTest;
use ShardTest::Http2;

my $t = ShardTest->new(shards => 8);
my $dir = $t->dir();
my @cgi = qw/ fastcgi uwsgi scgi /;
my @names = qw/ n1 n2 n3 /;
my %port;

$t->start_redis();

for my $keyspace (qw/ orders grpc /, @cgi) {
    $port{$keyspace} = { map { $_ => free_port() } @names };

    local $t->{nodes} = { map { $_ => {
        name => $_, addr => "127.0.0.1:$port{$keyspace}{$_}", capacity => 100,
        zone => 'z1' } } @names };

    in($keyspace, sub {
        $t->seed(nodes => [ 'n1', 'n2' ], silent => 1,
                 record => { standbys => [ 'n3' ] })
    });
}

for my $protocol (@cgi) {
    for my $name (@names) {
        my $port = $port{$protocol}{$name};

        $t->add(name => "$protocol-$name",
                argv => [ $^X, $t->top() . '/t/lib/responder.pl', $protocol,
                          $port, $name, $dir ],
                ready => sub { IO::Socket::INET->new("127.0.0.1:$port") });
    }
}

sub in {
    my ($keyspace, $code) = @_;

    local $t->{keyspace} = $keyspace;
    return $code->();
}


# gRPC's nodes: HTTP/2 without TLS, a status in the trailers

my $grpc_nodes = join '', map { <<"CONF" } @names;
server {
    listen 127.0.0.1:$port{grpc}{$_} http2;
    client_max_body_size 20m;

    add_trailer grpc-status 0 always;
    add_header  X-Conn   "\$connection:\$connection_requests" always;
    add_header  X-Length \$content_length always;
    add_header  X-Sent   "\$http_te \$content_type" always;
    default_type application/grpc;

    # reads all of the message before it answers, as gRPC servers do; and
    # sub_filter takes the length away, behind which curl sees no trailers

    location / {
        sub_filter       '-' '-';
        sub_filter_types *;
        proxy_pass http://127.0.0.1:$port{orders}{$_};
    }
}
server {
    listen 127.0.0.1:$port{orders}{$_};
    client_max_body_size 20m;

    default_type application/grpc;

    location / {
        return 200 "$_ \$http_x_shard_id \$http_x_shard_epoch \$http_x_shard_role \$request_method \$content_length";
    }

    location /test.Again/ { return 421; }
}
CONF

my $http = $grpc_nodes . join '', map { <<"CONF" } 'grpc', @cgi;
shard_table $_ 2m;
upstream $_ {
    shard $_ key=\$http_x_key;
    shard_hold timeout=10s;
    keepalive 8;
}
CONF

my $params = join ' ', map { 'PROTOCOL_param ' . $_ . ';' }
    'REQUEST_METHOD $request_method', 'REQUEST_URI $request_uri',
    'CONTENT_LENGTH $content_length', 'CONTENT_TYPE $content_type',
    'SHARD_ID $shard_id', 'SHARD_EPOCH $shard_epoch', 'SHARD_ROLE $shard_role';

my %extra = (fastcgi => 'fastcgi_keep_conn on;', scgi => 'scgi_param SCGI 1;');
my $h2 = free_port();

my $server = <<"CONF" . join '', map { my $p = $_; <<"CONF" =~ s/PROTOCOL/$p/gr } @cgi;
listen 127.0.0.1:$h2 http2;
client_max_body_size 20m;
add_header X-Tries \$upstream_status always;
add_header X-Addr  \$upstream_addr always;

location /test. {
    grpc_pass       grpc://grpc;
    grpc_set_header X-Shard-Id    \$shard_id;
    grpc_set_header X-Shard-Epoch \$shard_epoch;
    grpc_set_header X-Shard-Role  \$shard_role;
}

# both in one location

location /both/ {
    if (\$content_type = application/grpc) { grpc_pass grpc://grpc; }

    grpc_set_header    X-Shard-Id    \$shard_id;
    proxy_set_header   X-Shard-Id    \$shard_id;
    proxy_http_version 1.1;
    proxy_pass         http://orders/;
}
CONF
location /PROTOCOL/ {
    PROTOCOL_pass PROTOCOL;
    $params
    @{[ $extra{$_} || '' ]}
}

location /PROTOCOL/stream {
    PROTOCOL_pass PROTOCOL;
    PROTOCOL_request_buffering off;
    $params
    @{[ $extra{$_} || '' ]}
}
CONF

$t->start_nginx(http => $http, server => $server);

for my $keyspace (qw/ orders grpc /, @cgi) {
    wait_for { in($keyspace, sub { $t->api('')->{version} }) } 5, $keyspace;
}


# one table: a key is in the same shard, at the same node

spew("$dir/body", join '', map { chr(rand(256)) } 1 .. 300_000);
my $body = slurp("$dir/body");

sub curl {
    my (@args) = @_;

    my ($status, $out, $err) = $t->run('curl', '-s', '-m', 20, @args);
    return $out;
}

# headers, text, trailers of a call

sub call {
    my ($path, $key, @args) = @_;

    return curl('--http2-prior-knowledge', '-i', '-H', "X-Key: $key", '-H',
                'Content-Type: application/grpc', '-H', 'TE: trailers',
                @args ? @args : ('-d', 'message'),
                "http://127.0.0.1:$h2$path");
}

my (%where, $wrong);

for my $n (1 .. 24) {
    my $key = "key$n";
    my ($node, $id) = split / /, $t->get('/', 'X-Key' => $key)->{content};

    $where{$id} ||= $key;

    for my $protocol (@cgi) {
        my $text = $t->get("/$protocol/", 'X-Key' => $key)->{content};
        $wrong .= " $key by $protocol: $text" if $text !~ /^$node $id 1 primary GET 0 /;
    }

    my $text = call('/test.Echo/Get', $key);
    $wrong .= " $key by grpc: $text" if $text !~ /^$node $id 1 primary POST/m;
}

is($wrong && substr($wrong, 0, 500), undef, 'a key has one shard and one node, whatever is spoken');
my $key = $where{0};


# FastCGI, uwsgi, SCGI

for my $protocol (@cgi) {
    my $sum = md5_hex($body);
    my $at = sub {
        my ($path, $method, $content) = @_;
        return $t->request($method || 'GET', "/$protocol/$path", $content, 'X-Key' => $key);
    };

    like($at->('', 'POST', $body)->{content}, qr/^n1 0 1 primary POST 300000 $sum /,
         "$protocol: a body, by files and by records");
    like($at->('stream', 'PUT', $body)->{content}, qr/ PUT 300000 $sum /,
         "$protocol: unbuffered");
    is($at->('', 'HEAD')->{status}, 200, "$protocol: HEAD");

    my $got = $at->("refuse-${protocol}1", 'POST', $body);
    like($got->{content}, qr/^n1 0 1 primary POST 300000 $sum /,
         "$protocol: refused, sent again with its body");
    is($got->{headers}{'x-tries'}, '421, 200', "$protocol: two attempts");
    $got = $at->('quit');
    like("$got->{status} $got->{headers}{'x-addr'}", qr/^502 (127\.0\.0\.1:$port{$protocol}{n1}(, |$))+/,
         "$protocol: ended without an answer; a strong read has one node");

    in($protocol, sub {
        $t->hold_shard(0, 'n2');

        my @jobs = map { $t->later(@$_) } map {
            [ "/$protocol/", '-H', "X-Key: $key", @$_ ]
        } [], [ '--data-binary', "\@$dir/body" ], [ '-T', "$dir/body" ];

        wait_for { $t->api('')->{waiting} == 3 } 10, 'three wait';
        $t->release_shard(0, primary => 'n2', epoch => 2);

        is(join(' ', map { $t->result($_) =~ /^(n2 0 2 primary \w+ \d+)/ ? $1 : '?' } @jobs),
           'n2 0 2 primary GET 0 n2 0 2 primary POST 300000 n2 0 2 primary PUT 300000',
           "$protocol: held, released to the new owner");

        my $closed = $t->process("$protocol-n2");

        $closed->kill();
        wait_for { !IO::Socket::INET->new("127.0.0.1:$port{$protocol}{n2}") } 5, 'refused';
        like($at->('')->{content}, qr/^n3 0 2 standby GET/, "$protocol: failover of a read");
        is($at->('', 'POST', 'x')->{status}, 502, "$protocol: not of a write");
        $closed->start();
        move_under_load("/$protocol/", $protocol);
        ok(eval { wait_for { $t->idle() } 5, 'idle' }, "$protocol: nothing in flight");
    });
}

my @serials = map { ($t->get('/fastcgi/', 'X-Key' => $key)->{content} =~ / \d+:(\d+)$/)[0] } 1 .. 8;
cmp_ok($serials[-1], '>', 1, 'fastcgi: connections are kept');


# shard 0 goes to and fro with a hold each time, while it is written to

sub move_under_load {
    my ($path, $name) = @_;

    my @jobs = map {
        $path =~ m!^/test! ? h2_later($path, 200)
        : $t->later("$path?[1-200]", '-H', "X-Key: $key", '-w', '%{http_code}\n', '-o',
                "$dir/out.$_", '-d', 'a=b')
    } 1 .. 3;

    my $epoch = $t->shard_record(0)->{epoch};

    for my $to (qw/ n1 n2 n1 n2 n1 /) {
        $t->hold_shard(0, $to);
        $t->release_shard(0, primary => $to, epoch => ++$epoch);
    }

    my $all = join '', map { $t->result($_) } @jobs;
    is(scalar(() = $all =~ /^200$/mg), 600, "$name: moves under load, none failed");
    diag($all =~ s/200\n//gr) if $all =~ /^(?!200)/m;
}


# so many calls on one connection, each after the other: curl's HTTP/2 without
# TLS has only one.  200 for each that is answered so, with a body of a node.

sub h2_later {
    my ($path, $count) = @_;

    my $file = "$dir/later." . ++$t->{later};
    my $pid = fork();

    return [ $pid, $file ] if $pid;

    alarm 60;
    spew($file, eval { h2_calls($path, $count) } || "died: $@");
    POSIX::_exit(0);
}

sub h2_calls {
    my ($path, $count) = @_;

    my $s = h2_connect($h2);
    my $answers = '';
    my $post = h2_headers(':method', 'POST', ':scheme', 'http', ':path', $path,
                          ':authority', 'x', 'content-type', 'application/grpc',
                          'te', 'trailers', 'x-key', $key);

    for my $stream (map { 2 * $_ - 1 } 1 .. $count) {
        my ($status, $body, $frames, $flags) = ('?', '', 0, 0);

        print $s h2_frame(1, 4, $stream, $post), h2_frame(0, 1, $stream, 'message');
        $s->flush();

        while (!($flags & 1)) {
            (my $type, $flags, my $of, my $payload) = h2_read($s)
                or die "closed\n";

            die "goaway or reset\n" if $type == 7 || $type == 3;
            $flags = 0 if $type > 1 || $of != $stream;
            $body .= $payload if $type == 0;
            $frames++ if $type == 1;

            # ":status 200" is one byte
            $status = 200 if $type == 1 && $frames == 1 && $payload =~ /^[\x20-\x3f]*\x88/;
        }

        $status .= " $body" if $body !~ /^n[12] 0 \d+ primary POST 7$/;
        $status .= ' no trailers' if $frames != 2;
        $answers .= "$status\n";
    }

    return $answers;
}


# gRPC

$key = $where{1};

my $got = call('/test.Echo/Get', $where{0});
like($got, qr/^HTTP\/2 200.*content-type: application\/grpc.*^n1 0 1 primary POST.*grpc-status: 0/ms,
     'grpc: a call, its trailers');
like($got, qr/^x-sent: trailers application\/grpc/m, 'grpc: what was sent');
like(call('/test.Put/Put', $where{0}, '--data-binary', "\@$dir/body"),
     qr/^n1 .* POST 300000/m, 'grpc: a large message');
call('/test.Echo/Get', $where{0}) for 1 .. 4;
like(call('/test.Echo/Get', $where{0}), qr/x-conn: \d+:([2-9]|\d\d)/, 'grpc: connections are kept');

like(call('/test.Again/Get', $where{0}, '-X', 'POST'), qr/^HTTP\/2 421.*^x-tries: 421, 421/ms,
     'grpc: a refusal without a body is asked again, and comes through');

in(grpc => sub {
    $t->hold_shard(0, 'n2');

    my @jobs = map {
        $t->later("http://127.0.0.1:$h2$_->[0]", '--http2-prior-knowledge', '-i', '-H',
              "X-Key: $where{0}", '-H', 'Content-Type: application/grpc', '-H', 'TE: trailers',
              '--data-binary', $_->[1])
    } [ '/test.Echo/Get', 'message' ], [ '/test.Put/Put', "\@$dir/body" ];

    wait_for { $t->api('')->{waiting} == 2 } 10, 'two wait';
    $t->release_shard(0, primary => 'n2', epoch => 2);

    my @got = map { $t->result($_) } @jobs;
    like($got[0], qr/^n2 0 2 primary POST.*grpc-status: 0/ms, 'grpc: held, released');
    like($got[1], qr/^n2 .* POST 300000/m, 'grpc: a large message, too');

    $key = $where{0};
    move_under_load('/test.Echo/Get', 'grpc');

    # the primary's port is nobody's: nothing was sent, a standby reads

    my $closed = free_port();
    my $commit = $t->commit('nodes', 'node', 'n1', encode_json({
        addr => "127.0.0.1:$closed", zone => 'z1', capacity => 100, state => 'up' }));
    wait_for { $t->api('')->{version} >= $commit->[1] } 5, 'the address';

    like(call('/test.Echo/Get', $key, '-X', 'GET'),
         qr/^x-tries: 502, 200.*^n3 0 \d+ standby GET.*grpc-status: 0/ms, 'grpc: failover of a read');
    like(call('/test.Echo/Get', $key, '-X', 'POST'), qr/^HTTP\/2 502/,
         'grpc: a call is a write');
    ok(eval { wait_for { $t->idle() } 5, 'idle' }, 'grpc: nothing in flight');

    $t->commit('nodes', 'node', 'n1', encode_json({
        addr => "127.0.0.1:$port{grpc}{n1}", zone => 'z1', capacity => 100, state => 'up' }));
});


# an "if" with a handler of its own

like(curl('--http2-prior-knowledge', '-H', "X-Key: $where{1}", '-H', 'Content-Type: application/grpc',
          '-d', 'x', "http://127.0.0.1:$h2/both/"), qr/^n2 1 /, 'grpc_pass in an "if"');
like(curl('-H', "X-Key: $where{1}", $t->url('/both/')), qr/^n2 1 /, 'beside proxy_pass');

in(grpc => sub {
    $t->hold_shard(1, 'n1');

    my $job = $t->later("http://127.0.0.1:$h2/both/", '--http2-prior-knowledge', '-H', "X-Key: $where{1}",
                    '-H', 'Content-Type: application/grpc', '-d', 'x');

    wait_for { $t->api('')->{waiting} == 1 } 5, 'it waits';
    $t->release_shard(1, primary => 'n1', epoch => 2);
    like($t->result($job), qr/^n1 1 /, 'and is held by its own table');
});

$t->finish();
done_testing();
