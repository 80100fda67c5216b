#!/usr/bin/perl

# shard_metrics: every series, the text's form, slices of a large table.

use warnings;
use strict;

use Test::More;
use Time::HiRes qw/ time sleep /;

use ShardTest;

my $t = ShardTest->new(shards => 4, workers => 1);

$t->start_redis();
$t->start_nodes(2);
$t->seed(place => sub { $_[0] % 2 ? 'n2' : 'n1' });

# shard 3: reads of it may go on to its standby
my $rec = $t->shard_record(3);
$t->commit('keyspace', 'shard', 3, JSON::PP::encode_json({
    %$rec, consistency => 'eventual', standbys => [ 'n1' ] }));

$t->start_nginx();
wait_for { $t->api('')->{version} > 0 } 5, 'a table';

my %key;                        # of each shard

for (my $n = 0; keys %key < 4; $n++) {
    my $answer = $t->get('/kv/x', 'X-Key' => "k$n");
    $key{$answer->{headers}{'x-shard-id'}} = "k$n";
}

sub requests {
    my ($node, $class, $outcome) = @_;

    return $t->metrics()->{"nginx_shard_requests_total{class=\"$class\","
                           . "keyspace=\"orders\",node=\"$node\","
                           . "outcome=\"$outcome\"}"} || 0;
}

sub grew {
    my ($node, $class, $outcome, $code) = @_;

    my $was = requests($node, $class, $outcome);
    $code->();

    # another worker adds its counts up within an interval

    eval { wait_for { requests($node, $class, $outcome) > $was } 5, 'the count' };
    is(requests($node, $class, $outcome), $was + 1, "$node $class $outcome");
}


# form and outcomes

my $answer = $t->get('/metrics');
my (undef, @bad) = ShardTest::parse_metrics($answer->{content});
is_deeply(\@bad, [], 'Prometheus takes it');
is($answer->{headers}{'content-type'}, 'text/plain; version=0.0.4; charset=utf-8',
   'its type');
