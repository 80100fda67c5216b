#!/usr/bin/perl

# Nodes by host name: resolved beside the requests, again at the end of their
# TTL, never forgotten because a name server is.

use warnings;
use strict;

use Test::More;
use IO::Socket::INET;
use JSON::PP;
use Time::HiRes qw/ sleep time /;

use ShardTest;
use ShardTest::Dns;

my $t = ShardTest->new(shards => 4, keyspace => 'orders');
my $dns = ShardTest::Dns->new($t->dir());
my $resolver = "resolver @{[ $dns->addr() ]} ipv6=off; resolver_timeout 2s;";

# one port on several loopback addresses: who answered is told by the address

my $port;
my $backends = '';

sub free_everywhere {
    for (1 .. 50) {
        my $port = free_port();
        return $port if 3 == grep { IO::Socket::INET->new(LocalAddr => "127.0.0.$_:$port", Listen => 1) } 2 .. 4;
    }
}

$port = free_everywhere();
$backends = join '', map { "server { listen 127.0.0.$_:$port; location / { return 200 \"at $_\"; } }\n" } 2 .. 4;

sub node {
    my ($host, $state) = @_;

    return { addr => "$host:$port", zone => 'z1', capacity => 100, state => $state || 'up' };
}

sub nodes {
    my (%nodes) = @_;

    my $got = $t->commit('nodes', map { ('node', $_, ref $nodes{$_} ? encode_json($nodes{$_}) : '') } keys %nodes);
    die "@$got" if $got->[0] ne 'ok';
}

sub at {
    my $answer = $t->get('/', 'X-Key' => 'a');
    return "$answer->{status} " . substr($answer->{content}, 0, 10);
}

sub comes_to {
    my ($expected, $seconds, $what) = @_;

    ok(eval { wait_for { at() eq $expected } $seconds, 'it' }, $what) or diag at(), "\n", $t->error_log();
}

sub told {
    my ($pattern) = @_;

    my $count = () = $t->error_log() =~ /$pattern/g;
    return $count;
}

$t->start_redis();
$t->{nodes}{n1} = { name => 'n1', %{ node('db-1.internal') } };
$t->seed(silent => 1);


# without a resolver

$t->start_nginx(http => $backends);
wait_for { told(qr/have host names, as "db-1.internal:$port", and http \{\} has no "resolver"/) } 5, 'told';
pass('a missing resolver is told of, with the way out');
is($t->get('/', 'X-Key' => 'a')->{status}, 503, 'and the node gets nothing');


# the first answer

$dns->set('db-1.internal' => { ttl => 1, a => [ '127.0.0.2' ] });
$t->reload(http => "$resolver $backends");
comes_to('200 at 2', 5, 'the first answer');
my $version = $t->api('')->{version};


# a change; of several the one in use is kept

$dns->set('db-1.internal' => { ttl => 1, a => [ '127.0.0.3' ] });
comes_to('200 at 3', 6, 'another address at the end of the TTL');

my $asked = $dns->asked('db-1.internal');
$dns->set('db-1.internal' => { ttl => 1, a => [ '127.0.0.2', '127.0.0.3', '127.0.0.4' ] });
wait_for { $dns->asked('db-1.internal') >= $asked + 3 } 10, 'asked again';
is(at(), '200 at 3', 'among several the one in use stays');
is(told(qr/node address "db-1.internal:$port" is 127/), 2, 'each change is told once');

$dns->set('db-1.internal' => { ttl => 1, a => [ '127.0.0.2', '127.0.0.4' ] });
ok(eval { wait_for { at() =~ /^200 at [24]/ } 6, 'it' }, 'until it is not among them') or diag at();
is($t->api('')->{version}, $version, 'the table has the version that it had');


# answers that fail

