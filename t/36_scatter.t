#!/usr/bin/perl

# shard_scatter: one answer of many shards.  The nodes are servers of the same
# nginx that answer what a map says for a shard and a path.

use warnings;
use strict;

use IO::Socket::INET;
use JSON::PP;
use Socket qw/ SOL_SOCKET SO_LINGER /;
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardTest;

my $t = ShardTest->new(shards => 8);
my %port = map { $_ => free_port() } qw/ n1 n2 n3 n4 n5 /;

$t->{nodes}{$_} = { name => $_, addr => "127.0.0.1:$port{$_}", capacity => 100,
                    zone => 'z1' } for keys %port;

# n3 accepts and says nothing, n4 refuses, n5 speaks FastCGI

my $mute = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$port{n3}",
                                 Proto => 'tcp', Listen => 1024)
    or die "listen: $!\n";

$t->start_redis();
$t->seed(nodes => [ 'n1', 'n2' ], silent => 1);

my $big = 'x' x 4000;

sub http {
    my $text = <<"CONF";
map "\$http_x_shard_id\$uri" \$answer {
    volatile;
    ~/421\$       '[\$http_x_shard_id]';
    ~/json\$      '{"shard":\$http_x_shard_id}';
    ~/headers\$   '[\$shard_test_headers]';
    ~^3/.*bad\$    '{"shard":3';
    ~/bad\$       '[\$http_x_shard_id]';
    ~/pretty\$    '{\\n  "shard": \$http_x_shard_id,\\n  "a": [1,\\n 2]\\n}\\n';
    ~^2/.*lines\$  '';
    ~^5/.*lines\$  '{"s":5}';
    ~/lines\$     '{"s":\$http_x_shard_id}\\n\\n{"t":\$http_x_shard_id}\\n';
    ~/big\$       '"$big\$http_x_shard_id"';
    default       '<\$http_x_shard_id>';
}

map "\$http_x_shard_id\$uri" \$shard_test_status {
    volatile;
    ~^1/.*some\$   1;
    ~^4/.*some\$   1;
    ~^6/.*421\$    421;
    ~/none\$      1;
    default       0;
}

map \$http_x_shard_node \$shard_test_headers {
    volatile;
    default       '"\$http_range\$http_if_none_match\$http_accept_encoding\$http_if_modified_since","\$request_method \$request_uri \$http_x_test \$content_length"';
}
CONF

    for my $name (qw/ n1 n2 /) {
        $text .= <<"CONF";
server {
    listen 127.0.0.1:$port{$name};
    default_type text/plain;

    location / {
        if (\$shard_test_status = 421) {
            return 421 "not mine";
        }

        if (\$shard_test_status) {
            return 404 "none";
        }

        return 200 \$answer;
    }
}
CONF
    }

    return $text;
}


# locations of the router

sub server {
    my $text = <<"CONF";
listen 127.0.0.1:$t->{h2_port} http2;
proxy_http_version 1.1;
proxy_set_header Connection  "";
proxy_set_header X-Shard-Id  \$shard_id;
proxy_set_header X-Shard-Node \$shard_node;
proxy_connect_timeout 2s;
CONF

    my %location = (
        json => 'merge=json', object => 'merge=object',
        ndjson => 'merge=ndjson', concat => 'merge=concat',
        strict => 'merge=json partial=502 timeout=400ms',
        soon => 'merge=object timeout=400ms',
        patient => 'merge=object timeout=10s',
        slow => 'merge=object timeout=2s',
        keys => 'merge=object keys=$arg_keys',
        some => 'merge=object keys=$arg_keys to=all',
        few => 'merge=json max=4 keys=$arg_keys to=all',
        small => 'merge=json bytes=10k concurrency=1',
        narrow => 'merge=json concurrency=2',
    );

    for my $name (sort keys %location) {
        $text .= "location /$name/ {\n    shard_scatter $t->{keyspace} "
                 . "$location{$name};\n}\n";
    }

    $text .= <<"CONF";
location /passed/ {
    proxy_pass http://$t->{keyspace}/json;
    limit_except GET { }
    if (\$arg_if) { set \$was_if 1; }
    shard_scatter $t->{keyspace} merge=object;
    gzip on;
    gzip_types application/json;
    gzip_min_length 10;
}

location /fastcgi/ {
    fastcgi_pass $t->{keyspace};
    fastcgi_param SHARD_ID \$shard_id;
    shard_scatter $t->{keyspace} merge=object keys=\$arg_keys;
}

location /unbuffered/ {
    proxy_buffer_size 1k;
    proxy_buffers 4 1k;
    proxy_busy_buffers_size 1k;
    proxy_max_temp_file_size 0;
    shard_scatter $t->{keyspace};
}

location /ssi/ {
    ssi on;
    ssi_types text/plain;
    default_type text/plain;
    return 200 'a<!--#include virtual="/json/json"-->b';
}
CONF

    return $text;
}

