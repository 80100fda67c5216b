#!/usr/bin/perl

# Mirrored reads: the policy's share of a moving shard's reads goes to the
# target as well, answers are compared, and the client never notices.
# Source and good target are servers of the same nginx; a target that does
# not answer is a socket of this test.

use warnings;
use strict;

use IO::Socket::INET;
use Socket;
use Test::More;
use Time::HiRes qw/ time /;

use ShardTest;

my $t = ShardTest->new(shards => 1, workers => 1, follow_seconds => 2);
my %port = map { $_ => free_port() } qw/ n1 n2 silent down /;
my $www = $t->dir() . '/www';
my $cap = 8;

my $silent = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$port{silent}",
                                   Proto => 'tcp', Listen => 128)
    or die "cannot listen: $!\n";

$t->{nodes}{$_} = { name => $_, addr => "127.0.0.1:$port{$_}", zone => 'z1',
                    capacity => 100 } for keys %port;

mkdir $www;
spew("$www/big", join '', map { "line $_ of some three hundred thousand bytes\n" }
                          1 .. 7000);
spew("$www/most", 'm' x (1024 * 1024));
spew("$www/huge", 'h' x (1024 * 1024 + 1));

$t->start_redis();
$t->seed(nodes => [ 'n1' ], silent => 1);


sub nodes {
    my $text = 'log_format seen "$shard_test_node|$request|$http_x_shard_role|'
               . '$http_x_shard_id|$http_x_shard_epoch|$http_x_mapped|$http_cookie|'
               . "\$http_accept_encoding\";\n"
               . "map \$shard_role \$mapped { volatile; default \"as \$shard_role\"; }\n";

    for my $name (qw/ n1 n2 /) {
        my $status = $name eq 'n1' ? 200 : 404;

        $text .= <<"CONF";
server {
    listen 127.0.0.1:$port{$name};
    set \$shard_test_node $name;
    access_log $www/$name.log seen;
    root $www;
    keepalive_requests 100000;

    location / { return 200 "the same"; }
    location /status { return $status "status"; }
    location /body { return 200 "$name"; }
    location /shorter { return 200 "@{[ $name eq 'n1' ? 'abc' : 'ab' ]}"; }
    location /none { return 204; }
    location /missing { return 404; }
    location /big { }
    location /most { }
    location /huge { }
    location /slow { alias $www; limit_rate 100k; }
    location /zipped { alias $www; gzip on; gzip_types *; gzip_min_length 1; }
}
CONF
    }

    return $text . 'log_format client "$request|$shard_node $shard_role";' . "\n";
}

