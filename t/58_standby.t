#!/usr/bin/perl

# Standbys are kept level: former primaries, replicas, through deaths of
# migrators and nodes; what is lost at a promotion is what was told; the way
# back after a commit is short.

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
$t->start_node("n$_", zone => "z$_", options => [ '--log-keep', 60 ])
    for 1 .. 4;
$t->seed(place => sub { $_[0] < 6 ? 'n1' : 'n4' });

my $r = $t->redis();


sub migrator {
    my ($name, $more, %args) = @_;

    return $t->start_daemon('shard-migrator', $name, $t->migrator_conf($name,
        "standby:\n    interval: 50ms\n    idle: 200ms\n" . ($more || '')),
        %args);
}


sub node_url { return "http://$t->{nodes}{$_[0]}{addr}$_[1]" }


sub stats {
    my ($node, $shard) = @_;
    return decode_json($http->get(node_url($node, "/_shard/$shard/stats"))->{content});
}


sub digest {
    my ($node, $shard) = @_;
    return decode_json($http->get(node_url($node, "/_shard/$shard/digest?parts=64"))->{content});
}


# to the owner, as a router would: the time of the answer, or nothing

sub put {
    my ($shard, $key, $value) = @_;

    my $rec = $t->shard_record($shard);
    return if ($rec->{phase} || 'steady') eq 'held';

    my $answer = $http->put(node_url($rec->{primary}, "/kv/$key"), {
        content => $value,
        headers => { 'X-Shard-Id' => $shard, 'X-Shard-Role' => 'primary',
                     'X-Shard-Epoch' => $rec->{epoch} } });

    return $answer->{status} =~ /^20/ ? time() : undef;
}


sub fetch {
    my ($shard, $key) = @_;

    my $rec = $t->shard_record($shard);
    return $http->get(node_url($rec->{primary}, "/kv/$key"), {
        headers => { 'X-Shard-Id' => $shard, 'X-Shard-Role' => 'primary',
                     'X-Shard-Epoch' => $rec->{epoch} } })->{content};
}


sub fill {
    my ($shard, $from, $to) = @_;
    return scalar grep { put($shard, "k$shard-$_", "v$_") } $from .. $to;
}


# what is published of a shard's standby, its block's time taken in

sub known {
    my ($shard, $node) = @_;

    my $json = $r->command('HGET', $t->key('standbys'), $shard);
    my $it = $json ? decode_json($json)->{$node} : undef;

    return { state => 'none', level_ms => 0 } if !$it;

    my $at = $r->command('HGET', $t->key('standbys'), 'block:' . $shard % 32);

    $it->{level_ms} = $at if $it->{state} eq 'level' && $at > $it->{level_ms};
    return $it;
}


# had all at a time from now on

sub level {
    my ($shard, $node, $seconds) = @_;

    my $from = time() * 1000;

    wait_for { my $it = known($shard, $node);
               $it->{state} eq 'level' && $it->{level_ms} > $from }
             $seconds || 30, "standby $node of shard $shard is level";
}


sub same {
    my ($shard, $one, $two, $name) = @_;
    is_deeply(digest($one, $shard), digest($two, $shard), $name);
}


# a former primary, and a replica

migrator('m1');
is(fill(0, 1, 30), 30, 'shard 0 has data on n1');
is(fill(1, 1, 30), 30, 'shard 1, too');
is_deeply([ $t->wait_migrations(60, $t->migrate(0, 'n2')) ], [],
          'shard 0 moves to n2');
my ($exit, $out) = $t->try_ctl('replicate', 1, 'n3', '--wait');
is($exit, 0, 'n3 becomes a standby of shard 1');

for my $case ([ 0, 'n2', 'n1' ], [ 1, 'n1', 'n3' ]) {
    my ($shard, $primary, $standby) = @$case;

    is(fill($shard, 31, 60), 30, "shard $shard is written on");
    level($shard, $standby);
    same($shard, $primary, $standby, "... $standby has it all");
    is(known($shard, $standby)->{position}, stats($primary, $shard)->{position},
       '... and the position is published');
}