$t->{h2_port} = free_port();

my %nginx = (http => http(), server => server(),
             upstream => "shard_hold max=4096 timeout=3s;\n keepalive 16;");

$t->start_nginx(%nginx);
wait_for { $t->get('/', 'X-Key' => 'a')->{status} == 200 } 10, 'a table';


# helpers

sub update { return $t->update_shard(@_) }


sub metric {
    my ($name) = @_;

    my $text = $t->get('/metrics')->{content};
    my $sum = 0;
    $sum += $1 while $text =~ /^$name\{[^}]*\} (\d+)/mg;
    return $sum;
}


sub ids { return join ' ', map { $_->{shard} } @{ decode_json($_[0]->{content}) } }


merges();
requests();
keys_of_shards();
limits();
missing();
misdirected();
fastcgi();
held();
clients();
many();
counted();
reloads();
wide();

$t->finish();
done_testing();


sub merges {
    my $got = $t->get('/json/json');

    is($got->{status}, 200, 'an answer');
    is(ids($got), '0 1 2 3 4 5 6 7', 'json: an array in order of shards');
    is($got->{headers}{'content-type'}, 'application/json', 'its type');
    is($got->{headers}{'content-length'}, length $got->{content}, 'its length');
    is($got->{headers}{'x-shard-missing'}, undef, 'nothing is missing');

    $got = $t->get('/object/json');
    is_deeply(decode_json($got->{content}),
              { map { $_ => { shard => $_ } } 0 .. 7 }, 'object: by shard');

    $got = $t->get('/ndjson/lines');
    is($got->{content},
       join('', map { $_ == 2 ? '' : $_ == 5 ? "{\"s\":5}\n"
                      : "{\"s\":$_}\n{\"t\":$_}\n" } 0 .. 7),
       'ndjson: lines of all, empty ones left out');
    is($got->{headers}{'content-type'}, 'application/x-ndjson', 'its type');

    $got = $t->get('/ndjson/pretty');
    is($got->{content}, join('', map { qq({"shard":$_,"a":[1,2]}\n) } 0 .. 7),
       'ndjson: a value becomes a line');

    $got = $t->get('/concat/any');
    is($got->{content}, join('', map { "<$_>" } 0 .. 7), 'concat: in order');
    is($got->{headers}{'content-type'}, 'text/plain', 'the type of all parts');

    $got = $t->get('/json/bad');
    is($got->{status}, 207, 'a part that is no JSON is missing');
    is($got->{headers}{'x-shard-missing'}, 3, 'and named');
    is($got->{headers}{'x-shard-missing-count'}, 1, 'and counted');
    is_deeply(decode_json($got->{content}), [ map { [ $_ ] } 0, 1, 2, 4 .. 7 ],
              'the others are there');
    like($t->error_log(), qr/1 of 8 shards missing, the first: shard 3 is no JSON/,
         'and the log says why');

    is(ids($t->get('/narrow/json')), '0 1 2 3 4 5 6 7', 'two at a time');
    is(length $t->get('/json/big')->{content}, 8 * 4003 + 9, 'large parts');
    is(length $t->get('/unbuffered/big')->{content}, 8 * 4003 + 9,
       'through small buffers, without a file');
}


sub requests {
    my $got = $t->get('/json/headers?a=b%20c', 'Range' => 'bytes=0-1',
                      'If-None-Match' => 'abc', 'Accept-Encoding' => 'gzip',
                      'If-Modified-Since' => 'Thu, 01 Jan 2026 00:00:00 GMT',
                      'X-Test' => 'passed');

    is($got->{status}, 200, 'conditions are not for parts');
    is_deeply(decode_json($got->{content})->[0],
              [ '', 'GET /json/headers?a=b%20c passed ' ],
              'nor are Range and Accept-Encoding; the rest is as it was');

    $got = $t->request('HEAD', '/json/json');
    is("$got->{status} $got->{headers}{'content-length'} "
       . length($got->{content} || ''), '200 97 0', 'HEAD: the header of the answer');

    for my $method (qw/ POST PUT DELETE OPTIONS /) {
        is($t->request($method, '/json/json', 'x')->{status}, 405,
           "$method is refused");
    }

    is($t->request('GET', '/json/json', 'a body')->{status}, 200,
       'a body is dropped');

    $got = $t->get('/passed/', 'Accept-Encoding' => 'gzip');
    is($got->{headers}{'content-encoding'}, 'gzip', 'an own proxy_pass, gzip');
    is_deeply(decode_json($t->get('/passed/?if=1')->{content}),
              { map { $_ => { shard => $_ } } 0 .. 7 }, 'with its URI');
    is($t->request('POST', '/passed/', '')->{status}, 405,
       'limit_except does not lead around it');
    is($t->get('/ssi/')->{content},
       'a[' . join(',', map { qq({"shard":$_}) } 0 .. 7) . ']b', 'out of SSI');
}