$t->start_nginx(
    http => nodes(),
    upstream => "shard_mirror max=$cap timeout=20s; keepalive 16;",
    server => <<"CONF");
        sendfile on;
        access_log $www/client.log client;
        proxy_set_header   X-Shard-Id    \$shard_id;
        proxy_set_header   X-Shard-Epoch \$shard_epoch;
        proxy_set_header   X-Shard-Role  \$shard_role;
        proxy_set_header   X-Mapped      \$mapped;
        proxy_http_version 1.1;
        proxy_set_header   Connection    "";
        add_header         X-Node \$shard_node always;

        location /old/ { proxy_pass http://orders/; proxy_http_version 1.0;
                         proxy_set_header Connection close; }
        location /unbuffered/ { proxy_pass http://orders/; proxy_buffering off; }
        location /buffered/ { proxy_pass http://orders/; proxy_buffers 2 4k;
                              proxy_busy_buffers_size 4k;
                              proxy_buffer_size 4k; limit_rate 200k; }
        location /full/ { proxy_pass http://orders/; }
        location /intercepted { proxy_pass http://orders/missing;
                                proxy_intercept_errors on;
                                error_page 404 =200 /fallback; }
        location = /fallback { return 200 "fallback"; }
        location /fastcgi { fastcgi_pass orders; }
        location /tls { proxy_pass https://orders; }
        location /variable/ { proxy_pass http://\$arg_u; }
CONF

wait_for { $t->get('/', 'X-Key' => 'a')->{status} == 200 } 5, 'a table';


my $migration = 0xa0;

sub mirrors { return $t->router()->{mirrors} }

sub results {
    return mirrors()->{sprintf '%016x', $migration} || {};
}

sub update { return $t->update_shard(0, @_) }

# a migration of its own for each part, counted from nothing

sub to {
    my ($target, %more) = @_;

    $migration++;
    update(target => $target, migration => sprintf('%016x', $migration),
           strategy => 'stateless', %more);
}

sub policy {
    return $t->followed($t->committed('keyspace', 'meta', 'policy', $_[0]));
}

sub reads {
    my ($n, $path, $method, %headers) = @_;

    my @bad = grep { $_->{status} != 200 && $_->{status} != 204 }
              map { $t->request($method || 'GET', $path, undef,
                                'X-Key' => 'a', %headers) } 1 .. $n;
    is(scalar @bad, 0, "$n reads of $path are served")
        or diag "$bad[0]{status} $bad[0]{content}";
}

# until all that was sent has its result; then these results and no others

sub is_results {
    my ($name, %want) = @_;

    my ($got, %zero);

    $want{sent} = 0 if !defined $want{sent};
    %zero = map { $_ => 0 } qw/ same status body behind failed skipped /;
    %want = (%zero, %want);

    eval {
        wait_for {
            $got = results();
            !grep { ($got->{$_} || 0) != $want{$_} } keys %want;
        } 5, $name;
    };

    is_deeply({ map { $_ => $got->{$_} || 0 } keys %want }, \%want, $name);
}

sub seen {
    my ($node) = @_;
    return [ map { chomp; [ split /\|/ ] } split /^/, slurp("$www/$node.log") ];
}


# nothing without a policy, nothing without a target

to('n2');
reads(10, '/');
is_results('no policy, no mirror');

policy('{"mirror":10000,"driver":"http"}');
update(target => undef, migration => undef);
reads(10, '/');
is(scalar(grep { $_->[2] ne 'primary' } @{ seen('n2') }), 0,
   'no target, no mirror');
is_deeply(mirrors(), {}, 'and no results');


# the share

policy('{"mirror":2500}');
to('n2');
reads(400, '/');
is_results('a quarter of the reads', sent => 100, same => 100);
is(scalar @{ seen('n2') }, 100, 'as the target says');
is(results()->{shard}, 0, 'of this shard');

policy('{"mirror":10001}');
ok(eval { wait_for { $t->error_log() =~ /policy refused: field "mirror"/ } 2, ''; 1 },
   'a bad policy is refused, with the reason');
to('n2');
reads(40, '/');
is_results('and the one before it stays', sent => 10, same => 10);

policy('{"mirror":10000}');


# what the target is sent

to('n2');
reads(1, '/full/what?is=this', 'GET', Cookie => 'c=1', 'Accept-Encoding' => 'gzip');
is_results('one read', sent => 1, same => 1);
my ($source, $target) = map { seen($_)->[-1] } qw/ n1 n2 /;

is_deeply([ @$source[2, 3, 4, 5] ], [ 'primary', 0, 1, 'as primary' ],
          'the source is told that it is the primary');
is_deeply([ @$target[2, 3, 4, 5] ], [ 'target', 0, 1, 'as target' ],
          'the target that it is the target');
is_deeply([ @$target[1, 6, 7] ], [ @$source[1, 6, 7] ],
          'line, cookie and encoding are the same');
is((split /[|\n]/, (split /^/, slurp("$www/client.log"))[-1])[1], 'n1 primary',
   'to the client\'s log it was the source');
is($t->get('/full/', 'X-Key' => 'a')->{headers}{'x-node'}, 'n1',
   'in headers, too');

to('n2');
reads(3, '/old/x');
is_results('HTTP/1.0', sent => 3, same => 3);
like(seen('n2')->[-1][1], qr!GET /x HTTP/1\.0!, 'is mirrored as such');

to('n2');
$t->request('PUT', '/', 'x', 'X-Key' => 'a');
$t->request('DELETE', '/', undef, 'X-Key' => 'a');
$t->request('POST', '/', '', 'X-Key' => 'a');
is_results('writes are not mirrored');
$t->request('GET', '/', 'a body', 'X-Key' => 'a');
is_results('nor is a read with a body', skipped => 1);


# differences

to('n2');
reads(2, '/status/of?secret=1');
is_results('another status', sent => 2, status => 2);
like($t->error_log(), qr{"orders" shard 0, migration [0-9a-f]{16}: another status.*"/status/of": source 200,.*target 404},
     'is logged with the path');
unlike($t->error_log(), qr/another status.*secret/, 'but not its arguments');

to('n2');
reads(1, '/body');
reads(1, '/shorter');
is_results('another body, and a shorter one', sent => 2, body => 2);
cmp_ok(() = $t->error_log() =~ /from the target than from the source/g, '<=', 2,
       'a line a second at most');


# a key that was written a moment before may differ: its data is on its way

to('n2', strategy => 'log-shipping');
reads(1, '/body');
is_results('the first moment, whose writes nobody knows', sent => 1, behind => 1);
select(undef, undef, undef, 1.1);
reads(1, '/body');
is_results('then it differs', sent => 2, behind => 1, body => 1);
$t->request('PUT', '/', 'x', 'X-Key' => 'a');
reads(1, '/body');
$t->get('/body', 'X-Key' => 'b');
is_results('a key written a moment ago, and another one', sent => 4,
           behind => 2, body => 2);
select(undef, undef, undef, 1.1);
reads(1, '/body');
is_results('written long ago', sent => 5, behind => 2, body => 3);


# answers of every form

for my $form ([ '/', 'HEAD' ], [ '/body', 'HEAD' ], [ '/none' ], [ '/big' ],
              [ '/most' ], [ '/zipped/big', 'GET', 'Accept-Encoding' => 'gzip' ],
              [ '/unbuffered/big' ], [ '/unbuffered/zipped/big', 'GET',
                                       'Accept-Encoding' => 'gzip' ])
{
    to('n2');
    reads(2, @$form);
    is_results(join(' ', @$form) . ': the same', sent => 2, same => 2);
}

to('n2');
is($t->get('/big', 'X-Key' => 'a', Range => 'bytes=5-8')->{content}, '1 of',
   'a range');
is_results('compared as such', sent => 1, same => 1);

to('n2');
reads(1, '/huge');
is_results('a body beyond 1 MB is not compared', sent => 1, skipped => 1);

to('n2');
reads(1, '/intercepted');
is_results('an answer that the client does not get is not compared',
           sent => 1, skipped => 1);

to('n2');
reads(1, '/variable/x?u=orders');
is_results('an upstream named by a variable', sent => 1, same => 1);


# what cannot be mirrored

to('n2');
$t->get($_, 'X-Key' => 'a') for qw{ /fastcgi /tls };
$t->get('/', 'X-Key' => 'a', Upgrade => 'websocket', Connection => 'upgrade');
is_results('no HTTP/1, TLS, an upgrade', skipped => 3);


# a client that is sent slowly

to('n2');
{
    my $client = client();
    print $client get('/buffered/big');
    is((answer($client))[1], slurp("$www/big"), 'a body that waits in a file');
    like($t->error_log(), qr/buffered to a temporary file/, 'it did');
}
is_results('a body out of a file', sent => 1, same => 1);


# a client that goes away

to('n2');
{
    my $client = client();
    print $client get('/slow/most');
    wait_for { results()->{sent} } 5, 'its mirror';
    close($client);
}
is_results('a client that goes leaves nothing to compare', sent => 1,
           skipped => 1);


# a target that is down

to('down');
reads(5, '/');
is_results('a target that is down', sent => 5, failed => 5);


# a target that says nothing, on a connection that is kept

to('silent');
{
    my $client = client();
    my @answers;

    for (1 .. 20) {
        print $client get("/n$_");
        push @answers, (answer($client))[0];
    }

    is(scalar(grep { /^HTTP.1.1 200/ } @answers), 20,
       'a silent target: all answers, one after the other on one connection');
    is_results('while nothing came of their mirrors', sent => $cap,
               skipped => 20 - $cap);

    my @mirrors = map { scalar $silent->accept() } 1 .. $cap;
    my @lines = map { scalar readline($_) } @mirrors;

    is(scalar(grep { /^GET .n\d+ HTTP/ } @lines), $cap,
       'the target has them, and has not answered');

    print $client get('/after');
    like((answer($client))[0], qr/^HTTP.1.1 200/, 'the connection goes on');

    # one answers late, one with nonsense, the others close

    print { $mirrors[0] } "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nthe same";
    print { $mirrors[1] } "what?\r\n\r\n";
    close($_) for @mirrors;
}
is_results('late answers count, the rest failed', sent => $cap, same => 1,
           failed => $cap - 1, skipped => 21 - $cap);
cmp_ok(results()->{target_ms}, '>=', results()->{source_ms},
       'latencies are summed up');


# while the shard shifts: only what went to the source is mirrored

to('n2', phase => 'shifting', strategy => 'stateless', shift => 5000);
{
    my %count;

    for my $n (1 .. 100) {
        $count{$t->get('/', 'X-Key' => "k$n")->{headers}{'x-shard-node'}}++;
    }

    cmp_ok($count{n1}, '<', 100, "shifting: $count{n1} of 100 to the source");
    is_results('and only these to the target', sent => $count{n1},
               same => $count{n1});
}


# an operator's split has a target, too, but nothing moves there

to('n2', phase => 'steady', shift => undef);
$t->redis()->command('HSET', $t->key('override'), 0, 'split n1=5000 n2=5000');
wait_for { grep { $t->get('/', 'X-Key' => $_)->{headers}{'x-shard-node'} eq 'n2' }
           1 .. 20 } 3, 'the split';
{
    my $was = results()->{sent} || 0;
    reads(20, '/');
    select(undef, undef, undef, 0.5);
    is(results()->{sent} || 0, $was, 'a split by hand is not mirrored');
}
$t->redis()->command('DEL', $t->key('override'));
wait_for { !grep { $t->get('/', 'X-Key' => $_)->{headers}{'x-shard-node'} eq 'n2' }
           1 .. 20 } 3, 'no split';


# the end of a migration, metrics, a reload, an exit with mirrors under way

update(target => undef, migration => undef, phase => 'steady', shift => undef);
ok(eval { wait_for { !%{ mirrors() } } 3, ''; 1 },
   'the results go with the migration');

my $metrics = $t->get('/metrics')->{content};
like($metrics, qr/nginx_shard_mirror_total\{keyspace="orders",result="same"\} \d\d\d/,
     'shard_metrics keeps the sums');
like($metrics, qr/result="failed"\} @{[ 5 + $cap - 1 ]}\n/, 'of each result');

policy('');
to('n2');
reads(10, '/');
policy('{"mirror":10000}');
reads(1, '/');
is_results('a deleted policy mirrors nothing, the next one does', sent => 1,
           same => 1);

{
    my ($old) = $t->process('nginx')->children();

    $t->allow(qr/worker process $old exited on signal 9/);
    kill('KILL', $old);
    ok(eval { wait_for { ($t->api('')->{version} || 0) == $t->version()
                         && ($t->process('nginx')->children())[0] != $old } 5, '';
              1 }, 'the worker is killed, another one comes');
}

to('n2');
reads(10, '/');
is_results('it mirrors as before', sent => 10, same => 10);

$t->process('redis')->restart();
$t->redis()->close();
ok(eval { wait_for { $t->error_log() =~ /Redis \S+ is back/ } 10, ''; 1 },
   'Redis is restarted');
policy('{"mirror":5000}');
to('n2');
reads(10, '/');
is_results('a policy of after that', sent => 5, same => 5);
policy('{"mirror":10000}');

{
    my ($conf, $n) = (slurp($t->{nginx_conf}), 0);

    $conf =~ s/(shard_table\s+orders\s+)\w+/${1}9m/ or die "no shard_table\n";
    spew($t->{nginx_conf}, $conf);
    my ($old) = $t->process('nginx')->children();
    $t->reload();

    # it counts in a zone of its own, for as long as it has a connection

    wait_for { !-d "/proc/$old" } 10, 'the old worker ends';
    to('n2');
    wait_for { ++$n && $t->get('/', 'X-Key' => 'a')->{status} == 200
               && results()->{same} } 5, 'a zone of another size';
    pass('a reload to a zone of another size mirrors, too');
}

to('silent');
reads($cap, '/');
{
    my ($old) = $t->process('nginx')->children();

    $t->reload();
    ok(eval { wait_for { !-d "/proc/$old" } 5, ''; 1 },
       'a reload: mirrors under way do not keep the old worker');
    reads(3, '/');
    is_results('the new one mirrors', sent => $cap + 3);
}

my $before = time();
$t->process('nginx')->stop();
cmp_ok(time() - $before, '<', 10, 'mirrors under way do not keep nginx from its end');

$t->finish();
done_testing();


sub client {
    my $client = IO::Socket::INET->new(Proto => 'tcp') or die "socket: $!\n";

    $client->autoflush(1);
    connect($client, pack_sockaddr_in($t->{nginx_port}, inet_aton('127.0.0.1')))
        or die "connect: $!\n";
    return $client;
}

sub get {
    my ($path) = @_;
    return "GET $path HTTP/1.1\r\nHost: x\r\nX-Key: a\r\n\r\n";
}

# its head and body, by Content-Length

sub answer {
    my ($client) = @_;

    my ($head, $body) = ('', '');

    alarm(20);

    while ($head !~ /\r\n\r\n\z/) {
        my $line = readline($client);
        die "closed within a head\n" if !defined $line;
        $head .= $line;
    }

    my ($length) = $head =~ /^content-length: (\d+)/im;
    read($client, $body, $length) if $length;
    alarm(0);

    return ($head, $body);
}