# at rest: nothing is written about it but one time for a block

my $before = $r->command('HGET', $t->key('standbys'), 0);
level(0, 'n1');
level(0, 'n1');
is($r->command('HGET', $t->key('standbys'), 0), $before,
   'a standby at rest is not published again, its block is');


# what is sent late, by who believes in the primary before

is(stats('n1', 0)->{epoch}, 2, 'n1 was told the epoch');
my $late = $http->post(node_url('n1', '/_shard/0/log'), {
    content => sprintf(qq!{"p":%d,"op":"put","k":"late","v":"eA=="}\n!,
                       stats('n1', 0)->{position} + 1),
    headers => { 'X-Shard-Epoch' => 1 } });
is($late->{status}, 409, 'an older epoch\'s shipment is refused');
is($http->post(node_url('n2', '/_shard/0/log'), {
       content => '', headers => { 'X-Shard-Epoch' => 2 } })->{status},
   409, 'and any to a primary');


# a standby that was away for longer than the log is kept

$t->process('n3')->stop();
is(fill(1, 61, 180), 120, 'shard 1 is written while n3 is away');
wait_for { known(1, 'n3')->{state} eq 'down' } 30, 'n3 is known to be down';
level(0, 'n1');
pass('others are level all the while');
$t->process('n3')->start();
level(1, 'n3', 60);
same(1, 'n1', 'n3', 'n3 is back and copied again');
like(slurp($t->dir() . '/m1.log'), qr/shard=1 standby n3 copied from n1/,
     'the log says so');


my $status = $t->ctl('status')->{standbys};
is("$status->{n} $status->{level} $status->{unknown}", '2 2 0',
   'shardctl status counts them');
my ($row) = grep { $_->{id} == 1 } @{ $t->ctl('shards')->{shards} };
is($row->{kept}{n3}{state}, 'level', 'shardctl shards has each');
like(($t->try_ctl('status'))[1], qr/^standbys: 2 of 2 level/m,
     'and says so in words');


# two share the blocks; one dies

migrator('m2');
my %claims;

sub holders {
    my %all = %{ $r->hash($t->key('claims')) };
    %claims = ();

    for my $scope (grep { /^standby:/ } keys %all) {
        my ($name) = $all{$scope} =~ /^\d+ (m\d)/;
        $claims{$name}++;
    }

    return \%claims;
}

wait_for { (holders()->{m2} || 0) == 16 && ($claims{m1} || 0) == 16 } 30,
         'two migrators have half of the blocks each';
pass('blocks are shared');

$t->process('m1')->kill();
wait_for { (holders()->{m2} || 0) == 32 } 30, 'the other takes all';
fill(0, 61, 80);
fill(1, 181, 200);
level(0, 'n1');
level(1, 'n3');
same(0, 'n2', 'n1', 'a migrator killed: shard 0 is kept by the other');
same(1, 'n1', 'n3', 'and shard 1');


# back again: instant, since the standby is level

fill(3, 1, 10);
my $id = $t->migrate(3, 'n2');
is_deeply([ $t->wait_migrations(60, $id) ], [], 'shard 3 moves');
level(3, 'n1');

my $asked = time();
($exit, $out) = $t->try_ctl('rollback', $id, '--wait');
is($exit, 0, 'rolled back after its commit');
is($t->shard_record(3)->{primary}, 'n1', '... to where it was');

my ($back) = map { $r->hash($t->key("migration:$_")) }
             map { $_->[1]{id} }
             grep { $_->[1]{shard} == 3 && $_->[1]{to} eq 'n1' }
             $r->stream($t->key('decisions'));