sub keys_of_shards {
    my (%key, %at);

    for my $n (1 .. 200) {
        my $id = $t->get('/a/json', 'X-Key' => "key$n")->{headers}{'x-shard-id'};
        $at{"key$n"} = $id;
        push @{ $key{$id} }, "key$n";
    }

    my $got = $t->get('/keys/json?keys=' . join ',', map { $key{$_}[0] } 6, 1, 3);
    is($got->{content}, '{"1":{"shard":1},"3":{"shard":3},"6":{"shard":6}}',
       'keys: their shards, in order');

    $got = $t->get('/keys/json?keys=' . join ',', map { @{ $key{$_} } } 2, 5);
    is($got->{content}, '{"2":{"shard":2},"5":{"shard":5}}', 'each once');

    my $comma = $t->get('/a/json', 'X-Key' => 'a,b')->{headers}{'x-shard-id'};
    is($t->get('/keys/json?keys=a%2cb')->{content},
       qq({"$comma":{"shard":$comma}}), 'a comma in a key');

    is($t->get('/keys/json')->{status}, 400, 'no keys');
    $got = $t->get('/keys/json?keys=%zz');
    is("$got->{status} " . decode_json($got->{content})->{error}{code},
       '400 bad_keys', 'bad keys');
    is(scalar keys %{ decode_json($t->get('/some/json')->{content}) }, 8,
       'to=all: no keys are all shards');
    is($t->get('/some/json?keys=key1')->{content},
       qq({"$at{key1}":{"shard":$at{key1}}}), 'and keys are keys');
}


sub limits {
    my $got = $t->get('/few/json');

    is($got->{status}, 503, 'too many shards');
    like($got->{content}, qr/8 shards are more than 4 at once: give keys/,
         'and what to do');
    is($t->get('/few/json?keys=key1,key2')->{status}, 200, 'fewer');

    $got = $t->get('/small/big');
    is($got->{status}, 207, 'more bytes than may be');
    is($got->{headers}{'x-shard-missing'}, '2,3,4,5,6,7', 'those that did not fit');
    is(scalar @{ decode_json($got->{content}) }, 2, 'those that did');
    like($t->error_log(), qr/shard 2 is beyond "bytes"/, 'and why');
}


sub missing {
    my $got = $t->get('/object/some');
    is("$got->{status} $got->{headers}{'x-shard-missing'}", '502 0,1,2,3,4,5,6,7',
       'no JSON at all: 502');

    $got = $t->get('/concat/some');
    is("$got->{status} $got->{headers}{'x-shard-missing'}", '207 1,4',
       'shards that answer with an error are missing');
    is($got->{content}, '<0><2><3><5><6><7>', 'and nothing of theirs is there');

    $got = $t->get('/concat/none');
    is($got->{status}, 502, 'none answers: 502');
    is_deeply(decode_json($got->{content})->{error}{missing}, [ 0 .. 7 ],
              'and all are named');

    update(5, primary => 'n4', epoch => 2);
    $got = $t->get('/object/json');
    is("$got->{status} $got->{headers}{'x-shard-missing'}", '207 5', 'a dead node');

    my $then = time();
    update(2, primary => 'n3', epoch => 2);
    $got = $t->get('/soon/json');
    is("$got->{status} $got->{headers}{'x-shard-missing'}", '207 2,5',
       'a node that says nothing');
    is(join(' ', sort keys %{ decode_json($got->{content}) }), '0 1 3 4 6 7',
       'the others are there in time');

    $then = time();
    $got = $t->get('/strict/json');
    cmp_ok(time() - $then, '<', 3, 'partial=502 comes in time, too');
    is($got->{status}, 502, 'and is an error');
    is_deeply(decode_json($got->{content})->{error},
              { code => 'shards_missing', missing => [ 2, 5 ],
                missing_count => 2, message => '2 of 8 shards did not answer' },
              'that names them');

    update(5, primary => 'n2', epoch => 3);
    update(2, primary => 'n1', epoch => 3);
    is($t->get('/json/json')->{status}, 200, 'all are back');
}


