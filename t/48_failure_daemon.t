#!/usr/bin/perl

# The predictor sees nodes die by what routers say of them: it has standbys
# promoted, leaves what an operator keeps, and believes no minority.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use HTTP::Tiny;
use JSON::PP;
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardTest;


my $t = ShardTest->new(shards => 10);
my $http = HTTP::Tiny->new(timeout => 5);

$t->start_redis();
$t->start_nodes(4);
$t->seed(place => sub { $_[0] == 4 || $_[0] == 5 ? 'n3' : 'n1' });

my $r = $t->redis();

$t->start_nginx(upstream => "shard_hold max=64 timeout=60s;\n        "
    . 'shard_health uri=/health interval=100ms timeout=500ms fails=2'
    . " passes=1;\n        keepalive 16;");
wait_for { $t->get('/kv/none', 'X-Key' => 'none')->{status} == 404 } 10,
    'a table';

$t->start_daemon('shard-migrator', 'm1',
                 $t->migrator_conf('m1', "hold:\n  timeout: 5s\n"));

sub predictor {
    my ($name, $mode, $more) = @_;

    $more = '' if !defined $more;

    return $t->start_daemon('shard-predictor', $name,
        "redis:\n    addr: " . $t->redis_addr()
        . "\nkeyspace: orders\nmode: $mode\nlease_real: 2s\n"
        . "failure:\n    after: 1s\n$more");
}

sub ready {
    wait_for { ($r->hash($t->key('predictor'))->{state} || '')
               eq 'no metrics yet' } 20, 'the predictor runs';
}

sub logged { return slurp($t->dir() . "/$_[0].log") }


my %key;

for my $n (1 .. 400) {
    my $id = $t->get('/kv/x', 'X-Key' => "k$n")->{headers}{'x-shard-id'};
    push @{ $key{$id} }, "k$n";
}

is(keys %key, 10, 'keys of all shards');

sub put {
    my ($shard, $value) = @_;

    my $key = $key{$shard}[0];
    return $t->request('PUT', "/kv/$key", $value, 'X-Key' => $key)->{status};
}

sub fetch {
    my ($shard, $n) = @_;

    my $key = $key{$shard}[$n || 0];
    return $t->get("/kv/$key", 'X-Key' => $key)->{content};
}

# as the router sees it: before that a write finds nobody there

sub dies {
    my ($node, $meanwhile) = @_;

    $t->process($node)->kill();
    wait_for {
        $meanwhile->() if $meanwhile;
        my ($n) = grep { $_->{name} eq $node } @{ $t->api('/nodes')->{nodes} };
        $n->{health} eq 'dead'
    } 20, "$node is dead";
}

sub late_write {
    my ($shard) = @_;

    my $key = $key{$shard}[1];
    return $t->send_request("/kv/$key", method => 'PUT', body => 'late',
                            key => $key);
}


# n2 gets 0 to 3 from n1 and 4, 5 from n3; n4 gets 6 to 8 from n1

put($_, "first $_") for 0 .. 8;
is_deeply([ $t->wait_migrations(90, map { $t->migrate($_, 'n2') } 0 .. 5) ],
          [], 'six shards move to n2');
is_deeply([ $t->wait_migrations(90, map { $t->migrate($_, 'n4') } 6 .. 8) ],
          [], 'three to n4');

sub owners { return join ' ', map { $t->shard_record($_)->{primary} } @_ }

sub promotions {
    return grep { ($_->[1]{verb} || '') eq 'promote' }
           $r->stream($t->key('decisions'));
}


# a node dies

$r->command('HSET', $t->key('override'), 3, 'freeze');
predictor('p1', 'act');
ready();

my $killed = time();
dies('n2');
my @writes = map { late_write($_) } 0, 4;

wait_for { owners(0 .. 2, 4, 5) eq 'n1 n1 n1 n3 n3' } 60, 'promotions';
note(sprintf 'five shards had new owners %.1f s after the death',
     time() - $killed);
pass('each standby has its shards');
is(($t->answer($_, 30))[0], 204, 'a write that waited is answered')
    for @writes;
is(fetch($_), "first $_", "shard $_ has what it had") for 0 .. 2, 4, 5;

my ($decision) = map { $_->[1] } grep { $_->[1]{shard} == 0 } promotions();
my $reason = decode_json($decision->{reason});

is("$decision->{mode} $decision->{by} $decision->{from}>$decision->{to}",
   'act predictor n2>n1', 'the decision');
is("$reason->{why} $reason->{node} $reason->{votes}/$reason->{routers}",
   'failure n2 1/1', 'and its reason');
cmp_ok($reason->{behind_s}, '>', 0, 'how far the standby was behind is known');

my (undef, $out) = $t->try_ctl('explain', $decision->{id});
like($out, qr/promote shard 0 from n2 to n1.*node n2 is dead: 1 of 1 routers.*what may be lost/s,
     'explain tells it');