for my $what (qw/ nxdomain servfail silent /) {
    my $before = at();

    $asked = $dns->asked('db-1.internal');
    $dns->set('db-1.internal' => $what);
    wait_for { $dns->asked('db-1.internal') > $asked } 10, 'asked';
    sleep($what eq 'silent' ? 2.5 : 0.5);
    is(at(), $before, "$what: the address stays");
    wait_for { told(qr/"db-1.internal:$port" is not resolved: .*the address it had stays/) } 5, 'told';
    $dns->set('db-1.internal' => { ttl => 1, a => [ '127.0.0.3' ] });
    wait_for { at() eq '200 at 3' } 15, 'answers again';
    $dns->set('db-1.internal' => { ttl => 1, a => [ '127.0.0.4' ] });
    comes_to('200 at 4', 8, "$what: over, the next change is seen");
}


# the table is read again, nodes come and go: addresses stay

$dns->set('db-1.internal' => 'silent', 'db-2.internal' => { ttl => 60, a => [ '127.0.0.2' ] });
nodes(n2 => node('db-2.internal'));
wait_for { told(qr/"db-2.internal:$port" is 127.0.0.2/) } 5, 'n2';
is(at(), '200 at 4', 'another node came, this one has its address');
nodes(n1 => node('db-1.internal', 'draining'));
nodes(n1 => node('db-1.internal'));
wait_for { $t->api('')->{version} == $t->version() } 5, 'applied';
is(at(), '200 at 4', 'its state changed');

my ($killed) = $t->process('nginx')->children();
$t->allow(qr/exited on signal 9/);
kill 'KILL', $killed;
wait_for {
    my @workers = $t->process('nginx')->children();
    @workers == $t->{workers} && !grep { $_ == $killed } @workers;
} 5, 'another worker';
is(at(), '200 at 4', 'a worker was killed');
$t->reload(http => "$resolver $backends");
is(at(), '200 at 4', 'a reload');


# valid= overrules the TTL; numbers and names

$dns->set('db-1.internal' => { ttl => 3600, a => [ '127.0.0.2' ] });
$t->reload(http => "resolver @{[ $dns->addr() ]} valid=1s ipv6=off; $backends");
comes_to('200 at 2', 20, 'a long TTL');
$dns->set('db-1.internal' => { ttl => 3600, a => [ '127.0.0.3' ] });
comes_to('200 at 3', 8, 'valid= is honoured');

nodes(n1 => node('127.0.0.4'));
comes_to('200 at 4', 5, 'a number in its place');
nodes(n1 => node('db-2.internal'));
$dns->set('db-2.internal' => { ttl => 1, a => [ '127.0.0.2' ] }, 'db-1.internal' => 'nxdomain');
comes_to('200 at 2', 5, 'a name again');


# without Redis: names of a table from the disk

{
    my $state = "$t->{dir}/nginx/orders.shards";

    wait_for { slurp($state) =~ /^nginx-shard-state \d+ orders @{[ $t->version() ]}\b/ } 5, 'the table on disk';
    $t->process('nginx')->stop();
    $t->process('redis')->stop();
    $t->process('nginx')->start();
    comes_to('200 at 2', 5, 'started without Redis: resolved');
    $dns->set('db-2.internal' => { ttl => 1, a => [ '127.0.0.3' ] });
    comes_to('200 at 3', 8, 'and again');
    $t->process('redis')->start();
    $t->{redis} = undef;
    wait_for { $t->api('')->{connected} } 10, 'Redis';
}


# many: few questions at once, every one resolved

{
    my $many = 220;
    my %zone = map { ("m$_.internal" => { ttl => 300, a => [ '127.0.0.2' ] }) } 1 .. $many;

    $dns->set(%zone, 'db-2.internal' => { ttl => 300, a => [ '127.0.0.3' ] }, 'm7.internal' => 'nxdomain');
    nodes(map { ("m$_" => node("m$_.internal")) } 1 .. $many);
    wait_for { told(qr/node address "m\d+\.internal:$port" is 127.0.0.2/) == $many - 1 } 20, 'all of them';
    pass("$many names");
    is(told(qr/node address "m7\.internal:$port" is not resolved: Host not found; it gets no requests/), 1, 'but one');
    cmp_ok(scalar($dns->asked('m8.internal')), '<=', 3, 'none is asked for without need');
    is(at(), '200 at 3', 'and it serves');
}

$t->finish();
done_testing();