# 421: a part asks again once the table was read, or until its time is over

sub misdirected {
    my $before = metric('nginx_shard_retried_total');
    my $got = $t->get('/patient/421');

    is("$got->{status} $got->{headers}{'x-shard-missing'}", '207 6',
       'a part refused with 421 twice is missing');
    is(metric('nginx_shard_retried_total') - $before, 1, 'and was sent again');
    like($t->error_log(), qr/shard 6 answered with status 421/, 'the log says so');

    $t->process('redis')->signal('STOP');
    $got = $t->get('/soon/421');
    is("$got->{status} $got->{headers}{'x-shard-missing'}", '207 6',
       'one that waits for Redis is ended in time');
    $t->process('redis')->signal('CONT');
}


# a part by FastCGI: one node speaks it, one shard is there

sub fastcgi {
    my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$port{n5}",
                                       Proto => 'tcp', Listen => 8)
        or die "listen: $!\n";
    my $pid = fork();
    die "fork: $!\n" if !defined $pid;

    if ($pid == 0) {
        while (my $sock = $server->accept()) {
            answer_fastcgi($sock);
        }

        POSIX::_exit(0);
    }

    my ($key) = grep {
        $t->get('/a/json', 'X-Key' => $_)->{headers}{'x-shard-id'} == 6
    } map { "key$_" } 1 .. 100;

    update(6, primary => 'n5', epoch => 2);
    is($t->get("/fastcgi/x?keys=$key")->{content}, '{"6":["shard 6",{"a":1}]}',
       'a part by fastcgi_pass');
    update(6, primary => 'n1', epoch => 3);

    kill 'KILL', $pid;
    waitpid $pid, 0;
}


# parameters until the empty STDIN, then a record of output in two pieces

sub answer_fastcgi {
    my ($sock) = @_;

    my $params = '';

    while (1) {
        my ($type, $length, $padding) = unpack 'x C x2 n C', read_bytes($sock, 8);
        my $content = read_bytes($sock, $length + $padding);

        $params .= $content if $type == 4;
        last if $type == 5 && $length == 0;
    }

    my ($id) = $params =~ /SHARD_ID(\d+)/;
    my $out = "Content-Type: application/json\r\n\r\n[\"shard $id\",{\"a\":1}]";

    print $sock map { pack('CCnnCx', 1, 6, 1, length $_, 0) . $_ }
                substr($out, 0, 50), substr($out, 50), '';
    print $sock pack('CCnnCx NCx3', 1, 3, 1, 8, 0, 0, 0);
    $sock->flush();
    close($sock);
}


sub held {
    update(4, phase => 'held', target => 'n2', strategy => 'log-shipping',
           migration => '00000000000000ab');

    my $got = $t->get('/soon/json');
    is("$got->{status} $got->{headers}{'x-shard-missing'}", '207 4',
       'a shard held for longer than there is time');

    my $out = "$t->{dir}/held";
    my $pid = fork();

    if ($pid == 0) {
        my $answer = HTTP::Tiny->new(timeout => 15)->get($t->url('/patient/json'));
        spew($out, "$answer->{status} "
                   . join ' ', sort keys %{ decode_json($answer->{content}) });
        POSIX::_exit(0);
    }

    wait_for { waiting() } 5, 'a part that is held';

    # one more node: the table's structure is made anew under the part

    $t->followed($t->committed('nodes', 'node', 'n6', encode_json({
        addr => "127.0.0.1:$port{n4}", zone => 'z1', capacity => 100,
        state => 'up' })));
    update(4, phase => 'steady', primary => 'n2', epoch => 2, target => undef,
           migration => undef);
    waitpid $pid, 0;
    is(slurp($out), '200 0 1 2 3 4 5 6 7', 'one released within it is there');
}


# raw connections: what a well-behaved client would not do