is($back->{copies}, 0, '... without a snapshot');
my ($commit) = $back->{trail} =~ /commit@(\d+)/;
note(sprintf 'rollback: commit %.0f ms after it was asked for, %.0f ms after '
             . 'it was taken', $commit - $asked * 1000,
     $commit - ($back->{trail} =~ /claimed@(\d+)/)[0]);


# the primary dies while it is written

my %acked;
my $until = time() + 2;

for (my $n = 1; time() < $until; $n++) {
    my $at = put(0, "w$n", $n);
    $acked{"w$n"} = [ $at, $n ] if $at;
}

$t->process('n2')->kill();
my $killed = time();
wait_for { known(0, 'n1')->{state} eq 'down' } 30, 'the primary is silent';

my $told = known(0, 'n1')->{level_ms} / 1000;
cmp_ok($killed - $told, '<', 2, sprintf 'the standby was level %.0f ms before',
       ($killed - $told) * 1000);

$t->committed('nodes', 'node', 'n2', encode_json({
    %{ decode_json($r->command('HGET', $t->key('nodes'), 'n2')) },
    state => 'down' }));
($exit, $out) = $t->try_ctl('promote', 0, 'n1', '--wait');
is($exit, 0, 'n1 is promoted');

my @lost = grep { fetch(0, $_) ne $acked{$_}[1] } keys %acked;
my @untold = grep { $acked{$_}[0] < $told } @lost;

cmp_ok(scalar keys %acked, '>', 0, 'it was written until then');
is(scalar @untold, 0, sprintf '%d writes, %d lost, none of before the time '
   . 'that was told', scalar keys %acked, scalar @lost);


# a former primary is given up in time; who took a standby's place is not

$t->process('m2')->stop();
migrator('m3', "standby_time: 1s\n");

fill(4, 1, 5);
is_deeply([ $t->wait_migrations(60, $t->migrate(4, 'n4')) ], [],
          'shard 4 moves');
wait_for { !@{ $t->shard_record(4)->{standbys} || [] }
           && stats('n1', 4)->{role} eq 'none' } 30,
         'its former primary is given up';
is(stats('n1', 4)->{items}, 0, 'the table names it no more, its data are gone');

is_deeply([ $t->wait_migrations(60, $t->migrate(1, 'n3')) ], [],
          'shard 1 moves to its standby');
wait_for { grep { ($_->{retired_ms} || 0) == 1 && $_->{shard} == 1 }
           map { $r->hash($t->key("migration:$_")) }
           @{ $r->command('ZRANGE', $t->key('migrations'), 0, -1) } } 30,
         'that move is looked at';
is_deeply($t->shard_record(1)->{standbys}, [ 'n1' ],
          'the former primary stays in the place of its standby');

# of two standbys the one with less is promoted: the other has another history

fill(5, 1, 5);
($exit) = $t->try_ctl('replicate', 5, $_, '--wait') for qw/ n3 n4 /;
level(5, $_) for qw/ n3 n4 /;
$t->process('m3')->stop();
fill(5, 6, 8);

my $log = $http->get(node_url('n1', '/_shard/5/log?from=' . stats('n4', 5)->{position}));
is($http->post(node_url('n4', '/_shard/5/log'), {
       content => $log->{content}, headers => { 'X-Shard-Epoch' => 1 } })->{status},
   200, 'n4 has more of shard 5 than n3');

$t->process('n1')->kill();
$t->committed('nodes', 'node', 'n1', encode_json({
    %{ decode_json($r->command('HGET', $t->key('nodes'), 'n1')) },
    state => 'down' }));
migrator('m4');
($exit) = $t->try_ctl('promote', 5, 'n3', '--wait');
is($exit, 0, 'n3 is promoted');
fill(5, 11, 15);
level(5, 'n4', 60);
same(5, 'n3', 'n4', 'n4 holds what n3 holds');
like(slurp($t->dir() . '/m4.log'),
     qr/standby n4 is 3 writes of the dead primary further than n3/,
     'the log says so');

$t->finish();

done_testing();
