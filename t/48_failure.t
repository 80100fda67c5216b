#!/usr/bin/perl

# Nodes that die: standbys are promoted, writes wait for it in nginx, and a
# former primary that comes back takes none.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use HTTP::Tiny;
use JSON::PP;
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardTest;


my $t = ShardTest->new(shards => 8);
my $http = HTTP::Tiny->new(timeout => 5);

$t->start_redis();
$t->start_nodes(3);
$t->seed(place => sub { 'n1' });

my $r = $t->redis();

$t->start_nginx(upstream => "shard_hold max=64 timeout=20s;\n        "
    . 'shard_health uri=/health interval=100ms timeout=500ms fails=2'
    . " passes=1;\n        keepalive 16;");
wait_for { $t->get('/kv/none', 'X-Key' => 'none')->{status} == 404 } 10,
    'a table';

# a hold as long as the machine may be busy; the shards' claims are short

sub migrator {
    my ($name) = @_;

    return $t->start_daemon('shard-migrator', $name,
                            $t->migrator_conf($name, "hold:\n  timeout: 5s\n"));
}

migrator('m1');


# the key of a shard, found by asking

my %key;

for my $n (1 .. 400) {
    my $id = $t->get('/kv/x', 'X-Key' => "k$n")->{headers}{'x-shard-id'};
    push @{ $key{$id} }, "k$n";
}

is(keys %key, 8, 'keys of all shards');

sub put {
    my ($shard, $value, $n) = @_;

    my $key = $key{$shard}[$n || 0];
    return $t->request('PUT', "/kv/$key", $value, 'X-Key' => $key)->{status};
}

sub fetch {
    my ($shard, $n) = @_;

    my $key = $key{$shard}[$n || 0];
    return $t->get("/kv/$key", 'X-Key' => $key)->{content};
}

sub late_write {
    my ($shard, $value) = @_;

    my $key = $key{$shard}[1];
    return $t->send_request("/kv/$key", method => 'PUT', body => $value,
                            key => $key);
}

sub router { return decode_json($r->command('HGET', $t->key('routers'), 'edge-1') || '{}') }
sub waiting { return $t->api('')->{waiting} }

sub seen_dead {
    my ($node) = @_;
    wait_for { (router()->{nodes}{$node}{state} || '') eq 'down' } 20,
        "$node is dead to the router";
}

sub stats {
    my ($node, $shard) = @_;
    return decode_json($http->get("http://$t->{nodes}{$node}{addr}"
                                  . "/_shard/$shard/stats")->{content});
}


# shards 0 to 3 move to n2: n1 keeps what was there, and nothing of later

is(put($_, "first $_"), 204, "shard $_ has data") for 0 .. 3;
is_deeply([ $t->wait_migrations(60, map { $t->migrate($_, 'n2') } 0 .. 3) ],
          [], 'four shards move to n2');
is_deeply($t->shard_record(0)->{standbys}, [ 'n1' ], 'n1 is their standby');


# nobody is promoted while the primary answers

my $id = $t->ctl('promote', 3)->{id};
is_deeply([ $t->wait_migrations(30, $id) ], [ $id ], 'a primary that answers');
like($t->migration($id)->{error}, qr/n2 answers, it is not dead/,
     '... stays what it is');
is($t->shard_record(3)->{epoch}, 2, '... at its epoch');

my ($status, $out, $err) = $t->try_ctl('promote', 0, 'n3');
is($status, 1, 'a node that is no standby');
like($err, qr/"n3" is no standby of shard 0 and has none of its data/,
     '... is refused and told why');


# by hand: writes wait, the standby takes them; of shard 2 one was not shipped

$t->process('m1')->signal('STOP');
is(put(2, 'never shipped', 2), 204, 'n2 acknowledges a write of its own');
$t->process('n2')->kill();
$t->process('m1')->signal('CONT');
seen_dead('n2');

my @writes = map { late_write($_, "second $_") } 0 .. 2;
wait_for { waiting() == 3 } 10, 'three waiting writes';
pass('writes wait for a new owner');

my @ids = map { $t->ctl('promote', $_)->{id} } 0 .. 2;
is_deeply([ $t->wait_migrations(30, @ids) ], [], 'all are promoted');
is(($t->answer($_))[0], 204, 'a waiting write is answered') for @writes;