sub clients {
    my $whole = $t->get('/object/json')->{content};

    update(2, primary => 'n3', epoch => 4);

    for my $n (1 .. 20) {
        my $sock = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$t->{nginx_port}",
                                         Proto => 'tcp');
        print $sock "GET /patient/json HTTP/1.1\r\nHost: a\r\n\r\n";
        wait_for { open_to('n3') } 5, 'a part at the mute node';
        setsockopt($sock, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)) if $n % 2;
        close($sock);
    }

    ok(eval { wait_for { open_to('n3') == 0 } 5, 'closed'; 1 },
       'a client that leaves takes its parts with it');
    update(2, primary => 'n1', epoch => 5);

    my $sock = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$t->{nginx_port}",
                                     Proto => 'tcp');
    print $sock "GET /object/json HTTP/1.1\r\nHost: a\r\n\r\n" x 2,
                "GET /object/json HTTP/1.1\r\nHost: a\r\nConnection: close"
                . "\r\n\r\n";
    my $text = do { local $/; readline($sock) };
    is(scalar(() = $text =~ /HTTP\/1.1 200/g), 3,
       'pipelined on one connection');

    my ($status, $out, $err) = $t->run('curl', '-sS', '--http2-prior-knowledge',
        '-w', '%{http_code} %{http_version}',
        "http://127.0.0.1:$t->{h2_port}/object/json");
    is("$status $out", "0 $whole" . '200 2', 'curl by HTTP/2') or diag $err;

    # streams of one connection, all at once

    my $h2 = h2_open();
    my @streams = map { 2 * $_ + 1 } 0 .. 19;
    h2_get($h2, $_, '/object/json') for @streams;
    my $got = h2_read($h2, @streams);
    is(scalar(grep { ($got->{$_} || '') eq $whole } @streams), 20,
       'twenty streams of a connection');

    update(2, primary => 'n3', epoch => 6);
    h2_get($h2, $_, '/patient/json') for 101, 103, 105;
    wait_for { open_to('n3') == 3 } 5, 'parts at the mute node';
    syswrite $h2, pack('Cn CC N N', 0, 4, 3, 0, $_, 8) for 101, 103, 105;
    ok(eval { wait_for { open_to('n3') == 0 } 5, 'closed'; 1 },
       'a stream that is reset takes its parts with it');
    h2_get($h2, 107, '/keys/json?keys=key1');
    like(h2_read($h2, 107)->{107}, qr/"shard"/, 'and leaves the connection');
    update(2, primary => 'n1', epoch => 7);
    is($t->get('/json/json')->{status}, 200, 'and all is well');
}


# as much HTTP/2 as several streams of one connection take

sub h2_open {
    my $sock = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$t->{h2_port}",
                                     Proto => 'tcp') or die "h2: $!\n";
    syswrite $sock, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . pack('Cn CC N', 0, 0, 4, 0, 0);
    return $sock;
}


sub h2_get {
    my ($sock, $stream, $path) = @_;

    my $headers = "\x82\x86" . pack('CC/a* CC/a*', 0x04, $path, 0x01, 'a');
    syswrite $sock, pack('Cn CC N', 0, length $headers, 1, 5, $stream) . $headers;
}


# bodies of the streams that end

sub h2_read {
    my ($sock, @streams) = @_;

    my (%body, %ended);
    local $SIG{ALRM} = sub { die "h2: no end of @streams\n" };
    alarm 10;

    while (grep { !$ended{$_} } @streams) {
        my ($high, $low, $type, $flags, $stream) = unpack 'Cn CC N', read_bytes($sock, 9);
        my $payload = read_bytes($sock, $high << 16 | $low);

        $body{$stream} .= $payload if $type == 0;
        $ended{$stream} = 1 if $type == 3 || ($type < 2 && $flags & 1);
    }

    alarm 0;
    return \%body;
}


sub read_bytes {
    my ($sock, $n) = @_;

    my $bytes = '';
    while (length $bytes < $n) {
        sysread($sock, $bytes, $n - length $bytes, length $bytes)
            or die "closed\n";
    }

    return $bytes;
}


# connections to a node as the kernel lists them, its own ends left out

sub open_to {
    my ($name) = @_;

    my $hex = sprintf '%04X', $port{$name};
    return scalar grep { /^\s*\d+: \S+ \S+:$hex 01 / }
                  split /\n/, slurp('/proc/net/tcp');
}


sub waiting { return $t->api('')->{waiting} }


sub many {
    my @pids;

    for my $n (1 .. 8) {
        my $pid = fork();
        die "fork: $!\n" if !defined $pid;

        if ($pid == 0) {
            my $http = HTTP::Tiny->new(timeout => 15);
            my $bad = grep { ids($http->get($t->url('/json/json')))
                             ne '0 1 2 3 4 5 6 7' } 1 .. 50;
            POSIX::_exit($bad ? 1 : 0);
        }

        push @pids, $pid;
    }

    my $bad = grep { waitpid $_, 0; $? } @pids;
    is($bad, 0, '400 scatters of eight clients, all whole');
}