is(owners(3), 'n2', 'a frozen shard stays');
wait_for { logged('p1') =~ /1 \(shard 3\) have an operator's override/ } 10,
    'the log';
pass('and the log says why');
$r->command('HDEL', $t->key('override'), 3);
wait_for { owners(3) eq 'n1' } 60, 'the last promotion';
pass('until it is let go');

my %of;
$of{$_->[1]{shard}}++ for promotions();
is_deeply([ grep { $of{$_} != 1 } keys %of ], [], 'one decision for each');


# it comes back

$t->process('n2')->start();
wait_for { logged('p1') =~ /node n2 is not dead any more/ } 20, 'n2 is back';
wait_for {
    !grep { !$t->migration($_->[1]{id})->{fenced} } promotions()
} 30, 'n2 is told of all its shards';
is($http->put("http://$t->{nodes}{n2}{addr}/kv/$key{0}[2]", {
       content => 'x',
       headers => { 'X-Shard-Id' => 0, 'X-Shard-Role' => 'primary',
                    'X-Shard-Epoch' => $_ } })->{status},
   421, "it takes no write of epoch $_") for 2, 3;


# two other routers see n4 alive: no majority, nobody is promoted

sub say_alive {
    $r->command('HSET', $t->key('routers'), $_, encode_json({
        zone => 'z1', instance => '1', time_ms => int(time() * 1000),
        workers => 1, version => 1, interval_ms => 1000,
        health => { up => 4, down => 0, checked => 4 }, nodes => {} }))
        for qw/ edge-2 edge-3 /;
}

say_alive();
my $before = () = promotions();
dies('n4', \&say_alive);
my $write = late_write(6);

my $until = time() + 6;
while (time() < $until) { say_alive(); sleep(0.2) }

is(scalar(() = promotions()), $before, 'one of three sees it dead: nothing');
is(owners(6), 'n4', 'its shards stay');

# their entries grow old, and so one of one is a majority

wait_for { owners(6 .. 8) eq 'n1 n1 n1' } 60, 'promotions without the others';
pass('who is silent has no vote');
is(($t->answer($write, 30))[0], 204, 'a write that waited is answered');


# advice is only advice, until somebody is to act

$t->process('n4')->start();
wait_for { logged('p1') =~ /node n4 is not dead any more/ } 20, 'n4 is back';
is_deeply([ $t->wait_migrations(60, $t->migrate(9, 'n4')) ], [],
          'another shard moves to n4');
$t->process('p1')->stop();
predictor('p2', 'recommend');
wait_for { logged('p2') =~ /this is the predictor now/ } 20, 'p2';
$t->process('n4')->kill();

wait_for {
    grep { $_->[1]{shard} == 9 && $_->[1]{mode} eq 'recommend' } promotions()
} 30, 'advice';
wait_for {
    $r->command('XPENDING', $t->key('decisions'), 'migrators')->[0] == 0
} 20, 'the migrator has read it';
is(owners(9), 'n4', 'a recommendation is not carried out');

$t->process('p2')->stop();
predictor('p3', 'act', "    rebuild_after: 1s\n");
wait_for { owners(9) eq 'n1' } 60, 'an order in its place';
pass('an order takes its place');


# replicas that the failures took are made anew, on nodes that live

sub standbys { return @{ $t->shard_record($_[0])->{standbys} || [] } }

wait_for { (grep { standbys($_) } 0 .. 9) >= 3 } 120, 'three new replicas';
pass('replicas are made anew');

for my $shard (grep { standbys($_) } 0 .. 9) {
    my $rec = $t->shard_record($shard);

    like("@{ $rec->{standbys} }", qr/^n[123]$/, "shard $shard: one, that lives");
    isnt($rec->{standbys}[0], $rec->{primary}, "shard $shard: elsewhere");
}

# from its plan until it is named: the node that gives and the one that gets

my (%spans, @both);

for my $m (map { $t->migration($_->[1]{id}) }
           grep { $_->[1]{verb} eq 'replicate' }
           $r->stream($t->key('decisions')))
{
    my %at = ($m->{trail} || '') =~ /(\S+)\@(\d+)/g;
    my ($end) = grep { defined } @at{qw/ standby done rolled-back /};

    next if !$at{planned};
    push @{ $spans{$_} }, [ $at{planned}, $end || 'inf' ]
        for @$m{qw/ from to /};
}

for my $node (sort keys %spans) {
    my @s = sort { $a->[0] <=> $b->[0] } @{ $spans{$node} };
    push @both, $node if grep { $s[$_][0] < $s[$_ - 1][1] } 1 .. $#s;
}

cmp_ok(scalar(map { @$_ } values %spans), '>=', 6, 'replicas have their times');
is_deeply(\@both, [], 'one at a time at a node');

$t->finish();
done_testing();