for my $shard (0 .. 2) {
    my $rec = $t->shard_record($shard);

    is("$rec->{primary} $rec->{epoch} " . ($rec->{phase} || 'steady'),
       'n1 3 steady', "shard $shard is n1's");
    is(join(' ', @{ $rec->{standbys} || [] }), '',
       "shard $shard: the dead node is no standby of it");
    is(fetch($shard), "first $shard", "shard $shard: what was shipped is there");
    is(fetch($shard, 1), "second $shard", "shard $shard: what came later, too");
}

my $m = $t->migration($ids[0]);
is(join(' ', $m->{trail} =~ /(\S+)@\d+/g),
   'planned claimed check final-sync commit release done', 'the short way');
is($m->{verb}, 'promote', 'it says what it was');
($status, $out) = $t->try_ctl('explain', $ids[0]);
like($out, qr/promote shard 0 from n2 to n1/, 'explain does');


# the old primary comes back: it takes nothing, and says what was lost

$t->process('n2')->start();

my $key = $key{0}[3];
is($http->put("http://$t->{nodes}{n2}{addr}/kv/$key", {
       content => 'x',
       headers => { 'X-Shard-Id' => 0, 'X-Shard-Role' => 'primary',
                    'X-Shard-Epoch' => 3 } })->{status},
   421, 'the old primary refuses a write of the new epoch');

wait_for { !grep { !$t->migration($_)->{fenced} } @ids } 20,
    'the old primary is told';
is("@{[ @{ stats('n2', $_) }{qw/ role epoch /} ]}", 'standby 3',
   "shard $_: n2 knows") for 0 .. 2;
is($http->put("http://$t->{nodes}{n2}{addr}/kv/$key", {
       content => 'x',
       headers => { 'X-Shard-Id' => 0, 'X-Shard-Role' => 'primary',
                    'X-Shard-Epoch' => 2 } })->{status},
   421, 'and so it refuses one of a router that knows nothing');

my $log = slurp($t->dir() . '/m1.log');
like($log, qr/shard=2 \S+ n2 is back .*it has 1 writes that n1 never got/,
     'what was lost is told');
like($log, qr/shard=0 \S+ n2 is back .*nothing was lost/, 'and what was not');

is_deeply([ $t->wait_migrations(60, map { $t->migrate($_, 'n2') } 0 .. 2) ],
          [], 'the shards move back to it');
is(fetch($_), "first $_", "shard $_ is whole") for 0 .. 2;


# a node that runs, but is down by the table: what it has is shipped

is(put($_, "third $_", 4), 204, "shard $_: n2 writes again") for 0 .. 2;
$t->ctl('node', 'down', 'n2');
@ids = map { $t->ctl('promote', $_)->{id} } 0 .. 2;
is_deeply([ $t->wait_migrations(30, @ids) ], [], 'down by the table: promoted');
is(fetch($_, 4), "third $_", "shard $_: nothing is lost") for 0 .. 2;


# a standby that was never one: made by hand, and then promoted

is(put(7, 'first 7'), 204, 'shard 7 has data on n1');
$id = $t->ctl('replicate', 7, 'n3')->{id};
is_deeply([ $t->wait_migrations(60, $id) ], [], 'n3 gets a copy of shard 7');

my $rec = $t->shard_record(7);
is("$rec->{primary} $rec->{epoch} @{ $rec->{standbys} }", 'n1 1 n3',
   'it is its standby, and nothing else has changed');
is(join(' ', $t->migration($id)->{trail} =~ /(\S+)@\d+/g),
   'planned claimed check copy catch-up commit standby done', 'by this way');
cmp_ok($t->migration($id)->{level_ms}, '>', 0, 'it had all of it');

($status, $out, $err) = $t->try_ctl('replicate', 7, 'n1');
is($status, 1, 'the primary itself is no standby');
like($err, qr/node "n1" has the primary of shard 7/, 'which is said');

$t->ctl('node', 'down', 'n1');
is_deeply([ $t->wait_migrations(60, $t->ctl('promote', 7)->{id}) ], [],
          'and takes over');
is(fetch(7), 'first 7', 'with all of it');

$t->finish();
done_testing();
