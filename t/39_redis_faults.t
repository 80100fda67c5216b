#!/usr/bin/perl

# Redis loses what it had acknowledged, is emptied and filled anew, is full,
# is not there at the start: requests are served from the last good table, no
# change is lost and none is taken for another of the same number.

use warnings;
use strict;

use Test::More;
use File::Path qw/ make_path /;
use JSON::PP;
use Time::HiRes qw/ sleep time /;

use ShardTest;

my $seed = $ENV{SHARD_TEST_SEED} || time() % 1000000 ^ $$;
srand($seed);
diag("seed $seed");

my $t = ShardTest->new(shards => 8, keyspace => 'orders');

$t->start_redis();
$t->start_nodes(2);
$t->seed(place => sub { 'n1' });
$t->start_nginx();
wait_for { $t->get('/kv/a', 'X-Key' => 'a')->{status} == 404 } 5, 'a table';


sub update {
    my ($id, %fields) = @_;

    my $record = $t->shard_record($id);
    @$record{keys %fields} = values %fields;

    my $got = $t->commit("shard:$id", 'shard', $id, encode_json($record));
    die "@$got" if $got->[0] ne 'ok';
    return $got->[1];
}

# standbys as they are in Redis and in the router: one digit a shard

sub in_redis  { join '', map { scalar @{ $t->shard_record($_)->{standbys} || [] } } 0 .. 7 }
sub in_router { join '', map { scalar @{ $_->{standbys} } } @{ $t->api('/shards?limit=100')->{shards} } }
sub standby   { update($_[0], standbys => [ ('n2') x $_[1] ]) }

sub agrees {
    my ($what) = @_;

    my $good = eval { wait_for { $t->api('')->{version} == $t->version() && in_router() eq in_redis() } 8, 'it' };
    ok($good, "$what: the router has what Redis has")
        or diag 'router ', eval { $t->api('')->{version} . ' ' . in_router() }, ', Redis ', $t->version(), ' ', in_redis();
}

sub serves {
    my ($what, $count) = @_;

    my $bad = 0;

    for my $n (1 .. $count || 40) {
        my $begin = time();
        my $answer = $t->get("/kv/s$n", 'X-Key' => "s$n");
        $bad++ if $answer->{status} !~ /^(200|404)$/ || time() - $begin > 0.5;
    }

    is($bad, 0, "$what: served");
}

sub told {
    my ($pattern) = @_;

    my $count = () = $t->error_log() =~ /$pattern/g;
    return $count;
}


# a standby Redis that misses the newest changes takes the place of the first

sub replica {
    my ($name, $port, $of) = @_;

    my $dir = "$t->{dir}/$name";
    make_path($dir);

    my $redis = ShardTest::Redis->new("127.0.0.1:$port");

    $t->add(name => $name,
            argv => [ 'redis-server', '--bind', '127.0.0.1', '--port', $port, '--dir', $dir,
                      '--save', '', '--repl-diskless-sync-delay', '0',
                      $of ? ('--replicaof', '127.0.0.1', $of) : () ],
            ready => sub { eval { $redis->command('PING') } });

    wait_for { !$of || $redis->command('INFO', 'replication') =~ /master_link_status:up/ } 10, 'a replica in step';
    return $redis;
}

