#!/usr/bin/perl

# shard_scatter when parts fail: dead and mute nodes, refusals, holds, FastCGI,
# clients that leave, streams that are reset, a reload.

use warnings;
use strict;

use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use Socket qw/ SOL_SOCKET SO_LINGER /;
use Test::More;
use Time::HiRes qw/ time /;

use ShardTest;
use ShardTest::Http2;
use ShardTest::Scatter;

my $t = ShardTest->new(shards => 8);

$t->start_scatter();

missing();
misdirected();
fastcgi();
held();
clients();
reloads();

$t->finish();
done_testing();


sub update { return $t->update_shard(@_) }
sub waiting { return $t->api('')->{waiting} }


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
    my $before = $t->metric_sum('nginx_shard_retried_total');
    my $got = $t->get('/patient/421');

    is("$got->{status} $got->{headers}{'x-shard-missing'}", '207 6',
       'a part refused with 421 twice is missing');
    is($t->metric_sum('nginx_shard_retried_total') - $before, 1, 'and was sent again');
    like($t->error_log(), qr/shard 6 answered with status 421/, 'the log says so');

    $t->process('redis')->signal('STOP');
    $got = $t->get('/soon/421');
    is("$got->{status} $got->{headers}{'x-shard-missing'}", '207 6',
       'one that waits for Redis is ended in time');
    $t->process('redis')->signal('CONT');
}


# a part by FastCGI: one node speaks it, one shard is there

sub fastcgi {
    my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$t->{port}{n5}",
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


sub read_bytes {
    my ($sock, $n) = @_;

    my $bytes = '';
    while (length $bytes < $n) {
        sysread($sock, $bytes, $n - length $bytes, length $bytes)
            or die "closed\n";
    }

    return $bytes;
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
        addr => "127.0.0.1:$t->{port}{n4}", zone => 'z1', capacity => 100,
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

    my $h2 = h2_connect($t->{h2_port});
    my @streams = map { 2 * $_ + 1 } 0 .. 19;
    get_by_h2($h2, $_, '/object/json') for @streams;
    my $got = bodies_by_h2($h2, @streams);
    is(scalar(grep { ($got->{$_} || '') eq $whole } @streams), 20,
       'twenty streams of a connection');

    update(2, primary => 'n3', epoch => 6);
    get_by_h2($h2, $_, '/patient/json') for 101, 103, 105;
    wait_for { open_to('n3') == 3 } 5, 'parts at the mute node';
    print $h2 h2_frame(3, 0, $_, pack 'N', 8) for 101, 103, 105;
    ok(eval { wait_for { open_to('n3') == 0 } 5, 'closed'; 1 },
       'a stream that is reset takes its parts with it');
    get_by_h2($h2, 107, '/keys/json?keys=key1');
    like(bodies_by_h2($h2, 107)->{107}, qr/"shard"/, 'and leaves the connection');
    update(2, primary => 'n1', epoch => 7);
    is($t->get('/json/json')->{status}, 200, 'and all is well');
}


# a GET as a frame of its headers, the path and the host as literals

sub get_by_h2 {
    my ($sock, $stream, $path) = @_;

    print $sock h2_frame(1, 5, $stream, "\x82\x86" . pack('CC/a* CC/a*', 0x04,
                                                         $path, 0x01, 'a'));
}


# bodies of the streams that end

sub bodies_by_h2 {
    my ($sock, @streams) = @_;

    my (%body, %ended);
    local $SIG{ALRM} = sub { die "h2: no end of @streams\n" };
    alarm 10;

    while (grep { !$ended{$_} } @streams) {
        my ($type, $flags, $stream, $payload) = h2_read($sock)
            or die "closed\n";

        $body{$stream} .= $payload if $type == 0;
        $ended{$stream} = 1 if $type == 3 || ($type < 2 && $flags & 1);
    }

    alarm 0;
    return \%body;
}


# connections to a node as the kernel lists them, its own ends left out

sub open_to {
    my ($name) = @_;

    my $hex = sprintf '%04X', $t->{port}{$name};
    return scalar grep { /^\s*\d+: \S+ \S+:$hex 01 / }
                  split /\n/, slurp('/proc/net/tcp');
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
