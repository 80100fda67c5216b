#!/usr/bin/perl

# Health of nodes: checks by the leader, what requests see, slow start, and
# who is told.  n1 to n3 are processes of their own, to be killed and stopped;
# n4 and n5 are served by nginx itself and answer as files say.

use warnings;
use strict;

use Test::More;
use IO::Socket::INET;
use JSON::PP;
use Time::HiRes qw/ sleep time /;

use ShardTest;

my $t = ShardTest->new(shards => 10);
my %port = map { $_ => free_port() } qw/ n4 n5 /;

$t->start_redis();
$t->start_nodes(3);

$t->{nodes}{$_} = { name => $_, addr => "127.0.0.1:$port{$_}", capacity => 100,
                    zone => 'z1' } for keys %port;

my $moody = join '', map { <<"CONF" } sort keys %port;
server {
    listen 127.0.0.1:$port{$_};
    if (-f $t->{dir}/$_.ill)    { return 503; }
    if (-f $t->{dir}/$_.moved)  { return 302 http://elsewhere/; }
    if (-f $t->{dir}/$_.mute)   { return 444; }
    location / { return 200 "$_ \$request_uri \$http_host \$http_user_agent"; }
}
CONF

$t->seed(silent => 1);

sub conf {
    my ($health) = @_;

    return (http => $moody, upstream => ($health ? "shard_health $health;" : '')
                                        . ' shard_hold timeout=5s;');
}

sub nodes { return { map { $_->{name} => $_ } @{ $t->api('/nodes?limit=1000')->{nodes} } } }
sub health { return nodes()->{$_[0]}{health} || 'gone' }

sub router {
    return decode_json($t->redis()->command('HGET', $t->key('routers'),
                                            'edge-1') || '{}');
}

sub mark { return length $t->error_log() }
sub logged { return substr $t->error_log(), $_[0] }

sub touch { spew("$t->{dir}/$_[0]", '') }
sub leader { return $t->error_log() =~ /^.* (\d+)#\d+: .*keeps the table/s && $1 }

my $quick = 'interval=100ms timeout=300ms fails=3 passes=2';

# an answer or a deadline; returns the seconds it took

sub becomes {
    my ($node, $what, $seconds) = @_;

    my $begin = time();

    wait_for { health($node) eq $what } $seconds, "$node is $what: "
        . join(' ', map { "$_->{name} $_->{health}" } values %{ nodes() });

    return time() - $begin;
}


# checks

$t->start_nginx(conf("uri=/health $quick slow_start=2s"));

wait_for { (router()->{health}{checked} || 0) == 5 } 10, 'five checks';
is_deeply(router()->{health}, { up => 5, down => 0, checked => 5 },
          'the sums of all nodes');
is(join(' ', map { health($_) } sort keys %{ $t->{nodes} }),
   'up up up up up', 'all are up');
is_deeply([ grep { ($_->{state} || '') ne 'up' }
            values %{ router()->{nodes} } ], [], 'idle ones need not be told');

my $mark = mark();
my $killed = time();

$t->process('n2')->kill();
becomes('n2', 'dead', 5);

my ($line) = logged($mark) =~ /(node "n2" is dead: .*)/;
like($line || '', qr/^node "n2" is dead: 3 checks failed in a row, last: connection (refused|reset)/,
     'a killed node is dead, for a reason');
cmp_ok(time() - $killed, '<', 2, 'soon after three intervals');

wait_for { (router()->{nodes}{n2}{state} || '') eq 'down' } 5, 'told';
my $told = router()->{nodes}{n2};
ok($told->{checked}, 'it was checked');
cmp_ok(abs($told->{since_ms} / 1000 - $killed), '<', 3, 'since when');
is(router()->{health}{down}, 1, 'one of five');
is(join(' ', map { health($_) } qw/ n1 n3 n4 n5 /), 'up up up up',
   'the others are up');
is(nodes()->{n2}{state}, 'up', 'what the table says is another thing');

$mark = mark();
$t->process('n2')->start();
becomes('n2', 'slow', 5);
ok(router()->{nodes}{n2}, 'a node that was dead is told of');
like(logged($mark), qr/node "n2" is back after \d+ ms: 2 checks passed, slow start of 2000 ms/,
     'it is back, slowly');
becomes('n2', 'up', 10);
is(router()->{nodes}{n2}{state}, 'up', 'and told so');


# one that hangs

$mark = mark();
$t->process('n3')->signal('STOP');
becomes('n3', 'dead', 10);
like(logged($mark), qr/node "n3" is dead: 3 checks .*no answer in time/,
     'a node that hangs is dead');
$t->process('n3')->signal('CONT');
becomes('n3', 'up', 10);


# answers

for my $case ([ 'ill', 'status 503' ], [ 'mute', 'closed without an answer' ])
{
    my ($mood, $reason) = @$case;

    $mark = mark();
    touch("n4.$mood");
    becomes('n4', 'dead', 5);
    like(logged($mark), qr/node "n4" is dead: 3 checks .*last: $reason/,
         "$mood: $reason");
    unlink("$t->{dir}/n4.$mood");
    becomes('n4', 'up', 10);
}

# a slow start: keys come one after another, and none goes again

my $shard = (grep { $t->shard_record($_)->{primary} eq 'n4' } 0 .. 9)[0];
my $record = { %{ $t->shard_record($shard) }, consistency => 'eventual',
               standbys => [ 'n5' ] };
my $done = $t->commit("shard:$shard", 'shard', $shard, encode_json($record));
is($done->[0], 'ok', 'a shard of n4 gets a standby');

my @keys = grep {
    $t->get('/', 'X-Key' => $_)->{headers}{'x-shard-id'} eq $shard
} map { "slow$_" } 1 .. 400;
cmp_ok(scalar @keys, '>', 15, scalar(@keys) . ' keys of it');

sub serves {
    my ($key) = @_;
    return $t->get('/', 'X-Key' => $key)->{headers}{'x-shard-node'};
}

touch('n4.ill');
becomes('n4', 'dead', 10);
is(scalar(grep { serves($_) eq 'n5' } @keys), @keys,
   'the standby answers for a dead node');
unlink("$t->{dir}/n4.ill");
becomes('n4', 'slow', 10);

my (%came, @shares, $went);
my $over = 0;

while (!$over) {
    my $here = 0;
    $over = health('n4') eq 'up';

    for my $key (@keys) {
        if (serves($key) eq 'n4') {
            $here++;
            $came{$key} = 1;

        } elsif ($came{$key}) {
            $went++;
        }
    }

    push @shares, $here;
}

ok(!$went, 'a key that has come stays');
is($shares[-1], @keys, 'all are back when the slow start is over');
ok((grep { $_ > 0 && $_ < @keys } @shares), "they came bit by bit: @shares");


touch('n4.moved');
sleep(0.6);
is(health('n4'), 'up', 'a redirect is as good as an answer');
unlink("$t->{dir}/n4.moved");


# another leader goes on

touch('n5.ill');
becomes('n5', 'dead', 5);

wait_for { (router()->{nodes}{n5}{state} || '') eq 'down' } 5, 'told at once';

my $since = router()->{nodes}{n5}{since_ms};
my $old = leader();
my %seen;

$mark = mark();
$t->allow(qr/exited on signal 9/);
kill('KILL', $old);

wait_for {
    $seen{health('n5')} = 1;
    leader() != $old && (router()->{health}{checked} || 0) == 5
        && logged($mark) =~ /keeps the table/
} 10, 'another leader';

my $until = time() + 1;
while (time() < $until) { $seen{health('n5')} = 1; sleep(0.02); }

is(join(' ', sort keys %seen), 'dead', 'what was known stays known');
unlike(logged($mark), qr/node "n5" is/, 'and is not said again');
cmp_ok(abs((router()->{nodes}{n5}{since_ms} || 0) - $since), '<', 50,
       'nor is the time of its death');
unlink("$t->{dir}/n5.ill");
becomes('n5', 'up', 10);


# another address, and another life

$t->process('n2')->kill();
becomes('n2', 'dead', 5);

my %record = (%{ $t->{nodes}{n2} }, state => 'up',
              addr => "127.0.0.1:$port{n4}");
delete $record{name};
$record{capacity} += 0;

my $got = $t->commit('keyspace', 'node', 'n2', encode_json(\%record));
is($got->[0], 'ok', 'n2 moves to another address');
becomes('n2', 'up', 10);
unlike(logged($mark), qr/node "n2" is back/, 'it began anew');


# no checks any more

touch('n5.ill');
becomes('n5', 'dead', 5);
$t->reload(conf(''));
becomes('n5', 'up', 10);
wait_for { !exists router()->{health} } 5, 'an entry of the new workers';
pass('without shard_health nobody is dead');
unlink("$t->{dir}/n5.ill");


# requests alone: three that fail in a row, by whatever worker

$record{addr} = $t->{nodes}{n2}{addr};
$t->commit('keyspace', 'node', 'n2', encode_json(\%record));
$t->process('n2')->start();
$t->reload(conf('interval=200ms fails=3 passes=1 timeout=300ms'));

my $key = (grep {
    ($t->get('/kv/x', 'X-Key' => "key$_")->{headers}{'x-shard-node'} || '')
        eq 'n2'
} 1 .. 100)[0];
$key = "key$key";
ok($key, "a key of n2: $key");

$mark = mark();
$t->process('n2')->kill();

is($t->get('/kv/x', 'X-Key' => $key)->{status}, 502, 'a request fails') for 1 .. 2;
is(health('n2'), 'up', 'two do not make it dead');
$t->get('/kv/x', 'X-Key' => $key);
is(health('n2'), 'dead', 'the third does, at once');
wait_for { logged($mark) =~ /node "n2" is dead: 3 requests failed in a row/ }
    5, 'the log says so';
pass('and the leader says so');

sleep(0.7);
is(health('n2'), 'dead', 'its trials fail');
is($t->get('/kv/x', 'X-Key' => $key)->{status}, 503,
   'it is not asked any more, by a key that was asked for before either');
$t->process('n2')->start();
becomes('n2', 'up', 10);
like(logged($mark), qr/node "n2" is back after \d+ ms: 1 connection made/,
     'a connection brings it back');
is($t->get('/kv/x', 'X-Key' => $key)->{status} < 500, 1, 'and it serves');


# answers in between

$mark = mark();
my $live = $t->{nodes}{n2}{addr};

for my $n (1 .. 6) {
    $t->process('n2')->kill();
    $t->get('/kv/x', 'X-Key' => $key) for 1 .. 2;
    $t->process('n2')->start();
    $t->get('/kv/x', 'X-Key' => $key);
}

unlike(logged($mark), qr/node "n2" is dead/,
       'twelve failures, but never three in a row');


# both: requests are quicker than a lazy check

$t->reload(conf('uri=/health interval=20s fails=3 passes=1 timeout=300ms'));
$mark = mark();
wait_for { logged(0) =~ /keeps the table.*keeps the table/s } 5, 'a leader';
$t->process('n2')->kill();
wait_for { $t->get('/kv/x', 'X-Key' => $key); health('n2') eq 'dead' } 5,
    'requests alone kill it';
wait_for { logged($mark) =~ /node "n2" is dead: .*request/ } 5, 'told';
pass('between two checks requests tell');

$t->reload(conf('uri=/health interval=100ms passive=off fails=3 timeout=300ms'));
$t->process('n2')->start();
becomes('n2', 'up', 10);

$t->finish();


# many nodes, most of them mute: nobody waits for them

my $many = ShardTest->new(shards => 200, name => 'many');
my @mute;

$many->start_redis();

for my $n (1 .. 200) {
    my $name = sprintf 'm%03d', $n;

    if ($n % 2) {
        push @mute, IO::Socket::INET->new(LocalAddr => '127.0.0.1',
                                          Listen => 128, Proto => 'tcp');
        $many->{nodes}{$name} = { addr => '127.0.0.1:' . $mute[-1]->sockport() };

    } else {
        $many->{nodes}{$name} = { addr => '127.0.0.1:'
                                          . ($port{$name} = free_port()) };
    }

    $many->{nodes}{$name} = { %{ $many->{nodes}{$name} }, name => $name,
                              capacity => 10, zone => 'z1' };
}

$many->seed(silent => 1);
$many->start_nginx(
    http => join('', map { "server { listen 127.0.0.1:$port{$_};"
                           . " location / { return 200 $_; } }\n" }
                     grep { /^m/ } sort keys %port),
    connections => 1024,
    upstream => 'shard_health uri=/ interval=200ms timeout=200ms passive=off;',
    zone => '16m');

wait_for { $many->get('/', 'X-Key' => 'a')->{status} } 20, 'a table';

my ($worst, $asked) = (0, 0);
my $begin = time();

wait_for {
    my $now = time();
    $many->get('/metrics');
    $asked++;
    $worst = time() - $now if time() - $now > $worst;
    (grep { $_->{health} eq 'dead' } @{ $many->api('/nodes?limit=1000')->{nodes} }) == 100
} 30, '100 dead nodes';

my %by = map { $_->{name} => $_->{health} } @{ $many->api('/nodes?limit=1000')->{nodes} };

is((grep { $by{$_} eq 'dead' && /[13579]$/ } keys %by), 100,
   sprintf('100 mute nodes of 200 are dead after %.1f s', time() - $begin));
is((grep { $by{$_} eq 'up' && /[02468]$/ } keys %by), 100,
   'the other 100 are up');
cmp_ok($worst, '<', 1, sprintf('%d answers meanwhile, the slowest took %.0f ms',
                               $asked, 1000 * $worst));

my $entry = decode_json($many->redis()->command('HGET', $many->key('routers'),
                                                'edge-1'));
wait_for {
    $entry = decode_json($many->redis()->command('HGET',
                             $many->key('routers'), 'edge-1'));
    ($entry->{health}{down} || 0) == 100
} 5, 'the entry';
is(scalar(grep { $_->{state} eq 'down' } values %{ $entry->{nodes} }), 100,
   'the entry tells all of them');

my @workers = $many->process('nginx')->children();
$many->reload();
wait_for {
    my %alive = map { $_ => 1 } $many->process('nginx')->children();
    !grep { $alive{$_} } @workers
} 5, 'old workers leave at once';
pass('checks keep no old worker alive');

$many->finish();
done_testing();