{
    my $port = free_port();
    my $other = replica('standby', $port, $t->{redis_port});

    standby(0, 1);
    agrees('before the loss');
    wait_for { $other->command('HGET', $t->key('meta'), 'version') == $t->version() } 5, 'the replica has it';
    $other->command('REPLICAOF', 'NO', 'ONE');

    # these the standby never sees, though routers do
    standby($_, 1) for 1 .. 3;
    agrees('the newest changes');
    my $lost = $t->version();

    $t->process('redis')->kill();
    serves('the first Redis gone');

    # the same numbers, another history
    my $main = $t->{redis};
    my $main_port = $t->{redis_port};
    $t->{redis_port} = $port;
    $t->{redis} = $other;
    standby($_, 1) for 5 .. 7;
    is($t->version(), $lost, "two histories with a version $lost");

    # now it answers where the first one did
    my $taken = replica('taken', $main_port, $port);
    $taken->command('REPLICAOF', 'NO', 'ONE');
    $t->{redis_port} = $main_port;
    $t->{redis} = $taken;

    agrees('acknowledged changes lost');
    is(told(qr/version $lost is another than was followed/), 1, 'noticed by the entry, not by the number');
    serves('after the loss');

    my $version = standby(2, 1);
    agrees('the next change');
    is($t->version(), $version, 'nothing was skipped');
    $t->process('standby')->stop();
}


# emptied and filled again on the living connection: to an older version, to
# the same one and beyond it, all between two looks at the version

for my $more (-2, 0, 1, 5) {
    my $had = $t->version();
    my $version;

    for my $round (1 .. 3) {
        $t->redis()->command('FLUSHALL');
        $version = $t->seed(place => sub { 'n1' }, silent => 1);

        while ($version < $had + $more) {
            my $id = int(rand(8));
            $version = standby($id, int(rand(2)));
        }
    }

    agrees("emptied and refilled to version $version after $had");
    standby($_, 1) for 0 .. 5;
    agrees('and changed');
}

serves('emptied and refilled');


# full: nothing can be written, everything can be read

{
    my $admin = ShardTest::Redis->new($t->redis_addr());

    $admin->command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    $admin->command('CONFIG', 'SET', 'maxmemory', '1');
    my $before = $t->api('')->{version};

    my $refused = !eval { standby(1, 0); 1 };
    ok($refused, 'a full Redis refuses a change');
    like($@, qr/OOM/, 'because it is full');

    my $lines = told(qr/\[(?:error|warn)\]/);
    my $entries = $admin->command('XLEN', $t->key('metrics'));
    serves('Redis full', 200);
    wait_for { told(qr/metrics not taken/) } 5, 'counters are refused';
    serves('Redis full for longer', 200);
    is($t->api('')->{version}, $before, 'Redis full: the table stays');
    ok($t->api('')->{connected}, 'Redis full: read all the same');
    cmp_ok(told(qr/\[(?:error|warn)\]/) - $lines, '<=', 3, 'Redis full: few lines about it');

    $admin->command('CONFIG', 'SET', 'maxmemory', '0');
    wait_for { $admin->command('XLEN', $t->key('metrics')) > $entries } 5, 'counters arrive again';

    my %seen;
    $seen{$_->[1]{seq} // $_->[1]{sequence} // join(' ', %{ $_->[1] })}++ for $t->redis()->stream($t->key('metrics'));
    is_deeply([ grep { $seen{$_} > 1 } keys %seen ], [], 'Redis full: no counter twice');
    standby(1, 0);
    agrees('Redis has room again');
}


# not there at the start: with and without a table on disk

{
    my $state = "$t->{dir}/nginx/orders.shards";

    agrees('before the restart');
    wait_for { slurp($state) =~ /^nginx-shard-state \d+ orders @{[ $t->version() ]}\b/ } 5, 'the table on disk';

    $t->process('nginx')->stop();
    $t->process('taken')->kill();
    $t->process('nginx')->start();
    serves('started without Redis, from the disk');

    $t->process('nginx')->stop();
    unlink($state);
    $t->process('nginx')->start();

    my $answer = $t->get('/kv/a', 'X-Key' => 'a');
    is($answer->{status}, 503, 'started with neither Redis nor a table on disk: 503');

    my $redis = replica('taken', $t->{redis_port});
    $t->{redis} = $redis;
    $t->seed(place => sub { 'n1' }, silent => 1, record => { epoch => 1 });
    agrees('Redis came after the router');
    serves('Redis came after the router');
}

$t->finish();
done_testing();