# parts are requests of their shard

sub counted {
    my $before = settled('nginx_shard_requests_total');
    $t->get('/json/json') for 1 .. 10;
    wait_for { metric('nginx_shard_requests_total') >= $before + 80 } 5, 'counts of all workers';
    is(settled('nginx_shard_requests_total') - $before, 80, 'parts are counted, scatters are not');
}


# workers add their counts up each second at the latest

sub settled {
    my ($name) = @_;

    my ($since, $n) = (time(), metric($name));

    wait_for {
        my $now = metric($name);

        ($since, $n) = (time(), $now) if $now != $n;
        time() - $since > 1.5;
    } 20, 'counts at rest';

    return $n;
}


sub reloads {
    update(2, primary => 'n3', epoch => 8);

    my $out = "$t->{dir}/reload";
    my $pid = fork();

    if ($pid == 0) {
        my $answer = HTTP::Tiny->new(timeout => 15)->get($t->url('/slow/json'));
        spew($out, "$answer->{status} $answer->{headers}{'x-shard-missing'}");
        POSIX::_exit(0);
    }

    wait_for { open_to('n3') } 5, 'a part at the mute node';
    $t->reload();
    waitpid $pid, 0;
    is(slurp($out), '207 2', 'an old worker ends its scatter');
    update(2, primary => 'n1', epoch => 9);
    is($t->get('/json/json')->{status}, 200, 'and a new one answers');
}


# a table that is larger than a window of parts

sub wide {
    my $w = ShardTest->new(shards => 300, name => 'wide');
    my $port = free_port();

    $w->{nodes}{n1} = { name => 'n1', addr => "127.0.0.1:$port", zone => 'z1',
                        capacity => 100 };
    $w->start_redis();
    $w->seed(nodes => [ 'n1' ], silent => 1);

    # and of other kinds

    my @init = ('--node', "n1=127.0.0.1:$port,zone=z1,capacity=100",
                '--driver', 'none');
    $w->ctl('-k', 'units', 'init', '--kind', 'list', '--unit', 'checkout',
            '--unit', 'search,billing,mail', '--default', 'misc', @init);
    $w->ctl('-k', 'numbers', 'init', '--kind', 'range uint64', '--cuts',
            '1000,2000', @init);

    $w->start_nginx(http => <<"CONF", server => <<"SERVER");
shard_table units 4m;
shard_table numbers 4m;
upstream units { shard units key=\$arg_key; }
upstream numbers { shard numbers key=\$arg_key; }
server {
    listen 127.0.0.1:$port backlog=1024;
    location / { return 200 '\$http_x_shard_id'; }
}
CONF
proxy_set_header X-Shard-Id \$shard_id;
location /all/ { shard_scatter orders concurrency=16; }
location /wide/ { shard_scatter orders concurrency=1024 merge=ndjson; }
location /units/ { shard_scatter units keys=\$arg_keys to=all; }
location /numbers/ { shard_scatter numbers keys=\$arg_keys to=all; }
SERVER

    wait_for { $w->get("/$_/")->{status} == 200 } 10, "the table of $_"
        for qw/ all units numbers /;

    my $got = $w->get('/all/');
    is($got->{content}, '[' . join(',', 0 .. 299) . ']',
       '300 shards, sixteen at a time');
    $got = $w->get('/wide/');
    is($got->{content}, join('', map { "$_\n" } 0 .. 299), 'all at once');

    my $all = join ' ', sort @{ decode_json($w->get('/units/')->{content}) };
    is($all, '0 1 2', 'a list: each shard once, whatever its units');

    for my $case ([ 'units', 'mail,search,billing', '200 [1]' ],
                  [ 'units', 'nobody,misc', '200 [2]' ],
                  [ 'numbers', '', '200 [0,1,2]' ],
                  [ 'numbers', '5000,2000,007,999', '200 [0,2]' ],
                  [ 'numbers', '1,x', '400' ])
    {
        my ($keyspace, $keys, $expected) = @$case;

        $got = $w->get("/$keyspace/?keys=$keys");
        $got->{content} = '' if $got->{status} == 400;
        is("$got->{status} $got->{content}" =~ s/ $//r, $expected,
           "keys of $keyspace: $keys");
    }

    $w->finish('wide: logs are clean');
}