ok($answer->{headers}{'content-length'}, 'short ones say their length');
$answer = $t->request('HEAD', '/metrics');
is($answer->{status} . ($answer->{content} // ''), '200', 'HEAD');
is($t->request('POST', '/metrics', 'x')->{status}, 405, 'POST');
is($t->get('/metrics?shards=2')->{status}, 400, 'shards= is 0 or 1');
is($t->get('/metrics?from=x')->{status}, 400, 'from= is a number');

grew('n1', '2xx', 'direct', sub { $t->request('PUT', '/kv/a', 'x', 'X-Key' => $key{0}) });
grew('n2', '4xx', 'direct', sub { $t->get('/kv/none', 'X-Key' => $key{1}) });

grew('n1', '4xx', 'held', sub {
    my $r = $t->redis();
    $r->command('HSET', $t->key('override'), 0, 'hold');
    wait_for { $t->api('/shards/0')->{phase} eq 'held' } 3, 'held';

    my $pid = fork();
    if ($pid == 0) {
        $t->{http} = undef;
        $t->get('/kv/none', 'X-Key' => $key{0});
        POSIX::_exit(0);
    }

    wait_for { $t->metrics()->{'nginx_shard_held_requests{keyspace="orders"}'} == 1 }
             5, 'one is parked';
    $r->command('HDEL', $t->key('override'), 0);
    waitpid($pid, 0);
});

is($t->metrics()->{'nginx_shard_hold_seconds_count{keyspace="orders"}'}, 1, 'one hold');

my $port = (split /:/, $t->{nodes}{n2}{addr})[1];
$t->process('n2')->signal('KILL');
wait_for { !ShardTest::listens($t->{nodes}{n2}{addr}) } 5, 'n2 is gone';
$t->process('n2')->{ends} = 1;

my $failed = 'nginx_shard_node_failures_total{keyspace="orders",node="n2"}';
my $was = $t->metrics()->{$failed};
grew('n2', '5xx', 'failed', sub { $t->get('/kv/a', 'X-Key' => $key{1}) });
cmp_ok($t->metrics()->{$failed}, '>', $was, 'and counted at the node');
$t->request('PUT', "http://$t->{nodes}{n1}{addr}/_shard/3/role", '{"role":"standby","epoch":1}');
grew('n1', '4xx', 'failover', sub { $t->get('/kv/none', 'X-Key' => $key{3}) });


# a histogram is cumulative over flushes

my $count = 'nginx_shard_request_seconds_count{keyspace="orders"}';
my $seen = $t->metrics()->{$count};
my $sequence = $t->redis()->command('XLEN', $t->key('metrics'));
my $until = time() + 1.5;
my ($back, $polls) = (0, 0);

while (time() < $until) {
    $t->get('/kv/none', 'X-Key' => $key{2});
    my $now = $t->metrics()->{$count};
    $back++ if $now <= $seen;
    $seen = $now;
    $polls++;
}

is($back, 0, "request_seconds only grows, $polls times");
cmp_ok($t->redis()->command('XLEN', $t->key('metrics')), '>', $sequence + 2,
       'over several flushes');


# per shard

my $m = $t->metrics('?shards=1');
is(scalar(grep { /^nginx_shard_shard_epoch/ } keys %$m), 4, 'a row for each shard');
is($m->{'nginx_shard_shard_epoch{keyspace="orders",node="n1",shard="0"}'}, 1, 'its epoch');
$m = $t->metrics('?shards=1&from=1&limit=2');
is_deeply([ sort grep { /^nginx_shard_shard_phase/ } keys %$m ],
          [ 'nginx_shard_shard_phase{keyspace="orders",node="n1",shard="2"}',
            'nginx_shard_shard_phase{keyspace="orders",node="n2",shard="1"}' ],
          'two of them');
is(scalar(grep { /^nginx_shard_shard_/ } keys %{ $t->metrics() }), 0, 'none unasked');
$t->finish();


# client groups

$t = ShardTest->new(name => '37_clients', shards => 4);
$t->start_redis();
$t->start_nodes(1);
$t->seed();
$t->start_nginx(shard_args => ' client=$http_x_app');
wait_for { $t->api('')->{version} > 0 } 5, 'a table';

is(scalar(grep { /^nginx_shard_client_requests/ } keys %{ $t->metrics() }), 0, 'no clients yet');

my %want;

for my $n (1 .. 60) {
    my $app = (qw/ shop search /, "b\"a\\d x", '')[$n % 4];
    my $answer = $t->get('/kv/none', 'X-Key' => "k$n", length $app ? ('X-App' => $app) : ());
    my $name = $app eq '' ? '-' : $app =~ /^b/ ? 'b_a_d_x' : $app;
    $want{ $answer->{headers}{'x-shard-id'} . " $name" }++;
}

$m = $t->metrics();
my $client = sub { $m->{"nginx_shard_client_requests_total{client=\"$_[0]\",keyspace=\"orders\"}"} };
is_deeply([ map { $client->($_) } qw/ shop search b_a_d_x - / ], [ 15, 15, 15, 15 ],
          'requests of each, names cleaned');

# { "SHARD CLIENT" => offered } of all entries so far

sub counted {
    my %sum;

    for my $entry (@{ $t->redis()->command('XRANGE', $t->key('metrics'), '-', '+') }) {
        my $m = $entry->[1][1];
        my $at = 5 + ord(substr($m, 4, 1)) + 28;
        my $sections = unpack('v', substr($m, $at, 2));
        $at += 2;

        while ($sections--) {
            my ($type, $len) = unpack('vV', substr($m, $at, 6));
            my $body = substr($m, $at + 6, $len);
            $at += 6 + $len;
            next if $type != 4;

            my ($n) = unpack('v', $body);
            my $pos = 2;
            my @names;

            while ($n--) {
                my $l = ord(substr($body, $pos, 1));
                push @names, substr($body, $pos + 1, $l);
                $pos += 1 + $l;
            }

            my $count = unpack('V', substr($body, $pos, 4));

            for my $i (0 .. $count - 1) {
                my ($id, $c, $offered) = unpack('VvV', substr($body, $pos + 4 + $i * 22, 10));
                $sum{"$id $names[$c]"} += $offered;
            }
        }
    }

    return \%sum;
}

wait_for { my $sum = 0; $sum += $_ for values %{ counted() }; $sum >= 60 } 5, 'all flushed';
is_deeply(counted(), \%want, 'by shard and client in Redis');

$t->get('/kv/none', 'X-Key' => 'k', 'X-App' => "app-$_") for 1 .. 300;
$m = $t->metrics();
my @clients = grep { /^nginx_shard_client_requests_total/ } keys %$m;
is(scalar @clients, 256, '255 names and "other"');
is($client->('other'), 300 - 251, 'which has the rest');
$t->finish();


# a large table, by default 100,000 shards

my $nshards = $ENV{SHARD_LARGE} || 100000;
my $nnodes = 4000;

$t = ShardTest->new(name => '37_large', workers => 1);
$t->start_redis();
$t->seed_large($nshards, $nnodes);
my $mb = 24 + int($nshards * 256 / 1048576);
$t->start_nginx(http => '', zone => ($mb < 64 ? 64 : $mb) . 'm');
wait_for { $t->api('')->{version} > 0 } 60, 'a large table';
is($t->api('')->{shards}, $nshards, "$nshards shards");

my $memory = $t->worker_memory();
my ($cpu, $start) = ($t->worker_seconds(), time());
$answer = $t->get('/metrics?shards=1');
my $took = time() - $start;
$cpu = $t->worker_seconds() - $cpu;

my $lines = () = $answer->{content} =~ /^nginx_shard_shard_epoch/mg;
is($lines, $nshards, 'all shards');
my ($value, @wrong) = ShardTest::parse_metrics($answer->{content});
is_deeply([ @wrong[0 .. ($#wrong > 3 ? 3 : $#wrong)] ], [], 'Prometheus takes it');
note(sprintf '%d bytes in %.2f s, %.2f s of the worker, %.1f us a row',
     length $answer->{content}, $took, $cpu, $cpu * 1e6 / (4 * $nshards));

# ASan keeps what is freed

SKIP: {
    skip 'memory under ASan', 1 if $ENV{SHARD_SAN};
    cmp_ok($t->worker_memory() - $memory, '<', 2000, 'in bounded memory');
}

# other requests of the same worker meanwhile

my $scrape = fork();

if ($scrape == 0) {
    $t->{http} = undef;
    $t->get('/metrics?shards=1') for 1 .. 3;
    POSIX::_exit(0);
}

my @ms;

while (waitpid($scrape, POSIX::WNOHANG()) == 0 && @ms < 2000) {
    my $began = time();
    $t->api('');
    push @ms, (time() - $began) * 1000;
    sleep(0.002);
}

@ms = sort { $a <=> $b } @ms;
note(sprintf '%d requests beside it: median %.2f ms, p99 %.2f ms', scalar @ms,
     $ms[@ms / 2], $ms[@ms * 0.99]);
cmp_ok($ms[@ms / 2], '<', 20, 'a scrape does not keep the worker');
kill('KILL', $scrape);

# a client that does not read: nothing is produced ahead of it

my $slow = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$t->{nginx_port}");
setsockopt($slow, Socket::SOL_SOCKET(), Socket::SO_RCVBUF(), pack('i', 4096));
print $slow "GET /metrics?shards=1 HTTP/1.1\r\nHost: x\r\n\r\n";
sysread($slow, my $first, 4096);
$cpu = $t->worker_seconds();
sleep(1);
cmp_ok($t->worker_seconds() - $cpu, '<', 0.3, 'a client that does not read costs nothing');

SKIP: {
    skip 'memory under ASan', 1 if $ENV{SHARD_SAN};
    cmp_ok($t->worker_memory() - $memory, '<', 4000, 'nor memory');
}

close($slow);

# without shards, on many nodes: figures

$cpu = $t->worker_seconds();
$t->get('/metrics') for 1 .. 20;
note(sprintf '%d nodes: %.2f ms of the worker a scrape', $nnodes,
     ($t->worker_seconds() - $cpu) * 1000 / 20);

$t->finish();
done_testing();
